"""Pictures: tiles that are the pixels, levels, orientation, large images, thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.images import catalogue, files, pyramid
from pointillist.annotator.images.cache import cache_folder
from pointillist.annotator.images.levels import TILE, fitted_size, levels_of
from pointillist.annotator.session import Session
from pointillist.data.images import read_image
from pointillist.errors import ImageError
from tests.annotator.conftest import Serve

Open = Callable[[Path], Session]


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def stitched(session: Session, name: str, level: int) -> np.ndarray:
    size = levels_of(session.catalogue.size(name))[level]
    whole = np.zeros((size.height, size.width, 3), np.uint8)
    for row in range(size.rows):
        for column in range(size.columns):
            tile = session.bands.picture(name, session.pyramids.tile(name, level, column, row).values)
            whole[row * TILE : row * TILE + tile.shape[0], column * TILE : column * TILE + tile.shape[1]] = tile
    return whole


@pytest.mark.parametrize("on_disk", [False, True])
def test_tiles_are_the_pixels_of_every_level(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    if on_disk:
        monkeypatch.setattr(catalogue, "IN_MEMORY", 1000)
    (tmp_path / "images").mkdir()
    original = noise(701, 1303)
    original.save(tmp_path / "images" / "a.png")
    session = opened(tmp_path)
    expected = original
    levels = session.image("a.png")["levels"]
    assert [(s["width"], s["height"], s["columns"], s["rows"]) for s in levels] == [
        (1303, 701, 3, 2),
        (652, 351, 2, 1),
        (326, 176, 1, 1),
    ]
    for level in range(3):
        assert np.array_equal(stitched(session, "a.png", level), np.asarray(expected))
        expected = expected.reduce(2)
    assert bool(list(cache_folder("images").iterdir())) == on_disk


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photographs_stand_upright(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, orientation: int, on_disk: bool
) -> None:
    if on_disk:
        monkeypatch.setattr(catalogue, "IN_MEMORY", 1000)
        monkeypatch.setattr(pyramid, "ROWS", 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "images" / "a.jpg"
    path.parent.mkdir()
    noise(8, 14).resize((700, 400)).save(path, exif=exif, quality=95)
    session = opened(tmp_path)
    upright = read_image(path)
    assert session.catalogue.size("a.jpg") == upright.shape[:2]
    assert np.array_equal(stitched(session, "a.jpg", 0), upright)
    # Read at an eighth, it is the same picture the same way up.
    small = session.pyramids.reduced("a.jpg", 44 * 25).values
    assert small.shape[:2] == fitted_size(upright.shape[:2], 44 * 25)
    reference = np.asarray(Image.fromarray(upright).resize((small.shape[1], small.shape[0]), Image.Resampling.BOX))
    assert np.abs(small.astype(int) - reference.astype(int)).mean() < 6


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *(("L", ".png"), ("P", ".png"), ("RGBA", ".png"), ("1", ".png"), ("CMYK", ".tif")),
        *(("P", ".gif"), ("RGB", ".bmp"), ("RGB", ".webp"), ("RGB", ".avif"), ("RGB", ".jp2"), ("RGB", ".j2k")),
        ("RGB", ".heic"),
    ],
)
def test_every_kind_of_picture_looks_as_in_training(tmp_path: Path, opened: Open, mode: str, suffix: str) -> None:
    path = tmp_path / "images" / f"a{suffix}"
    path.parent.mkdir()
    if suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="the extra 'heif' is not installed").register_heif_opener()
    noise(20, 30).convert(mode).save(path)
    session = opened(tmp_path)
    assert np.array_equal(stitched(session, path.name, 0), read_image(path))
    assert Image.open(io.BytesIO(session.pictures.thumbnail(path.name).content)).size == (30, 20)


def test_a_tile_that_is_not_there(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "images").mkdir()
    noise(20, 30).save(tmp_path / "images" / "a.png")
    session = opened(tmp_path)
    for level, column, row in ((0, 1, 0), (0, 0, 1), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (10**9, 0, 0)):
        with pytest.raises(ImageError):
            session.pyramids.tile("a.png", level, column, row)


def test_a_changed_image_is_read_again(tmp_path: Path, opened: Open) -> None:
    path = tmp_path / "images" / "a.png"
    path.parent.mkdir()
    noise(20, 30, 1).save(path)
    session = opened(tmp_path)
    before, stamp = stitched(session, "a.png", 0), session.catalogue.stamp("a.png")
    noise(10, 40, 2).save(path)
    assert session.catalogue.stamp("a.png") != stamp
    assert session.catalogue.size("a.png") == (10, 40)
    assert not np.array_equal(stitched(session, "a.png", 0), before)


def test_memory_and_disk_are_bounded(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    for index in range(4):
        noise(100, 100, index).save(tmp_path / "images" / f"small{index}.png")
        noise(200, 200, index).save(tmp_path / "images" / f"large{index}.png")
    session = opened(tmp_path)
    monkeypatch.setattr(catalogue, "IN_MEMORY", 60_000)
    monkeypatch.setattr(pyramid, "MEMORY", 70_000)
    monkeypatch.setattr(files, "DISK", 300_000)
    for index in range(4):
        for kind in ("small", "large"):
            name = f"{kind}{index}.png"
            assert np.array_equal(stitched(session, name, 0), read_image(tmp_path / "images" / name))
            assert session.pyramids._bytes() <= 70_000
    cache = cache_folder("images")
    assert sum(file.stat().st_size for file in cache.rglob("*.raw")) <= 300_000
    # What was dropped is made again.
    assert np.array_equal(stitched(session, "large0.png", 0), read_image(tmp_path / "images" / "large0.png"))


@pytest.mark.parametrize("pixels", [1, 100, 5000, 10**6])
def test_fitted_images_have_at_most_so_many_pixels(tmp_path: Path, opened: Open, pixels: int) -> None:
    (tmp_path / "images").mkdir()
    noise(600, 900).save(tmp_path / "images" / "a.png")
    session = opened(tmp_path)
    fitted = session.pyramids.fitted("a.png", pixels).values
    assert fitted.shape[:2] == fitted_size((600, 900), pixels)
    assert fitted.shape[0] * fitted.shape[1] <= max(pixels, 1)
    assert abs(float(fitted.mean()) - 127.5) < (60 if pixels == 1 else 4)


def test_tiles_over_the_wire(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "images").mkdir()
    original = noise(600, 700)
    original.save(tmp_path / "images" / "a.png")
    live = serve(tmp_path)
    image = live.client.get("/api/images").json()["images"][0]["id"]
    about = live.client.get(f"/api/images/{image}").json()
    tile = live.client.get(f"/api/images/{image}/tiles/0/1/1", params={"v": about["stamp"]})
    assert (tile.headers["content-type"], "immutable" in tile.headers["cache-control"]) == ("image/png", True)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(tile.content))), np.asarray(original)[512:, 512:])
    above = live.client.get(f"/api/images/{image}/tiles/1/0/0")
    assert (above.headers["content-type"], Image.open(io.BytesIO(above.content)).size) == ("image/jpeg", (350, 300))
    thumbnail = live.client.get(f"/api/images/{image}/thumbnail")
    assert Image.open(io.BytesIO(thumbnail.content)).size == (256, 219)
    assert live.client.get(f"/api/images/{image}/thumbnail").content == thumbnail.content


def test_a_broken_image_is_told_and_the_others_are_shown(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "images").mkdir()
    noise(60, 70).save(tmp_path / "images" / "good.png")
    content = (tmp_path / "images" / "good.png").read_bytes()
    (tmp_path / "images" / "broken.png").write_bytes(content[: len(content) // 2])
    live = serve(tmp_path)
    images = {e["name"]: e["id"] for e in live.client.get("/api/images").json()["images"]}
    told = live.client.get(f"/api/images/{images['broken.png']}/tiles/0/0/0")
    assert told.status_code == 422
    assert told.json()["error"]["where"] == "broken.png"
    assert live.client.get(f"/api/images/{images['good.png']}/tiles/0/0/0").status_code == 200
