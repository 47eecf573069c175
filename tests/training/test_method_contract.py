"""What every method must do, run over all that are registered: a new one inherits these tests."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pointillist.data.samples import Batch
from pointillist.training.methods import Method, StepInput, methods
from pointillist.training.methods.pseudo_masks import PseudoMaskMethod
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import build_network
from tests.training.steps import POINTS, build, make_batch, make_step, noise

METHODS = list(methods())
POINT_METHODS = [name for name, kind in methods().items() if kind.supervision == "points"]
MASK = torch.zeros(2, 24, 32, dtype=torch.long)


def batch_for(method: Method, **changes: object) -> Batch:
    """A batch as the training gives it: with a mask only for methods that learn from masks, with distances if asked."""
    batch = make_batch(mask=MASK if method.supervision == "masks" else None)
    batch = replace(batch, **changes)  # type: ignore[arg-type]
    if isinstance(method, PseudoMaskMethod) and method.options.pseudo_mask.evidence is not None:
        batch = replace(batch, evidence=noise(len(batch), 3, *batch.image.shape[2:], seed=7).softmax(1))
    make = method.distances_of()
    if make is None:
        return batch
    distances = torch.full((len(batch), 3, *batch.image.shape[2:]), torch.inf)
    for maps, image, points in zip(distances, batch.image, batch.points, strict=True):
        if len(points):
            found, classes = make(image, points, None)
            maps[classes] = found
    return replace(batch, distances=distances)


def gradients(method: Method, batch: Batch, logits: Tensor, progress: float = 0.9) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient with respect to the logits."""
    logits = logits.clone().requires_grad_()
    loss = method.loss(make_step(logits, batch, progress)).loss
    loss.backward()
    assert logits.grad is not None
    return loss.detach(), logits.grad


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("progress", [0.0, 0.5, 0.999])
def test_the_loss_is_finite_and_reaches_the_logits(name: str, progress: float) -> None:
    method = build(name)
    loss, gradient = gradients(method, batch_for(method), noise(2, 3, 24, 32), progress)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_network_for_five_bands_learns(name: str) -> None:
    torch.manual_seed(0)
    options = {"channels": [8] * 4, "stem_width": 8, "decoder_channels": [8] * 5}
    network = build_network(NetworkSettings(architecture="unet", options=options), 3, bands=5)
    method = build(name, features=network.feature_channels)
    image = torch.rand(2, 5, 24, 32)
    batch = batch_for(method, image=image, augmented=image)
    loss = method.loss(StepInput(network(image), batch, 0.9)).loss
    loss.backward()
    first = next(network.parameters())
    assert loss.isfinite()
    assert first.shape[1] == 5
    assert first.grad is not None
    assert first.grad.isfinite().all()
    assert (first.grad.abs().sum((0, 2, 3)) > 0).all(), "each band is learnt from"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bands", [1, 13])
def test_a_grey_image_teaches_the_same_over_any_number_of_bands(name: str, bands: int) -> None:
    method, grey = build(name), torch.rand(2, 1, 24, 32, generator=torch.Generator().manual_seed(0))
    found = []
    for count in (3, bands):
        image = 0.5 + 0.2 * grey.repeat(1, count, 1, 1)
        found.append(gradients(method, batch_for(method, image=image, augmented=image), noise(2, 3, 24, 32)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_extreme_logits_stay_finite(name: str) -> None:
    method = build(name)
    loss, gradient = gradients(method, batch_for(method), 200 * noise(2, 3, 24, 32))
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("progress", [0.0, 0.9])
def test_nothing_labelled_is_a_loss_of_zero(name: str, progress: float) -> None:
    method = build(name)
    nothing = torch.full_like(MASK, 255) if method.supervision == "masks" else None
    batch = batch_for(method, points=(torch.zeros(0, 3), torch.zeros(0, 3)), mask=nothing)
    loss, gradient = gradients(method, batch, noise(2, 3, 24, 32), progress)
    assert loss == 0
    assert gradient.abs().sum() == 0


@pytest.mark.parametrize("name", POINT_METHODS)
def test_no_click_in_the_window_is_finite(name: str) -> None:
    method = build(name)
    away = batch_for(method, points=tuple(p + torch.tensor([500.0, 0, 0]) for p in POINTS))
    loss, gradient = gradients(method, away, noise(2, 3, 24, 32), 0.0)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", POINT_METHODS)
def test_a_mask_changes_nothing(name: str) -> None:
    method = build(name)
    logits = noise(2, 3, 24, 32)
    losses = {float(gradients(method, batch_for(method, mask=mask), logits)[0]) for mask in (None, MASK, MASK + 1)}
    assert len(losses) == 1


@pytest.mark.parametrize("name", METHODS)
def test_padding_teaches_nothing(name: str) -> None:
    """What lies in the padding, in image, logits and mask, must not matter."""
    method = build(name)
    batch = batch_for(method)
    valid = batch.valid.clone()
    valid[..., 24:] = False
    mask = None if batch.mask is None else batch.mask.masked_fill(~valid, 255)
    points = tuple(p[p[:, 0] < 24] for p in POINTS)
    logits = noise(2, 3, 24, 32)
    found = []
    for seed in (5, 6):
        filled = torch.where(valid[:, None], logits, noise(2, 3, 24, 32, seed=seed))
        padded = replace(batch, valid=valid, mask=mask, points=points)
        found.append(gradients(method, padded, filled)[1])
    assert torch.equal(found[0][..., 24:], torch.zeros_like(found[0][..., 24:])), "no gradient into the padding"
    assert labels_in(method, replace(batch, valid=valid, mask=mask, points=points), logits, 24) == {255}


def labels_in(method: Method, batch: Batch, logits: Tensor, column: int) -> set[int]:
    labels = method.pseudo_labels(make_step(logits, batch, 0.9))
    return {255} if labels is None else set(labels[..., column:].unique().tolist())


@pytest.mark.parametrize("name", METHODS)
def test_autocast_gives_about_the_same(name: str) -> None:
    method = build(name)
    logits = noise(2, 3, 24, 32)
    plain, _ = gradients(method, batch_for(method), logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, gradient = gradients(method, batch_for(method), logits)
    assert loss.dtype == torch.float32
    assert gradient.isfinite().all()
    assert float(loss) == pytest.approx(float(plain), rel=0.1, abs=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_asking_changes_nothing_and_counting_is_one_call(name: str) -> None:
    method = build(name)
    step = make_step(noise(2, 3, 24, 32), batch_for(method), 0.9)
    before = copy.deepcopy(method.state_dict())
    labels = method.pseudo_labels(step)
    output = method.loss(step)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    if labels is not None:
        assert output.pseudo_labels is not None
        assert torch.equal(labels, output.pseudo_labels), "asked alone, the labels are those that are learnt from"
    method.update_class_frequencies(step, output)
    assert not torch.equal(method.frequencies.frequencies, before["frequencies.frequencies"])


@pytest.mark.parametrize("name", METHODS)
def test_its_state_is_in_the_checkpoint(name: str) -> None:
    method, other = build(name), build(name)
    step = make_step(noise(2, 3, 24, 32), batch_for(method), 0.9)
    for parameter in method.parameters():
        parameter.data.add_(0.1)
    for _ in range(3):
        method.update_class_frequencies(step, method.loss(step))
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.loss(step).loss, method.loss(step).loss)


@pytest.mark.parametrize("name", METHODS)
def test_each_image_counts_the_same(name: str) -> None:
    """The loss of a batch is the mean of the losses of its images, so that devices may share a batch."""
    method = build(name)
    logits = noise(2, 3, 24, 32)
    whole = batch_for(method)
    together = method.loss(make_step(logits, whole, 0.9)).loss
    alone = [method.loss(make_step(logits[i : i + 1], part(whole, i), 0.9)).loss for i in range(2)]
    torch.testing.assert_close(together, sum(alone) / 2)


def part(batch: Batch, index: int) -> Batch:
    """One image of a batch."""
    one = slice(index, index + 1)
    return Batch(
        batch.names[one],
        batch.augmented[one],
        batch.image[one],
        batch.points[one],
        batch.valid[one],
        batch.scales[one],
        None if batch.mask is None else batch.mask[one],
        None if batch.distances is None else batch.distances[one],
        None if batch.evidence is None else batch.evidence[one],
    )


@pytest.mark.parametrize("name", METHODS)
def test_features_smaller_than_the_image_will_do(name: str) -> None:
    method = build(name)
    features = F.avg_pool2d(noise(2, 3, 24, 32), 4)
    output = method.loss(make_step(noise(2, 3, 24, 32), batch_for(method), 0.9, features))
    assert output.loss.isfinite()
    assert all(name.startswith("loss_") and part.ndim == 0 for name, part in output.parts.items())
