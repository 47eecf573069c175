"""Fetching a small stand-in of each public data set from a server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pointillist.data import get as module
from pointillist.data.catalogue import CATALOGUE, Entry, RemoteFile
from pointillist.data.get import find_entry, get
from pointillist.data.layouts import layouts, load_dataset
from pointillist.errors import ConfigError, DatasetError, SaveError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def camvid(mirror: tuple[str, Path], tmp_path: Path, save, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A stand-in for CamVid on the mirror, in the catalogue with its own checksum."""
    tree = tmp_path / "tree"
    for split in ("train", "val"):
        save(tree / f"{split}/a.png", (4, 6))
        save(tree / f"{split}annot/a.png", np.zeros((4, 6), np.uint8))
    entry = CATALOGUE["camvid"]
    archive = mirror[1] / entry.files[0].name
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(tree.rglob("*.png")):
            packed.write(path, f"{entry.root}/{path.relative_to(tree).as_posix()}")
    sha256 = "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest()
    entry = dataclasses.replace(entry, files=(RemoteFile(entry.files[0].url, sha256, "this test"),))
    monkeypatch.setitem(module.CATALOGUE, "camvid", entry)
    return entry


def test_a_data_set_is_fetched_unpacked_and_opens(camvid: Entry, mirror: tuple[str, Path], tmp_path: Path) -> None:
    fetched = get(camvid, tmp_path / "out", mirror=mirror[0])
    assert fetched.images == 2
    assert fetched.root is not None
    assert len(load_dataset(fetched.root).items) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data", "source.json"]
    record = json.loads((tmp_path / "out/source.json").read_text())
    assert record["terms"] == camvid.terms
    assert "sha256:" + record["files"][0]["sha256"] == camvid.files[0].checksum
    with pytest.raises(SaveError, match="is there already"):
        get(camvid, tmp_path / "out", mirror=mirror[0])


def test_archives_can_be_kept(camvid: Entry, mirror: tuple[str, Path], tmp_path: Path) -> None:
    get(camvid, tmp_path / "out", mirror=mirror[0], keep_archives=True)
    assert (tmp_path / "out" / camvid.files[0].name).is_file()


def test_a_wrong_checksum_leaves_no_data(camvid: Entry, mirror: tuple[str, Path], tmp_path: Path) -> None:
    wrong = dataclasses.replace(camvid, files=(dataclasses.replace(camvid.files[0], checksum="md5:" + "0" * 32),))
    with pytest.raises(DatasetError, match="is expected"):
        get(wrong, tmp_path / "out", mirror=mirror[0])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_release_of_another_form_is_noticed(camvid: Entry, mirror: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        get(dataclasses.replace(camvid, root="elsewhere"), tmp_path / "out", mirror=mirror[0])


def test_what_only_the_user_can_fetch_says_how(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be fetched by a program") as caught:
        get(CATALOGUE["cityscapes"], tmp_path / "out")
    assert "Register" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_parts_that_need_another_tool_are_fetched_and_left_to_the_user(
    mirror: tuple[str, Path], tmp_path: Path
) -> None:
    entry = CATALOGUE["inria"]
    for file in entry.files:
        (mirror[1] / file.name).write_bytes(file.name.encode())
    fetched = get(entry, tmp_path / "out", mirror=mirror[0])
    assert fetched.root is None
    assert len(fetched.files) == 5
    assert {record["checked_against"] for record in fetched.files} == {None}
    assert len(list((tmp_path / "out").glob("*.7z.*"))) == 5


def test_an_unknown_name_has_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        find_entry("voc2102")
    assert "Did you mean 'voc2012'?" in caught.value.hint


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_entry_is_complete(entry: Entry) -> None:
    assert entry.layout in layouts()
    assert entry.terms
    assert entry.homepage.startswith("http")
    assert entry.files or entry.by_hand
    for file in entry.files:
        assert file.url.startswith("http")
        assert (file.checksum is None) == (file.checksum_source == "")
        if file.checksum is not None:
            algorithm, digits = file.checksum.split(":")
            assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size


# The command.


@pytest.mark.usefixtures("camvid")
def test_the_command_shows_the_terms_and_asks(cli, mirror: tuple[str, Path], tmp_path: Path) -> None:
    refused = cli("data", "get", "camvid", "--out", tmp_path / "out", "--mirror", mirror[0])
    assert refused.code == 2
    assert "No licence is stated" in refused.out
    assert "--accept-terms" in refused.err
    assert not (tmp_path / "out").exists()
    done = cli("data", "get", "camvid", "--out", tmp_path / "out", "--mirror", mirror[0], "--accept-terms")
    assert done.code == 0, done.err
    assert "2 images in" in done.out
    assert "the published checksum agrees" in done.out


def test_the_command_without_a_name_lists_the_catalogue(cli) -> None:
    result = cli("data", "get")
    assert result.code == 0
    for name in CATALOGUE:
        assert name in result.out


def test_the_command_refuses_in_words(cli, tmp_path: Path) -> None:
    result = cli("data", "get", "cityscapes", "--out", tmp_path / "out")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert "Register" in result.err
