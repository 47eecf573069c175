"""The audit of clicks: wrong classes and missing clicks planted in a tiny data set are found."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pointillist.api import load
from pointillist.data.dataset import Dataset
from pointillist.errors import PointsError, RunError
from pointillist.inference import click_evidence
from pointillist.inference.click_audit import audit_clicks, wrong_probabilities
from pointillist.inference.click_evidence import near_clicks
from pointillist.inference.predictor import Predictor
from pointillist.points.table import Point, PointTable
from pointillist.training.config import make_config
from pointillist.training.run import fit
from tests.conftest import TINY, Cli, write_tiny

WRONG = {"tiny_3.png": "square", "tiny_11.png": "disc"}
"""Images whose click of this class gets the other one."""

MISSED = {"tiny_5.png": "square", "tiny_9.png": "disc"}
"""Images whose click of this class is left out."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click_evidence, "STEPS", 60)
    monkeypatch.setattr(click_evidence, "TREES", 30)


@pytest.fixture
def planted(tmp_path: Path) -> Dataset:
    """A data set with two wrong and two missing clicks."""
    data = load(write_tiny(tmp_path / "planted", train=14))
    other = {"square": "disc", "disc": "square"}
    points = [
        dataclasses.replace(point, label=other[point.label]) if WRONG.get(point.image) == point.label else point
        for point in data.points
        if MISSED.get(point.image) != point.label
    ]
    return dataclasses.replace(data, points=PointTable(points))


def test_finds_wrong_clicks_and_missing_ones(planted: Dataset) -> None:
    audit = audit_clicks(planted)
    assert {(one.point.image, one.others) for one in audit.contradicting} == set(WRONG.items())
    assert all(one.point in planted.points.of(one.point.image) for one in audit.contradicting)
    assert audit.clicks == sum(len(planted.points.of(item.name)) for item in planted.split("train"))
    assert 1 < audit.expected <= 2
    assert not {one.image for one in audit.overlooked} & set(WRONG)
    first = audit.overlooked[: len(MISSED)]
    assert {(one.image, one.label) for one in first} == set(MISSED.items())
    for one in first:
        item = next(item for item in planted.items if item.name == one.image)
        assert item.mask is not None
        mask = planted.masks.read(item.mask, (48, 64))
        assert planted.classes.names[mask[int(one.y), int(one.x)]] == one.label
        # Features of a learner of pixels reach beyond an object.
        assert 0.5 < one.area / (mask == planted.classes.index(one.label)).sum() < 2.5
    gains = [one.gain for one in audit.overlooked]
    assert gains == sorted(gains, reverse=True)


def test_no_image_is_judged_by_learners_that_saw_it(planted: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    _, given = click_evidence.gather(planted, None, 5, 0)
    image = np.array([given.pieces[index].item.name for index in given.piece])
    seen = given.seen()
    rows = {row.tobytes(): name for row, name in zip(seen, image, strict=True)}

    def spy(features: np.ndarray, _: np.ndarray, num_classes: int, __: int) -> object:
        taught = {rows[row.tobytes()] for row in features}

        def classify(values: np.ndarray) -> np.ndarray:
            assert not taught & {rows[row.tobytes()] for row in values}
            return np.full((len(values), num_classes), 1 / num_classes)

        return classify

    monkeypatch.setattr(click_evidence, "LEARNERS", (spy, spy))
    found = click_evidence.held_out(given, 3, np.ones(len(seen), bool), 0)
    assert all(np.allclose(one.sum(1), 1) for one in found)


def test_probabilities_count_the_wrong_clicks() -> None:
    """Clicks drawn from known probabilities, some made wrong: as many are expected wrong as are."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([0.1] * 4, 20_000)
    right = (shares.cumsum(1) > rng.random((len(shares), 1))).argmax(1)
    wrong = rng.random(len(right)) < 0.1
    labels = np.where(wrong, (right + rng.integers(1, 4, len(right))) % 4, right)
    _, found, rate = wrong_probabilities(shares, labels)
    assert rate == pytest.approx(0.1, abs=0.01)
    listed = found > 0.5
    assert found[listed].mean() == pytest.approx(wrong[listed].mean(), abs=0.03)


def test_near_clicks_do_not_see_their_own_class() -> None:
    """What is said about a click stays the same whatever its own class is."""
    rng = np.random.default_rng(0)
    clicks = np.column_stack([rng.random((6, 2)) * 50, rng.integers(0, 3, 6)])
    maps = np.zeros((1, 50, 50))
    geodesic, smooth = rng.random((6, 6)) * 30, rng.random((6, 8))
    before = near_clicks(clicks, geodesic, smooth, (50, 50), maps, 3)
    clicks[2, 2] = (clicks[2, 2] + 1) % 3
    after = near_clicks(clicks, geodesic, smooth, (50, 50), maps, 3)
    assert (before[2] == after[2]).all()
    assert (before != after).any()


def test_one_image_is_too_few(planted: Dataset) -> None:
    points = PointTable([Point("tiny_0.png", 3.5, 3.5, "square"), Point("tiny_0.png", 9.5, 3.5, "disc")])
    with pytest.raises(PointsError, match="takes two"):
        audit_clicks(dataclasses.replace(planted, points=points))


def test_a_model_says_what_it_sees_and_must_fit(cli: Cli, planted: Dataset, tmp_path: Path) -> None:
    """Through the command line: the report has whole lists beside what it always had."""
    run = fit(make_config(None, {**TINY, "method": "points"}), planted, tmp_path / "run")
    report = tmp_path / "report.json"
    result = cli("points", "check", tmp_path / "planted", "--model", run.root, "--device", "cpu", "--report", report)
    assert result.code == 0, result.err
    content = json.loads(report.read_text())
    assert content["total"] == 48
    assert {"advice", "audit"} <= set(content)
    audit = content["audit"]
    assert audit["clicks"] == 42
    assert f"{len(audit['overlooked'])} regions" in result.out
    assert [one["rank"] for one in audit["overlooked"]] == list(range(1, len(audit["overlooked"]) + 1))
    classes = dataclasses.replace(planted.classes, names=("ground", "square", "round"))
    renamed = dataclasses.replace(planted, classes=classes, points=PointTable())
    with pytest.raises(RunError, match="round"):
        audit_clicks(renamed, Predictor(run.root, "cpu"))
