"""A training on answered questions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from pointillist.api import load, train_config
from pointillist.data.inputs import Scale
from pointillist.data.pieces import cut_into_pieces
from pointillist.data.samples import Batch, Collate, TrainingSamples
from pointillist.data.simulated import simulate_dataset
from pointillist.data.transforms import Geometry
from pointillist.points.table import PointTable
from pointillist.training.config import make_config
from pointillist.training.methods.pseudo_masks import GeodesicDistances
from pointillist.training.metrics_table import read_metrics
from pointillist.training.run_directory import fingerprint
from tests.conftest import TINY, write_tiny


def batch_of(folder: Path, cache_bytes: tuple[int, int] = (0, 0)) -> Batch:
    """An image with answers, one with a click, and one with both."""
    data = load(write_tiny(folder, train=2, val=1)).with_bands()
    names = [item.name for item in data.items]
    asked = simulate_dataset(data, per_object=0, questions=6)
    clicked = simulate_dataset(data, per_object=1)
    points = [*asked.of(names[0]), *clicked.of(names[1]), *asked.of(names[2]), *clicked.of(names[2])]
    data = replace(data, points=PointTable(points))
    samples = TrainingSamples(
        data,
        cut_into_pieces(data.items, Scale.of(1.0), 16),
        geometry=Geometry((32, 32)),
        distances_of=GeodesicDistances(3, 300.0),
        cache_bytes=cache_bytes,
    )
    for _ in range(2):  # the second time out of the cache
        drawn = [samples[index, 0] for index in range(3)]
    return Collate(3)(drawn)


def test_only_where_no_object_was_clicked_presence_is_a_probability_and_no_distance_counts(tmp_path: Path) -> None:
    for number, cache in enumerate([(0, 0), (10**7, 0), (0, 10**7)]):
        batch = batch_of(tmp_path / str(number), cache)
        assert batch.presence is not None
        assert batch.distances is not None
        asked, clicked, both = batch.presence
        assert clicked is None
        assert both is None
        assert asked is not None
        named = batch.points[0][:, 2].unique().long()
        assert (asked[named] == 1).all()
        assert torch.isinf(batch.distances[0]).all()
        assert batch.distances[1].isfinite().any()


def test_a_run_on_questions_alone(tmp_path: Path) -> None:
    data = load(write_tiny(tmp_path / "data"))
    table = simulate_dataset(data, split="train", per_object=0, questions=8)
    asked = replace(data, points=table)
    plain = replace(data, points=PointTable([replace(point, extra={}) for point in table]))
    settings = {**TINY, "method": "single-stage", "trainer.epochs": 2, "trainer.snapshots": 0}
    run = train_config(make_config(None, settings), asked, tmp_path / "run")
    taught = [float(row["loss_pseudo"]) for row in read_metrics(run) if row.get("loss_pseudo")]
    assert taught
    assert all(map(math.isfinite, taught))
    assert fingerprint(asked, data.items) != fingerprint(plain, data.items)
