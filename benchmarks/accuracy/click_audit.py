"""Measure the click audit: wrong classes and missed objects found, and what remains when its lists are answered.

    python benchmarks/accuracy/click_audit.py --only peanut terraces --seeds 0 1 2     writes results/click-audit.json

Clicks are drawn by the protocol `seen`, once with 5 % wrong classes (each other class as likely), once with 20 % of the
objects missed, once with 20 % of both. A listed region is right when the pixel in its middle lies on an object (a
connected component of the mask, of any class but the background) of the named class whose click was missed; objects are
those that the protocol clicks. Answering a list: a listed click gets the class of the mask under it, a listed region on
a missed object its click.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from run import HERE, RESULTS, SOURCE, open_data, read_benchmark
from scipy import ndimage

from pointillist.data.dataset import Dataset
from pointillist.data.images import image_size
from pointillist.inference.click_audit import LISTED, ClickAudit, audit_clicks
from pointillist.points.table import Point, PointTable

EVERY = {"peanut": 1, "terraces": 1, "idd_lite": 5, "dubai_aerial": 1, "cityscapes_256": 4}
"""Every so many training images are taken."""

NOISE = {"wrong-5": {"wrong": 0.05}, "missed-20": {"missed": 0.2}, "wrong-20-missed-20": {"wrong": 0.2, "missed": 0.2}}

Numbers = dict[str, float]
Place = tuple[str, float, float]


def place(point: Point) -> Place:
    """What a click keeps when its class is wrong."""
    return point.image, round(point.x, 3), round(point.y, 3)


def wrong_classes(audit: ClickAudit, truth: dict[Place, str], clicks: list[Point]) -> Numbers:
    """Precision and recall of the ranking of all clicks, and of the default list.

    Args:
        audit: Of every click (`least=0`).
        truth: Right class by place.
        clicks: Those that were audited.
    """
    wrong = sum(truth[place(point)] != point.label for point in clicks)
    right = np.array([truth[place(one.point)] != one.point.label for one in audit.contradicting])
    listed = int(sum(one.probability >= LISTED for one in audit.contradicting))
    hits = np.cumsum(right)
    precision, recall = hits / np.arange(1, len(right) + 1), hits / wrong
    named = [one for one in audit.contradicting if truth[place(one.point)] != one.point.label]
    found = int(right[:listed].sum())
    return {
        "clicks": len(clicks),
        "wrong": wrong,
        "average_precision": float(precision[right].sum() / wrong),
        "precision_at_recall_0.6": float(precision[recall >= 0.6].max()),
        "recall_at_precision_0.8": float(recall[precision >= 0.8].max(initial=0.0)),
        "listed": listed,
        "listed_wrong": found,
        "listed_expected_wrong": sum(one.probability for one in audit.contradicting[:listed]),
        "listed_precision": found / max(listed, 1),
        "listed_recall": found / wrong,
        "class_named_right": sum(truth[place(one.point)] == one.others for one in named) / wrong,
        "remaining_wrong": wrong - found,
    }


class Missed(NamedTuple):
    """What the listed regions are, in their order.

    Attributes:
        count: Number of missed objects.
        right: Whether a region is a missed object that none before it is.
        class_right: Whether the pixel in its middle has the named class.
        clicks: The missed clicks on the objects found.
    """

    count: int
    right: list[bool]
    class_right: list[bool]
    clicks: list[Point]


def look(audit: ClickAudit, data: Dataset, all_clicks: Iterable[Point], left: set[Place]) -> Missed:
    """Look at every listed region as a person would.

    Args:
        audit: The lists.
        data: A data set with masks.
        all_clicks: As the protocol draws them.
        left: Places of those that were not missed.
    """
    by_image: dict[str, list[Point]] = {}
    for point in all_clicks:
        by_image.setdefault(point.image, []).append(point)
    objects: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64], dict[int, list[Point]]]] = {}
    for item in data.split("train"):
        if item.mask is None:
            continue
        mask = data.masks.read(item.mask, image_size(item.image))
        parts = np.zeros(mask.shape, np.int64)
        for label in range(len(data.classes)):
            if label != data.classes.background:
                own, _ = ndimage.label(mask == label, structure=np.ones((3, 3)))
                parts[own > 0] = own[own > 0] + parts.max()
        clicks: dict[int, list[Point]] = {}
        for point in by_image.get(item.name, ()):
            clicks.setdefault(int(parts[point.pixel]), []).append(point)
        none_left = {part: own for part, own in clicks.items() if part and not left & set(map(place, own))}
        objects[item.name] = mask, parts, none_left
    found = Missed(sum(len(missed) for _, _, missed in objects.values()), [], [], [])
    for one in audit.overlooked:
        mask, parts, missed = objects[one.image]
        at = int(one.y), int(one.x)
        found.class_right.append(bool(mask[at] == data.classes.index(one.label)))
        found.right.append(found.class_right[-1] and int(parts[at]) in missed)
        if found.right[-1]:
            found.clicks.extend(missed.pop(int(parts[at])))
    return found


def answer(audit: ClickAudit, data: Dataset, clean: PointTable, noisy: PointTable) -> PointTable:
    """The clicks after a person has answered both lists."""
    truth = {place(point): point for point in clean}
    listed = {place(one.point) for one in audit.contradicting if one.probability >= LISTED}
    kept = [truth[place(point)] if place(point) in listed else point for point in noisy]
    return PointTable([*kept, *look(audit, data, clean, {place(point) for point in noisy}).clicks])


def missed_objects(found: Missed) -> Numbers:
    """Precision of the first N regions, N being the number of missed objects, and recall of N and of all."""
    first = found.right[: found.count]
    return {
        "missed": found.count,
        "regions": len(found.right),
        "precision_at_missed": sum(first) / max(len(first), 1),
        "precision_of_first_50": sum(found.right[:50]) / max(len(found.right[:50]), 1),
        "class_right_at_missed": sum(found.class_right[: found.count]) / max(len(first), 1),
        "recall_at_missed": sum(first) / max(found.count, 1),
        "recall_of_all": sum(found.right) / max(found.count, 1),
        "remaining_missed": found.count - sum(found.right),
    }


def measure(name: str, seed: int, kind: str, folder: Path) -> dict[str, Any]:
    """One kind of noise on one data set."""
    benchmark = read_benchmark(HERE / "protocols" / "own-scale.yaml")
    entry = {**benchmark["datasets"][name], "every": EVERY[name]}
    clean, _ = open_data(entry, {"protocol": "seen"}, seed, folder / "clean")
    truth = {place(point): point.label for point in clean.points}
    data, _ = open_data(entry, {"protocol": "seen", **NOISE[kind]}, seed, folder / "noisy")
    clicks, started = list(data.points), time.monotonic()
    audit = audit_clicks(data, least=0.0, seed=seed)
    figures: Numbers = {"images": len(clean.split("train")), "seconds": round(time.monotonic() - started, 1)}
    if "wrong" in NOISE[kind]:
        figures |= wrong_classes(audit, truth, clicks)
    if "missed" in NOISE[kind]:
        figures |= missed_objects(look(audit, clean, clean.points, {place(point) for point in clicks}))
    print(name, kind, seed, figures, flush=True)
    return {"dataset": name, "noise": kind, "seed": seed, **figures}


def source() -> str:
    """Hash over the code that is measured."""
    files = [SOURCE / "inference" / name for name in ("click_audit.py", "click_evidence.py")]
    files += [SOURCE / "training" / name for name in ("pixel_classifier.py", "filter_bank.py")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean and standard deviation over seeds of each figure, by data set and noise."""
    found = []
    for name, kind in sorted({(row["dataset"], row["noise"]) for row in rows}):
        own = [row for row in rows if (row["dataset"], row["noise"]) == (name, kind)]
        line: dict[str, Any] = {"dataset": name, "noise": kind, "seeds": len(own)}
        for key in list(own[0])[3:]:
            values = [row[key] for row in own]
            spread = statistics.stdev(values) if len(values) > 1 else None
            line[key] = [round(statistics.mean(values), 3), None if spread is None else round(spread, 3)]
        found.append(line)
    return found


def main() -> None:
    """Measure what is asked for; rows of the same source stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["peanut", "terraces", "idd_lite"], choices=list(EVERY))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--noise", nargs="*", default=list(NOISE), choices=list(NOISE))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path: Path = arguments.results / "click-audit.json"
    there = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    rows = there["rows"] if there.get("source") == source() else []
    done = {(row["dataset"], row["noise"], row["seed"]) for row in rows}
    for kind, seed, name in itertools.product(arguments.noise, arguments.seeds, arguments.only):
        if (name, kind, seed) not in done:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measure(name, seed, kind, Path(folder)))
            content = {
                "what": "clicks of wrong classes and missed objects found by the audit, without a network",
                "protocol": "seen",
                "every": EVERY,
                "figures": "[mean, standard deviation] over seeds",
                "source": source(),
                "summary": summary(rows),
                "rows": rows,
            }
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
