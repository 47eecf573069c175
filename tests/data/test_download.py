"""Fetching from a server on this machine that misbehaves on request."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointillist.data import download as module
from pointillist.data.download import digest, download
from pointillist.errors import DatasetError, SaveError

CONTENT = np.random.default_rng(0).integers(0, 256, 700_000, dtype=np.uint8).tobytes()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


@dataclass
class Server:
    """What it holds, how it misbehaves, and what it was asked."""

    url: str
    content: bytes = CONTENT
    etag: str | None = '"v1"'
    ranges: bool = True
    drop_after: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    say_length: bool = True
    redirect: str | None = None
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state = self.server.state  # type: ignore[attr-defined]
            state.asked.append(self.headers.get("Range"))
            if state.redirect:
                self.send_response(302)
                self.send_header("Location", state.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if state.errors:
                self.send_error(state.errors.pop(0))
                return
            start = 0
            match = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
            if match and state.ranges and self.headers.get("If-Range") == state.etag:
                start = int(match[1])
            if start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.say_length:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body[: state.drop_after.pop(0)] if state.drop_after else body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class QuietServer(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that hangs up is what some tests are about

    http = QuietServer(("127.0.0.1", 0), Handler)
    http.state = Server(f"http://127.0.0.1:{http.server_port}/a.bin")  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield http.state  # type: ignore[attr-defined]
    http.shutdown()
    http.server_close()


def fetch(server: Server, path: Path, **options: Any) -> str:
    return download(server.url, path, **({"checksum": MD5, "patience": 0.0} | options))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_its_digest_is_told(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    sha256 = fetch(server, tmp_path / "a.bin", on_progress=lambda done, total: seen.append((done, total)))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert files(tmp_path) == ["a.bin"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_complete_file_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "a.bin")
    fetch(server, tmp_path / "a.bin")
    assert len(server.asked) == 1
    (tmp_path / "a.bin").write_bytes(b"other")
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_dropped_connection_goes_on_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.drop_after = [200_000, 100_000]
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-", "bytes=300000-"]


def test_it_goes_on_another_day(server: Server, tmp_path: Path) -> None:
    server.drop_after = [123_456] + [0] * 9
    with pytest.raises(DatasetError, match=r"failed 3 times.*123,456 bytes are there") as caught:
        fetch(server, tmp_path / "a.bin", attempts=3)
    assert "goes on where it stopped" in caught.value.hint
    assert not (tmp_path / "a.bin").exists()
    server.drop_after, server.asked = [], []
    fetch(server, tmp_path / "a.bin")
    assert server.asked == ["bytes=123456-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(server: Server, tmp_path: Path) -> None:
    server.drop_after = [300_000] + [0] * 9
    with pytest.raises(DatasetError):
        fetch(server, tmp_path / "a.bin", attempts=2, checksum=None)
    server.content, server.etag, server.drop_after = CONTENT[::-1], '"v2"', []
    fetch(server, tmp_path / "a.bin", checksum=None)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("change", [{"ranges": False}, {"etag": None}, {"etag": 'W/"weak"'}])
def test_a_server_that_cannot_continue_begins_anew(server: Server, tmp_path: Path, change: dict[str, Any]) -> None:
    vars(server).update(change)
    server.drop_after = [200_000]
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_of_another_file_is_not_continued(server: Server, tmp_path: Path) -> None:
    server.drop_after = [200_000, 0, 0]
    with pytest.raises(DatasetError):
        download(server.url + "?other", tmp_path / "a.bin", patience=0.0, attempts=2)
    fetch(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file(server: Server, tmp_path: Path) -> None:
    server.drop_after = [200_000, 0]
    with pytest.raises(DatasetError):
        fetch(server, tmp_path / "a.bin", attempts=2)
    with (tmp_path / "a.bin.part").open("ab") as stream:
        stream.write(b"\0" * 700_000)
    fetch(server, tmp_path / "a.bin")  # what did not fit is thrown away
    assert server.asked[-2:] == ["bytes=900000-", None]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_the_wrong_checksum_is_refused_and_nothing_stays(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(DatasetError, match=f"{MD5} is expected") as caught:
        fetch(server, tmp_path / "a.bin")
    assert caught.value.where == server.url
    assert files(tmp_path) == []


def test_server_errors_are_tried_again_and_refusals_are_not(server: Server, tmp_path: Path) -> None:
    server.errors = [503, 500]
    fetch(server, tmp_path / "a.bin")
    assert len(server.asked) == 3
    server.errors, server.asked = [404], []
    with pytest.raises(DatasetError, match="404") as caught:
        fetch(server, tmp_path / "b.bin")
    assert len(server.asked) == 1
    assert "--mirror" in caught.value.hint


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="failed 2 times"):
        download("http://127.0.0.1:9/a.bin", tmp_path / "a.bin", attempts=2, patience=0.0)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "a.bin"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatasetError, match="no web address"):
        download(url, tmp_path / "a.bin")


def test_a_redirect_to_a_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.redirect = "file:///etc/passwd"
    with pytest.raises(DatasetError):
        fetch(server, tmp_path / "a.bin", attempts=1)
    assert not (tmp_path / "a.bin").exists()


def test_without_a_length_what_comes_is_checked_by_its_checksum(server: Server, tmp_path: Path) -> None:
    server.say_length = False
    fetch(server, tmp_path / "a.bin")
    server.drop_after = [1000]
    with pytest.raises(DatasetError, match="checksum"):
        fetch(server, tmp_path / "b.bin")


def test_endless_content_ends(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.say_length = False
    monkeypatch.setattr(module, "LIMIT", 300_000)
    with pytest.raises(DatasetError, match="sends too much"):
        fetch(server, tmp_path / "a.bin")


# The disk.


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Every write beyond so many bytes fails, as on a full disk."""
    real: Callable[..., Any] = Path.open

    class Full:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def write(self, block: bytes) -> int:
            if self.stream.tell() + len(block) > after:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.stream.write(block))

    def opening(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        stream = real(path, mode, *args, **options)
        return Full(stream) if path.name.endswith(".part") and mode != "rb" else stream

    monkeypatch.setattr(Path, "open", opening)


def test_a_full_disk_is_an_error_and_the_rest_comes_later(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch, after=300_000)
        with pytest.raises(SaveError, match="No space left") as caught:
            fetch(server, tmp_path / "a.bin")
    assert "goes on from here" in caught.value.hint
    assert not (tmp_path / "a.bin").exists()
    server.asked = []
    fetch(server, tmp_path / "a.bin")
    assert server.asked == [f"bytes={2**18}-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_too_little_space_is_said_before_the_first_byte(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1000))  # type: ignore[attr-defined]
    with pytest.raises(SaveError, match=r"needs 700,000 bytes more, but 1,000 are free"):
        fetch(server, tmp_path / "a.bin")


def test_a_missing_folder_is_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SaveError):
        fetch(server, tmp_path / "none" / "a.bin")


def test_checksums(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a", "md5") == "md5:900150983cd24fb0d6963f7d28e17f72"
    assert digest(tmp_path / "a", "sha1") == "sha1:a9993e364706816aba3e25717850c26c9cd0d89d"
    with pytest.raises(DatasetError, match="'crc' is no checksum"):
        digest(tmp_path / "a", "crc")
