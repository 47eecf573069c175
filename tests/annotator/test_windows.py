"""Large rasters: read in windows, first looked at, then exact; nothing is decoded whole."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.images import catalogue, files, pyramid, windows
from pointillist.annotator.images.cache import cache_folder
from pointillist.annotator.images.levels import TILE, levels_of, reduced
from pointillist.annotator.images.windows import Windows
from pointillist.annotator.session import Session
from pointillist.errors import ImageError
from tests.annotator.conftest import Serve
from tests.annotator.test_bands import write_raster

pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")

Open = Callable[[Path], Session]

HEIGHT, WIDTH = 1500, 2100

STORED: dict[str, dict[str, Any]] = {
    "tiled": {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"},
    "striped": {"blockysize": 1},
    "strips": {"blockysize": 48, "compress": "lzw", "predictor": 2},
    "planar": {"tiled": True, "blockxsize": 64, "blockysize": 256, "interleave": "band"},
}


def scene(bands: int, dtype: str, seed: int = 0) -> np.ndarray:
    """Large patches with noise, so that a few blocks tell what the whole looks like."""
    rng = np.random.default_rng(seed)
    top = 250 if dtype == "uint8" else 1.0 if dtype == "float32" else 60_000
    patches = rng.random((5, 7, bands)).repeat(HEIGHT // 5, 0).repeat(WIDTH // 7, 1)
    return ((0.8 * patches + 0.2 * rng.random((HEIGHT, WIDTH, bands))) * top).astype(dtype)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these images were large."""
    monkeypatch.setattr(catalogue, "IN_MEMORY", 1_000_000)
    monkeypatch.setattr(windows, "AT_ONCE", 4_500_000)
    monkeypatch.setattr(windows, "FIRST_LOOK", 1_500_000)

    def whole(*_: Any) -> None:
        raise AssertionError("decoded whole")

    monkeypatch.setattr(pyramid, "_read", whole)
    monkeypatch.setattr(pyramid, "_decode", whole)


def stitched(session: Session, name: str, level: int) -> tuple[np.ndarray, bool]:
    """All tiles of a level, and whether all of them are exact."""
    size = levels_of(session.catalogue.size(name))[level]
    rows, exact = [], True
    for row in range(size.rows):
        parts = [session.pyramids.tile(name, level, column, row) for column in range(size.columns)]
        exact &= all(part.exact for part in parts)
        rows.append(np.concatenate([part.values for part in parts], axis=1))
    return np.concatenate(rows), exact


def made(session: Session) -> threading.Event:
    """Set when the levels of an image have been made."""
    event = threading.Event()
    session.pyramids.windows.on_made = event.set
    return event


@pytest.mark.parametrize(
    ("stored", "bands", "dtype"),
    [*((stored, 3, "uint8") for stored in STORED), ("tiled", 2, "uint16"), ("strips", 2, "float32")],
)
def test_levels_are_a_first_look_and_then_exact(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, stored: str, bands: int, dtype: str
) -> None:
    values = write_raster(tmp_path / "images" / "a.tif", scene(bands, dtype), **STORED[stored])
    session = opened(tmp_path)
    looked, event, write = threading.Event(), made(session), Windows._write

    def write_later(self: Windows, plan: windows.Plan, folder: Path) -> None:
        assert looked.wait(60)
        write(self, plan, folder)

    monkeypatch.setattr(Windows, "_write", write_later)
    base = windows.Plan(session.catalogue, "a.tif").base
    assert base == (2 if stored in ("tiled", "planar") and dtype == "uint8" else 1)
    for then in (False, True):
        for level in range(len(levels_of((HEIGHT, WIDTH)))):
            found, is_exact = stitched(session, "a.tif", level)
            assert is_exact == (then or level < base)
            expected = reduced(values, 2**level)
            assert (found.shape, found.dtype) == (expected.shape, values.dtype)
            error = np.abs(found.astype(np.float64) - expected).mean() / float(values.max())
            assert error <= (0 if level == 0 else 0.004 if is_exact else 0.25)
        thumbnail = session.pictures.thumbnail("a.tif")
        assert (Image.open(io.BytesIO(thumbnail.content)).size, thumbnail.exact) == ((256, 183), then or base == 2)
        assert session.pyramids.fitted("a.tif", 10_000).exact == then
        looked.set()
        assert event.wait(60)


def test_smaller_versions_in_the_file_are_used(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    import rasterio

    path = tmp_path / "images" / "a.tif"
    values = write_raster(path, scene(3, "uint8"), **STORED["tiled"])
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], rasterio.enums.Resampling.average)
    session = opened(tmp_path)
    monkeypatch.setattr(windows, "_first_look", lambda *_: pytest.fail("the file has all levels"))
    for level in range(4):
        found, is_exact = stitched(session, "a.tif", level)
        assert is_exact
        assert np.abs(found.astype(float) - reduced(values, 2**level)).mean() < 1
    assert not list(cache_folder("images").iterdir())


def test_pages_hear_of_exact_levels(tmp_path: Path, serve: Serve) -> None:
    write_raster(tmp_path / "images" / "a.tif", scene(3, "uint8"), **STORED["striped"])
    live = serve(tmp_path)
    image = live.session.catalogue.id("a.tif")
    told, publish = threading.Event(), live.session.publish

    def heard(topic: str | None = None, value: Any = None) -> None:
        publish(topic, value)
        if topic == "levels":
            assert list(value) == [image]
            told.set()

    live.session.publish = heard
    first = live.client.get(f"/api/images/{image}/thumbnail", params={"v": "x"})
    assert (first.headers["x-picture"], first.headers["cache-control"]) == ("first-look", "no-store")
    assert told.wait(60)
    then = live.client.get(f"/api/images/{image}/thumbnail", params={"v": "x"})
    assert "x-picture" not in then.headers
    assert "immutable" in then.headers["cache-control"]
    deep = live.client.get(f"/api/images/{image}/tiles/0/1/1")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(deep.content))), scene(3, "uint8")[512:1024, 512:1024])


def test_levels_take_a_bounded_part_of_the_disk(tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = HEIGHT * WIDTH * 3
    # One level of the striped image would need a third of it; what is coarser has a sixteenth.
    monkeypatch.setattr(files, "DISK", whole // 3)
    for index in range(6):
        write_raster(tmp_path / "images" / f"{index}.tif", scene(3, "uint8", index), **STORED["striped"])
    session = opened(tmp_path)
    for index in range(6):
        event = made(session)
        if not session.pyramids.fitted(f"{index}.tif", 1000).exact:
            assert event.wait(60)
        assert session.pyramids.fitted(f"{index}.tif", 1000).exact
        kept = list(cache_folder("images").rglob("*.raw"))
        assert 0 < sum(file.stat().st_size for file in kept) <= whole // 3


def test_a_closing_session_waits_for_no_levels(tmp_path: Path, opened: Open) -> None:
    write_raster(tmp_path / "images" / "a.tif", scene(3, "uint8"), **STORED["striped"])
    session = opened(tmp_path)
    session.pictures.thumbnail("a.tif")
    session.close()
    assert not [t for t in threading.enumerate() if t.name == "annotator-levels"]
    # What was left half made is no level.
    assert opened(tmp_path).pyramids.tile("a.tif", 0, 0, 0).exact


@pytest.mark.parametrize("suffix", [".ovr", ".msk", ".aux.xml"])
def test_files_beside_a_raster_are_not_read(tmp_path: Path, opened: Open, suffix: str) -> None:
    """They may be of any kind: this one would bring the pixels of a file elsewhere into a tile."""
    values = write_raster(tmp_path / "images" / "a.tif", scene(1, "uint16"), **STORED["tiled"])
    secret = tmp_path / "secret.tif"
    write_raster(secret, np.full((HEIGHT // 2, WIDTH // 2, 1), 60_000, np.uint16))
    source = f"<SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand>"
    band = f'<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand>'
    size = f'rasterXSize="{WIDTH // 2}" rasterYSize="{HEIGHT // 2}"'
    text = f"<VRTDataset {size}>{band}</VRTDataset>"
    if suffix == ".aux.xml":
        (tmp_path / "secret.vrt").write_text(text)
        item = f'<MDI key="OVERVIEW_FILE">{tmp_path / "secret.vrt"}</MDI>'
        text = f'<PAMDataset><Metadata domain="OVERVIEWS">{item}</Metadata></PAMDataset>'
    (tmp_path / "images" / f"a.tif{suffix}").write_text(text)
    session = opened(tmp_path)
    stored = session.catalogue.stored("a.tif")
    assert stored is not None
    assert stored.overviews == ()
    small = session.pyramids.tile("a.tif", 1, 0, 0).values
    assert np.abs(small.astype(float) - reduced(values, 2)[:TILE, :TILE]).mean() < 1


@pytest.mark.parametrize("block", [16, HEIGHT])
def test_a_file_in_one_piece_is_no_raster_to_read_in_windows(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(catalogue, "LARGEST", 1_000_000)
    monkeypatch.setattr(catalogue, "LARGEST_BLOCK", 2_000_000)
    write_raster(tmp_path / "images" / "a.tif", scene(3, "uint8"), blockysize=block, compress="deflate")
    session = opened(tmp_path)
    if block == 16:
        assert session.pyramids.tile("a.tif", 0, 0, 0).values.shape == (TILE, TILE, 3)
        return
    with pytest.raises(ImageError, match="at most 1,000,000") as caught:
        session.image("a.tif")
    assert "tiled TIFF" in caught.value.hint


def test_a_raster_without_end_is_refused(tmp_path: Path, opened: Open) -> None:
    shape = {"width": 2**20, "height": 2**20, "count": 3, "dtype": "uint8", "sparse_ok": True}
    import rasterio

    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "a.tif"
    options = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "bigtiff": True, "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", transform=rasterio.Affine.scale(10), **shape, **options):
        pass
    assert path.stat().st_size < 10_000_000
    with pytest.raises(ImageError, match="1,048,576 × 1,048,576"):
        opened(tmp_path).image("a.tif")
