"""Which values are black and white: one answer for a whole data set."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from pointillist.data import find_bands as find_bands_module
from pointillist.data.bands import RGB, Bands
from pointillist.data.find_bands import DeclaredBands, find_bands
from pointillist.data.layouts import load_dataset
from pointillist.data.pixels import Pixels
from pointillist.errors import DatasetError, ImageError, ImageWarning
from tests.rasters import draw, write_raster

Write = Callable[..., list[Path]]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes images as a.tif, b.tif, …"""

    def write(*images: NDArray[Any], **options: Any) -> list[Path]:
        return [write_raster(tmp_path / f"{chr(97 + i)}.tif", image, **options) for i, image in enumerate(images)]

    return write


def found(paths: list[Path], **declared: Any) -> Bands:
    return find_bands(paths, DeclaredBands(**declared), "here")


def shares(values: NDArray[Any]) -> NDArray[np.float64]:
    return values / np.iinfo(values.dtype).max


def test_photographs_keep_their_whole_range(tmp_path: Path) -> None:
    for name, low, high in (("dark", 0, 12), ("grey", 90, 130), ("bright", 200, 255)):
        image = np.random.default_rng(0).integers(low, high, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(image[..., 0] if name == "grey" else image).save(tmp_path / f"{name}.png")
    bands = found(sorted(tmp_path.iterdir()))
    assert bands == RGB
    assert bands.photograph
    read = bands.read(tmp_path / "bright.png").values
    np.testing.assert_array_equal(read, np.asarray(Image.open(tmp_path / "bright.png")))
    grey = bands.read(tmp_path / "grey.png").values  # a grey one among others in colour
    assert grey.shape == (20, 30, 3)
    assert (grey == grey[..., :1]).all()


@pytest.mark.parametrize("select", [(1,), (2,), (3, 1), (1, 2, 3)])
def test_bands_of_grey_photographs_are_selected_as_those_of_others(tmp_path: Path, select: tuple[int, ...]) -> None:
    grey, color = (np.random.default_rng(0).integers(0, 256, (9, 8, bands), dtype=np.uint8) for bands in (1, 3))
    Image.fromarray(grey[..., 0]).save(tmp_path / "a.png")
    Image.fromarray(color).save(tmp_path / "b.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for some in (paths, paths[:1]):
        bands = found(some, select=select)
        np.testing.assert_array_equal(bands.read(paths[0]).values, np.repeat(grey, len(select), 2))
    np.testing.assert_array_equal(bands.read(paths[1]).values, color[..., [band - 1 for band in select]])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32"])
def test_ranges_are_measured_and_a_few_dead_pixels_do_not_decide(written: Write, dtype: str) -> None:
    lows, highs = np.array([100, 400, -50 if dtype != "uint16" else 0]), np.array([900, 500, 3000])
    rng = np.random.default_rng(0)
    images = [rng.uniform(lows, highs, (200, 150, 3)).astype(dtype) for _ in range(3)]
    extreme = np.finfo(dtype).max / 2 if dtype == "float32" else np.iinfo(dtype).max
    images[1].reshape(-1, 3)[::4000] = extreme
    bands = found(written(*images))
    assert (bands.dtype, len(bands)) == (dtype, 3)
    low, high = np.array(bands.ranges).T
    np.testing.assert_allclose(low, lows, atol=0.01 * 3000)
    np.testing.assert_allclose(high, highs, atol=0.01 * 3000)


def test_all_images_of_a_data_set_have_one_range(written: Write) -> None:
    rng = np.random.default_rng(0)
    dark, bright = (rng.integers(low, low + 500, (40, 50, 2), dtype=np.uint16) for low in (100, 3000))
    paths = written(dark, bright)
    bands = found(paths)
    read = [shares(bands.read(path).values) for path in paths]
    assert read[0].max() < 0.2  # dark stays dark beside the bright one
    assert read[1].min() > 0.8
    assert min(low for low, _ in bands.ranges) < 110
    assert max(high for _, high in bands.ranges) > 3490


def test_pixels_without_data_are_not_measured(written: Write) -> None:
    image = np.random.default_rng(0).integers(1000, 2000, (40, 50, 2)).astype(np.uint16)
    image[:30] = 0
    ((low, _), _) = found(written(image, nodata=0)).ranges
    assert low > 990
    with pytest.raises(ImageError, match="no pixel has data"):
        found(written(np.zeros((9, 9, 2), np.uint16), nodata=0))


def test_what_is_no_number_does_not_count(written: Write) -> None:
    image = np.random.default_rng(0).uniform(0, 1, (40, 50, 3)).astype(np.float32)
    image[3, 4, 1], image[5, 6, 0], image[7, 8, 2] = np.nan, np.inf, -np.inf
    (path,) = written(image)
    bands = found([path])
    assert all(0 <= low < 0.01 and 0.99 < high <= 1 for low, high in bands.ranges)
    read = bands.read(path)
    assert read.valid is not None
    assert np.argwhere(~read.valid).tolist() == [[3, 4], [5, 6], [7, 8]]


def test_a_band_of_one_value_is_black(written: Write) -> None:
    image = np.full((9, 9, 2), 700, np.uint16)
    (path,) = written(image)
    assert (found([path]).read(path).values == 0).all()


def test_a_declared_range_is_taken_as_it_is(written: Write) -> None:
    values = np.array([[0, 100, 150, 200, 5000]], np.uint16)[..., None]
    (path,) = written(values)
    bands = found([path], range=((100.0, 200.0),))
    np.testing.assert_allclose(shares(bands.read(path).values).ravel(), [0, 0, 0.5, 1, 1], atol=1e-4)
    each = found(written(np.repeat(values, 2, 2)), range=((100.0, 200.0), (0.0, 10000.0)))
    np.testing.assert_allclose(shares(each.read(path).values)[0, 3], [1, 0.02], atol=1e-4)


def test_bands_of_the_files_are_selected_named_and_shown(written: Write) -> None:
    image = draw(12, 9, 5, "uint16")
    (path,) = written(image, names=("blue", "green", "red", "", "nir"))
    whole = found([path])
    assert whole.names == ("blue", "green", "red", "band 4", "nir")
    assert whole.display == (0, 1, 2)
    ranges = ((0.0, 65535.0),)
    some = found([path], select=(5, 3, 2), range=ranges)
    assert some.names == ("nir", "red", "green")
    np.testing.assert_array_equal(some.read(path).values, image[..., [4, 2, 1]])
    named = found([path], select=(5, 1), names=("heat", "sky"), display=("sky", 1, "sky"), range=ranges)
    assert (named.names, named.display) == (("heat", "sky"), (1, 0, 1))
    shown = named.picture(named.read(path).values)
    np.testing.assert_array_equal(shown, (image[..., [0, 4, 0]] >> 8).astype(np.uint8))
    for bands in (1, 2, 3, 5):
        picture = found(written(image[..., :bands]), range=ranges)
        assert picture.picture(picture.read(path).values).shape == (12, 9, 3)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"select": (1, 6)}, "no band 6: the images have 5 bands of uint16"),
        ({"names": ("a", "b")}, "2 names for 5 bands"),
        ({"select": (1, 2), "names": ("a", "a")}, "2 names for 2 bands"),
        ({"range": ((0.0, 1.0),) * 3}, "3 ranges for 5 bands"),
        ({"display": ("red", 1, 2)}, "no band 'red' to show"),
        ({"display": (1, 2, 6)}, "no band '6' to show"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(written: Write, declared: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        found(written(draw(8, 8, 5, "uint16")), **declared)
    assert caught.value.field == "bands"


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        ((5, "uint16"), (4, "uint16"), ("5 bands of uint16", "4 bands of uint16")),
        ((3, "uint16"), (3, "float32"), ("3 bands of uint16", "3 bands of float32")),
        ((5, "uint8"), (5, "int16"), ("5 bands of uint8", "5 bands of int16")),
    ],
)
def test_images_of_two_kinds_are_refused_and_both_are_named(
    written: Write, first: tuple[int, str], second: tuple[int, str], kinds: tuple[str, str]
) -> None:
    paths = written(*(draw(9, 9, bands, dtype) for bands, dtype in (first, first, second)))
    with pytest.raises(DatasetError) as caught:
        found(paths)
    assert f"{kinds[0]}, such as 'a.tif'" in caught.value.found
    assert f"{kinds[1]}, such as 'c.tif'" in caught.value.found


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_camera_of_few_bits_in_files_of_sixteen_gives_the_picture_of_its_twin(written: Write, bits: int) -> None:
    eight = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    largest = 2**bits - 1
    (path,) = written(np.rint(eight / 255 * largest).astype(np.uint16))
    twin = RGB.scaled(Pixels(eight)).values / 255
    measured, declared = found([path]), found([path], range=((0.0, float(largest)),))
    for bands in (measured, declared):
        assert np.abs(shares(bands.read(path).values) - twin).max() < 1 / 255
    assert np.abs(measured.picture(measured.read(path).values).astype(int) - eight).max() <= 1


@pytest.mark.parametrize("bands", [3, 5])
def test_eight_bits_that_never_leave_the_bottom_are_measured_with_a_warning(written: Write, bands: int) -> None:
    paths = written(*(np.random.default_rng(i).integers(2, 11, (40, 50, bands), dtype=np.uint8) for i in range(2)))
    with pytest.warns(ImageWarning, match=r"from 2 to 10 of 0 to 255; this range is taken as black to white"):
        measured = found(paths)
    assert set(measured.ranges) == {(2.0, 10.0)}
    read = shares(measured.read(paths[0]).values)
    assert (read.min(), read.max()) == (0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(paths, range=((0.0, 255.0),)).ranges == ((0.0, 255.0),) * bands


def test_other_bands_or_types_than_those_learnt_are_refused(written: Write) -> None:
    five = written(draw(9, 9, 5, "uint16"))
    bands = found(five, names=("a", "b", "c", "d", "e"))
    for values in (draw(9, 9, 4, "uint16"), draw(9, 9, 5, "uint8"), draw(9, 9, 5, "int16")):
        with pytest.raises(ImageError) as caught:
            bands.scaled(Pixels(values), Path("x.tif"))
        assert f"has {values.shape[2]} bands of {values.dtype}" in caught.value.found
        assert "what was learnt has 5 bands of uint16 (a, b, c, d, e)" in caught.value.found
        assert (caught.value.where, caught.value.field) == ("x.tif", "bands")
    with pytest.raises(ImageError, match=r"has 5 bands of uint16; what was learnt has 3 bands of uint8 \(red, green"):
        RGB.read(five[0])


def native(folder: Path, bands: object) -> Path:
    """A native data set of one 5-band image, with this entry about bands."""
    (folder / "images").mkdir(parents=True)
    write_raster(folder / "images" / "a.tif", draw(12, 16, 5, "uint16"))
    (folder / "dataset.yaml").write_text(yaml.safe_dump({"classes": ["ground", "leaf"], "bands": bands}))
    return folder


def test_a_data_set_says_what_its_bands_are(tmp_path: Path) -> None:
    entry = {"names": ["nir", "red"], "select": [5, 1], "display": ["red"], "range": [[0, 1000], [0, 2000]]}
    bands = load_dataset(native(tmp_path / "a", entry)).with_bands().known_bands
    assert bands == Bands(("nir", "red"), "uint16", ((0, 1000), (0, 2000)), (1, 1, 1), (5, 1))
    auto = load_dataset(native(tmp_path / "b", {"range": "auto"})).with_bands().known_bands
    assert len(auto) == 5
    one = load_dataset(native(tmp_path / "c", {"range": [0, 4095]})).with_bands().known_bands
    assert one.ranges == ((0, 4095),) * 5


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"select": [0]}, "bands.select"),
        ({"select": ["red"]}, "bands.select"),
        ({"select": []}, "bands"),
        ({"names": "red"}, "bands.names"),
        ({"display": []}, "bands.display"),
        ({"display": [1, 2, 3, 4]}, "bands.display"),
        ({"range": [5, 5]}, "bands.range"),
        ({"range": [[0, 1], [2, 1]]}, "bands.range"),
        ({"range": "full"}, "bands.range"),
        ({"range": [0, float("nan")]}, "bands.range"),
        ({"range": [0, float("inf")]}, "bands.range"),
        ({"range": []}, "bands.range"),
        ({"plane": {"page": 0}}, "bands.plane"),
        ({"plane": 2}, "bands.plane"),
        ({"order": [1]}, "bands.order"),
        (3, "bands"),
    ],
)
def test_nonsense_about_bands_is_named(tmp_path: Path, entry: object, field: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset(native(tmp_path / "a", entry)).with_bands()
    assert caught.value.field is not None
    assert caught.value.field.startswith(field)
    assert "[" not in caught.value.field


def test_an_empty_photograph_among_others_is_no_reason_to_stop(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 6)).save(tmp_path / "a.png")
    Image.fromarray(draw(6, 8, 3, "uint8")).save(tmp_path / "b.png")
    assert found([tmp_path / "a.png", tmp_path / "b.png"]) == RGB


def test_the_range_of_a_large_image_that_is_thinner_than_a_window(written: Write) -> None:
    image = draw(3, 2**24 // 3 + 9, 1, "int16").clip(-5, 900)
    assert found(written(image, tiled=False)).ranges == ((-5.0, 900.0),)


def test_large_photographs_are_not_decoded_for_their_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(np.full((30, 40, 3), 3, np.uint8)).save(path)
    monkeypatch.setattr(find_bands_module, "MEASURED_WHOLE", 30 * 40 - 1)
    monkeypatch.setattr(find_bands_module, "read_pixels", None)
    assert found([path]).photograph


def test_no_bands_are_asked_for_that_an_image_has_not(written: Write) -> None:
    bands = found(written(draw(9, 9, 5, "uint8")))
    with pytest.raises(ImageError) as caught:
        bands.scaled(Pixels(draw(9, 9, 3, "uint8")))
    assert "--bands" not in caught.value.hint
    with pytest.raises(ImageError) as caught:
        bands.scaled(Pixels(draw(9, 9, 7, "uint8")))
    assert "--bands 1,2,3,4,5 --range 0,255" in caught.value.hint
