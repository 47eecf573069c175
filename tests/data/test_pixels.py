"""Images of every kind are read as their files have them."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pointillist.data import images
from pointillist.data.images import image_kind, image_size, read_image, read_pixels
from pointillist.data.pixels import TYPES
from pointillist.data.regions import Region
from pointillist.errors import ImageError, ImageWarning
from tests.rasters import draw, write_raster

HEIGHT, WIDTH = 35, 50


@pytest.mark.parametrize("tiled", [True, False], ids=["tiled", "striped"])
@pytest.mark.parametrize("bands", [1, 2, 3, 5, 13])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_tiff_is_read_as_it_is(tmp_path: Path, dtype: str, bands: int, tiled: bool) -> None:
    values = draw(HEIGHT, WIDTH, bands, dtype)
    path = write_raster(tmp_path / "a.tif", values, tiled=tiled)
    found = read_pixels(path)
    assert found.values.dtype == dtype
    assert found.valid is None
    np.testing.assert_array_equal(found.values, values)
    assert image_size(path) == found.size == (HEIGHT, WIDTH)
    assert image_kind(path)[:2] in ((bands, dtype), (3, "uint8"))  # grey photographs count as photographs
    window = read_pixels(Region(path, 4, 9, 20, 30))
    np.testing.assert_array_equal(window.values, values[4:24, 9:39])


@pytest.mark.parametrize("dtype", TYPES)
def test_an_alpha_band_says_which_pixels_count(tmp_path: Path, dtype: str) -> None:
    values = draw(HEIGHT, WIDTH, 4, dtype)
    values[..., 3] = 1
    values[2:5, 7:20, 3] = 0
    path = write_raster(tmp_path / "a.tif", values, alpha=True)
    found = read_pixels(path)
    np.testing.assert_array_equal(found.values, values[..., :3])
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid, values[..., 3] > 0)
    assert image_kind(path)[:2] == (3, dtype)


@pytest.mark.parametrize(("dtype", "nothing"), [("uint8", 0), ("uint16", 65535), ("int16", -999), ("float32", -1e4)])
def test_the_no_data_value_says_which_pixels_count(tmp_path: Path, dtype: str, nothing: float) -> None:
    values = draw(HEIGHT, WIDTH, 5, dtype)
    values[values == nothing] = 7
    values[10:14, 3:9] = nothing
    path = write_raster(tmp_path / "a.tif", values, nodata=nothing)
    expected = np.ones((HEIGHT, WIDTH), bool)
    expected[10:14, 3:9] = False
    found = read_pixels(path)
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid, expected)
    window = read_pixels(Region(path, 12, 5, 10, 10))
    assert window.valid is not None
    np.testing.assert_array_equal(window.valid, expected[12:22, 5:15])
    assert read_pixels(Region(path, 20, 20, 5, 5)).valid is None


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("masked", [False, True], ids=["value", "mask"])
def test_photographs_in_tiff_may_have_pixels_without_data(tmp_path: Path, bands: int, masked: bool) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    values = draw(HEIGHT, WIDTH, bands, "uint8").clip(1)
    values[10:14, 3:9] = 0
    expected = (values > 0).all(axis=2)
    path = tmp_path / "a.tif"
    about = {"height": HEIGHT, "width": WIDTH, "count": bands, "dtype": "uint8", "nodata": None if masked else 0}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", photometric="RGB" if bands == 3 else "MINISBLACK", **about) as to:
            to.write(values.transpose(2, 0, 1))
            if masked:
                to.write_mask(expected)
    for source, there in ((path, expected), (Region(path, 12, 5, 10, 10), expected[12:22, 5:15])):
        found = read_pixels(source)
        assert found.valid is not None
        np.testing.assert_array_equal(found.valid, there)
    np.testing.assert_array_equal(read_pixels(path).values, values)
    assert image_kind(path)[:2] == (3, "uint8")


def test_a_window_of_a_deep_png_is_that_part_of_it(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    values = draw(HEIGHT, WIDTH, 3, "uint16")
    about = {"height": HEIGHT, "width": WIDTH, "count": 3, "dtype": "uint16"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "a.png", "w", driver="PNG", **about) as file:
            file.write(values.transpose(2, 0, 1))
    window = read_pixels(Region(tmp_path / "a.png", 4, 9, 20, 30))
    np.testing.assert_array_equal(window.values, values[4:24, 9:39])


def test_a_large_raster_is_made_smaller_while_it_is_read(tmp_path: Path) -> None:
    values = np.kron(draw(20, 30, 5, "uint16"), np.ones((4, 4, 1), np.uint16))
    path = write_raster(tmp_path / "a.tif", values)
    np.testing.assert_array_equal(read_pixels(path, size=(20, 30)).values, values[::4, ::4])


GREY = draw(HEIGHT, WIDTH, 1, "uint8")
COLOR = draw(HEIGHT, WIDTH, 3, "uint8")
DEEP = draw(HEIGHT, WIDTH, 1, "uint16")
ALPHA = np.where(np.arange(WIDTH) < 9, 0, 200).astype(np.uint8) * np.ones((HEIGHT, 1), np.uint8)


def palette_image() -> tuple[Image.Image, NDArray[np.uint8]]:
    places = draw(HEIGHT, WIDTH, 1, "uint8")[..., 0] % 7
    colors = np.random.default_rng(1).integers(0, 256, (7, 3), dtype=np.uint8)
    image = Image.fromarray(places)
    image.putpalette(colors.ravel().tolist())
    return image, colors[places]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("kind", ["grey", "colour", "deep", "palette"])
def test_plain_pictures(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    image, expected = {
        "grey": lambda: (Image.fromarray(GREY[..., 0]), GREY),
        "colour": lambda: (Image.fromarray(COLOR), COLOR),
        "deep": lambda: (Image.fromarray(DEEP[..., 0]), DEEP),
        "palette": palette_image,
    }[kind]()
    image.save(path)
    found = read_pixels(path)
    assert (found.values.dtype, found.valid) == (expected.dtype, None)
    np.testing.assert_array_equal(found.values, expected)
    assert image_kind(path)[:2] == ((1, "uint16") if kind == "deep" else (3, "uint8"))
    assert read_image(path).shape == (HEIGHT, WIDTH, 1 if kind == "deep" else 3)


@pytest.mark.parametrize(
    ("values", "suffix"),
    [
        (np.dstack([COLOR, ALPHA]), "png"),
        (np.dstack([COLOR, ALPHA]), "tif"),
        (np.dstack([COLOR, ALPHA]), "webp"),
        (np.dstack([GREY, ALPHA]), "png"),
        (np.dstack([GREY, ALPHA]), "tif"),
    ],
)
def test_what_is_fully_transparent_does_not_count(tmp_path: Path, values: NDArray[np.uint8], suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values).save(path, **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    found = read_pixels(path)
    np.testing.assert_array_equal(found.values, values[..., :-1])
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid, ALPHA > 0)


def test_a_transparent_colour_of_a_palette_does_not_count(tmp_path: Path) -> None:
    image, colors = palette_image()
    image.save(tmp_path / "a.png", transparency=3)
    found = read_pixels(tmp_path / "a.png")
    np.testing.assert_array_equal(found.values, colors)
    assert found.valid is not None
    np.testing.assert_array_equal(found.valid, np.asarray(image) != 3)


def test_pixels_that_all_count_need_no_word(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOR, np.full((HEIGHT, WIDTH), 255, np.uint8)])).save(tmp_path / "a.png")
    assert read_pixels(tmp_path / "a.png").valid is None


def tiff_of(kind: str, path: Path) -> None:
    """A TIFF as programs write them."""
    tifffile = pytest.importorskip("tifffile", reason="the extra 'bio' is not installed")
    options: dict[str, Any] = {"photometric": "rgb"}
    if kind == "palette":
        palette_image()[0].save(path)
    elif kind == "bits":
        Image.fromarray(GREY[..., 0] > 99).save(path)
    elif kind == "cmyk":
        Image.fromarray(COLOR).convert("CMYK").save(path)
    elif kind == "negative":
        tifffile.imwrite(path, GREY[..., 0], photometric="miniswhite")
    elif kind == "planes":
        tifffile.imwrite(path, COLOR.transpose(2, 0, 1), planarconfig="separate", **options)
    elif kind == "alpha":
        tifffile.imwrite(path, np.dstack([COLOR, ALPHA]), extrasamples=["unassalpha"], **options)
    elif kind == "grey alpha":
        Image.fromarray(np.dstack([GREY, ALPHA])).save(path)
    elif kind == "lzw":
        Image.fromarray(COLOR).save(path, compression="tiff_lzw")
    else:
        tifffile.imwrite(path, COLOR, tile=(16, 16), compression=None if kind == "tiles" else "zlib", **options)


@pytest.mark.parametrize(
    "kind",
    ["palette", "bits", "cmyk", "negative", "planes", "alpha", "grey alpha", "tiles", "lzw", "zlib"],
)
def test_a_window_is_that_part_of_the_whole_in_every_kind_of_tiff(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    tiff_of(kind, path)
    whole, part = read_pixels(path), read_pixels(Region(path, 3, 5, 20, 30))
    assert image_kind(path)[:2] == (3, "uint8")
    assert whole.size == image_size(path) == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(part.values, whole.values[3:23, 5:35])
    assert (whole.valid is None) == (part.valid is None) == ("alpha" not in kind)
    if whole.valid is not None and part.valid is not None:
        np.testing.assert_array_equal(part.valid, whole.valid[3:23, 5:35])


# Files with several pictures.


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    tifffile = pytest.importorskip("tifffile", reason="the extra 'bio' is not installed")
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in range(3):
            writer.write(draw(HEIGHT, WIDTH, 1, "uint16", seed=page)[..., 0], photometric="minisblack")
    return path


@pytest.fixture
def ome(tmp_path: Path) -> Path:
    """Two times, three heights, two channels."""
    tifffile = pytest.importorskip("tifffile", reason="the extra 'bio' is not installed")
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, ome_stack(), metadata={"axes": "TZCYX"}, photometric="minisblack")
    return path


def ome_stack() -> NDArray[np.uint16]:
    return draw(2 * 3 * 2 * HEIGHT, WIDTH, 1, "uint16").reshape(2, 3, 2, HEIGHT, WIDTH)


def test_a_file_of_several_pages_asks_which(pages: Path) -> None:
    for read in (read_pixels, lambda path: read_pixels(Region(path, 0, 0, 5, 5))):
        with pytest.raises(ImageError, match="several pictures \\(3 along page\\)") as caught:
            read(pages)
        assert "plane: {page: 1}" in caught.value.hint
        assert caught.value.where == str(pages)
    assert image_size(pages) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_chosen_page(pages: Path, page: int) -> None:
    expected = draw(HEIGHT, WIDTH, 1, "uint16", seed=page - 1)
    np.testing.assert_array_equal(read_pixels(pages, plane={"page": page}).values, expected)
    window = read_pixels(Region(pages, 3, 4, 10, 20), plane={"page": page})
    np.testing.assert_array_equal(window.values, expected[3:13, 4:24])


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        ({"page": 4}, "no page 4; there are 3"),
        ({"page": 0}, "no page 0; there are 3"),
        ({"Z": 1}, "no axis 'Z'; it has page"),
    ],
)
def test_a_page_that_is_not_there(pages: Path, plane: dict[str, int], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_pixels(pages, plane=plane)


@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate", "packbits", "tiff_lzw"])
def test_compressed_pages(tmp_path: Path, compression: str | None) -> None:
    pytest.importorskip("tifffile", reason="the extra 'bio' is not installed")
    pictures = [draw(HEIGHT, WIDTH, 1, "uint16", seed=page) for page in range(2)]
    first, second = (Image.fromarray(picture[..., 0]) for picture in pictures)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second], compression=compression)
    if compression != "tiff_lzw" or importlib.util.find_spec("imagecodecs"):
        np.testing.assert_array_equal(read_pixels(tmp_path / "a.tif", plane={"page": 2}).values, pictures[1])
    else:
        with pytest.raises(ImageError) as caught:
            read_pixels(tmp_path / "a.tif", plane={"page": 2})
        assert "pip install imagecodecs" in caught.value.hint


def test_channels_of_an_ome_tiff_become_bands(ome: Path) -> None:
    with pytest.raises(ImageError, match="2 along T, 3 along Z") as caught:
        read_pixels(ome)
    assert "plane: {T: 1, Z: 1}" in caught.value.hint
    with pytest.raises(ImageError, match="3 along Z"):
        read_pixels(ome, plane={"T": 1})
    found = read_pixels(ome, plane={"T": 2, "Z": 3})
    np.testing.assert_array_equal(found.values, ome_stack()[1, 2].transpose(1, 2, 0))


def test_an_ome_tiff_of_one_picture_needs_no_choice(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile", reason="the extra 'bio' is not installed")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, ome_stack()[0, 0], metadata={"axes": "CYX"}, photometric="minisblack")
    np.testing.assert_array_equal(read_pixels(path).values, ome_stack()[0, 0].transpose(1, 2, 0))


def test_an_animation_says_that_its_first_frame_is_used(tmp_path: Path) -> None:
    first, second = (Image.new("P", (8, 6), index) for index in (1, 2))
    first.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    second.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    with pytest.warns(ImageWarning, match="first frame"):
        found = read_pixels(tmp_path / "a.gif")
    assert (found.values == (255, 0, 0)).all()
    first.save(tmp_path / "b.gif")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_pixels(tmp_path / "b.gif")


# Hostile files.

VRT = """<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="0">{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>
</VRTDataset>"""
WMS = '<GDAL_WMS><Service name="TMS"><ServerUrl>file://{secret}</ServerUrl></Service></GDAL_WMS>'


@pytest.mark.parametrize("content", [VRT, WMS, "{secret}", "NETCDF:{secret}:x", "/vsizip/{secret}"])
@pytest.mark.parametrize("suffix", ["tif", "png", "jp2"])
def test_a_file_that_names_others_opens_none(tmp_path: Path, content: str, suffix: str) -> None:
    secret = tmp_path / "secret.tif"
    Image.fromarray(GREY[:8, :8, 0]).save(secret)
    path = tmp_path / f"a.{suffix}"
    path.write_text(content.format(secret=secret))
    for read in (read_pixels, image_size, image_kind, lambda path: read_pixels(Region(path, 0, 0, 4, 4))):
        with pytest.raises(ImageError, match="no readable image"):
            read(path)


def test_a_raster_reader_that_is_asked_itself_opens_no_other_file(tmp_path: Path) -> None:
    pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    from pointillist.data.rasters import raster_header, read_raster

    secret = write_raster(tmp_path / "secret.tif", GREY[:8, :8])
    path = tmp_path / "a.tif"
    path.write_text(VRT.format(secret=secret))
    for read in (raster_header, read_raster):
        with pytest.raises(ImageError, match="no readable image"):
            read(path)


@pytest.mark.parametrize("suffix", [".ovr", ".msk", ".aux.xml"])
def test_a_file_beside_a_raster_is_not_opened(tmp_path: Path, suffix: str) -> None:
    secret = write_raster(tmp_path / "secret.tif", np.zeros((8, 8, 1), np.uint8))
    path = write_raster(tmp_path / "a.tif", np.full((16, 16, 1), 700, np.uint16))
    path.with_name(path.name + suffix).write_text(VRT.format(secret=secret))
    for size in (None, (8, 8)):
        found = read_pixels(path, size=size)
        assert found.valid is None
        assert (found.values == 700).all()


def test_a_raster_larger_than_memory_is_refused(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
    path, side = tmp_path / "a.tif", 300_000
    layout = {"tiled": True, "blockxsize": 4096, "blockysize": 4096, "sparse_ok": True, "bigtiff": "YES"}
    rasterio.open(path, "w", driver="GTiff", height=side, width=side, count=5, dtype="uint16", **layout).close()
    assert image_size(path) == (side, side)
    assert image_kind(path)[:2] == (5, "uint16")
    with pytest.raises(ImageError, match="too large"):
        read_pixels(path)
    assert (read_pixels(Region(path, 250_000, 250_000, 9, 9)).values == 0).all()


@pytest.mark.parametrize("dtype", ["float64", "uint32", "complex64"])
def test_other_types_are_refused_by_name(tmp_path: Path, dtype: str) -> None:
    path = write_raster(tmp_path / "a.tif", draw(8, 9, 2, "uint8").astype(dtype))
    with pytest.raises(ImageError, match=f"2 bands of {dtype}") as caught:
        read_pixels(path)
    assert "uint16" in caught.value.hint


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("kind", ["raster", "pages"])
def test_truncated_rasters_are_refused(tmp_path: Path, kind: str, pages: Path) -> None:
    path = pages if kind == "pages" else write_raster(tmp_path / "a.tif", draw(HEIGHT, WIDTH, 5, "uint16"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError) as caught:
        read_pixels(path, plane={"page": 3} if kind == "pages" else None)
    assert caught.value.where == str(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["raster", "pages", "ome", "imagej"])
def test_a_damaged_tiff_is_an_image_or_a_typed_error(tmp_path: Path, kind: str, pages: Path, ome: Path) -> None:
    import tifffile

    whole = {"raster": tmp_path / "raster.tif", "pages": pages, "ome": ome, "imagej": tmp_path / "imagej.tif"}[kind]
    if kind == "raster":
        write_raster(whole, draw(HEIGHT, WIDTH, 5, "uint16"))
    elif kind == "imagej":
        tifffile.imwrite(whole, ome_stack()[0, 0], imagej=True, metadata={"axes": "CYX"})
    plane = {"raster": {}, "pages": {"page": 2}, "ome": {"T": 1, "Z": 2}, "imagej": {}}[kind]
    content, path = whole.read_bytes(), tmp_path / "damaged.tif"
    rng = np.random.default_rng(0)
    opened = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 6)):
            # Tags stand at the beginning and at the end.
            near, far = rng.integers(min(400, len(content))), rng.integers(len(content))
            place = rng.choice([near, far, len(content) - 1 - near])
            damaged[place] = rng.choice([0, 1, 255, rng.integers(256)])
        path.write_bytes(damaged[: rng.choice([len(content), rng.integers(len(content))], p=[0.8, 0.2])])
        for read in (
            lambda: read_pixels(path, plane=plane),
            lambda: read_pixels(Region(path, 1, 1, 5, 5), plane=plane),
            lambda: image_size(path),
            lambda: image_kind(path),
        ):
            with contextlib.suppress(ImageError):
                read()
                opened += 1
    assert opened > 50


# What is not installed.


def missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As if a package were not installed."""
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(images, "find_spec", lambda asked: None if asked == name else importlib.util.find_spec(asked))


def test_rasters_without_rasterio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = write_raster(tmp_path / "deep.tif", DEEP)
    many = write_raster(tmp_path / "many.tif", draw(HEIGHT, WIDTH, 5, "uint16"))
    missing(monkeypatch, "rasterio")
    np.testing.assert_array_equal(read_pixels(deep).values, DEEP)  # Pillow can
    assert image_kind(many)[:2] == (5, "uint16")
    with pytest.raises(ImageError, match=r"5 bands of uint16.*needs rasterio") as caught:
        read_pixels(many)
    assert "pip install 'pointillist[geo]'" in caught.value.hint


def test_pages_without_tifffile(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "tifffile")
    with pytest.raises(ImageError, match="needs tifffile") as caught:
        read_pixels(pages, plane={"page": 1})
    assert "pip install 'pointillist[bio]'" in caught.value.hint


def test_photographs_of_phones_without_pillow_heif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "pillow_heif")
    path = tmp_path / "a.heic"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic")
    for read in (read_pixels, image_size, image_kind):
        with pytest.raises(ImageError, match="needs pillow-heif") as caught:
            read(path)
        assert "pip install 'pointillist[heif]'" in caught.value.hint


def test_photographs_of_phones(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra 'heif' is not installed")
    heif.register_heif_opener()
    smooth = np.kron(draw(5, 6, 3, "uint8"), np.ones((16, 16, 1), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "HEIF", quality=95)
    (tmp_path / "a.heic").write_bytes(buffer.getvalue())
    found = read_pixels(tmp_path / "a.heic").values
    assert found.shape == smooth.shape
    assert np.abs(found.astype(int) - smooth).mean() < 12
