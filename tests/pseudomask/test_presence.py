from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointillist.errors import ConfigError, TensorError
from pointillist.pseudomask import presence, present_classes
from pointillist.pseudomask.channels import channel_classes, gather_channels, scatter_channels


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def clicks(*classes: int) -> Tensor:
    return torch.tensor([[0.5, 0.5, float(c)] for c in classes]).reshape(-1, 3)


def test_known_values() -> None:
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4]).view(1, 4, 1, 1)
    assert presence(shares, [clicks(1, 2, 2)], background=None).flatten().tolist() == pytest.approx([0, 0.4, 0.6, 0])
    assert presence(shares, [clicks(2)], background=0).flatten().tolist() == pytest.approx([0.25, 0, 0.75, 0])


def test_clicks_outside_the_crop_count() -> None:
    assert present_classes([torch.tensor([[-50.0, 900.0, 2.0]])], 3, background=None).tolist() == [[False, False, True]]


def test_no_class_present_is_zero() -> None:
    assert not presence(noise(1, 3, 4, 4), [clicks()], background=None).any()


def test_underflow_shares_evenly() -> None:
    shares = torch.zeros(1, 3, 2, 2)
    shares[:, 0] = 1.0
    assert presence(shares, [clicks(1, 2)], background=None)[0, :, 0, 0].tolist() == [0, 0.5, 0.5]


def test_booleans_say_the_same_as_clicks() -> None:
    shares = noise(2, 3, 4, 4)
    mask = torch.tensor([[False, True, False], [True, False, True]])
    by_points = presence(shares, [clicks(1), clicks(0, 2)], background=0)
    assert torch.equal(presence(shares, mask, background=0), by_points)
    assert mask.tolist() == [[False, True, False], [True, False, True]]


@given(classes=st.integers(1, 9), seed=st.integers(0, 2**16), data=st.data())
def test_sums_to_one_over_present_classes(classes: int, seed: int, data: st.DataObject) -> None:
    named = data.draw(st.lists(st.integers(0, classes - 1), min_size=1))
    shares = noise(1, classes, 3, 4, seed=seed).softmax(1)
    result = presence(shares, [clicks(*named)], background=None)
    torch.testing.assert_close(result.sum(1), torch.ones(1, 3, 4))
    absent = sorted(set(range(classes)) - set(named))
    assert not result[:, absent].any()
    for c in named[1:]:
        torch.testing.assert_close(result[:, c] * shares[:, named[0]], result[:, named[0]] * shares[:, c])


def test_devices_and_dtypes(device: torch.device, dtype: torch.dtype) -> None:
    shares = noise(2, 3, 4, 5).softmax(1).to(device, dtype)
    result = presence(shares, [clicks(1), clicks(0, 2)], background=0)
    assert (result.dtype, result.shape, result.device) == (dtype, shares.shape, shares.device)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(result.double().sum(1).cpu(), torch.ones(2, 4, 5).double(), atol=3 * eps, rtol=0)


def test_batch_is_its_images_one_by_one_bitwise() -> None:
    shares, points = noise(3, 9, 4, 5).softmax(1), [clicks(1), clicks(0, 2, 5, 7, 8), clicks()]
    single = [presence(shares[b : b + 1], points[b : b + 1], background=0) for b in range(3)]
    assert torch.equal(presence(shares, points, background=0), torch.cat(single))


def test_gradient() -> None:
    shares = noise(1, 3, 2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: presence(p, [clicks(0, 2)], background=None), (shares,))


def test_inside_a_compiled_function() -> None:
    shares, mask = noise(1, 3, 4, 4), torch.tensor([[True, False, True]])
    compiled = torch.compile(lambda p: presence(p, mask, background=None) + 1, backend="eager")
    torch.testing.assert_close(compiled(shares), presence(shares, mask, background=None) + 1)


@given(present=st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_channels_come_back_to_their_classes(present: list[list[bool]]) -> None:
    mask = torch.tensor(present)
    maps = noise(len(present), 5, 2, 3) + 1
    classes = channel_classes(mask)
    assert classes.shape[1] == max(1, int(mask.sum(1).max()))
    channels = gather_channels(maps, classes, fill=-1.0)
    assert ((channels == -1).all(dim=(2, 3)) if channels.numel() else channels).equal(classes < 0)
    assert torch.equal(scatter_channels(channels, classes, 5), maps * mask[:, :, None, None])


@pytest.mark.parametrize(
    ("points", "background", "error"),
    [
        ([clicks(3)], None, TensorError),
        ([clicks(1), clicks(1)], None, TensorError),
        (torch.ones(1, 4, dtype=torch.bool), None, TensorError),
        (torch.ones(1, 3), None, TensorError),
        ([clicks(1)], 3, ConfigError),
        ([clicks(1)], -1, ConfigError),
    ],
)
def test_arguments_that_do_not_fit(points: object, background: int | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        presence(noise(1, 3, 4, 4), points, background=background)  # type: ignore[arg-type]
