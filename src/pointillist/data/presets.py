"""The clicks of papers, by name: where they come from, how many there are, and what stands for background.

Published numbers on the "same" data set are often not comparable, because these differ. A preset fixes them, and its
`name` goes into the protocol of a result. Each says what its source states and what is this project's reading of it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from pointillist.classes import BackgroundPolicy
from pointillist.data.dataset import Dataset
from pointillist.data.simulated import simulate_dataset
from pointillist.errors import ConfigError, nearest
from pointillist.points.protocols import ClickOptions
from pointillist.points.seeds import rng_for
from pointillist.points.table import Point, PointTable


@dataclass(frozen=True)
class Preset:
    """How one paper gets its clicks.

    Args:
        name: What the user types.
        layout: Layout of the data sets it is for.
        clicks: `file`: those of a label file, which the user names; `masks`: simulated from masks, seeded; `own`: those
            the data set comes with.
        background: Policy.
        source: Who uses it, and where it is written.
        reading: What the source leaves open, and how it is done here.
        rank: For `file`: only clicks of this rank, of a file that ranks them; 1 is the first of a class in an image.
        simulation: For `masks`: arguments of `simulate_dataset`.
        thin_background: Whether an image keeps at most as many background clicks as it has clicks of other classes.
    """

    name: str
    layout: str
    clicks: Literal["file", "masks", "own"]
    background: BackgroundPolicy
    source: str
    reading: str
    rank: int | None = None
    simulation: ClickOptions = field(default_factory=ClickOptions)
    thin_background: bool = False


_BEARMAN = "Bearman et al., What's the Point, ECCV 2016: human clicks on PASCAL VOC 2012"
_NO_BACKGROUND = "The file has no background clicks; "
_POLICIES: dict[BackgroundPolicy, str] = {
    "points": "a label file that has background clicks of its own must be named.",
    "border": "pixels of the image border far from every click stand for it, as every method here gets them.",
    "none": "no pixel is taught as background, while scores count it all the same.",
}

_PRESETS = (
    *(
        Preset(
            f"voc-{'one' if rank else 'all'}-point{'' if rank else 's'}-{policy}",
            "voc",
            "file",
            policy,
            f"{_BEARMAN}; {'rank 1, the first click of each class' if rank else 'all clicks'}.",
            _NO_BACKGROUND + reading,
            rank=rank,
        )
        for rank in (1, None)
        for policy, reading in _POLICIES.items()
    ),
    Preset(
        "cityscapes-point-per-class",
        "cityscapes",
        "masks",
        "none",
        "One click per class and image, as in the label file passed on with TEL (Liang et al., CVPR 2022).",
        "Drawn evenly from the pixels of any object of the class; TEL's own file can be named as label file instead.",
        simulation={"placement": "uniform", "min_area": 1, "per_class": 1},
    ),
    Preset(
        "cityscapes-point-per-instance",
        "cityscapes",
        "masks",
        "none",
        "One click per instance, for classes without instances one per connected area.",
        "Drawn from the inner part of the object, at least 50 pixels large.",
        simulation={"placement": "component", "min_area": 50},
    ),
    Preset(
        "citypersons-boxes",
        "citypersons",
        "own",
        "border",
        "Akiva and Dana, arXiv 2106.10309, train on CityPersons with points; how they are made is not in the abstract.",
        "The middle of each person's visible box; background from the image border.",
    ),
    Preset(
        "craid-equal-background",
        "craid",
        "own",
        "points",
        "Akiva et al., Finding Berries, CVPR workshops 2020: berry clicks and background clicks.",
        "Of the background clicks of an image, as many as it has berry clicks are kept, by a seeded draw.",
        thin_background=True,
    ),
    Preset(
        "inria-component",
        "inria",
        "masks",
        "points",
        "Akiva and Dana, arXiv 2106.10309, train on Inria with points; how they are made is not in the abstract.",
        "One click per connected building and one per connected area of background, per window of 500×500 pixels.",
        simulation={"placement": "component", "min_area": 50},
    ),
)

PRESETS = {preset.name: preset for preset in _PRESETS}
"""All presets by name."""


def find_preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in PRESETS:
        raise ConfigError(f"{name!r} is no preset.", field="preset", hint=nearest(name, PRESETS))
    return PRESETS[name]


def apply(
    preset: Preset,
    dataset: Dataset,
    *,
    split: str | None = None,
    seed: int = 0,
    on_image: Callable[[str], None] | None = None,
) -> Dataset:
    """The same data set with the clicks and the background policy of a preset.

    Args:
        preset: The preset.
        dataset: The data set, in the layout of the preset, with the clicks of its label file where it needs one.
        split: Where clicks are simulated; the training split when not given.
        seed: Seed of the simulation.
        on_image: Called with the name of each image that is done.

    Raises:
        ConfigError: The data set has another layout, or the clicks that the preset needs are missing.
        DatasetError: There is no mask to draw clicks from.
    """
    if dataset.layout != preset.layout:
        others = [other.name for other in PRESETS.values() if other.layout == dataset.layout]
        raise ConfigError(
            f"'{preset.name}' is for the layout '{preset.layout}', not '{dataset.layout}'.",
            field="preset",
            hint=f"Presets for it: {', '.join(others) or 'none'}.",
        )
    dataset = dataset.with_policy(preset.background)
    if preset.clicks == "masks":
        where = dataset.training_split if split is None else split
        table = simulate_dataset(dataset, split=where, seed=seed, on_image=on_image, **preset.simulation)
    else:
        table = dataset.points
    if not len(table):
        raise ConfigError(
            f"'{preset.name}' needs clicks, and there are none.",
            field="--points",
            hint="Name a label file with --points.",
        )
    if preset.rank is not None:
        if "rank" not in table.columns:
            raise ConfigError(
                f"'{preset.name}' needs clicks with a rank.", field="--points", hint="Name What's the Point's own file."
            )
        table = PointTable([p for p in table if p.extra.get("rank") == str(preset.rank)], table.columns)
    if preset.thin_background and dataset.classes.background is not None:
        table = thin_background(table, dataset.classes.names[dataset.classes.background], seed)
    return dataclasses.replace(dataset, points=table)


def thin_background(table: PointTable, background: str, seed: int) -> PointTable:
    """Per image, at most as many background clicks as clicks of other classes, by a seeded draw; their order stays."""
    kept: list[Point] = []
    for image in table.images:
        points = table.of(image)
        counts = Counter(point.label == background for point in points)
        places = [place for place, point in enumerate(points) if point.label == background]
        left = set(rng_for(seed, image).permutation(places)[: counts[False]].tolist())
        kept += [point for place, point in enumerate(points) if point.label != background or place in left]
    return PointTable(kept, table.columns)
