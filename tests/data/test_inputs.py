"""At what scale, and from which bands, a network sees an image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointillist.data.bands import RGB, Bands
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.pixels import Pixels

sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


@pytest.mark.parametrize(
    ("scale", "size", "expected"),
    [
        (Scale((144, 192)), (360, 480), (144, 192)),
        (Scale((144, 192)), (480, 360), (144, 108)),
        (Scale((144, 192)), (72, 96), (144, 192)),  # small ones are made larger
        (Scale((10, 10)), (1, 1000), (1, 10)),
        (Scale(), (360, 480), (360, 480)),
        (Scale.of(0.5), (361, 480), (180, 240)),
        (Scale.of(2.0), (10, 20), (20, 40)),
        (Scale((100, 100), least=0.4), (1000, 500), (400, 200)),  # larger than any that was learnt
        (Scale((100, 100), most=1.5), (20, 20), (30, 30)),
        (Scale((100, 100), 0.1, 2.0), (400, 400), (100, 100)),
    ],
)
def test_the_size_at_which_an_image_is_seen(scale: Scale, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert scale.size_of(size) == expected


@given(sizes, sizes)
def test_a_box_keeps_the_shape_and_is_filled(size: tuple[int, int], box: tuple[int, int]) -> None:
    height, width = Scale(box).size_of(size)
    assert height <= box[0]
    assert width <= box[1]
    assert height == box[0] or width == box[1]
    factor = min(box[0] / size[0], box[1] / size[1])
    assert math.isclose(height, max(1, size[0] * factor), abs_tol=0.5)
    assert math.isclose(width, max(1, size[1] * factor), abs_tol=0.5)


@given(sizes, st.floats(0.05, 1), st.floats(1, 4))
def test_no_factor_is_beyond_its_bounds(size: tuple[int, int], least: float, most: float) -> None:
    assert least <= Scale((300, 400), least, most).factor(size) <= most


def test_an_image_becomes_what_the_network_sees() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[:, 200:] = 255
    seen = InputSpec(RGB, Scale((150, 150))).array(Pixels(image))
    assert seen.shape == (3, 112, 150)
    assert (seen[:, :, :74] == 0).all()
    assert (seen[:, :, 76:] == 1).all()
    assert InputSpec(RGB, Scale()).array(Pixels(image)).shape == (3, 300, 400)


def test_an_image_that_was_made_smaller_is_seen_at_the_scale_of_the_whole() -> None:
    bands = Bands(("a", "b", "c", "d", "e"), "uint16", ((0.0, 1.0),) * 5, (0, 1, 2))
    small = Pixels(np.full((100, 50, 5), 65535, np.uint16), shrunk_from=(400, 200))
    seen = InputSpec(bands, Scale.of(0.125)).array(small)
    assert seen.shape == (5, 50, 25)
    assert (seen == 1).all()
    # What was lost does not come back.
    assert InputSpec(bands, Scale.of(0.5)).array(small).shape == (5, 100, 50)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_what_has_no_data_is_grey_to_a_network_and_stays_as_it_was(dtype: str, factor: float) -> None:
    image = np.zeros((8, 8, 3), dtype)
    valid = np.ones((8, 8), bool)
    valid[:, 4:] = False
    seen = InputSpec(RGB, Scale.of(factor)).array(Pixels(image, valid))
    half = seen.shape[2] // 2
    assert (seen[:, :, :half] == 0).all()
    np.testing.assert_allclose(seen[:, :, half:], 0.5, atol=0.002)
    assert not image.any()
