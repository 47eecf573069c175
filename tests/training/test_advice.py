"""Which class is clicked too rarely for its share of the pixels, and where a user reads it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from pointillist.api import load
from pointillist.data.dataset import Dataset
from pointillist.points.table import Point, PointTable
from pointillist.training import advice as module
from pointillist.training.advice import Advice, advice_for
from pointillist.training.run import fit
from tests.conftest import Cli
from tests.inference.test_onnx import without_torch
from tests.training.test_run import tiny_config

IMAGES, DISCS = 8, 6


def field(soil_clicks: int, policy: str = "points") -> tuple[Dataset, float]:
    """Noisy soil with small plants, a click on each plant and some on soil; and the true share of soil."""
    images, points, soil = [], [], []
    for number in range(IMAGES):
        rng = np.random.default_rng(number)
        plants = np.zeros((96, 128), bool)
        rows, columns = np.mgrid[:96, :128]
        clicks = []
        for index in range(DISCS):
            y, x = int(rng.integers(8, 88)), 10 + 20 * index
            plants |= (rows - y) ** 2 + (columns - x) ** 2 < 40
            clicks.append((x + 0.5, y + 0.5, "plant"))
        on_soil = rng.permutation(np.argwhere(~plants))[:soil_clicks]
        clicks += [(x + 0.5, y + 0.5, "soil") for y, x in on_soil.tolist()]
        colors = np.where(plants[..., None], (70, 140, 60), (120, 90, 60))
        images.append(np.clip(colors + rng.normal(0, 25, (96, 128, 3)), 0, 255).astype(np.uint8))
        points.append(clicks)
        soil.append(1 - plants.mean())
    return Dataset.from_arrays(images, points, ["soil", "plant"], background=policy), float(np.mean(soil))


def test_soil_that_is_nearly_everything_and_hardly_clicked() -> None:
    dataset, true = field(soil_clicks=1)
    (advice,) = advice_for(dataset)
    assert (advice.label, advice.images) == ("soil", IMAGES)
    assert advice.pixels == pytest.approx(true, abs=0.05)
    assert advice.clicks == pytest.approx(1 / (1 + DISCS))
    # With so many clicks more, soil has half its share; that is nearly as many as all others have.
    with_more = (IMAGES + advice.more) / (IMAGES * (1 + DISCS) + advice.more)
    assert with_more == pytest.approx(advice.pixels / 2, abs=0.01)
    assert 3 <= advice.more / IMAGES <= DISCS - 1


def test_who_follows_the_advice_gets_no_other() -> None:
    assert advice_for(field(soil_clicks=DISCS)[0]) == []


def test_answers_to_questions_say_the_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn where plants are likelier, so that only their probabilities tell how much soil there is."""
    dataset, _ = field(soil_clicks=1)
    soil = {"x": 1.5, "y": 1.5, "label": "soil"}
    plant = {"x": 2.5, "y": 1.5, "label": "plant"}
    rows = list(dataset.points)
    for item in dataset.items:
        for kind, chance, count in ((soil, 0.001, 2), (plant, 0.004, 2)):
            extra = {"source": "question", "inclusion": str(chance)}
            rows += [Point(item.name, kind["x"], kind["y"], kind["label"], extra)] * count
    dataset = replace(dataset, points=PointTable(rows))
    monkeypatch.setattr(module, "class_shares", lambda *_: pytest.fail("estimated although it is known"))
    (advice,) = advice_for(dataset)
    assert (advice.label, advice.pixels) == ("soil", pytest.approx(0.8))
    assert advice.clicks == pytest.approx((1 + 2) / (1 + DISCS + 4))
    # A few answers know less than the pixels do.
    few = replace(dataset, points=PointTable([*rows[: -4 * 4]]))
    monkeypatch.setattr(module, "class_shares", lambda *_: torch.tensor([0.5, 0.5]))
    assert advice_for(few) == []


def test_clicks_of_the_border_are_no_persons_business() -> None:
    assert advice_for(field(soil_clicks=0, policy="border")[0]) == []


@pytest.mark.parametrize(
    ("more", "images", "words"),
    [
        (1332, 320, "about 1,300 clicks more on it, 4 an image, are worth it."),
        (860, 320, "about 860 clicks more on it, 3 an image, are worth it."),
        (7, 10, "about 7 clicks more on it, 1 an image, are worth it."),
        (13, 40, "about 13 clicks more on it, one in every 3 images, are worth it."),
    ],
)
def test_the_text(more: int, images: int, words: str) -> None:
    text = str(Advice("soil", 0.84, 0.07, more, images))
    assert text == f"soil covers about 84 % of the pixels and has 7 % of the clicks: {words}"


@pytest.mark.parametrize("method", ["single-stage", "points"])
def test_a_training_says_it_first(
    method: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_fits = []
    fitted = module.fit_pixel_classifier
    monkeypatch.setattr(module, "fit_pixel_classifier", lambda *a, **k: own_fits.append(1) or fitted(*a, **k))
    console = Console(file=io.StringIO(), width=200)
    fit(tiny_config(method), load(tiny_data), tmp_path / "run", console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "note ground covers about" in text
    assert text.index("note ground covers") < text.index("epoch")
    # The method's own classifier is not learnt again.
    assert len(own_fits) == (method == "points")


def test_points_check_says_it_everywhere(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    page, report = tmp_path / "check.html", tmp_path / "check.json"
    result = cli("points", "check", tiny_data, "--out", page, "--report", report)
    assert result.code == 0, result.err
    (advice,) = json.loads(report.read_text())["advice"]
    assert (advice["class"], advice["share_of_clicks"], advice["images"]) == ("ground", 0.333, 4)
    assert f"advice: {advice['text']}" in result.out
    assert advice["text"] in page.read_text()


def test_points_check_goes_on_where_it_cannot_be_said(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    report = tmp_path / "check.json"
    result = without_torch("points", "check", tiny_data, "--report", report)
    assert result.returncode == 0, result.stderr
    assert "too rarely was not looked at: this needs torch" in " ".join(result.stdout.split())
    assert "pip install 'pointillist[train]'" in result.stdout
    assert json.loads(report.read_text())["advice"] is None
    # The header of a truncated JPEG still tells its size.
    image = tiny_data / "images" / "tiny_1.png"
    Image.open(image).save(image, "JPEG")
    image.write_bytes(image.read_bytes()[:-500])
    result = cli("points", "check", tiny_data)
    assert result.code == 0
    assert "was not looked at" in result.out
    assert "tiny_1.png" in result.out
