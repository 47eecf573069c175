from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist.errors import ConfigError, TensorError
from pointillist.pseudomask import (
    ClassThresholds,
    ConfidenceThreshold,
    Gaussian,
    InverseDistance,
    PseudoMaskGenerator,
    PseudoMaskSettings,
    Rule,
    distance_fields,
    expanding_gaussian,
    inverse_distance_weighting,
    presence,
    refine,
    unit_length,
)
from pointillist.training.methods.single_stage import SingleStageOptions

SIZE = (24, 33)
UNIT = unit_length(SIZE)


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


def make(background: int | None = None, **settings: object) -> PseudoMaskGenerator:
    return PseudoMaskGenerator(background, PseudoMaskSettings(**settings))  # type: ignore[arg-type]


def stamped(labels: Tensor, points: list[Tensor]) -> Tensor:
    for b, row, column, c in clicked(points):
        labels[b, row, column] = c
    return labels


def test_without_settings_it_is_the_recipe_of_single_stage() -> None:
    assert PseudoMaskGenerator(background=0).settings == SingleStageOptions().pseudo_mask


@pytest.mark.parametrize("distance", ["euclidean", "geodesic"])
@pytest.mark.parametrize("background", [None, 0])
def test_the_recipe_is_the_composition_of_the_public_functions(distance: str, background: int | None) -> None:
    """Computed on all classes at a stated scale, without any gathering of channels."""
    image, probabilities, points = batch()
    prior = torch.tensor([0.3, 0.05, 0.1, 0.2, 0.15, 0.1, 0.1])
    generator = make(background, spatial_prior=InverseDistance(distance=distance, power=2.0, background_floor=0.7))
    corrected = probabilities / (prior**0.3)[:, None, None]
    refined = refine(image, presence(corrected, points, background=background), dilations=(2, 4, 8, 16, 24, 48))
    distances = distance_fields(points, SIZE, 7, metric=distance, image=image, gamma=600.0)
    belief = inverse_distance_weighting(distances / 2, power=2.0)
    if background is not None:
        belief[:, 0] = torch.maximum(belief[:, 0], 0.7 * belief.amax(dim=1))
    scores = refined * belief
    share, expected = (scores / scores.sum(dim=1, keepdim=True)).max(dim=1)
    expected[share <= 0.6] = 255
    stamped(expected, points)
    labels = generator(image, probabilities, points, class_prior=prior, scale=320.0).labels
    # Shares are compared by a product here and by a quotient there.
    assert (labels != expected)[(share - 0.6).abs() > 1e-5].sum() == 0
    assert 0.05 < (labels != 255).float().mean() < 0.99
    if background is not None:
        assert (labels == background).any(), "the background was not clicked, but it may reach everywhere"


@pytest.mark.parametrize("background", [None, 0])
def test_gaussian_and_per_class_thresholds(background: int | None) -> None:
    """The other prior and the other selection; the thresholds by loops over images and classes."""
    image, probabilities, points = batch()
    generator = make(
        background,
        prior_correction=0.0,
        spatial_prior=Gaussian(sigma_start=8.0, sigma_end=160.0, background_floor=0.0),
        selection=ClassThresholds(relative_background=0.6),
    )
    refined = refine(image, presence(probabilities, points, background=background))
    distances = distance_fields(points, SIZE, 7, metric="geodesic", image=image, gamma=300.0)
    scores = refined * expanding_gaussian(distances, 0.4, sigma_start=8.0, sigma_end=160.0)
    expected = torch.full((3, *SIZE), 255)
    for b in range(3):
        bars = [max(0.2, (0.6 if c == background else 0.75) * float(scores[b, c].max())) for c in range(7)]
        above = scores[b] > torch.tensor(bars)[:, None, None]
        best = scores[b].argmax(0)
        expected[b] = torch.where((above.sum(0) == 1) & above.gather(0, best[None])[0], best, 255)
    stamped(expected, points)
    assert torch.equal(generator(image, probabilities, points, progress=0.4, scale=160.0).labels, expected)


def test_a_class_is_not_believed_for_being_taught_often() -> None:
    image, probabilities = torch.zeros(1, 3, *SIZE), torch.tensor([0.8, 0.2])[None, :, None, None].repeat(1, 1, *SIZE)
    points = [torch.tensor([[4.5, 4.5, 0.0], [20.5, 4.5, 1.0]])]
    generator = make(spatial_prior=None, prior_correction=1.0, selection=ConfidenceThreshold(threshold=0.5))
    assert generator(image, probabilities, points).labels[0, 10, 10] == 0
    assert generator(image, probabilities, points, class_prior=torch.tensor([0.95, 0.05])).labels[0, 10, 10] == 1


@pytest.mark.parametrize("prior", [torch.ones(6), torch.tensor([1.0, 0, 1, 1, 1, 1, 1])])
def test_class_priors_that_cannot_be(prior: Tensor) -> None:
    image, probabilities, points = batch(1)
    with pytest.raises(TensorError, match="class_prior"):
        PseudoMaskGenerator(background=0)(image, probabilities, points, class_prior=prior)


def test_distances_made_elsewhere_give_the_same() -> None:
    image, probabilities, points = batch()
    generator = PseudoMaskGenerator(background=0)
    distances = distance_fields(points, SIZE, 7, metric="geodesic", image=image, gamma=300 * UNIT)
    here = generator(image, probabilities, points).labels
    assert torch.equal(generator(image, probabilities, points, distances=distances).labels, here)


def smooth_scene(side: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The same scene at any size: soft blobs of colour, a smooth prediction, five clicks."""
    y, x = torch.meshgrid(*[(torch.arange(side) + 0.5) / side] * 2, indexing="ij")
    blobs = [torch.sigmoid((0.2 - ((x - cx) ** 2 + (y - cy) ** 2).sqrt()) * 60) for cx, cy in ((0.3, 0.35), (0.7, 0.6))]
    image = torch.stack([0.2 + 0.5 * blobs[0], 0.3 + 0.1 * torch.sin(9 * x), 0.25 + 0.6 * blobs[1]])
    logits = torch.stack(
        [torch.full_like(x, 0.4), *(2.5 * blob - 1 + 0.4 * torch.sin(7 * x + 5 * y) for blob in blobs)]
    )
    points = torch.tensor([[0.3, 0.35, 1], [0.72, 0.62, 2], [0.1, 0.9, 0], [0.9, 0.1, 0], [0.5, 0.05, 0]])
    return image[None], logits.softmax(0)[None], [points * torch.tensor([side, side, 1.0])]


def test_lengths_mean_the_same_at_every_size() -> None:
    """160, 480 and 2,000 pixels: the labels agree after resizing."""
    labels = {}
    for side in (160, 480, 2000):
        image, probabilities, points = smooth_scene(side)
        made = PseudoMaskGenerator(background=0)(image, probabilities, points).labels
        rows = ((torch.arange(160) + 0.5) * side / 160).long()
        labels[side] = made[0][rows][:, rows]
    assert {0, 1, 2} <= set(labels[160].unique().tolist())
    for side in (480, 2000):
        assert (labels[side] == labels[160]).float().mean() > 0.98, side
    image, probabilities, points = smooth_scene(480)
    blind = PseudoMaskGenerator(background=0)(image, probabilities, points, scale=160.0).labels[0, 1::3, 1::3]
    assert (blind == labels[160]).float().mean() < 0.98, "lengths in pixels must fail here, or this proves nothing"


def test_images_of_a_batch_have_their_own_scale() -> None:
    image, probabilities, points = batch(2)
    generator = PseudoMaskGenerator(background=0)
    together = generator(image, probabilities, points, scale=torch.tensor([160.0, 400.0])).labels
    for b, scale in enumerate((160.0, 400.0)):
        part = slice(b, b + 1)
        alone = generator(image[part], probabilities[part], points[part], scale=scale).labels
        assert torch.equal(together[part], alone)


STAGES = {"refinement": None, "spatial_prior": None, "selection": None}


@pytest.mark.parametrize(
    "off", [{}, {"presence": False}, *({name: None} for name in STAGES), {"presence": False, **STAGES}], ids=str
)
def test_each_stage_can_be_switched_off(off: dict[str, object]) -> None:
    image, probabilities, points = batch()
    generator = make(None, **{"spatial_prior": InverseDistance(background_floor=0.0), **off})
    result = generator(image, probabilities, points, scale=160.0, trace=True)
    trace = result.trace
    assert trace is not None
    maps = probabilities if "presence" in off else presence(probabilities, points, background=None)
    expected = {"presence": maps}
    if "refinement" not in off:
        expected["refinement"] = maps = refine(image, maps)
    if "spatial_prior" not in off:
        distances = distance_fields(points, SIZE, 7, metric="geodesic", image=image)
        expected["inverse-distance"] = maps = maps * inverse_distance_weighting(distances, power=1.5)
    else:
        assert trace.distances is None
    assert list(trace.scores) == list(expected)
    for name, scores in expected.items():
        torch.testing.assert_close(trace.scores[name], scores)
    labels = maps.argmax(1)
    if "selection" not in off:
        labels[maps.amax(1) <= 0.6 * maps.sum(1)] = 255
    assert (stamped(labels, points) == result.labels).float().mean() > 0.999


def test_where_a_gaussian_underflows_the_nearest_click_decides() -> None:
    image = torch.zeros(1, 3, *SIZE)
    points = [torch.tensor([[2.5, 2.5, 0.0], [30.5, 20.5, 1.0]])]
    generator = make(spatial_prior=Gaussian(sigma_start=0.1, sigma_end=0.1), refinement=None, selection=None)
    labels = generator(image, torch.full((1, 2, *SIZE), 0.5), points, progress=0.0).labels
    assert labels[0, 10, 5] == 0
    assert labels[0, 12, 30] == 1
    with pytest.raises(ConfigError, match="progress"):
        generator(image, torch.full((1, 2, *SIZE), 0.5), points)


def test_a_new_stage_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pointillist.pseudomask import stages as package

    (tmp_path / "only_left.py").write_text(
        "from typing import ClassVar, Literal\n"
        "from pointillist.pseudomask.stages.base import Stage\n"
        "class OnlyLeft(Stage):\n"
        "    name: ClassVar[str] = 'only-left'\n    kind: Literal['only-left'] = 'only-left'\n    columns: int = 8\n"
        "    def __call__(self, scores, given):\n"
        "        scores = scores.clone()\n        scores[..., self.columns:] = 0\n        return scores\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    try:
        settings = PseudoMaskSettings.model_validate({"stages": [{"kind": "only-left", "columns": 5}]})
        assert PseudoMaskSettings.model_validate(settings.model_dump()) == settings
        image, probabilities, points = batch(1)
        result = PseudoMaskGenerator(None, settings)(image, probabilities, points, trace=True)
        assert result.trace is not None
        assert list(result.trace.scores) == ["presence", "refinement", "inverse-distance", "only-left"]
        assert not ((result.labels[..., 5:] != 255) & (result.trace.rules[..., 5:] != Rule.CLICKED)).any()
    finally:
        monkeypatch.undo()


def test_batch_is_its_images_one_by_one_bitwise() -> None:
    image, probabilities, points = batch(4)
    generator = PseudoMaskGenerator(background=0)
    together = generator(image, probabilities, points, trace=True)
    for b in range(4):
        part = slice(b, b + 1)
        single = generator(image[part], probabilities[part], points[part], trace=True)
        assert torch.equal(together.labels[part], single.labels)
        assert together.trace is not None
        assert single.trace is not None
        for name in ("distances", "rules", "nearest_click"):
            assert torch.equal(getattr(together.trace, name)[part], getattr(single.trace, name)), name
        for name, scores in together.trace.scores.items():
            assert torch.equal(scores[part], single.trace.scores[name]), name


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
    allowed = {255} | {int(c) for c in table[:, 2]} | (set() if background is None else {background})
    assert set(result.labels.unique().tolist()) <= allowed
    assert result.trace is not None
    assert torch.isfinite(result.trace.scores["inverse-distance"]).all()
    last = {(row, column): c for _, row, column, c in clicked([table])}
    for (row, column), c in last.items():
        assert result.labels[0, row, column] == c
        assert result.trace.rules[0, row, column] == Rule.CLICKED


@pytest.mark.parametrize("bands", [1, 5, 13])
def test_a_grey_image_has_the_same_pseudo_mask_over_any_number_of_bands(bands: int) -> None:
    image, probabilities, points = batch()
    grey, generator = image[:, :1], PseudoMaskGenerator(background=0)
    three, other = (
        generator(grey.repeat(1, count, 1, 1), probabilities, points, trace=True).trace for count in (3, bands)
    )
    assert three is not None
    assert other is not None
    for stage, scores in three.scores.items():
        torch.testing.assert_close(other.scores[stage], scores, atol=1e-5, rtol=0)


def test_a_background_without_a_click_lives_from_its_floor() -> None:
    image, probabilities, _ = batch(1)
    points = [torch.tensor([[5.5, 5.5, 3.0]])]
    assert (make(0, selection=None)(image, probabilities, points).labels == 0).any()
    result = make(0, spatial_prior=InverseDistance(background_floor=0.0))(image, probabilities, points, trace=True)
    assert not (result.labels == 0).any()
    assert result.trace is not None
    assert result.trace.scores["refinement"][0, 0].sum() > 0, "it claims its share of the probability all the same"


def test_an_image_without_clicks_teaches_nothing() -> None:
    image, probabilities, _ = batch(1)
    for background in (None, 0):
        labels = PseudoMaskGenerator(background)(image, probabilities, [torch.zeros(0, 3)]).labels
        assert (labels == 255).all()


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
    generator = make(
        spatial_prior=Gaussian(sigma_start=8.0, sigma_end=160.0), selection=ClassThresholds(), prior_correction=0.0
    )
    coverage = []
    for progress in (0.0, 0.5, 1.0):
        labels = generator(image, probabilities, points, progress=progress).labels[0]
        assert not (labels[:, :16] == 2).any()
        assert not (labels[:, 16:] == 1).any()
        coverage.append(float((labels != 255).float().mean()))
    assert coverage[0] < coverage[1] <= coverage[2] == 1.0


def test_the_trace_tells_every_pixels_story() -> None:
    image, probabilities, points = batch()
    generator = make(0, spatial_prior=InverseDistance(background_floor=0.0))
    result = generator(image, probabilities, points, trace=True)
    trace, labels = result.trace, result.labels
    assert trace is not None
    kept = labels != 255
    assert torch.equal(kept, (trace.rules == Rule.KEPT) | (trace.rules == Rule.CLICKED))
    assert torch.equal(trace.nearest_click >= 0, kept)
    for b, table in enumerate(points):
        named = trace.nearest_click[b][kept[b]]
        assert torch.equal(table[named, 2].long(), labels[b][kept[b]])
    assert trace.scores["presence"].shape == probabilities.shape
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
    assert not result.trace.scores["inverse-distance"].requires_grad


def test_inside_a_compiled_function() -> None:
    image, probabilities, points = batch()
    generator = PseudoMaskGenerator(background=0)
    compiled = torch.compile(lambda p: generator(image, p * 1.0, points, progress=0.5).labels + 1, backend="eager")
    assert torch.equal(compiled(probabilities), generator(image, probabilities, points, progress=0.5).labels + 1)
