"""Images that a model has not learnt from, questions about them, and the answers: what an audit is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from pointillist.data.ask import ask
from pointillist.data.dataset import ALL, Dataset, Item
from pointillist.errors import ConfigError, DatasetError, PointsError, RunError
from pointillist.points.questions import ANSWER, ANSWERS, Strategy, inclusion_of, is_question
from pointillist.points.seeds import rng_for
from pointillist.points.table import Point, PointTable
from pointillist.sealed import read_sealed
from pointillist.training.inputs import training_items
from pointillist.training.methods import get_method
from pointillist.training.run_directory import RunDirectory, fingerprint

HELD_OUT = ("test", "val")
"""Splits whose images are asked about, the first that there is."""

LEAST = 2
"""Questions in an image: with one alone, nothing tells how much pixels of an image differ."""

ANSWERED, OPEN, LEARNT, ELSEWHERE = "answered", "open", "learnt", "elsewhere"
"""What became of a question: a class was named; no answer; on an image that was learnt from; on one outside the split.
The last three do not count."""


def learnt_images(run: RunDirectory, dataset: Dataset) -> frozenset[str]:
    """Names of the images that a model has learnt from.

    Args:
        run: Its run, which keeps them; a run of an earlier version does not.
        dataset: With its clicks. If they are what such a run has learnt from, they say it.

    Raises:
        RunError: Nobody can say it any more, or the run's record is damaged.
    """
    anew = "Train again: runs keep today which images they learn from."
    if run.images.is_file():
        names = read_sealed(run.images, RunError, anew, bare="images").get("images")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RunError("is no list of names.", where=run.images, field="images", hint=anew)
        return frozenset(normalize("NFC", name) for name in names)
    config, record = run.read()
    if config.data.background is not None:
        dataset = dataset.with_policy(config.data.background)
    try:
        items = training_items(dataset, get_method(config.method.name).supervision)
    except (DatasetError, PointsError):
        items = ()
    if fingerprint(dataset, items) != record.fingerprint:
        found = "does not keep which images it has learnt from, and the data set has other clicks than it learnt."
        raise RunError(found, where=run.root, hint=anew)
    return frozenset(normalize("NFC", item.name) for item in items)


def unlearnt(dataset: Dataset, learnt: Collection[str], split: str | None = None) -> tuple[Dataset, str]:
    """The part of a data set that a model can be judged by.

    Args:
        dataset: The data set.
        learnt: Names of images that were learnt from.
        split: Which images; those of `test` or `val` when not given, or all where there is neither.

    Returns:
        A data set of these images alone, and the name of the split.

    Raises:
        DatasetError: There is no such split, or no such image in it.
    """
    if split is None:
        split = next((name for name in HELD_OUT if name in dataset.splits), ALL)
    there = dataset.split(split)
    items = tuple(item for item in there if normalize("NFC", item.name) not in learnt)
    if not items:
        found = f"the model has learnt from every image of '{split}' ({len(there):,})."
        hint = "Name images to be held out in splits/val.txt and train again, or add images without clicks."
        raise DatasetError(found, where=dataset.root, field="splits", hint=hint)
    return replace(dataset, items=items, splits={}), split


def audit_questions(
    dataset: Dataset,
    questions: int,
    strategy: Strategy = "even",
    *,
    seed: int = 0,
    measure: Callable[[Item], NDArray[Any]] | None = None,
    on_image: Callable[[str], None] | None = None,
) -> PointTable:
    """About so many questions on all images of a data set, or on some drawn by chance, at least `LEAST` in each.

    The images come in an order by chance: whoever answers a part only has answered about a random part of them.

    Args:
        dataset: What `unlearnt` gave.
        questions: How many; never more.
        strategy, seed, measure, on_image: As in `pointillist.data.ask.ask`.

    Raises:
        ConfigError: Too few for one image.
        ImageError: The size of an image cannot be read.
    """
    if questions < LEAST:
        hint = f"Ask at least {LEAST}; with 200 most figures are known to ten points."
        raise ConfigError(f"{questions} questions say nothing.", field="questions", hint=hint)
    per_image = questions_in_image(questions, len(dataset.items))
    table = ask(
        dataset,
        per_image=per_image,
        budget=questions,
        strategy=strategy,
        split=ALL,
        seed=seed,
        measure=measure,
        on_image=on_image,
    )
    order = rng_for(seed, "order of images").permutation(len(table.listed))
    place = dict(zip(table.listed, order.tolist(), strict=True))
    shuffled = sorted(table.unnamed, key=lambda question: place[question.image])
    return PointTable((), table.columns, unnamed=shuffled)


def questions_in_image(questions: int, images: int) -> int:
    """How many questions of an image use most of those that may be asked, and go to most images.

    >>> questions_in_image(200, 80), questions_in_image(200, 18), questions_in_image(200, 1000)
    (3, 11, 2)
    """
    choices = (max(LEAST, questions // images), max(LEAST, -(-questions // images)))
    return max(choices, key=lambda each: min(images, questions // each) * each)


@dataclass(frozen=True)
class Asked:
    """Answers by which models are judged.

    Args:
        dataset: The images that were drawn from, and no other.
        split: Which they are.
        points: N questions with an answer, image by image; `unsure` and `border` name no class.
        weights: N, how many pixels each stands for, up to one factor for all.
        counts: Questions by what became of them: `answered`, `unsure`, `border`; `OPEN`, `LEARNT`, `ELSEWHERE` do not
            count.
    """

    dataset: Dataset
    split: str
    points: tuple[Point, ...]
    weights: NDArray[np.float64]
    counts: Counter[str]

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images that were asked about, in their order."""
        return tuple(dict.fromkeys(point.image for point in self.points))


def read_answers(
    runs: Sequence[RunDirectory], dataset: Dataset, files: Sequence[Path], split: str | None = None
) -> Asked:
    """Read answered questions, without those on images that one of the models has learnt from.

    Several draws on the same images are put together in proportion to their numbers of questions.

    Args:
        runs: The runs of the models.
        dataset: Where the images are.
        files: Label files, each with the questions of one draw; clicks in them are left out.
        split: See `unlearnt`.

    Raises:
        RunError: A run does not know what it has learnt from.
        DatasetError: There is no such split, or no image that was not learnt from.
        PointsError: A file cannot be read, does not fit the data set, or no answer counts.
    """
    learnt = frozenset[str]().union(*(learnt_images(run, dataset) for run in runs))
    judged, split = unlearnt(dataset, learnt, split)
    names = {item.name for item in judged.items}
    counts: Counter[str] = Counter()
    found: list[tuple[Point, float]] = []
    for file in files:
        asked = [point for point in dataset.with_points(file).points.rows if is_question(point)]
        if not asked:
            hint = "Make some with 'pointillist audit RUN DATA', and answer them."
            raise PointsError("holds no questions.", where=file, hint=hint)
        counts[LEARNT] += sum(normalize("NFC", point.image) in learnt for point in asked)
        drawn = [point for point in asked if point.image in names]
        counts[ELSEWHERE] += len(asked) - len(drawn)
        total = sum(1 / inclusion_of(point) for point in drawn)
        for point in drawn:
            answer = ANSWERED if point.label else point.extra.get(ANSWER) or OPEN
            counts[answer] += 1
            if answer != OPEN:
                found.append((point, len(drawn) / inclusion_of(point) / total))
    counts[ELSEWHERE] -= counts[LEARNT]
    if not found:
        lost = {LEARNT: "on images that the model has learnt from", ELSEWHERE: f"on images outside '{split}'"}
        said = [f"{counts[key]:,} {text}" for key, text in (lost | {OPEN: "without an answer"}).items() if counts[key]]
        hint = "Ask about images that were held back: pointillist audit RUN DATA --questions 200."
        if counts[OPEN]:
            hint = f"Write the class into the column 'class', or {' or '.join(ANSWERS)} into 'answer'."
        raise PointsError(f"holds no answer that counts: {', '.join(said)}.", where=files[0], hint=hint)
    found.sort(key=lambda each: each[0].image)
    return Asked(judged, split, tuple(point for point, _ in found), np.array([weight for _, weight in found]), counts)
