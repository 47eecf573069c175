"""The model applied to the folder: what the command line writes, in a process that can be paused, and killed."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.engine.outputs import describe_outputs
from pointillist.annotator.folder import open_folder
from pointillist.annotator.model.archive import zipped
from pointillist.annotator.model.batches import Batch, State
from pointillist.annotator.model.folder_prediction import FolderPrediction
from pointillist.classes import ClassSet
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers import writers
from tests.annotator.conftest import Serve
from tests.annotator.models import write_trained
from tests.annotator.processes import annotator, children
from tests.conftest import draw_tiny


def wait(client: httpx.Client, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The status, as soon as it is as wanted; what never comes there runs into the test's time limit."""
    while True:
        status: dict[str, Any] = client.get("/api/applying").json()
        if wanted(status):
            return status
        assert status["state"] in ("running", "pausing", "cancelling"), status
        time.sleep(0.05)


def post(client: httpx.Client, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = client.post(f"/api/applying/{what}", json=body or {})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def more_images(folder: Path, count: int) -> None:
    for index in range(count):
        Image.fromarray(draw_tiny(100 + index)[0]).save(folder / "images" / f"more_{index:03d}.png")


@pytest.mark.slow
def test_the_folder_is_written_as_by_the_command_line(tmp_path: Path, serve: Serve) -> None:
    data = tmp_path / "tiny"
    run = write_trained(data)
    (data / "images" / "tiny_3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (data / "predictions" / "0006").mkdir(parents=True)
    live = serve(data)
    offered = {one["name"]: one for one in live.client.get("/api/applying/outputs").json()["outputs"]}
    assert offered.keys() == writers().keys()
    assert [name for name, one in offered.items() if one["usual"]] == ["overlay", "png"]
    for body, status in (
        ({"write": ["png", "nothing"]}, 422),
        ({"write": ["cityscapes"]}, 422),
        ({"write": []}, 400),
        ({"write": ["../png"]}, 400),
        ({"write": ["png"], "out": "/tmp/x"}, 400),
    ):
        assert live.client.post("/api/applying/start", json=body).status_code == status
    assert live.client.get("/api/applying").json() == {"state": "idle", "speed": None, "eta": None, "results": []}

    begun = post(live.client, "start", {"write": ["png", "areas", "geojson"]})
    assert (begun["state"], begun["number"], begun["folder"]) == ("running", 7, "predictions/0007")
    assert live.client.post("/api/applying/start", json={"write": ["png"]}).status_code == 409
    assert live.client.get("/api/applying/7/archive").status_code == 404
    done = wait(live.client, lambda status: status["state"] == "done")
    assert (done["done"], done["failed"], done["total"], done["error"]) == (6, 1, 6, None)
    assert done["results"][0]["number"] == 7
    out = data / "predictions" / "0007"
    predictor = Predictor(run.folder, "cpu")
    for name in ("tiny_0.png", "tiny_5.png"):
        assert np.array_equal(np.asarray(Image.open(out / name)), predictor(data / "images" / name))
    answer = live.client.get("/api/applying/7/archive")
    assert "attachment" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        inside = {name.removeprefix("predictions-0007/") for name in archive.namelist()}
        assert inside == {str(path.relative_to(out)) for path in out.iterdir()}
        assert {"areas.csv", "manifest.jsonl", "tiny_0.png", "tiny_0.geojson"} <= inside
        rows = list(csv.DictReader(io.StringIO(archive.read("predictions-0007/areas.csv").decode())))
        assert {row["image"] for row in rows} == {f"tiny_{index}.png" for index in (0, 1, 2, 4, 5)}
    # A second one has a folder of its own, and results are nobody's images.
    assert post(live.client, "start", {"write": ["png"]})["number"] == 8
    cancelled = post(live.client, "cancel")
    assert cancelled["state"] in ("cancelling", "cancelled")
    wait(live.client, lambda status: status["state"] == "cancelled")
    assert not (data / "predictions" / "0008").exists()
    assert len(open_folder(data / "images").images) == 6


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked at through /proc")
def test_it_goes_on_after_a_pause_and_after_the_server_was_killed(tmp_path: Path) -> None:
    data = tmp_path / "tiny"
    run = write_trained(data)
    more_images(data, 400)
    with annotator(data) as first, first.client() as client:
        post(client, "start", {"write": ["png", "overlay", "objects", "geojson"]})
        wait(client, lambda status: status["done"] >= 20)
        post(client, "pause")
        paused = wait(client, lambda status: status["state"] == "paused")
        assert 20 <= paused["done"] < 406
        time.sleep(1)
        assert client.get("/api/applying").json()["done"] == paused["done"]
        post(client, "resume")
        wait(client, lambda status: status["done"] >= paused["done"] + 20)
        process = next(pid for pid, line in children(first.process.pid) if "batch_process" in line)
        first.kill()
    while Path(f"/proc/{process}").exists() and "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]:
        time.sleep(0.05)
    out = data / "predictions" / "0001"
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 40 <= len(before) < 406
    with annotator(data) as second, second.client() as client:
        wait(client, lambda status: status["state"] == "done")
        # What was done stays: it is in the manifest once, and its file is the same.
        noted = [json.loads(line)["image"] for line in (out / "manifest.jsonl").read_text().splitlines()[1:]]
        assert len(noted) == len(set(noted)) == 406
        again = [path for path, stamp in before.items() if path.stat().st_mtime_ns != stamp]
        assert len(again) <= 16  # images that were on their way
        predictor = Predictor(run.folder, "cpu")
        for path in [*before][:3]:
            assert np.array_equal(np.asarray(Image.open(path)), predictor(data / "images" / path.name))
        with client.stream("GET", "/api/applying/1/archive") as answer:
            content = b"".join(answer.iter_bytes())
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 4 * 406 + 3


def test_cancelling_removes_no_file_of_anybody_else(tmp_path: Path) -> None:
    out = tmp_path / "predictions" / "0001"
    (out / "a").mkdir(parents=True)
    about = json.dumps({"model_sha256": "x", "results": ["png"]})
    entry = json.dumps({"image": "a/b.jpg", "png": "a/b.png"})
    (out / "manifest.log").write_text(f"{about}\n{entry}\n")
    (out / "a" / "b.png").write_text("ours")
    (out / "a" / "c.png").write_text("theirs")
    secret = tmp_path.parent / "secret.txt"
    secret.write_text("not here")
    batch = Batch(1, tmp_path, tmp_path, 1, "0001-x", ("png",), 0.0, 1)
    (out / "manifest.jsonl").symlink_to(secret)
    assert [name for name, _ in batch.files()] == ["a/b.png"]
    batch.remove()
    assert [path.name for path in sorted(out.rglob("*"))] == ["a", "c.png", "manifest.jsonl"]
    assert secret.read_text() == "not here"


@pytest.mark.parametrize(("code", "state", "becomes"), [(0, "cancelling", "cancelled"), (0, "pausing", "done")])
def test_a_press_that_comes_at_the_last_moment(tmp_path: Path, code: int, state: State, becomes: State) -> None:
    """The process had ended well before it heard of it."""
    batch = Batch(1, tmp_path, tmp_path, 1, "0001-x", ("png",), 0.0, 1, state=state)
    batch.out.mkdir(parents=True)
    (batch.out / "manifest.jsonl").write_text(json.dumps({"model_sha256": "x", "results": ["png"]}) + "\n")
    kept: list[Batch] = []
    FolderPrediction._ended(SimpleNamespace(_become=kept.append, _closing=False), batch, code)  # type: ignore[arg-type]
    assert kept[0].state == becomes
    assert batch.out.exists() == (becomes == "done")


def test_an_archive_is_made_in_pieces(tmp_path: Path) -> None:
    large = np.random.default_rng(0).bytes(3 * 2**20)
    (tmp_path / "large.png").write_bytes(large)
    (tmp_path / "té.csv").write_text("a,b\n" * 1000)
    pieces = list(zipped([(path.name, path) for path in sorted(tmp_path.iterdir())], "all"))
    assert max(map(len, pieces)) < 2**20 + 1000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.read("all/large.png") == large
        assert archive.read("all/té.csv").decode() == "a,b\n" * 1000
        assert archive.getinfo("all/té.csv").compress_size < 100


def test_why_an_output_is_not_possible_is_said_without_flags() -> None:
    found = {one["name"]: one["why_not"] for one in describe_outputs(ClassSet.create(["a", "b"]))}
    assert found["png"] is None
    assert found["cityscapes"] == "Cityscapes has no 'a', 'b'."
