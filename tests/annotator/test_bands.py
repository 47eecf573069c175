"""Images of many bands, of more than 8 bits, of several pages: shown as a choice of three bands, labelled as ever."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import LayerJob
from pointillist.annotator.images import bands
from pointillist.annotator.images.bands import View
from pointillist.annotator.images.cache import cache_folder
from pointillist.annotator.session import Session
from pointillist.errors import DatasetError, ImageError
from tests.annotator.conftest import Hand, Live, Serve, write_images

rasterio = pytest.importorskip("rasterio", reason="the extra 'geo' is not installed")
tifffile = pytest.importorskip("tifffile", reason="the extra 'bio' is not installed")

Open = Callable[[Path], Session]

NAMES = ("B02", "B03", "B04", "B08", "B11")
SIDE = 40


def write_raster(path: Path, values: np.ndarray, **options: Any) -> np.ndarray:
    """A GeoTIFF of H×W×K values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, bands = values.shape
    names = options.pop("names", None)
    shape = {"width": width, "height": height, "count": bands, "dtype": values.dtype.name}
    # Somewhere, so that rasterio does not warn of a raster without a place.
    options = {"transform": rasterio.Affine.scale(10), **options}
    with rasterio.open(path, "w", driver="GTiff", **shape, **options) as file:
        file.write(np.ascontiguousarray(values.transpose(2, 0, 1)))
        if names:
            file.descriptions = names
    return values


def ramp(seed: int, dtype: str = "uint16", bands: int = 5, top: float = 10_000) -> np.ndarray:
    """Noise of which each band has a range of its own."""
    noise = np.random.default_rng(seed).random((SIDE, SIDE, bands))
    return (noise * np.linspace(0.5, 1, bands) * top).astype(dtype)


def shown(session: Session, name: str, view: str = "") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(session.pictures.tile(name, 0, 0, 0, View.parse(view)).content)))


def expected(values: np.ndarray, bands: tuple[int, int, int], ranges: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Three bands, stretched."""
    low, high = (np.array([ranges[band][end] for band in bands]) for end in (0, 1))
    return ((values[:, :, bands].astype(float) - low) / (high - low)).clip(0, 1) * 255


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """Three images of five bands of 16 bits with a declared range, the first one dark."""
    for index in range(3):
        write_raster(tmp_path / "images" / f"s{index}.tif", ramp(index, top=10_000 if index else 2_000), names=NAMES)
    text = "classes: [soil, berry]\nbands: {display: [B04, B03, B02], range: [0, 10000]}\n"
    (tmp_path / "dataset.yaml").write_text(text)
    return tmp_path


def test_a_composite_is_shown_and_may_be_chosen(sentinel: Path, opened: Open) -> None:
    session = opened(sentinel)
    values, data = ramp(0, top=2_000), ((0.0, 10_000.0),) * 5
    assert session.image("s0.tif")["bands"] == {
        "names": list(NAMES),
        "type": "uint16",
        "display": [3, 2, 1],
        "choice": True,
    }
    assert np.abs(shown(session, "s0.tif") - expected(values, (2, 1, 0), data)).max() < 1.1
    assert np.abs(shown(session, "s0.tif", "5-5.4.4-data") - expected(values, (4, 3, 3), data)).max() < 1.1
    own = [tuple(np.percentile(values[:, :, band], (0.1, 99.9))) for band in range(5)]
    assert np.abs(shown(session, "s0.tif", "5-1.2.3-image") - expected(values, (0, 1, 2), tuple(own))).max() < 1.6
    # What was chosen for images of other bands says nothing of these.
    assert np.array_equal(shown(session, "s0.tif", "4-1.1.1-image"), shown(session, "s0.tif"))


@pytest.mark.parametrize(
    "text", ["5-1.2.3", "5-0.1.2-data", "5-1.2.6-data", "5-1.2.3-file", "5-1.2.3-data ", "²-1.1.1-data", "x" * 5000]
)
def test_a_choice_that_cannot_be_is_refused(sentinel: Path, serve: Serve, text: str) -> None:
    live = serve(sentinel)
    image = live.session.catalogue.id("s0.tif")
    for part in ("thumbnail", "tiles/0/0/0"):
        answer = live.client.get(f"/api/images/{image}/{part}", params={"view": text})
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "view")


def test_thumbnails_follow_the_choice_and_only_the_usual_one_is_kept(sentinel: Path, serve: Serve) -> None:
    live = serve(sentinel)
    usual, other = (thumbnail(live, "s1.tif", view) for view in ("", "5-5.5.5-data"))
    assert np.ptp(other, axis=2).max() < 12 < np.ptp(usual, axis=2).max()
    assert len(list(cache_folder("thumbnails").iterdir())) == 1
    # A grey one by choice is made anew, not taken for the usual one, and the other way round.
    assert np.array_equal(thumbnail(live, "s1.tif", ""), usual)
    assert np.array_equal(thumbnail(live, "s1.tif", "5-5.5.5-data"), other)


def thumbnail(live: Live, name: str, view: str) -> np.ndarray:
    answer = live.client.get(f"/api/images/{live.session.catalogue.id(name)}/thumbnail", params={"view": view})
    return np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)


def test_addresses_change_when_the_owner_shows_the_bands_in_another_way(sentinel: Path, opened: Open) -> None:
    before = opened(sentinel)
    stamp, picture = before.image("s1.tif")["stamp"], shown(before, "s1.tif")
    before.close()
    file = sentinel / "dataset.yaml"
    file.write_text(file.read_text().replace("10000", "20000"))
    after = opened(sentinel)
    assert after.image("s1.tif")["stamp"] != stamp
    assert shown(after, "s1.tif").mean() < 0.6 * picture.mean()


def test_the_range_is_measured_where_nobody_says_it(tmp_path: Path, opened: Open) -> None:
    values = [write_raster(tmp_path / "images" / f"f{i}.tif", ramp(i, "float32", 2, 0.5) - 0.2) for i in range(3)]
    (tmp_path / "images" / "broken.tif").write_bytes((tmp_path / "images" / "f0.tif").read_bytes()[:600])
    session = opened(tmp_path)
    ranges = np.percentile(np.concatenate(values).reshape(-1, 2), (0.1, 99.9), axis=0).T
    near = expected(values[1], (0, 1, 1), tuple(map(tuple, ranges)))
    assert np.abs(shown(session, "f1.tif") - near).max() < 1.6
    with pytest.raises(ImageError, match=r"broken\.tif"):
        shown(session, "broken.tif")


def test_damaged_images_keep_no_good_one_from_being_shown(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only damaged ones were looked at."""
    monkeypatch.setattr(bands, "SAMPLED", 1)
    values = write_raster(tmp_path / "images" / "b.tif", ramp(0))
    content = (tmp_path / "images" / "b.tif").read_bytes()
    (tmp_path / "images" / "a.tif").write_bytes(content[:900])
    session = opened(tmp_path)
    ranges = tuple(tuple(np.percentile(values[:, :, band], (0.1, 99.9))) for band in range(5))
    assert np.abs(shown(session, "b.tif") - expected(values, (0, 1, 2), ranges)).max() < 1.6
    with pytest.raises(ImageError, match=r"a\.tif"):
        shown(session, "a.tif")


def test_images_of_several_kinds_are_shown_side_by_side(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "images", 2, (SIDE, SIDE))
    grey = write_raster(tmp_path / "images" / "grey.tif", ramp(0, "uint16", 1, 60_000))
    Image.fromarray(grey[:, :, 0] // 3).save(tmp_path / "images" / "grey.png")
    session = opened(tmp_path)
    choices = {name: session.image(name)["bands"]["choice"] for name in session.catalogue.names}
    assert choices == {"grey.png": True, "grey.tif": True, "i0.png": False, "i1.png": False}
    assert np.array_equal(shown(session, "i0.png"), np.asarray(Image.open(tmp_path / "images" / "i0.png")))
    # Both greys are of one kind, and have one range.
    tif, png = (shown(session, name)[:, :, 0].astype(int) for name in ("grey.tif", "grey.png"))
    assert np.abs(tif - png * 3)[tif < 240].max() <= 4


def test_no_data_and_not_a_number_are_black(tmp_path: Path, opened: Open) -> None:
    values = ramp(0, "float32", 3, 1.0)
    values[:10] = np.nan
    values[30:] = -9999
    write_raster(tmp_path / "images" / "a.tif", values, nodata=-9999)
    picture = shown(opened(tmp_path), "a.tif")
    assert picture[:10].max() == picture[30:].max() == 0
    assert picture[10:30].mean() > 90


def test_one_page_of_several_is_chosen_in_dataset_yaml(tmp_path: Path, opened: Open) -> None:
    pages = np.random.default_rng(0).integers(0, 60_000, (3, SIDE, SIDE), dtype=np.uint16)
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", pages, metadata=None, photometric="minisblack")
    text = "classes: [soil, berry]\nbands: {range: [0, 60000]%s}\n"
    (tmp_path / "dataset.yaml").write_text(text % "")
    unsaid = opened(tmp_path)
    with pytest.raises(ImageError, match="several pictures"):
        unsaid.image("a.tif")
    unsaid.close()
    for page in (2, 3):
        (tmp_path / "dataset.yaml").write_text(text % f", plane: {{page: {page}}}")
        session = opened(tmp_path)
        assert np.abs(shown(session, "a.tif")[:, :, 0] - pages[page - 1] / 60_000 * 255).max() < 1.1
        session.close()


def test_what_does_not_fit_the_images_is_told(sentinel: Path, opened: Open) -> None:
    file = sentinel / "dataset.yaml"
    file.write_text(file.read_text().replace("B02]", "B99]"))
    with pytest.raises(DatasetError, match="B99"):
        opened(sentinel).image("s0.tif")


def test_the_engine_gets_all_bands_whatever_is_shown(
    sentinel: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = serve(sentinel)
    hand = Hand(live.session)
    image = hand.image("s0.tif")
    classes = [one["id"] for one in live.client.get("/api/project").json()["classes"]]
    for label, place in zip(classes, (5.5, 30.5), strict=True):
        point = f"point-{label[:20]}"
        assert hand.do("add", point=point, image=image, x=place, y=place, class_=label).status == "done"
    jobs: list[LayerJob] = []
    run = EngineClient.run
    monkeypatch.setattr(EngineClient, "run", lambda self, job, answer: (jobs.append(job), run(self, job, answer))[1])
    thumbnail(live, "s0.tif", "5-5.5.5-image")
    answer = live.client.post(f"/api/images/{image}/layer", json={"client": hand.name, "request": 1, "quality": "full"})
    assert (answer.status_code, answer.headers["x-layer-exact"]) == (200, "1")
    (job,) = jobs
    assert np.array_equal(job.pixels, ramp(0, top=2_000))
    assert job.bands.names == NAMES
