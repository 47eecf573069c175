"""What the model says about images: as the command line does, in windows where they are large, for all of them."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.engine.jobs import STEPS, PredictionJob
from pointillist.annotator.engine.loaded_model import LoadedModel
from pointillist.annotator.model import predictions as predictions_module
from pointillist.annotator.model.prediction_cache import PredictionCache, labels_of
from pointillist.inference.predictor import Predictor
from tests.annotator.conftest import Live, Serve
from tests.annotator.models import write_trained
from tests.conftest import draw_tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model; tests copy it."""
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    write_trained(folder)
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "tiny"))


def ids(live: Live) -> dict[str, str]:
    return {entry["name"]: entry["id"] for entry in live.client.get("/api/images").json()["images"]}


def asked(live: Live, image: str, **more: Any) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Head, labels and uncertainty of a prediction, as a browser unpacks them."""
    answer = live.client.post(f"/api/images/{image}/prediction", json={"client": "tab-one-0", **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    first, _, values = answer.content.partition(b"\n")
    head = json.loads(first)
    planes = np.frombuffer(values, np.uint8).reshape(2, head["height"], head["width"])
    return head, planes[0], planes[1]


def listed(live: Live, **query: Any) -> dict[str, Any]:
    """The gallery, when all images are predicted."""
    while True:
        found: dict[str, Any] = live.client.get("/api/predictions", params=query).json()
        if found["done"] + found["failed"] >= found["total"]:
            return found
        time.sleep(0.05)


@pytest.mark.slow
def test_the_prediction_on_show_is_that_of_the_command_line(
    folder: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions_module, "WINDOW", 32)
    live = serve(folder)
    predictor = Predictor(folder / ".pointillist" / "runs" / "0001", "cpu")
    status = live.client.get("/api/project").json()["predictions"]
    assert (status["run"], status["total"], status["done"]) == ("0001", 6, 0)
    classes = {entry["id"]: entry["name"] for entry in live.client.get("/api/project").json()["classes"]}
    assert [classes[given] for given in status["outputs"]] == list(predictor.classes.names)
    for name, image in list(ids(live).items())[:2]:
        head, labels, uncertainty = asked(live, image)
        expected = predictor.predict(folder / "images" / name, uncertainty=True)
        assert head["exact"]
        assert not head["first_look"]
        assert np.array_equal(labels, expected.labels)
        assert np.abs(uncertainty / STEPS - expected.map("uncertainty")).max() <= 0.51 / STEPS
    # A second time it comes from the cache.
    assert np.array_equal(asked(live, image)[1], labels)
    small = Image.open(io.BytesIO(live.client.get(f"/api/images/{image}/prediction/thumbnail").content))
    assert small.size == (64, 48)
    colors = {entry["id"]: entry["color"] for entry in live.client.get("/api/project").json()["classes"]}
    palette = [tuple(bytes.fromhex(colors[given][1:])) for given in status["outputs"]]
    assert np.array_equal(np.asarray(small.convert("RGB")), np.array(palette, np.uint8)[labels])
    # Parts of large images are asked for by their place among all.
    head, part, _ = asked(live, image, window={"row": 1, "column": 1})
    assert (head["height"], head["width"]) == (16, 32)
    assert np.mean(part == labels[32:48, 32:64]) > 0.5
    for place in ({"row": 2, "column": 0}, {"row": 0, "column": 2}):
        refused = live.client.post(f"/api/images/{image}/prediction", json={"client": "tab-one-0", "window": place})
        assert (refused.status_code, "no such window" in refused.json()["error"]["found"]) == (422, True)


def test_a_window_of_a_large_image_is_what_the_whole_says_there(trained: Path) -> None:
    """At the scale of the whole image, also where that is not the image's own."""
    model = LoadedModel(trained / ".pointillist" / "runs" / "0001")
    model._predictor.take(scale=0.5)
    # A network that looks at single pixels: what differs then is not the network, but where and how large it sees them.
    model._predictor.engine = replace(model._predictor.engine, run=lambda batch: 8 * batch)
    rows = [np.concatenate([draw_tiny(10 * row + column)[0] for column in range(20)], axis=1) for row in range(20)]
    pixels = np.concatenate(rows)
    size = pixels.shape[:2]
    run = trained / "unused"
    whole = model.predicted(PredictionJob("prediction", pixels, size, run))
    assert whole.exact
    part = pixels[0:960, 100:1280]
    inner = model.predicted(PredictionJob("prediction", part, size, run, (300, 300, 400, 500)))
    assert inner.labels.shape == (400, 500)
    assert np.mean(inner.labels == whole.labels[300:700, 400:900]) > 0.999
    steps = np.abs(inner.uncertainty.astype(int) - whole.uncertainty[300:700, 400:900])
    assert steps.max() <= 1
    shrunk = np.asarray(Image.fromarray(pixels).resize((32, 24), Image.Resampling.BOX))
    assert not model.predicted(PredictionJob("prediction", shrunk, size, run)).exact


def test_without_a_model_it_says_so(data: Path, serve: Serve) -> None:
    live = serve(data)
    assert live.client.get("/api/project").json()["predictions"]["run"] is None
    image = ids(live)["i0.png"]
    answer = live.client.post(f"/api/images/{image}/prediction", json={"client": "tab-one-0"})
    assert (answer.status_code, answer.json()["error"]["found"]) == (409, "there is no model yet.")
    assert live.client.get(f"/api/images/{image}/prediction/thumbnail").status_code == 409
    found = live.client.get("/api/predictions").json()
    assert (found["done"], found["matching"], len(found["images"])) == (0, 3, 3)
    assert {entry["said"] for entry in found["images"]} == {None}


@pytest.mark.slow
def test_the_gallery_sorts_and_filters(folder: Path, serve: Serve) -> None:
    (folder / "images" / "tiny_9.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    live = serve(folder)
    predictor = Predictor(folder / ".pointillist" / "runs" / "0001", "cpu")
    found = listed(live)
    assert (found["done"], found["failed"], found["total"]) == (6, 1, 7)
    said = {entry["name"]: entry["said"] for entry in found["images"]}
    assert said.pop("tiny_9.png") is None
    for name, about in said.items():
        expected = predictor.predict(folder / "images" / name, uncertainty=True)
        assert about["uncertainty"] == pytest.approx(float(expected.map("uncertainty").mean()), abs=0.5 / STEPS)
        assert about["shares"] == pytest.approx(np.bincount(expected.labels.ravel(), minlength=3) / 3072, abs=1e-4)
        points = [line.split(",")[1:4] for line in (folder / "points.csv").read_text().splitlines() if name in line]
        wrong = sum(predictor.classes.names[expected.labels[int(float(y)), int(float(x))]] != c for x, y, c in points)
        assert (about["clicks"], about["against"]) == (3, wrong)

    def names(**query: Any) -> list[str]:
        return [entry["name"] for entry in listed(live, **query)["images"]]

    def sorted_by(key: str) -> list[str]:
        return sorted(said, key=lambda name: -said[name][key])

    assert names(by="uncertainty") == [*sorted_by("uncertainty"), "tiny_9.png"]
    assert names(by="uncertainty", reverse=True) == [*sorted_by("uncertainty")[::-1], "tiny_9.png"]
    assert names(by="against")[:6] == sorted_by("against")
    label = found["outputs"][1]
    share = {name: about["shares"][1] for name, about in said.items()}
    assert names(by="share", label=label)[:6] == sorted(share, key=lambda name: -share[name])
    assert names(label=label, shown=True) == [name for name, value in share.items() if value > 0]
    assert listed(live)["splits"] == ["train", "val"]
    assert names(split="val") == ["tiny_4.png", "tiny_5.png"]
    # A list keeps its order while a person goes through it.
    first = listed(live, by="uncertainty", limit=2)
    click = {"image": ids(live)["tiny_0.png"], "x": 1.5, "y": 1.5, "class": label}
    op = {"id": "op-gallery-1", "kind": "add", "point": "point-gallery", **click}
    live.client.post("/api/ops", json={"client": "tab-one-0", "ops": [op]})
    rest = listed(live, by="against", order=first["order"], offset=2)
    assert [e["name"] for e in (*first["images"], *rest["images"])] == [*sorted_by("uncertainty"), "tiny_9.png"]
    # The click is counted, without another look by the model.
    while (about := {e["name"]: e["said"] for e in listed(live)["images"]}["tiny_0.png"])["clicks"] != 4:
        time.sleep(0.05)
    labels = asked(live, ids(live)["tiny_0.png"])[1]
    assert about["against"] - said["tiny_0.png"]["against"] == int(labels[1, 1] != 1)
    for query in ({"by": "size"}, {"order": "../x"}, {"label": "a b"}, {"limit": 1000}, {"offset": -1}):
        assert live.client.get("/api/predictions", params=query).status_code == 400


def test_the_cache_is_bounded_and_of_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PredictionCache(tmp_path, "0001-a")
    content = gzip.compress(b'{"height": 1, "width": 2}\n\1\2\0\0')
    monkeypatch.setattr("pointillist.annotator.model.prediction_cache.SPACE", 3 * len(content))
    for number in range(3):
        cache.keep(f"{number}", content)
    assert cache.find("0") == content
    cache.keep("3", content)
    assert [cache.find(str(number)) is not None for number in range(4)] == [True, False, True, True]
    assert labels_of(content).tolist() == [[1, 2]]
    assert PredictionCache(tmp_path, "0001-a").find("3") == content
    PredictionCache(tmp_path, "0002-b")
    assert [path.name for path in tmp_path.iterdir()] == ["0002-b"]
