"""The model card says what the model is, and nothing in it is more than text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointillist.api import load, train_config
from pointillist.training.card import CardScores, model_card
from pointillist.training.config import make_config
from pointillist.training.model_file import ModelFile
from tests.conftest import TINY, write_tiny

MODEL = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "run" / "model" / "model.json"


def card(scores: CardScores | None = None, **changes: object) -> str:
    content = json.loads(MODEL.read_text()) | changes
    return model_card(ModelFile.model_validate(content), content, title="Berries", data="berries", scores=scores)


def test_a_training_leaves_its_card(tmp_path: Path) -> None:
    data = load(write_tiny(tmp_path / "tiny"))
    run = train_config(make_config(None, {**TINY, "trainer.epochs": 1}), data, tmp_path / "run")
    text = (run.model / "README.md").read_text(encoding="utf-8")
    clicks = sum(len(data.points.of(item.name)) for item in data.split("train"))
    assert f"from {clicks} clicks on 4 images" in text
    assert "on the 2 images with masks of the split 'val'" in text
    assert "| 1 | square | `#e69f00` | 0." in text
    assert "| data set | tiny |" in text
    assert str(tmp_path) not in text


def test_scores_are_said_or_their_absence() -> None:
    assert "It was not validated" in card()
    text = card(CardScores("val", 12, 0.5, (0.25, 0.75, float("nan"))))
    assert "mIoU 0.500 on the 12 images" in text
    assert "| 2 | disc | `#56b4e9` | – |" in text
    assert "not validated" not in text


@pytest.mark.parametrize("text", ["a | b", "<script>x</script>", "[x](javascript:y)", "`x`", "![](http://a.b/c.png)"])
def test_names_are_text(text: str) -> None:
    colors = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    names = [{"name": name, "color": color} for name, color in zip((text, "b", "c"), colors, strict=True)]
    row = next(line for line in card(classes=names).splitlines() if line.startswith("| 0 |"))
    assert "<" not in row
    assert row.replace("\\|", "").count("|") == 5
    for mark in "[]`|":
        assert row.count(mark) - row.count(f"\\{mark}") == {"|": 5, "`": 2}.get(mark, 0)
