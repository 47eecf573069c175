"""The live layer is the generator's own result; the newest request wins."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import DROP, Clicks, Failure, Job, MethodsJob, UncertaintyJob
from pointillist.annotator.engine.layer import SPREAD, WITHOUT_MODEL, ModelOutput, layer_labels
from pointillist.annotator.engine.process import Engine
from pointillist.annotator.engine.queue import EngineQueue
from pointillist.annotator.engine.uncertain_region import uncertain_region
from pointillist.annotator.images.pictures import labels_png
from pointillist.annotator.session import Session
from pointillist.annotator.web import live as live_module
from pointillist.annotator.web.live import Live
from pointillist.classes import ClassSet
from pointillist.errors import RunError
from pointillist.pseudomask import (
    InverseDistance,
    PseudoMaskGenerator,
    PseudoMaskSettings,
    distance_fields,
    unit_length,
)
from tests.annotator.conftest import Hand, Serve
from tests.conftest import CLASSES, draw_tiny, write_tiny

CLASS_SET = ClassSet.create(["a", "b", "c", "d", "e"], background="b")


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """An image and clicks of the classes 1 (background), 2 and 4 of five."""
    image, _, clicks = draw_tiny(seed)
    return image, np.array([(x, y, {0: 1, 1: 2, 2: 4}[c]) for x, y, c in clicks])


def tensors(image: np.ndarray, points: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255, torch.from_numpy(points).float()


@pytest.mark.parametrize("seed", range(4))
def test_without_a_model_the_layer_is_the_generators_result(seed: int) -> None:
    """All five classes at once, as in training; the layer computes only those that are present."""
    image, points = scene(seed)
    pixels, clicks = tensors(image, points)
    generator = PseudoMaskGenerator(1, WITHOUT_MODEL)
    unit = unit_length((48, 64))
    distances = distance_fields([clicks], (48, 64), 5, metric="geodesic", image=pixels, gamma=320 * unit)
    said = torch.where(distances.isfinite(), torch.softmax(-distances / (SPREAD * unit), dim=1), 0.0)
    expected = generator(pixels, said, [clicks], progress=1.0).labels[0].numpy()
    found = layer_labels(image, Clicks(points, 5, background=1), (48, 64))
    assert found is not None
    assert np.array_equal(found, expected)
    assert set(np.unique(found)) <= {1, 2, 4, 255}
    assert {1, 2, 4} <= set(np.unique(found))


@pytest.mark.parametrize("background", [None, 1, 3])
def test_with_a_model_the_layer_is_the_generators_result(background: int | None) -> None:
    """Also where the background was never clicked (3), and where there is none."""
    image, points = scene()
    pixels, clicks = tensors(image, points)
    settings = PseudoMaskSettings(spatial_prior=InverseDistance(gamma=80.0), refinement={"iterations": 4})
    probabilities = torch.rand(5, 48, 64, generator=torch.Generator().manual_seed(1)).softmax(0)
    generator = PseudoMaskGenerator(background, settings)
    expected = generator(pixels, probabilities[None], [clicks]).labels[0].numpy()
    output = ModelOutput(probabilities, settings)
    found = layer_labels(image, Clicks(points, 5, background), (48, 64), output)
    assert found is not None
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("times", [1, 2])
def test_bands_of_16_bits_make_the_layer_of_8(times: int) -> None:
    """γ means the same for any number of bands: those of a photograph, said twice, are the photograph."""
    image, points = scene()
    deep = np.tile(image, times).reshape(48, 64, 3 * times).astype(np.uint16) * 257
    expected = layer_labels(image, Clicks(points, 5, 1), (48, 64))
    found = layer_labels(deep, Clicks(points, 5, 1), (48, 64))
    assert np.mean(found == expected) > (0.999 if times == 1 else 0.99)


def test_a_smaller_layer_moves_the_clicks_with_the_image() -> None:
    image, points = scene()
    half = np.asarray(Image.fromarray(image).resize((32, 24)))
    found = layer_labels(half, Clicks(points, 5, 1), (48, 64))
    assert found is not None
    assert found.shape == (24, 32)
    for x, y, c in points:
        assert found[int(y / 2), int(x / 2)] == c


def test_the_border_policy_clicks_the_border() -> None:
    image, points = scene()
    points = points[points[:, 2] != 1]
    without = layer_labels(image, Clicks(points, 5, 1), (48, 64))
    with_border = layer_labels(image, Clicks(points, 5, 1, border=True), (48, 64))
    assert without is not None
    assert with_border is not None
    assert 1 not in without
    assert with_border[0, 0] == 1


def test_what_is_not_wanted_any_more_is_not_finished() -> None:
    image, points = scene()
    assert layer_labels(image, Clicks(points, 5, 1), (48, 64), still_wanted=lambda: False) is None


def test_the_picture_holds_classes_as_colours_and_nothing_where_undecided() -> None:
    labels = np.array([[0, 1], [255, 1]], np.uint8)
    picture = Image.open(io.BytesIO(labels_png(labels, ["#102030", "#ff0080"])))
    assert picture.mode == "P"
    rgba = np.asarray(picture.convert("RGBA"))
    assert rgba[0, 0].tolist() == [16, 32, 48, 255]
    assert rgba[0, 1].tolist() == rgba[1, 1].tolist() == [255, 0, 128, 255]
    assert rgba[1, 0, 3] == 0


# The queue


def test_the_newest_request_of_a_tab_wins() -> None:
    queue = EngineQueue()
    begun, woken = threading.Event(), threading.Event()

    def slow(answer: Future[str | None]) -> str:
        begun.set()
        answer.add_done_callback(lambda _: woken.set())
        assert woken.wait(30)
        return "slow"

    def quick(_answer: Future[str | None]) -> str:
        return "quick"

    running = queue.submit("fast", slow, "tab-one")
    begun.wait(30)
    other = queue.submit("fast", quick, "tab-two")
    waiting = queue.submit("fast", quick, "tab-one")
    # Who works on the old one is woken by its answer, and nobody waits for the work to end.
    assert running.result(30) is None
    assert woken.wait(30)
    newest = queue.submit("fast", quick, "tab-one")
    assert waiting.result(30) in ("quick", None)
    assert newest.result(30) == other.result(30) == "quick"
    queue.close()


def test_a_full_layer_gives_way_to_a_newer_quick_one_not_the_other_way_round() -> None:
    queue = EngineQueue()
    go_on = threading.Event()
    full = queue.submit("full", lambda _: go_on.wait(30), "tab-one")
    quick = queue.submit("fast", lambda _: go_on.wait(30), "tab-one")
    assert full.result(30) is None
    other = queue.submit("full", lambda _: True, "tab-one")
    go_on.set()
    assert quick.result(30) is True
    assert other.result(30) is True
    queue.close()


def test_a_full_layer_keeps_no_quick_one_waiting() -> None:
    queue = EngineQueue()
    go_on = threading.Event()
    full = queue.submit("full", lambda _: (go_on.wait(30) and "full") or None, "tab-one")
    quick = queue.submit("fast", lambda _: "quick", "tab-two")
    assert quick.result(30) == "quick"
    assert not full.done()
    go_on.set()
    assert full.result(30) == "full"
    queue.close()


def test_uncertainty_is_looked_at_when_no_layer_waits_or_is_made() -> None:
    queue = EngineQueue()
    go_on, begun = threading.Event(), threading.Event()
    done: list[str] = []

    def layer(_answer: Future[str | None]) -> str:
        begun.set()
        go_on.wait(30)
        done.append("layer")
        return "layer"

    first = queue.submit("full", layer, "tab-one")
    begun.wait(30)
    second = queue.submit("full", layer, "tab-two")
    look = queue.submit("uncertainty", lambda _: done.append("uncertainty") or "look")  # type: ignore[func-returns-value]
    go_on.set()
    assert look.result(30) == "look"
    assert first.result(30) == second.result(30) == "layer"
    assert done == ["layer", "layer", "uncertainty"]
    queue.close()


def test_a_closed_queue_answers_none() -> None:
    queue = EngineQueue()
    begun, go_on = threading.Event(), threading.Event()
    running = queue.submit("fast", lambda _: begun.set() or go_on.wait(30))  # type: ignore[func-returns-value]
    begun.wait(30)
    waiting = queue.submit("fast", lambda _: True)
    queue.close()
    assert running.result(30) is waiting.result(30) is queue.submit("full", lambda _: True).result(30) is None
    go_on.set()


def test_a_failure_reaches_who_asked_and_a_cancelled_request_stops_nothing() -> None:
    queue = EngineQueue()

    def fail(_answer: Future[str | None]) -> str:
        raise RunError("no.", hint="Try again.")

    with pytest.raises(RunError):
        queue.submit("fast", fail, "tab-one").result(30)
    begun, go_on = threading.Event(), threading.Event()
    gone = queue.submit("fast", lambda _: begun.set() or go_on.wait(30))  # type: ignore[func-returns-value]
    begun.wait(30)
    assert gone.cancel()
    go_on.set()
    assert queue.submit("fast", lambda _: "next", "tab-one").result(30) == "next"
    queue.close()


def test_an_answered_request_wakes_the_waiting_and_drops_the_job() -> None:
    engine = EngineClient()
    sent: list[tuple[int, object]] = []

    class Wire:
        def send(self, message: tuple[int, object]) -> None:
            sent.append(message)
            if message[1] != DROP:
                answer.set_result(None)

    engine._connection = Wire()  # type: ignore[assignment]
    engine._ensure = lambda: engine._connection  # type: ignore[assignment,method-assign,return-value]
    answer: Future[object] = Future()
    assert engine.run(MethodsJob(), answer) is None
    assert [number for number, _ in sent] == [1, 1]
    assert sent[1] == (1, DROP)
    assert not engine._pending


# The engine's process, and the way there


class Here(EngineClient):
    """An engine in this process: what is asked, without the seconds that another process takes to start."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []
        self._engine = Engine(None)  # type: ignore[arg-type]

    def run(self, job: Job, answer: Future[Any] | None = None) -> object:
        self.jobs.append(job)
        return self._engine._do(1, job)


def live_of(session: Session) -> tuple[Live, EngineQueue]:
    queue = EngineQueue()
    return Live(session, Here(), queue), queue


def test_a_layer_of_the_acknowledged_points(hand: Hand) -> None:
    live, queue = live_of(hand.session)
    hand.add("point-01", 3.5, 4.5, "soil")
    hand.add("point-02", 20.5, 10.5, "berry")
    layer = live.layer("i0.png", "tab-one-0", "full").result(60)
    assert layer is not None
    assert (layer.size, layer.exact, layer.seq, layer.source) == ((24, 32), True, 4, "points")
    rgba = np.asarray(Image.open(io.BytesIO(layer.png)).convert("RGBA"))
    colors = {row.name: row.color for row in hand.session.store.reading().classes()}
    assert "#" + rgba[4, 3, :3].tobytes().hex() == colors["soil"]
    assert "#" + rgba[10, 20, :3].tobytes().hex() == colors["berry"]
    queue.close()


def test_too_large_images_get_the_largest_layer_that_is_affordable(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "FAST", 100)
    monkeypatch.setattr(live_module, "FULL_PLANES", 400)
    live, queue = live_of(hand.session)
    hand.add("point-01", 3.5, 4.5, "berry")
    quick = live.layer("i0.png", "tab-one-0", "fast").result(60)
    full = live.layer("i0.png", "tab-one-0", "full").result(60)
    assert quick is not None
    assert full is not None
    assert quick.size[0] * quick.size[1] <= 100
    # Two classes are computed: the clicked one and the background.
    assert 150 < full.size[0] * full.size[1] <= 200
    assert not full.exact
    queue.close()


def test_the_end_of_one_process_fails_no_job_of_the_next() -> None:
    before = set(threading.enumerate())
    engine = EngineClient()
    engine.start()
    (listener,) = set(threading.enumerate()) - before
    future: Future[object] = Future()
    with engine._lock:  # so that the listener learns of the end when the next process runs already
        assert engine._process is not None
        engine._process.kill()
        engine._process.join()
        engine._ensure()
        engine._pending[1] = future
    listener.join(30)
    assert not listener.is_alive()
    assert not future.done()
    engine.close()
    # The end of its own process is what ends a job.
    assert isinstance(future.result(30), Failure)


def test_over_the_wire(data: Path, serve: Serve) -> None:
    """The real process behind the real server; its death is survived."""
    live = serve(data)
    image = live.client.get("/api/images").json()["images"][0]["id"]
    request = {"client": "tab-one-0", "request": 1, "quality": "fast"}
    empty = live.client.post(f"/api/images/{image}/layer", json=request)
    assert (empty.status_code, empty.headers["x-layer"]) == (204, "empty")
    live.client.post(
        "/api/ops",
        json={
            "client": "tab-one-0",
            "ops": [
                {"id": "op-00001", "kind": "class-add", "class": "class-01", "name": "berry"},
                {
                    "id": "op-00002",
                    "kind": "add",
                    "point": "point-01",
                    "image": image,
                    "x": 3,
                    "y": 3,
                    "class": "class-01",
                },
            ],
        },
    )
    answer = live.client.post(f"/api/images/{image}/layer", json=request)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-layer-source"] == "points"
    assert Image.open(io.BytesIO(answer.content)).size == (32, 24)
    import multiprocessing

    for child in multiprocessing.active_children():
        if child.name == "annotator-engine":
            child.kill()
            child.join()
    again = live.client.post(f"/api/images/{image}/layer", json=request)
    assert again.status_code == 200
    assert again.content == answer.content


# Where the model is unsure


def test_the_region_is_where_uncertainty_is_and_clicks_are_not() -> None:
    uncertainty = np.zeros((50, 100), np.float32)
    uncertainty[10:20, 60:80] = 0.9
    uncertainty[30:40, 20:40] = 1.0
    nothing = np.zeros((0, 2))
    region = uncertain_region(uncertainty, nothing, (500, 1000))
    assert (region.x, region.y, region.width, region.height) == (200, 300, 200, 100)
    assert region.score == pytest.approx(1.0)
    # A click there: now the other one teaches more.
    clicked = np.array([(x * 10.0, y * 10.0) for x in range(20, 40, 4) for y in range(30, 40, 4)])
    region = uncertain_region(uncertainty, clicked, (500, 1000))
    assert (region.x, region.y) == (600, 100)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (7, 11)])
def test_regions_of_small_images_lie_inside(size: tuple[int, int]) -> None:
    uncertainty = np.random.default_rng(0).random(size).astype(np.float32)
    region = uncertain_region(uncertainty, np.array([[0.5, 0.5]]), size)
    assert region.x >= 0
    assert region.y >= 0
    assert region.x + region.width <= size[1]
    assert region.y + region.height <= size[0]


def test_the_engine_reports_what_it_cannot_do(tmp_path: Path) -> None:
    sent: list[tuple[int, object]] = []

    class Wire:
        def send(self, answer: tuple[int, object]) -> None:
            sent.append(answer)

    engine = Engine(Wire())  # type: ignore[arg-type]
    pixels = np.zeros((4, 4, 3), np.uint8)
    engine._answer(7, UncertaintyJob("uncertainty", pixels, np.zeros((0, 2)), (4, 4), tmp_path / "none"))
    number, failure = sent[0]
    assert number == 7
    assert "no such run" in failure.found  # type: ignore[attr-defined]


def test_a_session_of_a_data_set_shows_its_layer(tmp_path: Path, opened: Callable[[Path], Session]) -> None:
    """The layer of a labelled data set agrees with its masks far better than chance."""
    data = write_tiny(tmp_path / "tiny")
    live, queue = live_of(opened(data))
    layer = live.layer("tiny_0.png", "tab-one-0", "full").result(60)
    assert layer is not None
    labels = np.asarray(Image.open(io.BytesIO(layer.png)))
    _, mask, _ = draw_tiny(0)
    decided = labels != 255
    assert decided.mean() > 0.1
    assert (labels[decided] == mask[decided]).mean() > 0.8
    assert len(CLASSES) == 3
    queue.close()
