from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.classes import IGNORE
from pointillist.data.dataset import Dataset
from pointillist.data.draws import DrawSampler, steps_per_epoch
from pointillist.data.inputs import Scale
from pointillist.data.layouts import load_dataset
from pointillist.data.pieces import clicks_by_class, cut_into_pieces
from pointillist.data.samples import (
    Batch,
    Collate,
    TrainingSamples,
    read_sample,
)
from pointillist.data.transforms import Geometry
from pointillist.errors import ImageError

GEOMETRY = Geometry((8, 8), zoom=(0.7, 1.4), vertical_flip=True)


def distances_of(
    image: torch.Tensor, points: torch.Tensor, _: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    classes = points[:, 2].unique().long()
    return torch.stack([image.mean(0) * 10 + float(label) for label in classes]), classes


def samples(dataset: Dataset, **settings: object) -> TrainingSamples:
    dataset = dataset.with_bands()
    pieces = cut_into_pieces(dataset.items, Scale(), 8)
    given = {"geometry": GEOMETRY, "color_jitter": 0.3, "seed": 1, "with_masks": True, "balanced": 0.5} | settings
    clicks = clicks_by_class(dataset, pieces)
    return TrainingSamples(dataset, pieces, clicks=clicks, **given)  # type: ignore[arg-type]


# The order of draws.


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 99), st.integers(0, 30))
@settings(max_examples=80, deadline=None)
def test_processes_share_one_stream(length: int, share: int, seed: int, start: int) -> None:
    def drawn(**given: int) -> list[list[tuple[int, int]]]:
        return list(DrawSampler(length, 2 * share, seed, steps=5, steps_done=lambda: start, **given))

    whole, parts = drawn(), [drawn(rank=rank, processes=2) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99), st.integers(0, 50))
@settings(max_examples=80, deadline=None)
def test_resuming_at_any_step_continues_the_same_stream(length: int, batch: int, seed: int, step: int) -> None:
    epochs, steps = 4, steps_per_epoch(length, batch)
    done = 0
    stream = []
    sampler = DrawSampler(length, batch, seed, steps=steps, steps_done=lambda: done)
    for _ in range(epochs):
        for drawn in sampler:
            stream.append(drawn)
        done += len(sampler)
    step = min(step, len(stream) - 1)
    resumed = list(DrawSampler(length, batch, seed, steps=steps, steps_done=lambda: step))
    assert resumed[: len(stream) - step] == stream[step : step + len(resumed)]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_every_image_is_drawn_equally_often(length: int, batch: int, seed: int) -> None:
    drawn: list[tuple[int, int]] = []
    sampler = DrawSampler(length, batch, seed, steps=3, steps_done=lambda: len(drawn) // batch)
    while len(drawn) < 6 * length:
        drawn += [pair for pairs in sampler for pair in pairs]
    assert [draw for _, draw in drawn] == list(range(len(drawn)))
    for turn in range(len(drawn) // length):
        assert sorted(index for index, _ in drawn[turn * length : (turn + 1) * length]) == list(range(length))


def test_another_seed_is_another_order() -> None:
    assert list(DrawSampler(30, 5, 0, steps=6)) != list(DrawSampler(30, 5, 1, steps=6))
    assert list(DrawSampler(30, 5, 0, steps=6)) == list(DrawSampler(30, 5, 0, steps=6))


@pytest.mark.parametrize(("images", "batch", "steps"), [(10, 5, 2), (1, 8, 1), (11, 4, 3), (367, 8, 46)])
def test_steps_per_epoch(images: int, batch: int, steps: int) -> None:
    assert steps_per_epoch(images, batch) == steps


# One image.


def test_a_sample_is_at_the_scale_of_training(berries: Path) -> None:
    dataset = load_dataset(berries)
    whole = read_sample(dataset, dataset.items[1], Scale(), with_mask=True)
    assert whole.size == (10, 12)
    assert whole.image.dtype == torch.float32
    assert whole.image.max() <= 1
    assert whole.points.tolist() == [[6.25, 3.5, 1], [1, 9, 0]]
    assert whole.mask is not None
    assert whole.mask.dtype == torch.int64
    assert whole.mask[0, 0] == IGNORE
    half = read_sample(dataset, dataset.items[1], Scale((5, 99)), with_mask=False)
    assert half.size == (5, 6)
    assert half.mask is None
    assert half.points.tolist() == [[3.125, 1.75, 1], [0.5, 4.5, 0]]


def test_masks_are_not_opened_unless_asked_for(berries: Path) -> None:
    dataset = load_dataset(berries)
    shutil.rmtree(berries / "masks")
    read_sample(dataset, dataset.items[0], Scale(), with_mask=False)
    samples(dataset, with_masks=False)[0, 0]


def test_border_policy_adds_background_clicks_far_from_every_click(berries: Path) -> None:
    dataset = load_dataset(berries).with_policy("border")
    sample = read_sample(dataset, dataset.items[0], Scale(), with_mask=False)
    own = read_sample(load_dataset(berries), dataset.items[0], Scale(), with_mask=False).points
    added = sample.points[len(own) :]
    assert torch.equal(sample.points[: len(own)], own)
    assert len(added) > 0
    assert (added[:, 2] == 0).all()
    x, y = added[:, 0], added[:, 1]
    assert ((x == 0.5) | (x == 11.5) | (y == 0.5) | (y == 9.5)).all()
    assert torch.cdist(added[:, :2], own[:, :2]).min() >= 12 / 5
    assert len(read_sample(dataset.with_policy("none"), dataset.items[0], Scale(), with_mask=False).points) == len(own)


def test_an_unreadable_image_is_named(berries: Path) -> None:
    (berries / "images/b.png").write_bytes(b"")
    (berries / "points.csv").unlink()
    dataset = load_dataset(berries)
    with pytest.raises(ImageError, match=r"b\.png"):
        read_sample(dataset, dataset.items[1], Scale(), with_mask=False)


# Drawn for training.


def assert_equal(first: object, second: object) -> None:
    for name in ("augmented", "image", "valid", "scales", "mask", "distances"):
        a, b = getattr(first, name), getattr(second, name)
        assert (a is None) == (b is None), name
        if a is not None:
            assert torch.equal(a, b), name
    assert all(torch.equal(a, b) for a, b in zip(first.points, second.points, strict=True))  # type: ignore[attr-defined]


CACHES = [(500, 0), (0, 500), (1500, 10**6), (10**9, 0)]
"""Bytes of memory and of disk: too few for any sample, for some, and enough for all."""


@pytest.mark.parametrize("cache", CACHES)
def test_the_cache_changes_nothing(berries: Path, cache: tuple[int, int]) -> None:
    dataset = load_dataset(berries)
    collate = Collate(2)
    plain, cached = (
        samples(dataset, distances_of=distances_of),
        samples(dataset, distances_of=distances_of, cache_bytes=cache),
    )
    for draw in range(9):
        key = (draw % 3, draw)
        assert_equal(collate([plain[key]]), collate([cached[key]]))


def test_a_sample_is_read_once(berries: Path) -> None:
    drawn = samples(load_dataset(berries), cache_bytes=(1500, 10**6), balanced=0)
    first = [drawn[index, 4] for index in range(3)]
    shutil.rmtree(berries / "images")
    again = [drawn[index, 4] for index in range(3)]
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a[1], b[1])


def batches(drawn: TrainingSamples, workers: int) -> list[Batch]:
    loader = torch.utils.data.DataLoader(
        drawn,
        batch_sampler=DrawSampler(3, 2, 5, steps=3, steps_done=lambda: 4),
        collate_fn=Collate(2),
        num_workers=workers,
    )
    return list(loader)


@pytest.mark.parametrize("cache", CACHES[2:])
def test_workers_change_nothing(berries: Path, cache: tuple[int, int]) -> None:
    dataset = load_dataset(berries)
    alone, two = (batches(samples(dataset, cache_bytes=cache), workers) for workers in (0, 2))
    assert [batch.names for batch in alone] == [batch.names for batch in two]
    for a, b in zip(alone, two, strict=True):
        assert_equal(a, b)


def test_a_draw_depends_on_its_numbers_alone(berries: Path) -> None:
    dataset = load_dataset(berries)
    collate = Collate(2)
    drawn = samples(dataset)
    first = collate([drawn[1, 7]])
    drawn[0, 3], drawn[1, 8]
    assert_equal(first, collate([drawn[1, 7]]))
    assert not torch.equal(first.augmented, collate([drawn[1, 8]]).augmented)
    assert not torch.equal(first.augmented, collate([samples(dataset, seed=2)[1, 7]]).augmented)


# Batches.


def test_collate_stacks_and_fills(berries: Path) -> None:
    (berries / "masks/b.png").unlink()
    dataset = load_dataset(berries)
    drawn = samples(dataset, distances_of=distances_of, balanced=0)
    batch = Collate(3)([drawn[0, 0], drawn[1, 1]])
    assert batch.names == ("a.jpg", "b.png")
    assert len(batch) == 2
    assert batch.image.shape == batch.augmented.shape == (2, 3, 8, 8)
    assert batch.valid.shape == (2, 8, 8)
    assert batch.mask is not None
    assert batch.mask.dtype == torch.int64
    assert (batch.mask[1] == IGNORE).all()
    assert not (batch.mask[0] == IGNORE).all()
    assert batch.distances is not None
    assert batch.distances.shape == (2, 3, 8, 8)
    assert batch.distances[:, :2].isfinite().all()
    assert batch.distances[:, 2].isinf().all()  # nobody clicked the third class


def test_a_batch_without_masks_has_none(berries: Path) -> None:
    dataset = load_dataset(berries)
    drawn = samples(dataset)
    batch = Collate(2)([drawn[0, 0]])
    assert batch.mask is not None
    assert batch.for_points().mask is None
    assert Collate(2)([samples(dataset, with_masks=False)[0, 0]]).mask is None
    moved = batch.to(torch.device("cpu"))
    assert_equal(moved, batch)
    assert moved.names == batch.names


def test_the_mean_brightness_survives_the_way_into_a_batch(berries: Path) -> None:
    dataset = load_dataset(berries)
    drawn = samples(dataset, geometry=Geometry((10, 12)), color_jitter=0.0)
    image = Collate(2)([drawn[1, 0]]).image
    whole = read_sample(dataset, dataset.items[1], Scale(), with_mask=False).image
    assert np.isclose(image.mean(), whole.mean())


def test_clicked_pieces_are_read_once_without_masks_and_enough_of_them_for_rare_classes(berries: Path) -> None:
    drawn = samples(load_dataset(berries))
    everything = list(drawn.clicked())
    assert len({one.sample.name for one in everything}) == len(everything)
    assert all(one.sample.mask is None and one.sample.distances is None for one in everything)
    every_click = torch.cat([one.clicks for one in everything])
    assert len(every_click) == sum(map(len, drawn.clicks.values()))
    few = list(drawn.clicked(1))
    assert {int(c) for one in few for c in one.clicks[:, 2]} == set(drawn.clicks), "every clicked class is there"
    assert len(few) <= len(drawn.clicks)
