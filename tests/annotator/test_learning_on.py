"""Stop and continue, learning on, and a model that is replaced while it is used."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pointillist.annotator.engine.methods import check_page_config, page_config, slower
from pointillist.annotator.engine.process import Engine
from pointillist.annotator.labels.shown import ShownLabels
from pointillist.annotator.model import learning_on, progress, trainer
from pointillist.annotator.model.runs import Run, find_runs
from pointillist.annotator.model.settings import PageSettings
from pointillist.annotator.session import Session
from pointillist.annotator.web.app import App
from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, RunError
from pointillist.training.run import fit
from pointillist.training.run_directory import RunDirectory
from tests.annotator.conftest import Hand, Serve
from tests.annotator.test_training import SETTINGS, start, wait
from tests.conftest import write_tiny
from tests.training.test_run import tiny_config

POINTS: dict[str, Any] = {"method": "points"}
"""The quickest method, where it does not matter which."""


@pytest.mark.slow
def test_accepted_masks_are_learnt_but_those_held_back(tmp_path: Path, serve: Serve) -> None:
    data = write_tiny(tmp_path / "tiny")
    masks = {path.name: path.read_bytes() for path in (data / "masks").iterdir()}
    for path in (data / "masks").iterdir():
        path.unlink()
    live = serve(data)
    classes = tuple(one["id"] for one in live.client.get("/api/project").json()["classes"])
    accepted = ("tiny_1.png", "tiny_4.png")  # the second is in val
    for number, name in enumerate(accepted):
        layer = live.session.shown.keep(ShownLabels(name, masks[name], classes))
        op = {"id": f"op-mask-{number}", "kind": "mask", "mask": f"mask-000{number}", "layer": layer}
        ops = [{**op, "image": live.session.catalogue.id(name)}]
        live.client.post("/api/ops", json={"client": "tab-one-0", "ops": ops})
    start(live, 2, **POINTS)
    assert finished(live, "0001")["state"] == "done"
    run = RunDirectory(data / ".pointillist" / "runs" / "0001")
    assert run.read()[0].data.learn_masks == ("tiny_1.png",)
    assert find_runs(live.session.folder)[-1].masks == accepted


def finished(live: Any, name: str) -> dict[str, Any]:
    """The status of a run that has ended."""
    while True:
        status: dict[str, Any] = live.client.get("/api/training").json()
        if status["run"] == name and status["state"] in ("done", "stopped", "failed"):
            return status
        time.sleep(0.1)


def add_clicks(live: Any, count: int) -> None:
    project = live.client.get("/api/project").json()
    image = live.session.catalogue.id("tiny_0.png")
    ops = [
        {
            **{"id": f"op-more-{number:04d}", "kind": "add", "point": f"point-more-{number:04d}", "image": image},
            **{"x": 1.5 + number, "y": 45.5, "class": project["classes"][0]["id"]},
        }
        for number in range(count)
    ]
    live.client.post("/api/ops", json={"client": "tab-one-0", "ops": ops})


@pytest.mark.slow
def test_stop_continue_and_learn_on(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "LEARN_ON_MINUTES", 0.1)
    data = write_tiny(tmp_path / "tiny")
    (data / "splits" / "val.txt").unlink()
    live = serve(data)
    runs = data / ".pointillist" / "runs"
    begun = start(live, 40, **POINTS)
    assert begun["can_continue"] is False
    assert live.client.post("/api/training/continue", json={}).status_code == 409
    assert live.client.post("/api/training/learn-on", json={}).status_code == 422
    wait(live, lambda status: status["epoch"] >= 3)
    live.client.post("/api/training/stop", json={})
    live.client.post("/api/training/stop", json={})  # a second press changes nothing
    stopped = finished(live, "0001")
    assert (stopped["state"], stopped["can_continue"], stopped["error"]) == ("stopped", True, None)
    model = live.client.get("/api/project").json()["model"]
    assert model["run"] == "0001"
    assert 3 <= model["steps"] < 40

    # New clicks do not hinder: it goes on with those that it began with, as if it had not been stopped.
    add_clicks(live, 20)
    assert live.client.get("/api/project").json()["learning"]["new"] == 20
    assert live.client.post("/api/training/continue", json={}).status_code == 200
    assert finished(live, "0001")["state"] == "done"
    assert live.client.post("/api/training/continue", json={}).status_code == 409
    dataset = load_dataset(data).with_points(runs / "0001.labels" / "points.csv", "csv")
    config = page_config(PageSettings(epochs=40, **SETTINGS, **POINTS).dotted())
    straight = fit(config, dataset, tmp_path / "straight")
    one, two = (load_file(root / "model" / "model.safetensors") for root in (runs / "0001", straight.root))
    assert all(torch.equal(one[name], two[name]) for name in two)

    # Learning on takes the new clicks, and its run knows where it is from.
    live.client.post("/api/training/learn-on", json={})
    done = finished(live, "0002")
    assert (done["state"], done["base"], done["clicks"]) == ("done", "0001", stopped["clicks"] + 20)
    (came_from,) = json.loads((runs / "0002" / "history.json").read_text())["models"]
    assert (came_from["name"], came_from["steps"]) == ("0001", 40)
    assert live.client.get("/api/project").json()["model"]["run"] == "0002"
    assert live.client.get("/api/project").json()["learning"]["new"] == 0


@pytest.mark.slow
def test_stopped_while_it_starts_it_continues_from_the_beginning(tmp_path: Path, serve: Serve) -> None:
    live = serve(write_tiny(tmp_path / "tiny"))
    start(live, 2, **POINTS)
    live.client.post("/api/training/stop", json={})
    stopped = finished(live, "0001")
    assert (stopped["state"], stopped["can_continue"]) == ("stopped", True)
    model = live.client.get("/api/project").json()["model"]
    assert model is None or model["steps"] == 1  # the first step may be under way when it hears of it
    live.client.post("/api/training/continue", json={})
    assert finished(live, "0001")["state"] == "done"


def test_a_page_may_not_ask_for_what_learning_on_may() -> None:
    lower = slower(page_config({"trainer.minutes": 0.5}))
    check_page_config(lower, learning_on=True)
    with pytest.raises(ConfigError):
        check_page_config(lower)
    with pytest.raises(ConfigError):
        page_config({"optimizer.lr": lower.optimizer.lr})
    with pytest.raises(ValueError, match="minutes"):
        PageSettings(minutes=0)


@pytest.fixture
def work(data: Path, opened: Callable[[Path], Session], monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """Everything around a session; its trainings are programs that sleep."""
    app = App(opened(data))
    monkeypatch.setattr(app.engine, "run", lambda *_: True)
    monkeypatch.setattr(trainer, "PROGRAM", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    monkeypatch.setattr(trainer, "INTERVAL", 0.02)
    monkeypatch.setattr(learning_on, "REST", 0.05)
    hand = Hand(app.session)
    hand.classes("soil", "berry")
    for number in range(4):
        hand.add(f"point-0{number}", number + 1.5, label="soil" if number % 2 else "berry")
    yield app
    app.learning.close()
    app.queue.close()
    app.engine.close()
    app.trainer.close()


def with_model(app: App) -> Run:
    """The first run, ended with a model; it is the present one."""
    app.trainer.start(PageSettings())
    run = find_runs(app.session.folder)[-1]
    run.model_file.parent.mkdir(parents=True)
    run.model_file.write_text(json.dumps({"sha256": "ab" * 32, "protocol": {"steps": 7}}))
    app.trainer.close()
    assert app.live.model is not None
    return run


def test_it_begins_by_itself_once_after_enough_clicks_and_a_rest(work: App) -> None:
    run = with_model(work)
    assert work.model() == {"run": run.name, "steps": 7, "classes": ["soil", "berry"], "stale": False}
    hand = Hand(work.session, "tab-two-0")
    more = iter(range(1000))

    def click(count: int) -> None:
        for _ in range(count):
            number = next(more)
            hand.add(f"point-more-{number:03d}", 1.5 + number % 30, 5.5 + number // 30)

    def runs() -> int:
        return len(find_runs(work.session.folder))

    click(learning_on.CLICKS)
    time.sleep(0.3)
    assert runs() == 1  # nobody asked for it
    assert work.learning.switch(True)["itself"]
    while runs() == 1:
        time.sleep(0.01)
    assert find_runs(work.session.folder)[-1].base == run.name
    click(learning_on.CLICKS + 1)
    time.sleep(0.3)
    assert runs() == 2  # one at a time
    with pytest.raises(RunError, match="already"):
        work.learning.start()
    work.trainer.close()  # stopped: the clicks that came meanwhile begin the next
    while runs() == 2:
        time.sleep(0.01)
    work.trainer.close()
    click(learning_on.CLICKS - 1)
    time.sleep(0.3)
    assert runs() == 3
    # A change of classes ends it, and is said.
    hand.do("class-add", class_="class-new", name="new", background=False)
    click(5)
    time.sleep(0.3)
    assert runs() == 3
    assert "classes have changed" in work.learning.status()["why"]
    with pytest.raises(ConfigError, match="classes have changed"):
        work.learning.start()


def test_corrections_count_and_a_restart_forgets_nothing(work: App) -> None:
    with_model(work)
    hand = Hand(work.session, "tab-two-0")
    hand.do("relabel", point="point-00", class_="class-soil")
    hand.do("delete", point="point-01")
    assert work.learning.status()["new"] == 2
    again = App(work.session)
    assert again.learning.status()["new"] == 2
    again.start()
    assert again.live.model is not None
    again.engine.close()
    again.queue.close()


def test_a_training_without_a_model_has_learnt_no_clicks(work: App) -> None:
    with_model(work)
    assert work.learning.status()["new"] == 0
    hand = Hand(work.session, "tab-two-0")
    hand.do("relabel", point="point-00", class_="class-soil")
    work.learning.start()
    assert work.learning.status()["new"] == 0  # it knows them
    work.trainer.close()
    assert find_runs(work.session.folder)[-1].model_facts() is None
    assert work.learning.status()["new"] == 1


def test_clicks_that_a_training_failed_at_do_not_begin_it_again(work: App) -> None:
    with_model(work)
    hand = Hand(work.session, "tab-two-0")
    for number in range(learning_on.CLICKS):
        hand.add(f"point-more-{number:03d}", 1.5 + number, 5.5)
    work.learning.switch(True)
    while len(find_runs(work.session.folder)) == 1:
        time.sleep(0.01)
    work.trainer.close()
    time.sleep(0.3)
    assert len(find_runs(work.session.folder)) == 2
    assert work.learning.status()["new"] == learning_on.CLICKS


def test_two_presses_at_once_start_one_training(work: App) -> None:
    outcomes: list[object] = []

    def press() -> None:
        try:
            outcomes.append(work.trainer.start(PageSettings()))
        except RunError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, RunError) for one in outcomes) == 3
    assert len(find_runs(work.session.folder)) == 1


def test_the_page_hears_of_each_model_while_it_learns(work: App) -> None:
    heard: list[str] = []
    work.trainer._on_model = lambda run: heard.append(run.name)
    work.trainer.start(PageSettings(minutes=2))
    status = work.trainer.status()
    assert 100 < status["eta"] <= 120  # before an epoch is done, what was asked for
    run = find_runs(work.session.folder)[-1]
    run.model_file.parent.mkdir(parents=True)
    for count in (1, 2):
        other = run.model_file.with_name("other")
        other.write_text("{}")
        other.replace(run.model_file)
        while len(heard) < count:
            time.sleep(0.01)
    assert progress.stamp(run) is not None
    assert heard == ["0001", "0001"]


def test_a_model_that_is_replaced_is_never_read_in_halves(tiny_data: Path, tmp_path: Path) -> None:
    """The engine asks again and again while the folder is replaced as fast as it goes."""
    data = load_dataset(tiny_data)
    run = fit(tiny_config("points", trainer__epochs=1), data, tmp_path / "run")
    other = fit(tiny_config("points", trainer__epochs=1, trainer__seed=3), data, tmp_path / "other")

    class Wire:
        def send(self, answer: object) -> None: ...

    engine = Engine(Wire())  # type: ignore[arg-type]
    sources = [(run.model, "run"), (other.model, "other")]
    contents = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder, _ in sources]
    stop = threading.Event()

    def replace() -> None:
        from pointillist.files import replaced_folder

        count = 0
        while not stop.is_set():
            count += 1
            with replaced_folder(run.model) as folder:
                for name, content in contents[count % 2].items():
                    (folder / name).write_bytes(content)
            time.sleep(0.05)

    writer = threading.Thread(target=replace)
    writer.start()
    known = {json.loads(content["model.json"])["sha256"] for content in contents}
    seen = set()
    try:
        for _ in range(12):
            seen.add(engine._model(run.root)._predictor.engine.sha256)
    finally:
        stop.set()
        writer.join()
    assert seen == known


def test_a_killed_training_can_be_continued(work: App) -> None:
    work.trainer.start(PageSettings())
    run = find_runs(work.session.folder)[-1]
    run.model_file.parent.mkdir(parents=True)
    run.model_file.write_text(json.dumps({"sha256": "ab" * 32, "protocol": {"steps": 7}}))
    assert work.trainer._process is not None
    os.kill(work.trainer._process.pid, signal.SIGKILL)
    while work.trainer.running:
        time.sleep(0.01)
    status = work.trainer.status()
    assert (status["state"], status["can_continue"], status["run"]) == ("failed", True, run.name)
    assert work.trainer.resume()["state"] == "starting"
