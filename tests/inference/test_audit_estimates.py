"""Estimates from questions: known answers, and intervals that have the truth inside."""

from __future__ import annotations

import numpy as np
import pytest

from pointillist.inference.estimates import Sample, influences, parts, shares, spread
from pointillist.inference.intervals import MIOU, differences, figures, halving
from pointillist.points.questions import even_pixels
from pointillist.training.metrics import class_iou


def test_the_example_of_olofsson_2014() -> None:
    """Their worked example: deforestation, forest gain, stable forest, stable non-forest."""
    mapped = np.array([200_000, 150_000, 3_200_000, 6_450_000])
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])  # rows: map
    predicted, real = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    number = len(real)
    sample = Sample(
        np.arange(number),
        np.full((number, 2), 0.5),
        np.ones(number),
        real,
        predicted,
        np.tile(mapped / number, (number, 1)),
        np.ones((number, 2)),
        10_000_000,
    )
    found = figures(sample)
    assert found["accuracy"].value == pytest.approx(0.95, abs=0.005)
    assert [found[f"precision {c}"].value for c in range(4)] == pytest.approx([0.88, 0.73, 0.93, 0.96], abs=0.005)
    assert [found[f"recall {c}"].value for c in range(4)] == pytest.approx([0.75, 0.85, 0.93, 0.96], abs=0.005)
    assert found["area 0"].value * 10_000_000 == pytest.approx(235_086, abs=10)
    wanted = list(parts(sample).values())
    deviation = spread(sample, *influences(sample, wanted)).covariance(0).diagonal() ** 0.5
    index = list(parts(sample)).index("area 0")
    weights, hits, asked = mapped / mapped.sum(), counts[:, 0], counts.sum(1)
    share = hits / asked
    variance = (weights**2 * share * (1 - share) / (asked - 1)).sum()  # equation 10 of the paper
    assert deviation[index] == pytest.approx(variance**0.5, rel=0.01)
    low, high = found["area 0"].interval
    # Theirs is 68,418 to both sides, by the normal distribution; 12 doubtful answers of 640 are trusted less here.
    assert 68_418 < (high - low) / 2 * 10_000_000 < 1.2 * 68_418


class World:
    """Images with masks and what two models say: squares of two classes, all of them a little off."""

    def __init__(self, images: int = 14, size: tuple[int, int] = (40, 60)) -> None:
        rng = np.random.default_rng(5)
        self.size, self.masks, self.models = size, [], ([], [])
        for number in range(images):
            mask = np.zeros(size, int)
            mask[: rng.integers(5, 30), : rng.integers(10, 50)] = 1
            top, left = rng.integers(0, 30), rng.integers(0, 45)
            mask[top : top + 10, left : left + 12] = 2 if number % 3 else 0
            self.masks.append(mask)
            for shift, said in zip((2, 3), self.models, strict=True):
                moved = np.roll(mask, (shift, rng.integers(-shift, shift + 1)), (0, 1))
                said.append(np.where(rng.random(size) < 0.05, rng.integers(0, 3, size), moved))

    def truth(self, model: int) -> dict[str, float]:
        pairs = np.stack([np.ravel(self.masks), np.ravel(self.models[model])])
        confusion = np.bincount(pairs[0] * 3 + pairs[1], minlength=9).reshape(3, 3)
        iou = class_iou(confusion.diagonal(), confusion.sum(1), confusion.sum(0))
        area = confusion.sum(1) / confusion.sum()
        named = {f"{name} {c}": values[c] for name, values in (("iou", iou), ("area", area)) for c in range(3)}
        return {"accuracy": confusion.trace() / confusion.sum(), MIOU: iou.mean(), **named}

    def draw(self, seed: int, each: int, images: int) -> tuple[Sample, Sample]:
        rng = np.random.default_rng(seed)
        asked = rng.choice(len(self.masks), images, replace=False)
        found = np.concatenate([np.column_stack([even_pixels(self.size, each, rng), np.full(each, i)]) for i in asked])
        column, row = found[:, 0].astype(int), found[:, 1].astype(int)
        image = np.repeat(np.arange(images), each)
        masks, models = np.stack(self.masks)[asked], [np.stack(said)[asked] for said in self.models]
        areas = [np.stack([np.bincount(one.ravel(), minlength=3) for one in said]).astype(float) for said in models]
        sizes = np.tile(np.array(self.size, float), (images, 1))
        one, two = (
            Sample(image, found[:, :2], 1 / found[:, 2], masks[image, row, column], said[image, row, column], *rest)
            for said, *rest in ((said, area, sizes, len(self.masks)) for said, area in zip(models, areas, strict=True))
        )
        return one, two


@pytest.mark.parametrize(("each", "images"), [(12, 14), (12, 8)])
def test_intervals_have_the_truth_inside(each: int, images: int) -> None:
    """Also where all images are asked, and where some are: 120 draws, 95 % ± 3.4 standard errors."""
    world = World()
    truth, other = world.truth(0), world.truth(1)
    inside: dict[str, list[bool]] = {}
    for seed in range(120):
        first, second = world.draw(seed, each, images)
        found = figures(first) | {f"- {name}": one for name, one in differences(first, second).items()}
        aims = truth | {f"- {name}": other[name] - value for name, value in truth.items()}
        for name in found.keys() & aims.keys():
            if found[name].interval is not None:  # else no question met the class
                low, high = found[name].interval
                inside.setdefault(name, []).append(low <= aims[name] <= high)
    coverage = {name: float(np.mean(values)) for name, values in inside.items()}
    assert len(coverage) == 8 + 5
    assert min(coverage.values()) > 0.88, coverage
    assert 0.92 < np.mean(list(coverage.values())) < 0.985, coverage


def test_estimates_are_unbiased() -> None:
    world = World()
    truth = world.truth(0)
    found = [figures(world.draw(seed, 12, 8)[0]) for seed in range(120)]
    for name in ("accuracy", MIOU, "iou 1", "area 0", "area 2"):
        values = [one[name].value for one in found]
        assert abs(np.mean(values) - truth[name]) < 4 * np.std(values) / len(values) ** 0.5, name


def test_what_is_said_to_halve_an_interval_halves_it() -> None:
    world = World(40)

    def width(draws: list[tuple[Sample, Sample]]) -> float:
        return float(np.mean([np.ptp(figures(first)["accuracy"].interval) for first, _ in draws]))

    few = [world.draw(seed, 4, 20) for seed in range(25)]
    told = [halving(first, "accuracy") for first, _ in few]
    questions = 80 + round(np.mean([more.questions for more in told]))
    images = min(40, round(np.mean([more.images for more in told])))
    many = [world.draw(seed, questions // images, images) for seed in range(25)]
    assert questions > 160
    assert width(many) / width(few) == pytest.approx(0.5, abs=0.08)


def test_models_that_say_the_same_differ_by_nothing() -> None:
    first, _ = World().draw(0, 6, 10)
    assert differences(first, first)[MIOU] == (0.0, (0.0, 0.0), (0.0, 0.0))


def test_no_mistake_seen_is_no_proof_that_there_is_none() -> None:
    number = 60
    real = np.repeat([0, 1], [55, 5])
    places = np.column_stack([np.tile(np.arange(20) + 0.5, 3), np.full(number, 0.5)])
    sample = Sample(
        np.repeat(np.arange(3), 20),
        places,
        np.ones(number),
        real,
        real,
        np.array([[50.0, 0], [50, 0], [40, 10]]),
        np.tile([1.0, 20.0], (3, 1)),
        3,
    )
    found = figures(sample)
    assert found["iou 1"].value == 1
    assert 0.4 < found["iou 1"].interval[0] < 0.8
    assert found["accuracy"].interval[0] > 0.93
    assert found["iou 1"].interval[1] == found["accuracy"].interval[1] == 1
    # Of a class that nothing says anything about, nothing is said.
    nothing = parts(sample)["iou 1"]._replace(base=np.zeros(number, bool), hit=np.zeros(number, bool))
    assert np.isnan(shares(sample, [nothing])).all()
