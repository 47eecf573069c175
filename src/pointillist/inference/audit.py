"""How good a model is, from answers to questions on images that it has not learnt from; without a mask."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pointillist.classes import IGNORE
from pointillist.data.images import image_size
from pointillist.errors import PointsError, RunError
from pointillist.inference.compare import Compared, Comparison
from pointillist.inference.estimates import ACCURACY, BY_CLASS, IOU, LEFT_OUT, Sample
from pointillist.inference.intervals import MIOU, Figure, More, differences, figures, halving
from pointillist.inference.predictor import Predictor
from pointillist.inference.unlearnt import ELSEWHERE, LEARNT, OPEN, Asked
from pointillist.points.questions import ANSWERS
from pointillist.training.metrics import known

JSON, PAGE = "audit.json", "audit.html"
"""What an audit leaves in a run directory."""

QUESTIONS = "audit.csv"
"""Its questions, beside the data: a run that is made anew must not take the answers with it."""

METRIC = "mIoU of one confusion matrix over all pixels of the split, estimated from answers to questions"


@dataclass(frozen=True)
class Audit:
    """What answers say about a model.

    Args:
        sample: The answers, and what the model says there.
        counts: What became of the questions, see `unlearnt.Asked`.
        class_names: C names.
        dataset: Name of the data set's folder.
        split: Which images were asked about.
        protocol: How the model was trained.
    """

    sample: Sample
    counts: Counter[str]
    class_names: tuple[str, ...]
    dataset: str
    split: str
    protocol: dict[str, Any]

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Estimates by name: `accuracy`, `miou`, `left out`, and for class 0 `iou 0`, `precision 0`, ….

        mIoU is the mean over the classes that some question met, see `unmet`.
        """
        return figures(self.sample)

    @cached_property
    def more(self) -> dict[str, More]:
        """What would halve the intervals of accuracy and mIoU."""
        return {name: halving(self.sample, name) for name in (ACCURACY, MIOU)}

    @property
    def mapped(self) -> tuple[float, ...]:
        """By class, its share of the pixels as the model maps them, mistakes included."""
        pixels = self.sample.mapped.sum(0)
        return tuple((pixels / pixels.sum()).tolist())

    @property
    def unmet(self) -> tuple[str, ...]:
        """Classes of which no question says anything, so that mIoU leaves them out."""
        found = [self.figures[f"{IOU} {label}"].value for label in range(len(self.class_names))]
        return tuple(name for name, value in zip(self.class_names, found, strict=True) if value != value)

    def by_class(self, name: str) -> tuple[Figure, ...]:
        """One of `estimates.BY_CLASS`, class by class."""
        return tuple(self.figures[f"{name} {label}"] for label in range(len(self.class_names)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "dataset": self.dataset,
            "split": self.split,
            "method": self.protocol["method"]["name"],
            "seed": self.protocol["seed"],
            "accuracy": plain(self.figures[ACCURACY]),
            "miou": plain(self.figures[MIOU]),
            "per_class": {
                class_name: {
                    **{name: plain(self.figures[f"{name} {label}"]) for name in BY_CLASS},
                    "mapped": self.mapped[label],
                }
                for label, class_name in enumerate(self.class_names)
            },
            "confusion": self.sample.confusion.tolist(),
            "left_out": plain(self.figures[LEFT_OUT]),
            "not_met": self.unmet,
            "questions": {
                "counted": len(self.sample.image),
                **{name: self.counts[name] for name in ANSWERS},
                "without_answer": self.counts[OPEN],
                "on_images_learnt_from": self.counts[LEARNT],
                "on_other_images": self.counts[ELSEWHERE],
            },
            "images": {"asked": len(self.sample.mapped), "of": self.sample.population},
            "to_halve": {name: more._asdict() for name, more in self.more.items()},
            "protocol": self.protocol,
        }

    def to_json(self) -> str:
        """The same as the text of a file."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


def plain(figure: Figure) -> dict[str, Any]:
    """An estimate for JSON."""
    return {"value": known(figure.value), "interval": figure.interval, "interval_other_images": figure.beyond}


def audit(
    predictors: Sequence[Predictor], asked: Asked, *, on_image: Callable[[str], None] | None = None
) -> list[Audit]:
    """Judge models by the same answers.

    Args:
        predictors: The models.
        asked: Answers about images that none of them has learnt from, see `unlearnt.read_answers`.
        on_image: Called with the name of each image that all models are done with.

    Raises:
        RunError: A model has other classes.
        PointsError: No question lies where there are data.
        ImageError: An image cannot be read.
    """
    root, names = asked.dataset.root, asked.dataset.classes.names
    for predictor in predictors:
        if predictor.classes.names != names:
            found = f"the model knows the classes {', '.join(predictor.classes.names)}; the data set has others."
            hint = f"Use a data set with the same classes; it has {', '.join(names)}."
            raise RunError(found, where=root, field="classes", hint=hint)
    name = root.resolve().stem if root.is_file() else root.resolve().name
    return [
        Audit(sample, asked.counts, names, name, asked.split, {**predictor.engine.protocol, "metric": METRIC})
        for sample, predictor in zip(samples(predictors, asked, on_image), predictors, strict=True)
    ]


def samples(
    predictors: Sequence[Predictor], asked: Asked, on_image: Callable[[str], None] | None = None
) -> list[Sample]:
    """What models say at the questions and in the whole images; see `audit`."""
    names, classes = asked.dataset.classes.names, len(asked.dataset.classes)
    items = {item.name: item for item in asked.dataset.items}
    index = {name: number for number, name in enumerate(asked.images)}
    image = np.array([index[point.image] for point in asked.points], np.intp)
    pixels = np.array([point.pixel for point in asked.points], np.intp)
    predicted = np.zeros((len(predictors), len(image)), np.intp)
    mapped = np.zeros((len(predictors), len(index), classes))
    for name, number in index.items():
        here = image == number
        for model, predictor in enumerate(predictors):
            found = predictor.predict(items[name].image)
            rows, columns = pixels[here].T
            predicted[model, here] = found.labels[rows, columns]
            for _, strip in found.strips():
                mapped[model, number] += np.bincount(strip.labels.ravel(), minlength=IGNORE + 1)[:classes]
        if on_image is not None:
            on_image(name)
    real = np.array([names.index(point.label) if point.label else -1 for point in asked.points], np.intp)
    # Where an image has no data, there is nothing to be right or wrong about.
    kept = (predicted != IGNORE).all(0)
    if not kept.any():
        raise PointsError("no question lies where its image has data.", hint="Ask about other images.")
    position = np.array([(point.x, point.y) for point in asked.points])
    sizes = np.array([image_size(items[name].image) for name in index], np.float64)
    return [
        Sample(image[kept], position[kept], asked.weights[kept], real[kept], each[kept], areas, sizes, len(items))
        for each, areas in zip(predicted, mapped, strict=True)
    ]


def compared(names: Sequence[str], audits: Sequence[Audit]) -> Comparison:
    """Audited models beside the first of them, as `compare` shows models that were scored with masks.

    Args:
        names: What each is called.
        audits: What `audit` gave for all of them together.
    """
    first = audits[0]
    models = []
    for name, one in zip(names, audits, strict=True):
        miou, lead = one.figures[MIOU], differences(first.sample, one.sample)[MIOU]
        method, seed = one.protocol["method"]["name"], one.protocol["seed"]
        iou = tuple(figure.value for figure in one.by_class(IOU))
        models.append(Compared(name, method, seed, miou.value, miou.interval, lead.value, lead.interval, iou))
    return Comparison(first.class_names, len(first.sample.mapped), tuple(models))


def accuracies(audits: Sequence[Audit]) -> list[tuple[Figure, Figure]]:
    """Accuracy of audited models, and how much more it is than that of the first."""
    return [(one.figures[ACCURACY], differences(audits[0].sample, one.sample)[ACCURACY]) for one in audits]
