"""Connected objects in strips against scikit-image on the whole, outlines against GDAL."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.draw import polygon2mask
from skimage.measure import label as connected
from skimage.measure import regionprops_table

from pointillist.classes import IGNORE
from pointillist.inference.prediction import Prediction
from pointillist.inference.shapes.objects import Objects, objects_of
from pointillist.inference.shapes.outlines import rings_of, simplified
from tests.inference.blobs import blobs, confidence_of, small_strips


def reference(labels: NDArray[np.uint8], diagonal: bool) -> NDArray[np.int64]:
    """Objects of the whole image, 0 where there is none."""
    return connected(np.where(labels == IGNORE, -1, labels.astype(int)), background=-1, connectivity=1 + diagonal)


def drawn(found: list[Objects], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Objects numbered from 1 in the order in which they come; they tell the pixels of the transposed image."""
    numbers = np.zeros(shape, int)
    before = 0
    for objects in found:
        assert objects.runs is not None
        for owner, row, start, stop in zip(
            objects.runs.owner, objects.runs.row, objects.runs.start, objects.runs.stop, strict=True
        ):
            assert not numbers.T[row, start:stop].any()
            numbers.T[row, start:stop] = before + owner + 1
        before += len(objects)
    return numbers


def joined(found: list[Objects], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(objects, name) for objects in found])


@pytest.mark.parametrize("seed", range(24))
def test_objects_are_those_of_scikit_image(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small_strips(monkeypatch, seed)
    labels = blobs(seed)
    confidence = confidence_of(labels)
    found = list(objects_of(Prediction(labels, confidence), ground=np.arange(len(labels), dtype=float)))
    names = ["area", "bbox", "centroid", "perimeter", "mean_intensity", "coords"]
    expected = regionprops_table(reference(labels, True), confidence.astype(float), names)
    # By their last row, then by their first pixel, whatever the strips are.
    pixels = expected.pop("coords")
    order = sorted(range(len(pixels)), key=lambda n: (expected["bbox-2"][n], tuple(pixels[n][0])))
    expected = {name: values[order] for name, values in expected.items()}
    assert np.array_equal(joined(found, "label"), [labels[tuple(pixels[n][0])] for n in order])
    assert np.array_equal(joined(found, "area"), expected["area"])
    assert np.array_equal(joined(found, "box"), np.stack([expected[f"bbox-{n}"] for n in range(4)], axis=1))
    centroid = np.stack((expected["centroid-0"], expected["centroid-1"]), axis=1)
    np.testing.assert_allclose(joined(found, "centroid"), centroid, rtol=1e-9)
    np.testing.assert_allclose(joined(found, "perimeter"), expected["perimeter"], rtol=1e-9)
    np.testing.assert_allclose(joined(found, "confidence"), expected["mean_intensity"], rtol=1e-9)
    assert np.array_equal(joined(found, "ground"), [pixels[n][:, 0].sum() for n in order])


@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_pixels_of_objects(seed: int, diagonal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    small_strips(monkeypatch, seed)
    labels = blobs(seed)
    confidence = confidence_of(labels)
    found = list(objects_of(Prediction(labels, confidence), diagonal=diagonal, pixels=True))
    numbers, expected = drawn(found, labels.shape), reference(labels, diagonal)
    pairs = np.unique(np.stack((numbers.ravel(), expected.ravel())), axis=1)
    assert all(len(np.unique(side)) == pairs.shape[1] for side in pairs), "the same objects under other numbers"
    boxes = regionprops_table(numbers, confidence.astype(float), ["bbox", "mean_intensity"])
    assert np.array_equal(joined(found, "box"), np.stack([boxes[f"bbox-{n}"] for n in (1, 0, 3, 2)], axis=1))
    np.testing.assert_allclose(joined(found, "confidence"), boxes["mean_intensity"], rtol=1e-9)


def test_what_makes_no_object() -> None:
    labels = np.array([[0, 1, 1], [255, 2, 0]], np.uint8)
    assert not list(objects_of(Prediction(labels), without=(0, 1, 2, 255)))
    (found,) = objects_of(Prediction(labels), without=(0, 255))
    assert found.label.tolist() == [1, 2]
    assert np.isnan(found.confidence).all()
    assert np.isnan(found.ground).all()
    assert found.runs is None


def edges(ring: Any) -> set[frozenset[tuple[int, int]]]:
    """Its edges from corner to corner, without points in the middle of one."""
    points = [tuple(int(value) for value in point) for point in ring]
    around = list(zip(points[-1:] + points[:-1], points, points[1:] + points[:1], strict=True))
    corners = [b for a, b, c in around if not (a[0] == b[0] == c[0] or a[1] == b[1] == c[1])]
    return {frozenset(edge) for edge in zip(corners, corners[1:] + corners[:1], strict=True)}


@pytest.mark.parametrize("seed", range(12))
def test_outlines_are_those_of_gdal(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features = pytest.importorskip("rasterio.features", reason="the extra 'geo' is not installed")
    small_strips(monkeypatch, seed)
    labels = blobs(seed)
    found = []
    for objects in objects_of(Prediction(labels), without=(), diagonal=False, pixels=True):
        assert objects.runs is not None
        rings = list(rings_of(objects.runs))
        assert [ring.owner for ring in rings if not ring.hole] == list(range(len(objects)))
        for number, area in enumerate(objects.area):
            own = [ring for ring in rings if ring.owner == number]
            assert sum(-ring.area if ring.hole else ring.area for ring in own) == area
            found.append((int(objects.label[number]), frozenset().union(*(edges(ring.points) for ring in own))))
    # GDAL cuts a ring in two where it meets itself; the edges are the same.
    expected = [
        (int(value), frozenset().union(*(edges(ring[:-1]) for ring in shape["coordinates"])))
        for shape, value in features.shapes(labels, connectivity=4)
    ]
    assert len(found) == len(expected)
    assert set(found) == set(expected)


@pytest.mark.parametrize("tolerance", [1.0, 2.0])
def test_simplified_outlines_stay_near(tolerance: float) -> None:
    rows, columns = np.mgrid[:60, :60]
    disc = ((rows - 30) ** 2 + (columns - 28) ** 2 < 25**2).astype(np.uint8)
    (objects,) = objects_of(Prediction(disc), without=(0,), pixels=True)
    assert objects.runs is not None
    (ring,) = rings_of(objects.runs)
    few = simplified(ring.points, tolerance)
    assert {tuple(point) for point in few.tolist()} <= {tuple(point) for point in ring.points.tolist()}
    assert 3 <= len(few) < len(ring.points) / 2
    # Distance of every point of the ring to the nearest edge of the simplified one.
    begin, along = few[:, None], np.roll(few, -1, axis=0)[:, None] - few[:, None]
    share = np.clip(((ring.points - begin) * along).sum(-1) / (along**2).sum(-1), 0, 1)
    distance = np.sqrt(((begin + share[..., None] * along - ring.points) ** 2).sum(-1)).min(axis=0)
    assert distance.max() <= tolerance
    assert np.count_nonzero(polygon2mask(disc.shape, few[:, ::-1] - 0.5) != disc) <= tolerance * len(ring.points)


def test_a_pixel_keeps_three_corners() -> None:
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    assert len(simplified(square, 100)) == 3
