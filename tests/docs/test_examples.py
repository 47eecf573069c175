"""The Python examples of some pages do what they say; trainings are made short."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pointillist as pt
from tests.conftest import TINY, draw_tiny

DOCS = Path(__file__).parents[2] / "docs"
FIXTURES = Path(__file__).parents[1] / "fixtures"


def run(page: str, heading: str, names: dict[str, Any]) -> None:
    """Run the Python blocks of one section of a page, one after the other."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)
    assert section
    blocks = re.findall(r"```python\n(.*?)```", section[1], re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the blocks of data-sets.md leave behind, and the folder they ran in."""
    folder = tmp_path_factory.mktemp("examples")
    found: dict[str, Any] = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(pt, "train", partial(pt.train, settings={**TINY, "trainer.epochs": 1}), raising=False)
        run("data-sets.md", "In memory", found)
    return found


def test_arrays_and_a_torch_data_set_are_learnt(names: dict[str, Any]) -> None:
    assert names["labels"].shape == (48, 64)
    for folder in ("berries", "torch"):
        assert (names["folder"] / "runs" / folder / "report.html").is_file()
    assert len(names["data"].items) == 10
    assert len(names["data"].points) == 20


def test_points_of_tools(names: dict[str, Any], tmp_path: Path) -> None:
    points = [(0.25, 0.5), (float("nan"), float("nan"))]
    keypoints = SimpleNamespace(keypoints=[SimpleNamespace(label="berry", points=points)])
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    samples = [SimpleNamespace(filepath=str(tmp_path / "a.png"), keypoints=keypoints)]
    data = names["from_fiftyone"](samples, ["soil", "berry"])
    assert [(p.x, p.y, p.label) for p in data.points] == [(16, 24, "berry")]
    assert names["rows_of_fiftyone"](SimpleNamespace(keypoints=None), 48, 64) == []

    key_points = SimpleNamespace(xy=np.array([[[3, 4], [0, 0]], [[5, 6], [7, 8]]]), class_id=np.array([1, 0]))
    assert names["rows_of_supervision"](key_points) == [(3, 4, 1), (5, 6, 0), (7, 8, 0)]
    detections = SimpleNamespace(xyxy=np.array([[2, 4, 6, 10]]), class_id=np.array([1]))
    assert names["rows_of_boxes"](detections) == [(4, 7, 1)]


def test_everything_is_predicted(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(names["folder"])
    Path("photos").mkdir()
    Image.new("RGB", (40, 30)).save("photos/a.jpg")
    found: dict[str, Any] = {}
    run("predicting.md", "From Python", found)
    assert [labels.shape for labels in found["several"]] == [(30, 40), (48, 64)]
    assert found["result"].uncertainty.shape == (30, 40)


def test_an_onnx_file_runs_in_plain_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(FIXTURES / "onnx" / "tiny.onnx", "berries.onnx")
    shutil.copytree(FIXTURES / "version_0_1" / "run" / "model", "berries-huggingface")
    Image.fromarray(draw_tiny(0)[0]).save("photo.jpg")
    found: dict[str, Any] = {}
    run("exporting.md", "In plain ONNX Runtime", found)
    assert found["classes"] == ["ground", "square", "disc"]
    plain = found["labels"]
    run("exporting.md", "Sharing", found)
    assert plain.shape == (48, 64)
    assert (plain == found["labels"]).mean() >= 0.9999
