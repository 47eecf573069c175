"""Training from the page, in a process of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.engine.methods import describe_methods, page_config
from pointillist.annotator.model.runs import Run
from pointillist.annotator.model.settings import PageSettings
from pointillist.annotator.session import Session
from pointillist.annotator.web.app import App
from pointillist.errors import ConfigError
from pointillist.training.methods import methods
from tests.annotator.conftest import Live, Serve
from tests.annotator.processes import children
from tests.conftest import write_tiny

SETTINGS: dict[str, Any] = {"device": "cpu", "size": "48x64", "seed": 1}


def wait(live: Live, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The status, as soon as it is as wanted; a training that never comes there runs into the test's time limit."""
    while True:
        status: dict[str, Any] = live.client.get("/api/training").json()
        if wanted(status):
            return status
        assert status["state"] not in ("failed", "done", "stopped"), status
        time.sleep(0.1)


def start(live: Live, epochs: int, **more: Any) -> dict[str, Any]:
    answer = live.client.post("/api/training/start", json={**SETTINGS, "epochs": epochs, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def click(live: Live, name: str, number: int) -> int:
    """A click while something else goes on; gives the status code."""
    live.session.catalogue.id(name)
    label = live.client.get("/api/project").json()["classes"][0]["id"]
    place = {"image": live.session.catalogue.id(name), "x": 1.5, "y": 1.5 + number, "class": label}
    op = {"id": f"op-train-{number}", "kind": "add", "point": f"point-train-{number}", **place}
    answer = live.client.post("/api/ops", json={"client": "tab-one-0", "ops": [op]})
    assert answer.json()["results"][0]["status"] == "done"
    return answer.status_code


@pytest.mark.slow
def test_from_clicks_to_a_model_that_helps_to_click(tmp_path: Path, serve: Serve) -> None:
    data = write_tiny(tmp_path / "tiny")
    (data / "splits" / "val.txt").unlink()
    clicks = (data / "points.csv").read_text().splitlines(keepends=True)
    (data / "points.csv").write_text("".join(c for c in clicks if not (c.startswith("tiny_3") and "ground" in c)))
    live = serve(data)
    images = {e["name"]: e["id"] for e in live.client.get("/api/images").json()["images"]}
    begun = start(live, 3)
    assert begun["state"] in ("starting", "running")
    refused = live.client.post("/api/training/start", json={})
    assert (refused.status_code, "already" in refused.json()["error"]["found"]) == (409, True)
    assert click(live, "tiny_0.png", 1) == 200
    done = wait(live, lambda status: status["state"] == "done")
    assert (done["epoch"], done["epochs"], done["progress"], done["error"]) == (3, 3, 1.0, None)
    assert done["latest"]["loss"] > 0
    assert "1 images have no click on the background 'ground'; nothing there can be learnt as such." in done["notes"]

    curves = live.client.get("/api/training/curves").json()
    assert [row[curves["columns"].index("epoch")] for row in curves["rows"]] == [1, 2, 3]
    snapshots = live.client.get("/api/training/snapshots").json()["snapshots"]
    assert [one["epoch"] for one in snapshots] == [1, 2, 3]
    assert Image.open(io.BytesIO(live.client.get("/api/training/snapshots/0").content)).format == "PNG"
    assert live.client.get("/api/training/snapshots/3").status_code == 404
    log = live.client.get("/api/training/log").json()
    assert "epoch 3/3" in log["text"]
    assert str(data) not in log["text"]
    assert live.client.get("/api/training/log", params={"after": log["next"]}).json()["text"] == ""

    # The model is there by itself: in the layer, and in the order of the images.
    project = live.client.get("/api/project").json()
    assert project["model"] == {"run": "0001", "steps": 3, "classes": ["ground", "square", "disc"], "stale": False}
    request = {"client": "tab-one-0", "request": 1, "quality": "full"}
    layer = live.client.post(f"/api/images/{images['tiny_1.png']}/layer", json=request)
    assert layer.headers["x-layer-source"] == "model"
    while live.client.get("/api/next").json()["ready"] < 6:
        time.sleep(0.1)
    following = live.client.get("/api/images", params={"order": "next"}).json()["images"]
    scores = [entry["region"]["score"] for entry in following]
    assert scores == sorted(scores, reverse=True)
    for entry in following:
        region = entry["region"]
        assert 0 <= region["x"] < region["cx"] < region["x"] + region["width"] <= 64
        assert 0 <= region["y"] < region["cy"] < region["y"] + region["height"] <= 48
    assert live.client.get("/api/next").json()["reason"] == "uncertain"

    # Renamed and merged classes keep their outputs; a class it never saw is left to the clicks.
    ids = {c["name"]: c["id"] for c in project["classes"]}
    changes = [
        {"id": "op-classes-1", "kind": "class-rename", "class": ids["disc"], "name": "plate"},
        {"id": "op-classes-2", "kind": "class-add", "class": "class-new", "name": "new"},
    ]
    live.client.post("/api/ops", json={"client": "tab-one-0", "ops": changes})
    assert live.client.get("/api/project").json()["model"] == {
        "run": "0001",
        "steps": 3,
        "classes": ["ground", "square", "plate"],
        "stale": True,
    }
    layer = live.client.post(f"/api/images/{images['tiny_1.png']}/layer", json=request)
    assert layer.headers["x-layer-source"] == "model"
    place = {"image": images["tiny_1.png"], "x": 2.5, "y": 40.5, "class": "class-new"}
    new = [{"id": "op-classes-3", "kind": "add", "point": "point-new", **place}]
    live.client.post("/api/ops", json={"client": "tab-one-0", "ops": new})
    layer = live.client.post(f"/api/images/{images['tiny_1.png']}/layer", json=request)
    assert layer.headers["x-layer-source"] == "points"


def test_what_a_training_needs_is_said_before_it_begins(data: Path, serve: Serve) -> None:
    live = serve(data)
    answer = live.client.post("/api/training/start", json={"epochs": 1})
    assert (answer.status_code, "two classes" in answer.json()["error"]["found"]) == (422, True)
    assert live.client.post("/api/training/start", json={"epochs": 0}).status_code == 400
    assert live.client.post("/api/training/start", json={"out": "/tmp/x"}).status_code == 400
    assert live.client.get("/api/training").json()["state"] == "idle"
    assert live.client.get("/api/training/curves").json() == {"columns": [], "rows": []}
    assert live.client.get("/api/training/log").json() == {"text": "", "next": 0, "size": 0}
    assert not list((data / ".pointillist").glob("runs/*.log"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"network": {"weights": "/etc/passwd"}}, "network"),
        ({"trainer": {"devices": 2}}, "trainer"),
        ({"settings": {"network": {"weights": "/etc/passwd"}}}, "settings"),
        ({"settings": {"trainer": {"devices": 2}}}, "settings"),
        ({"settings": {"network.options": {"checkpoint_path": "x.pkl"}}}, "settings"),
        ({"settings": {"network.encoder": "tu-hf-hub:somebody/something"}}, "settings"),
        ({"epochs": "3"}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"seed": 2**32}, "seed"),
        ({"size": "/etc/passwd"}, "size"),
        ({"size": [48, 64]}, "size"),
        ({"method": {"name": "points"}}, "method"),
        ({"method": "../points"}, "method"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_a_page_makes_only_the_settings_that_it_offers(
    data: Path, serve: Serve, body: dict[str, Any], field: str
) -> None:
    answer = serve(data).client.post("/api/training/start", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"network.weights": "x"}, "network.weights"),
        ({"network": {"weights": "x"}}, "network.weights"),
        ({"trainer": {"devices": 2}}, "trainer.devices"),
        ({"network": {"options": {"checkpoint_path": "x.pkl"}}}, "network.options.checkpoint_path"),
        ({"network.encoder": "tu-local-dir:/tmp"}, "network.encoder"),
        ({"method": {"name": "single-stage", "warmup": 0.5}}, "method.warmup"),
        ({"method": "full"}, "method"),
        ({"method": "none"}, "method"),
        ({"data.size": "1x1"}, "data.size"),
        ({"data.nothing": 1}, "data.nothing"),
    ],
)
def test_the_merged_configuration_is_checked(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as problem:
        page_config(settings)
    assert problem.value.field is not None
    assert problem.value.field.startswith(field)


def test_what_a_page_offers_is_taken() -> None:
    wishes = PageSettings(epochs=3, size="48x64", method="points", seed=7, device="cpu")
    config = page_config(wishes.dotted())
    assert (config.trainer.epochs, config.data.size, config.method.name) == (3, (48, 64), "points")
    assert (config.trainer.seed, config.trainer.device, config.network.weights) == (7, "cpu", None)


def test_methods_that_learn_from_points_are_offered_by_themselves() -> None:
    offered = describe_methods()
    points = {name: kind.title for name, kind in methods().items() if kind.supervision == "points"}
    assert {method["name"]: method["title"] for method in offered} == points
    assert offered[0]["name"] == "single-stage"
    assert "full" not in points


@pytest.mark.slow
def test_settings_are_checked_before_a_training_begins(tmp_path: Path, serve: Serve) -> None:
    """By the real engine: the answer names the field, and no run is begun."""
    data = write_tiny(tmp_path / "tiny")
    live = serve(data)
    assert live.client.get("/api/training/methods").json() == {"methods": describe_methods()}
    for body, field in (({"method": "full"}, "method"), ({"size": "1x1"}, "data.size")):
        answer = live.client.post("/api/training/start", json=body)
        assert (answer.status_code, answer.json()["error"]["field"][: len(field)]) == (422, field)
    assert not list((data / ".pointillist" / "runs").glob("*"))


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked at through /proc")
def test_a_training_that_is_killed_hurts_no_label(tmp_path: Path, serve: Serve) -> None:
    live = serve(write_tiny(tmp_path / "tiny"))
    before = live.client.get("/api/project").json()["images"]["points"]
    start(live, 100_000)
    # The first checkpoint comes after twenty seconds.
    checkpoints = tmp_path / "tiny" / ".pointillist" / "runs" / "0001" / "checkpoints"
    wait(live, lambda status: status["epoch"] >= 2 and (checkpoints / "last.ckpt").is_file())
    process = next(t for t in children(os.getpid()) if "training_process" in t[1])
    os.kill(process[0], signal.SIGKILL)
    while (status := live.client.get("/api/training").json())["state"] not in ("failed", "stopped"):
        time.sleep(0.1)
    assert status["state"] == "failed"
    assert "signal 9" in str(status["error"])
    assert click(live, "tiny_0.png", 1) == 200
    assert live.client.get("/api/project").json()["images"]["points"] == before + 1
    # The checkpoint left a model.
    assert live.client.get("/api/project").json()["model"]["run"] == "0001"
    assert status["can_continue"]


def test_records_of_runs_survive_a_restart(tmp_path: Path, opened: Callable[[Path], Session]) -> None:
    """A training that ended with its annotator is told as stopped, and its number is not used again."""
    data = write_tiny(tmp_path / "tiny")
    first = App(opened(data))
    run = first.session.folder.below("runs")
    (run / "0004.json").write_text(
        '{"number": 4, "started": 1.0, "class_ids": ["x"], "class_names": ["x"], "settings": {}, '
        '"state": "running", "error": null, "seconds": null}'
    )
    first.engine.close()
    first.queue.close()
    second = App(first.session)
    assert second.trainer.status()["state"] == "stopped"
    assert second.trainer.status()["run"] == "0004"
    second.engine.close()
    second.queue.close()


def test_classes_that_change_while_a_training_starts_end_it(tmp_path: Path, opened: Callable[[Path], Session]) -> None:
    """The model's outputs are told by their place, so a model of other classes would be misread."""
    session = opened(write_tiny(tmp_path / "tiny"))
    session.files.flush()
    rows = session.store.reading().classes()
    ids, names = tuple(row.id for row in rows), (*(row.name for row in rows[:-1]), "as it was")
    run = Run(1, session.folder.below("runs"), 1.0, ids, names, {})
    run.save()
    command = [
        sys.executable,
        "-m",
        "pointillist.annotator.model.training_process",
        str(session.folder.dataset_file),
        "1",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.wait(120) == 2
    assert "the classes changed" in run.failure.read_text()
    assert not run.folder.exists()


def test_scores_order_images_and_clicks_reorder_them(data: Path, opened: Callable[[Path], Session]) -> None:
    from pointillist.annotator.engine.jobs import UncertainRegion
    from tests.annotator.conftest import Hand

    work = App(opened(data))
    hand = Hand(work.session)
    hand.classes("soil", "berry")
    order = work.following
    assert order.ordered() == ["i0.png", "i1.png", "i2.png"]
    for number, name in enumerate(("i0.png", "i0.png", "i1.png", "i2.png")):
        hand.add(f"point-0{number}", number + 1.0, 1, image=name)
    assert order.ordered() == ["i1.png", "i2.png", "i0.png"]
    assert order.next(None)["reason"] == "fewest-points"
    order._regions = {"i0.png": UncertainRegion(0.2, 0, 0, 4, 4), "i2.png": UncertainRegion(0.9, 1, 2, 4, 4)}
    assert order.ordered() == ["i2.png", "i0.png", "i1.png"]
    following = order.next("i2.png")
    assert (following["image"]["name"], following["reason"]) == ("i0.png", "uncertain")
    assert np.isclose(order.next(None)["image"]["region"]["cx"], 3.0)
    work.queue.close()
