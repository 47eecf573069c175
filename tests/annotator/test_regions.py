"""Regions of what is shown: found whole, and one click in their middle."""

from __future__ import annotations

import base64
import io
import itertools
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pointillist.annotator.labels.region import region_at
from pointillist.annotator.labels.shown import Shown, ShownLabels
from pointillist.api import load_dataset
from pointillist.errors import RunError
from tests.annotator.conftest import HEIGHT, WIDTH, Serve
from tests.annotator.models import write_trained


def png(labels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(labels).save(stream, format="PNG")
    return stream.getvalue()


def flooded(labels: NDArray[np.uint8], row: int, column: int) -> NDArray[np.bool_]:
    """The same region, by walking from pixel to pixel."""
    inside = np.zeros(labels.shape, bool)
    waiting = deque([(row, column)])
    while waiting:
        at = waiting.popleft()
        if not inside[at]:
            inside[at] = True
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                y, x = at[0] + dy, at[1] + dx
                if 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1] and labels[y, x] == labels[row, column]:
                    waiting.append((y, x))
    return inside


def test_a_region_is_all_that_hangs_together_and_its_middle_is_deepest() -> None:
    rng = np.random.default_rng(3)
    blocks = rng.choice(np.array([0, 1, 2, 255], np.uint8), (6, 8))
    labels = np.kron(blocks, np.ones((5, 4), np.uint8))
    for row, column in itertools.product(range(2, 30, 9), range(1, 32, 7)):
        found = region_at(labels, row, column)
        if labels[row, column] == 255:
            assert found is None
            continue
        assert found is not None
        inside = flooded(labels, row, column)
        whole = np.zeros(labels.shape, bool)
        height, width = found.inside.shape
        whole[found.top : found.top + height, found.left : found.left + width] = found.inside
        assert (whole == inside).all()
        # How far each of its pixels is from the nearest one that is not, by looking at all.
        outside = np.argwhere(~np.pad(inside, 1)) - 1
        depth = {tuple(at): np.hypot(*(outside - at).T).min() for at in np.argwhere(inside)}
        assert inside[found.middle]
        assert depth[found.middle] == pytest.approx(max(depth.values()))


def test_the_middle_of_a_bar_is_not_its_end() -> None:
    labels = np.full((9, 41), 255, np.uint8)
    labels[3:6, 2:39] = 1
    found = region_at(labels, 3, 2)
    assert found is not None
    assert found.middle == (4, 20)


def test_what_was_shown_is_kept_for_its_image_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown()
    one = ShownLabels("a.png", png(np.zeros((3, 4), np.uint8)), ("class-soil",))
    token = shown.keep(one)
    assert shown.keep(one) == token
    assert shown.find(token, "a.png").labels().shape == (3, 4)
    with pytest.raises(RunError, match="not at hand"):
        shown.find(token, "b.png")
    monkeypatch.setattr("pointillist.annotator.labels.shown.KEPT", len(one.png) + 10)
    other = shown.keep(ShownLabels("b.png", one.png, ("class-soil",)))
    assert shown.find(other, "b.png")
    with pytest.raises(RunError, match="not at hand"):
        shown.find(token, "a.png")


def test_a_page_asks_for_the_region_that_it_sees(serve: Serve, data: Path) -> None:
    live = serve(data)
    session = live.session
    classes = [
        {"id": f"op-{name}-00", "kind": "class-add", "class": f"class-{name}", "name": name}
        for name in ("soil", "berry")
    ]
    assert live.client.post("/api/ops", json={"client": "tab-one-0", "ops": classes}).status_code == 200
    # Half the size of the image.
    labels = np.full((HEIGHT // 2, WIDTH // 2), 255, np.uint8)
    labels[2:7, 4:11] = 1
    token = session.shown.keep(ShownLabels("i0.png", png(labels), ("class-soil", "class-berry")))
    image = session.catalogue.id("i0.png")

    def ask(x: float, y: float, layer: str = token, image: str = image) -> Any:
        return live.client.post(f"/api/images/{image}/region", json={"layer": layer, "x": x, "y": y})

    found = ask(9.5, 5.0).json()
    assert (found["class"], found["x"], found["y"]) == ("class-berry", 15.0, 9.0)
    assert found["box"] == {"x": 8, "y": 4, "width": 14, "height": 10}
    assert found["pixels"] == 140
    picture = Image.open(io.BytesIO(base64.b64decode(found["picture"]))).convert("RGBA")
    assert picture.size == (7, 5)
    assert picture.getpixel((3, 2)) == (255, 255, 255, 255)
    assert ask(1, 1).json() == {"class": None}
    assert ask(WIDTH, 1).status_code == 422
    assert ask(9, 5, layer="0" * 24).status_code == 409
    assert ask(9, 5, image=session.catalogue.id("i1.png")).status_code == 409
    assert ask(9, 5, image="0" * 24).status_code == 404
    # The class may have become another one since.
    merge = {"id": "op-merge-00", "kind": "class-merge", "class": "class-berry", "into": "class-soil"}
    live.client.post("/api/ops", json={"client": "tab-one-0", "ops": [merge]})
    assert ask(9.5, 5.0).json()["class"] == "class-soil"


@pytest.mark.slow
def test_regions_of_a_prediction_and_its_mask(serve: Serve, tmp_path: Path) -> None:
    write_trained(tmp_path / "tiny")
    live = serve(tmp_path / "tiny")
    entry = live.client.get("/api/images").json()["images"][0]
    image, size = entry["id"], live.session.catalogue.size(entry["name"])
    answer = live.client.post(f"/api/images/{image}/prediction", json={"client": "tab-one-0"})
    values = answer.content.partition(b"\n")[2]
    labels = np.frombuffer(values, np.uint8, size[0] * size[1]).reshape(size)
    token = answer.headers["x-layer-token"]
    outputs = live.client.get("/api/project").json()["predictions"]["outputs"]
    at = {"layer": token, "x": 30.5, "y": 20.5}
    found = live.client.post(f"/api/images/{image}/region", json=at).json()
    assert found["class"] == outputs[labels[20, 30]]
    assert labels[int(found["y"]), int(found["x"])] == labels[20, 30]
    assert found["pixels"] == flooded(labels, 20, 30).sum()
    op = {"id": "op-mask-01", "kind": "mask", "mask": "mask-0001", "image": image, "layer": token, "replace": True}
    (done,) = live.client.post("/api/ops", json={"client": "tab-one-0", "ops": [op]}).json()["results"]
    assert done["status"] == "done"
    live.session.files.flush()
    dataset = load_dataset(tmp_path / "tiny")
    item = next(item for item in dataset.items if item.name == entry["name"])
    assert item.mask is not None
    names = {row.id: row.name for row in live.session.store.reading().classes()}
    expected = np.array([dataset.classes.index(names[given]) for given in outputs], np.uint8)[labels]
    assert (dataset.masks.read(item.mask, size) == expected).all()
