from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist import pseudomask
from pointillist.errors import ConfigError, PointillistError, TensorError
from pointillist.pseudomask import (
    PseudoMaskGenerator,
    Rule,
    competing_filter,
    distance_fields,
    expanding_filter,
    presence,
    refine,
    reliability,
)

SIZE = (24, 33)
SCALE = math.sqrt(SIZE[0] * SIZE[1])


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def batch(count: int = 3, classes: int = 7, seed: int = 0) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Images, probabilities and 2 to 6 clicks per image, some outside of it and none on the background."""
    points = []
    for b in range(count):
        table = noise(2 + 2 * b % 5, 3, seed=seed + b)
        table[:, :2] = table[:, :2] * 1.5 * torch.tensor([SIZE[1], SIZE[0]]) - 4
        table[:, 2] = 1 + (table[:, 2] * (classes - 1)).floor()
        points.append(table)
    return noise(count, 3, *SIZE, seed=seed), (4 * noise(count, classes, *SIZE, seed=seed + 9)).softmax(1), points


def clicked(points: list[Tensor]) -> list[tuple[int, int, int, int]]:
    """Image, row, column and class of each click inside its image."""
    found = []
    for b, table in enumerate(points):
        for x, y, c in table.tolist():
            if 0 <= x < SIZE[1] and 0 <= y < SIZE[0]:
                found.append((b, int(y), int(x), int(c)))
    return found


@pytest.mark.parametrize("metric", ["euclidean", "geodesic"])
@pytest.mark.parametrize("background", [None, 0])
def test_is_the_composition_of_the_public_functions(metric: str, background: int | None) -> None:
    """Computed on all classes, without any gathering of planes."""
    image, probabilities, points = batch()
    generator = PseudoMaskGenerator(background=background, metric=metric, cut_background=0.6)
    refined = refine(image, presence(probabilities, points, background=background))
    fields = distance_fields(points, SIZE, 7, metric=metric, image=image, gamma=generator.gamma)
    expansion = expanding_filter(fields, 0.4, sigma_start=0.05 * SCALE, sigma_end=1.0 * SCALE)
    expected = reliability(refined * expansion, background=background, cut_background=0.6)
    for b, row, column, c in clicked(points):
        expected[b, row, column] = c
    assert torch.equal(generator(image, probabilities, points, progress=0.4).labels, expected)


@pytest.mark.parametrize("background", [None, 0])
def test_competition_shift_and_shares_of_evidence(background: int | None) -> None:
    """The other filter and the other rule, again without any gathering of planes."""
    image, probabilities, points = batch()
    taught = torch.tensor([0.3, 0.05, 0.1, 0.2, 0.15, 0.1, 0.1])
    generator = PseudoMaskGenerator(background=background, exponent=2.0, reach=0.7, confidence=0.6)
    refined = refine(image, presence(probabilities / taught[:, None, None], points, background=background))
    fields = distance_fields(points, SIZE, 7, metric="geodesic", image=image, gamma=generator.gamma)
    belief = competing_filter(fields, exponent=2.0)
    if background is not None:
        belief[:, 0] = torch.maximum(belief[:, 0], 0.7 * belief.amax(dim=1))
    evidence = refined * belief
    share, expected = (evidence / evidence.sum(dim=1, keepdim=True)).max(dim=1)
    expected[share <= 0.6] = 255
    for b, row, column, c in clicked(points):
        expected[b, row, column] = c
    labels = generator(image, probabilities, points, progress=0.4, expected=taught).labels
    # Shares are compared by a product here and by a quotient there.
    assert (labels != expected)[(share - 0.6).abs() > 1e-5].sum() == 0
    assert 0.05 < (labels != 255).float().mean() < 0.99
    if background is not None:
        assert (labels == background).any(), "the background was not clicked, but it may reach everywhere"


def test_a_class_is_not_believed_for_being_taught_often() -> None:
    image, probabilities = torch.zeros(1, 3, *SIZE), torch.tensor([0.8, 0.2])[None, :, None, None].repeat(1, 1, *SIZE)
    points = [torch.tensor([[4.5, 4.5, 0.0], [20.5, 4.5, 1.0]])]
    generator = PseudoMaskGenerator(background=None, metric=None, confidence=0.5)
    plain = generator(image, probabilities, points, progress=0.5).labels
    shifted = generator(image, probabilities, points, progress=0.5, expected=torch.tensor([0.95, 0.05])).labels
    assert plain[0, 10, 10] == 0
    assert shifted[0, 10, 10] == 1


@pytest.mark.parametrize("expected", [torch.ones(6), torch.tensor([1.0, 0, 1, 1, 1, 1, 1])])
def test_shares_that_cannot_be(expected: Tensor) -> None:
    image, probabilities, points = batch(1)
    with pytest.raises(TensorError, match="expected"):
        PseudoMaskGenerator(background=0)(image, probabilities, points, progress=0.5, expected=expected)


def test_fields_made_elsewhere_give_the_same() -> None:
    image, probabilities, points = batch()
    generator = PseudoMaskGenerator(background=0)
    fields = distance_fields(points, SIZE, 7, metric="geodesic", image=image)
    here = generator(image, probabilities, points, progress=0.4).labels
    assert torch.equal(generator(image, probabilities, points, progress=0.4, fields=fields).labels, here)


@pytest.mark.parametrize(
    "off",
    [
        {},
        {"presence": False},
        {"iterations": 0},
        {"metric": None},
        {"reliability": False},
        {"presence": False, "iterations": 0, "metric": None, "reliability": False},
    ],
    ids=str,
)
def test_each_stage_can_be_switched_off(off: dict[str, object]) -> None:
    image, probabilities, points = batch()
    settings = {"presence": True, "iterations": 10, "metric": "geodesic", "reliability": True} | off
    generator = PseudoMaskGenerator(background=None, **off)  # type: ignore[arg-type]
    result = generator(image, probabilities, points, progress=1.0, trace=True)
    trace = result.trace
    assert trace is not None
    maps = probabilities
    if settings["presence"]:
        maps = presence(maps, points, background=None)
    torch.testing.assert_close(trace.presence, maps)
    if settings["iterations"]:
        maps = refine(image, maps)
    torch.testing.assert_close(trace.refined, maps)
    scores = maps
    if settings["metric"]:
        fields = distance_fields(points, SIZE, 7, metric="geodesic", image=image)
        scores = maps.double().log() - fields.double().square() / (2 * SCALE**2)
        maps = maps * expanding_filter(fields, 1.0, sigma_start=1.0, sigma_end=SCALE)
    else:
        assert trace.distances is None
        assert trace.expansion is None
    torch.testing.assert_close(trace.evidence, maps)
    labels = reliability(maps) if settings["reliability"] else scores.argmax(1)
    for b, row, column, c in clicked(points):
        labels[b, row, column] = c
    assert (labels == result.labels).float().mean() > 0.999


def test_batch_is_its_images_one_by_one_bitwise() -> None:
    image, probabilities, points = batch(4)
    generator = PseudoMaskGenerator(background=0, sigma_start=0.5)
    together = generator(image, probabilities, points, progress=0.7, trace=True)
    for b in range(4):
        part = slice(b, b + 1)
        single = generator(image[part], probabilities[part], points[part], progress=0.7, trace=True)
        assert torch.equal(together.labels[part], single.labels)
        for field in dataclasses.fields(together.trace):  # type: ignore[arg-type]
            assert torch.equal(getattr(together.trace, field.name)[part], getattr(single.trace, field.name)), field.name


@given(
    classes=st.integers(1, 5),
    seed=st.integers(0, 2**16),
    background=st.sampled_from([None, 0]),
    progress=st.floats(0, 1),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    sharpness=st.sampled_from([1.0, 100.0, 1e4]),
)
def test_labels_are_present_classes_and_clicks_are_kept(
    classes: int, seed: int, background: int | None, progress: float, dtype: torch.dtype, sharpness: float
) -> None:
    generator_seed = torch.Generator().manual_seed(seed)
    count = int(torch.randint(0, 5, (1,), generator=generator_seed))
    table = torch.rand(count, 3, generator=generator_seed) * torch.tensor([2.0 * SIZE[1], 2.0 * SIZE[0], classes])
    table[:, 2] = table[:, 2].floor().clamp(max=classes - 1)
    image = noise(1, 3, *SIZE, seed=seed).to(dtype)
    shares = (sharpness * noise(1, classes, *SIZE, seed=seed + 1)).softmax(1).to(dtype)
    result = PseudoMaskGenerator(background=background)(image, shares, [table], progress=progress, trace=True)
    allowed = {255} | {int(c) for c in table[:, 2]}
    assert set(result.labels.unique().tolist()) <= allowed
    assert result.trace is not None
    assert torch.isfinite(result.trace.evidence).all()
    last = {(row, column): c for _, row, column, c in clicked([table])}
    for (row, column), c in last.items():
        assert result.labels[0, row, column] == c
        assert result.trace.rules[0, row, column] == Rule.CLICKED


def test_a_background_without_a_click_is_never_a_label() -> None:
    image, probabilities, _ = batch(1)
    points = [torch.tensor([[5.5, 5.5, 3.0]])]
    result = PseudoMaskGenerator(background=0)(image, probabilities, points, progress=1.0, trace=True)
    assert not (result.labels == 0).any()
    assert result.trace is not None
    assert result.trace.present[0].tolist() == [True, False, False, True, False, False, False]
    assert result.trace.refined[0, 0].sum() > 0
    everywhere = PseudoMaskGenerator(background=0, unclicked=1.0)(image, probabilities, points, progress=1.0)
    assert (everywhere.labels == 0).any()


def test_an_image_without_clicks_teaches_nothing() -> None:
    image, probabilities, _ = batch(1)
    for background in (None, 0):
        result = PseudoMaskGenerator(background=background)(image, probabilities, [torch.zeros(0, 3)], progress=1.0)
        assert (result.labels == 255).all()


def test_padding_teaches_nothing_not_even_by_a_click() -> None:
    image, probabilities, _ = batch(1)
    points = [torch.tensor([[2.5, 2.5, 1.0], [30.5, 2.5, 2.0]])]
    valid = torch.ones(1, *SIZE, dtype=torch.bool)
    valid[..., 20:] = False
    result = PseudoMaskGenerator(background=0)(image, probabilities, points, progress=1.0, valid=valid, trace=True)
    assert (result.labels[..., 20:] == 255).all()
    assert result.labels[0, 2, 2] == 1
    assert result.trace is not None
    assert (result.trace.rules[..., 20:] == Rule.INVALID).all()


def test_labels_spread_from_the_clicks() -> None:
    """Two flat halves, one click in each, an undecided network."""
    image = torch.zeros(1, 3, *SIZE)
    image[..., 16:] = 1.0
    points = [torch.tensor([[4.5, 12.5, 1.0], [28.5, 12.5, 2.0]])]
    probabilities = torch.full((1, 3, *SIZE), 1 / 3)
    generator = PseudoMaskGenerator(background=None)
    coverage = []
    for progress in (0.0, 0.5, 1.0):
        labels = generator(image, probabilities, points, progress=progress).labels[0]
        assert not (labels[:, :16] == 2).any()
        assert not (labels[:, 16:] == 1).any()
        coverage.append(float((labels != 255).float().mean()))
    assert coverage[0] < coverage[1] <= coverage[2] == 1.0


def test_the_trace_tells_every_pixels_story() -> None:
    image, probabilities, points = batch()
    result = PseudoMaskGenerator(background=0)(image, probabilities, points, progress=0.6, trace=True)
    trace, labels = result.trace, result.labels
    assert trace is not None
    kept = labels != 255
    assert torch.equal(kept, (trace.rules == Rule.KEPT) | (trace.rules == Rule.CLICKED))
    torch.testing.assert_close(trace.coverage.sum(1), kept.float().mean(dim=(1, 2)))
    assert torch.equal(trace.clicks >= 0, kept)
    for b, table in enumerate(points):
        named = trace.clicks[b][kept[b]]
        assert torch.equal(table[named, 2].long(), labels[b][kept[b]])
    assert trace.presence.shape == probabilities.shape
    assert trace.distances is not None
    assert trace.distances[:, 0].isinf().all()
    assert PseudoMaskGenerator(background=0)(image, probabilities, points, progress=0.6).trace is None


def test_two_clicks_in_one_pixel_the_last_counts() -> None:
    image, probabilities, _ = batch(1)
    points = [torch.tensor([[5.2, 5.2, 1.0], [5.7, 5.7, 2.0]])]
    assert PseudoMaskGenerator(background=None)(image, probabilities, points, progress=0.0).labels[0, 5, 5] == 2


def test_devices_and_dtypes(device: torch.device, dtype: torch.dtype) -> None:
    image, probabilities, points = batch()
    image, probabilities = image.to(device, dtype), probabilities.to(device, dtype)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        inside = PseudoMaskGenerator(background=0)(image, probabilities, points, progress=0.5).labels
    labels = PseudoMaskGenerator(background=0)(
        image, probabilities, [p.to(device) for p in points], progress=0.5
    ).labels
    assert (labels.shape, labels.dtype, labels.device.type) == ((3, *SIZE), torch.int64, device.type)
    assert torch.equal(inside, labels)


def test_no_gradient_comes_back() -> None:
    image, probabilities, points = batch()
    result = PseudoMaskGenerator(background=0)(image, probabilities.requires_grad_(), points, progress=0.5, trace=True)
    assert result.trace is not None
    assert not result.trace.evidence.requires_grad


def test_inside_a_compiled_function() -> None:
    image, probabilities, points = batch()
    generator = PseudoMaskGenerator(background=0)
    compiled = torch.compile(lambda p: generator(image, p * 1.0, points, progress=0.5).labels + 1, backend="no_compile")
    assert torch.equal(compiled(probabilities), generator(image, probabilities, points, progress=0.5).labels + 1)


def test_is_frozen_and_comparable() -> None:
    generator = PseudoMaskGenerator(background=0)
    assert generator == PseudoMaskGenerator(background=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        generator.low = 0.5  # type: ignore[misc]
    assert dataclasses.replace(generator, iterations=0).iterations == 0


@pytest.mark.parametrize(
    "change",
    [
        {"iterations": -1},
        {"dilations": ()},
        {"metric": "manhattan"},
        {"gamma": -1.0},
        {"sigma_start": 0.0},
        {"sigma_end": math.inf},
        {"unclicked": 2.0},
        {"low": -1.0},
        {"cut": 2.0},
        {"cut_background": 2.0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        PseudoMaskGenerator(background=0, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"image": noise(1, 3, 5, 5)}, TensorError, "probabilities"),
        ({"probabilities": noise(1, 300, *SIZE)}, PointillistError, "probabilities"),
        ({"points": [torch.zeros(0, 3)] * 2}, TensorError, "points"),
        ({"points": [torch.tensor([[1.0, 1.0, 7.0]])]}, TensorError, "points[0]"),
        ({"progress": 1.5}, ConfigError, "progress"),
        ({"fields": noise(1, 3, *SIZE)}, TensorError, "fields"),
        ({"valid": torch.ones(1, *SIZE)}, TensorError, "valid"),
    ],
)
def test_arguments_that_do_not_fit(change: dict[str, object], error: type[PointillistError], field: str) -> None:
    image, probabilities, points = batch(1)
    arguments = {"image": image, "probabilities": probabilities, "points": points, "progress": 0.5} | change
    with pytest.raises(error) as caught:
        PseudoMaskGenerator(background=0)(**arguments)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_the_background_must_be_a_class() -> None:
    image, probabilities, points = batch(1)
    with pytest.raises(ConfigError, match="background"):
        PseudoMaskGenerator(background=7)(image, probabilities, points, progress=0.5)


def test_public_names_are_frozen() -> None:
    assert pseudomask.__all__ == [
        "Metric",
        "PseudoMask",
        "PseudoMaskGenerator",
        "Rule",
        "Trace",
        "competing_filter",
        "distance_fields",
        "expanding_filter",
        "presence",
        "present_classes",
        "refine",
        "reliability",
    ]
