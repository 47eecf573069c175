from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, PngImagePlugin

from pointillist.data.headers import plain_size
from pointillist.data.images import image_kind, image_size, on_a_map, read_image, read_pixels
from pointillist.data.regions import Region
from pointillist.errors import ImageError

ORIENTATION = 0x0112
GRADIENT = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3) * 2
"""5 high, 7 wide, no two pixels alike."""

GRADIENT_IMAGE = Image.fromarray(GRADIENT)

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: np.rot90(a, 1),
}
"""What a viewer shows for stored rows and columns, from the TIFF 6.0 text of tag 274, written without Pillow."""


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied_exactly_once_to_image_and_size(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(GRADIENT).save(path, exif=exif(orientation), **options)
    expected = UPRIGHT[orientation](GRADIENT)
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == expected.shape[:2]


def test_without_pillows_limit_nothing_is_too_large_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs set it to None, labelme among them, and then a plain TIFF needs rasterio no more than before."""
    GRADIENT_IMAGE.save(tmp_path / "a.tif")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), GRADIENT)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_of_photos(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.jpg"
    stored = np.zeros((40, 64, 3), np.uint8)
    stored[:20, :32] = 255  # one white quarter tells all eight apart only together with the size
    Image.fromarray(stored).save(path, exif=exif(orientation), quality=95)
    upright = read_image(path)
    expected = UPRIGHT[orientation](stored)
    assert upright.shape == expected.shape
    assert image_size(path) == expected.shape[:2]
    assert np.abs(upright.astype(int) - expected).mean() < 8


def test_orientation_behind_the_pixels_of_a_png(tmp_path: Path) -> None:
    # The PNG specification lets eXIf stand after IDAT; image and size must still agree.
    buffer = io.BytesIO()
    Image.fromarray(GRADIENT).save(buffer, "PNG")
    body = buffer.getvalue()
    tags = exif(6).tobytes().removeprefix(b"Exif\x00\x00")
    chunk = b"eXIf" + tags
    late = struct.pack(">I", len(tags)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = body.rindex(b"IEND") - 4
    path = tmp_path / "late.png"
    path.write_bytes(body[:end] + late + body[end:])
    assert image_size(path) == read_image(path).shape[:2] == (7, 5)


def test_size_does_not_decode_the_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"a.{suffix}" for suffix in ("png", "jpg", "tif", "bmp")]
    for path in paths:
        Image.fromarray(GRADIENT).save(path)

    def fail(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    assert [image_size(path) for path in paths] == [(5, 7)] * 4


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    mode=st.sampled_from(["L", "RGB", "CMYK", "P", "1", "RGBA", "I;16"]),
    suffix=st.sampled_from(["png", "jpg"]),
    progressive=st.booleans(),
    extras=st.booleans(),
)
def test_plain_headers_tell_what_pillow_tells(
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    mode: str,
    suffix: str,
    progressive: bool,
    extras: bool,
) -> None:
    assume(mode in ("L", "RGB", "CMYK") if suffix == "jpg" else mode != "CMYK")
    path = tmp_path_factory.mktemp("header") / f"a.{suffix}"
    options = {"icc_profile": b"x" * 70_000, "dpi": (72, 72), "comment": "y" * 300} if extras else {}
    with pytest.MonkeyPatch.context() as patch:
        # By itself Pillow 11 has too little room for a small progressive JPEG with so much beside it.
        patch.setattr(ImageFile, "MAXBLOCK", 2**18)
        Image.new(mode, (width, height)).save(path, progressive=progressive, **options)
    size = plain_size(path)
    # A comment in a PNG might be EXIF data in disguise, so it is left to Pillow.
    assert size == (height, width) or (suffix == "png" and extras and size is None)
    assert image_size(path) == (height, width)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 8])
    with contextlib.suppress(ImageError):
        image_size(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_headers_with_an_orientation_are_left_to_pillow(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GRADIENT).save(path, exif=exif(6))
    assert plain_size(path) is None
    assert image_size(path) == (7, 5)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="8"/></x:xmpmeta>'
    Image.fromarray(GRADIENT).save(tmp_path / "x.jpg", xmp=xmp)
    assert plain_size(tmp_path / "x.jpg") is None
    assert image_size(tmp_path / "x.jpg") == read_image(tmp_path / "x.jpg").shape[:2]


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_senseless_orientation_changes_nothing(tmp_path: Path, value: int) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GRADIENT).save(path, exif=exif(value))
    assert read_image(path).shape[:2] == image_size(path) == (5, 7)


def test_grey_becomes_three_channels(tmp_path: Path) -> None:
    Image.fromarray(GRADIENT[..., 0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.repeat(GRADIENT[..., :1], 3, axis=2))


def test_sixteen_bit_colour_pngs_keep_their_bits(tmp_path: Path) -> None:
    # Written by hand: Pillow has no 16-bit RGB to save, and would read it as 8 bits.
    rows = b"".join(b"\x00" + struct.pack(">6H", 0, 65535, 32896, 257, 514, 65535) for _ in range(2))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert read_image(tmp_path / "a.png")[1].tolist() == [[0, 65535, 32896], [257, 514, 65535]]
    assert image_kind(tmp_path / "a.png")[:2] == (3, "uint16")
    assert image_size(tmp_path / "a.png") == (2, 2)


def test_alpha_is_dropped_and_palette_and_cmyk_become_rgb(tmp_path: Path) -> None:
    alpha = np.dstack([GRADIENT, np.full((5, 7), 9, np.uint8)])
    Image.fromarray(alpha).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png"), GRADIENT)

    palette = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "p.png", transparency=0)
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60]], [[40, 50, 60], [10, 20, 30]]]

    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=95)
    red = read_image(tmp_path / "c.jpg")
    assert red.shape == (3, 4, 3)
    assert red[0, 0, 0] > 200
    assert red[0, 0, 1:].max() < 60

    Image.new("1", (4, 3), 1).save(tmp_path / "b.png")
    assert (read_image(tmp_path / "b.png") == 255).all()


def test_the_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(GRADIENT).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), GRADIENT)
    assert image_size(tmp_path / "a.jpg") == (5, 7)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert caught.value.where == str(path)
    assert "truncated" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"just text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for reader in (read_image, image_size):
        with pytest.raises(ImageError, match="no readable image"):
            reader(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)


def test_bombs_are_refused_before_they_burst(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 1000)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(ImageError, match="too large"):
        read_image(tmp_path / "a.png")
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 2**27, zip=True)
    Image.fromarray(GRADIENT).save(tmp_path / "b.png", pnginfo=text)
    with pytest.raises(ImageError):
        read_image(tmp_path / "b.png")


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_give_an_image_or_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from(["png", "jpg", "tif", "webp", "bmp"]))
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    options = {"compression": "tiff_lzw"} if suffix == "tif" else {}
    Image.fromarray(GRADIENT).save(buffer, kind, exif=exif(6), **options)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / f"a.{suffix}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for reader in (read_image, image_size):
        with contextlib.suppress(ImageError):
            reader(path)


# Windows of large images.


def test_a_region_outside_its_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="window"):
        Region(tmp_path / "a.tif", 0, 0, 0, 5)
    with pytest.raises(ImageError, match="window"):
        Region(tmp_path / "a.tif", -1, 0, 5, 5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".jp2", ".bmp"])
@pytest.mark.timeout(20)
def test_a_pipe_or_a_device_is_not_waited_for(suffix: str, tmp_path: Path) -> None:
    pipe, device = tmp_path / f"pipe{suffix}", tmp_path / f"device{suffix}"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        for read in (read_image, image_size, image_kind):
            with pytest.raises(ImageError, match="a pipe or a device"):
                read(path)
        assert not on_a_map(path)


def test_a_picture_of_an_unwanted_kind_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow reads EPS with Ghostscript, whatever the file is called."""
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("it has started a program"))
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("it has started a program"))
    for kind in ("EPS", "PCX", "PPM", "TGA", "ICO", "SGI", "PDF", "DDS"):
        path = tmp_path / f"{kind}.png"
        GRADIENT_IMAGE.save(path, kind)
        for read in (read_image, image_size, image_kind):
            with pytest.raises(ImageError, match="no readable image"):
                read(path)


def test_conversion_in_strips_is_that_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A palette with transparency took twelve bytes a pixel; each kind of file is the same in strips."""
    noise = Image.effect_noise((40, 50), 90)
    clear = noise.convert("P")
    clear.info["transparency"] = 3
    kinds = [noise, noise.convert("1"), noise.convert("RGB"), clear, noise.convert("RGBA"), noise.convert("LA")]
    kinds[4].putalpha(noise)
    kinds[5].putalpha(noise)
    for number, image in enumerate(kinds):
        image.save(tmp_path / f"{number}.png")
        rgba = np.asarray(Image.open(tmp_path / f"{number}.png").convert("RGBA"))
        for strip in (2**22, 100, 1):
            monkeypatch.setattr("pointillist.data.images._STRIP", strip)
            read = read_pixels(tmp_path / f"{number}.png")
            values = np.repeat(read.values, 3, 2) if read.values.shape[2] == 1 else read.values
            assert np.array_equal(values, rgba[..., :3])
            valid = np.ones((50, 40), bool) if read.valid is None else read.valid
            assert np.array_equal(valid, rgba[..., 3] > 0)


def test_a_small_file_of_a_large_image_takes_few_bytes_a_pixel(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = Image.new("P", (5000, 5000))
    image.info["transparency"] = 0
    image.putpixel((0, 0), 1)
    image.save(path)
    assert path.stat().st_size < 50_000
    code = f"""
import resource
from pathlib import Path
from pointillist.data.images import read_pixels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_pixels(Path({str(path)!r}))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 8 * 5000 * 5000


def test_pages_of_a_tiff_that_form_a_ring(tmp_path: Path) -> None:
    """Found by `make torture`: tifffile goes round and round."""
    path = tmp_path / "a.tif"
    GRADIENT_IMAGE.save(path, save_all=True, append_images=[GRADIENT_IMAGE])
    content = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", content, 4)[0]
    end = first + 2 + 12 * struct.unpack_from("<H", content, first)[0]
    second = struct.unpack_from("<I", content, end)[0]
    end = second + 2 + 12 * struct.unpack_from("<H", content, second)[0]
    struct.pack_into("<I", content, end, first)
    path.write_bytes(content)
    for read in (read_image, image_size, image_kind):
        with pytest.raises(ImageError, match="lead back"):
            read(path)
    assert not on_a_map(path)
