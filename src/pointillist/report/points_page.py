"""The page of `points check`: images with their points, the suspicious ones marked, and the rejected ones listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import ImageDraw

from pointillist.data.bands import Bands
from pointillist.data.dataset import Dataset, Item
from pointillist.data.images import image_size
from pointillist.data.regions import window_of
from pointillist.files import write_text
from pointillist.points.check import Checked, Reason, Rejection
from pointillist.points.suspicious import NEAR, RARE, on_edge, rare_classes, too_near
from pointillist.points.table import Point, PointTable
from pointillist.report.html import render
from pointillist.report.pictures import Picture, data_url, draw_points, picture_of_image

WARNING = (220, 38, 38)
_HEIGHT, _WIDTH = 300, 460
_WARNINGS = 6
_NAMES = 30
_WHOLE, _AROUND = 2**25, 512
"""Pixels of the largest image that is opened whole to look for edges, and the side of a window of a larger one."""


@dataclass
class Look:
    """What is to be said about one image.

    Args:
        item: The image.
        points: Its points.
        outside: Points that lie outside it.
        marked: Indices of suspicious points.
        warnings: One line each, the graver first.
    """

    item: Item
    points: tuple[Point, ...]
    outside: list[Rejection] = field(default_factory=list)
    marked: set[int] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def write_points_page(
    dataset: Dataset,
    path: Path,
    *,
    split: str = "all",
    max_images: int = 60,
    max_opened: int = 400,
    advice: Sequence[str] = (),
    on_image: Callable[[str], None] | None = None,
) -> None:
    """Write a self-contained page with the images of a split and their points.

    Args:
        dataset: Images, classes, points, and the points that were rejected.
        path: The page.
        split: Which images.
        max_images: Pictures on the page: suspicious images first, then images spread evenly over the rest.
        max_opened: Images that are opened to look for points on edges; the rest is judged by its points alone.
        advice: What is to be said about the classes, one line each.
        on_image: Called with the name of each image when it is done.

    Raises:
        ImageError: An image cannot be read.
        SaveError: The page cannot be written.
    """
    dataset = dataset.with_bands()
    items = dataset.split(split)
    checked = dataset.rejected or Checked(dataset.points, ())
    rare = rare_classes(dataset.points.counts(), dataset.classes.clicked)
    looks = _look(items, dataset.points, checked.rejections, rare)
    opened = {look.item.name for look in _chosen(looks, max_opened)}
    for look in looks:
        if look.item.name in opened:
            edges = _edges(look, dataset.known_bands)
            look.marked.update(edges)
            look.warnings += [f"{_point(look.points[i])} lies on a strong edge." for i in edges]
        if on_image is not None:
            on_image(look.item.name)
    shown = _chosen(looks, max_images)
    without = [look.item.name for look in looks if not look.points]
    left_out = len(looks) - len(shown)
    suspicious = sum(bool(look.warnings) for look in looks)
    content = render(
        "points_page.html.jinja",
        title=f"Points of {dataset.root.resolve().name}",
        source=str(dataset.points_file or "no label file"),
        figures=[
            ("points", f"{checked.total:,}", ""),
            ("fit", f"{len(checked.points):,}", ""),
            ("rejected", f"{len(checked.rejections):,}", ""),
            ("images", f"{len(items):,}", ""),
            ("images without points", f"{len(without):,}", ""),
            ("suspicious images", f"{suspicious:,}", ""),
        ],
        classes=_classes(dataset, rare),
        advice=advice,
        rare=RARE,
        near=f"{NEAR:g}",
        reasons=_reasons(checked),
        unknown=checked.unknown_classes().most_common(_NAMES),
        skipped=sorted(checked.skipped.items()),
        without=without[:_NAMES],
        without_more=max(0, len(without) - _NAMES),
        cards=[_card(look, dataset) for look in shown],
        left_out=left_out,
        left_out_suspicious=suspicious - sum(bool(look.warnings) for look in shown),
        unopened=len(looks) - len(opened),
    )
    write_text(path, content)


def _look(
    items: Sequence[Item], points: PointTable, rejections: Sequence[Rejection], rare: dict[str, int]
) -> list[Look]:
    """Everything that can be said without opening an image."""
    of_image: dict[str, list[Rejection]] = {}
    for rejection in rejections:
        of_image.setdefault(rejection.point.image, []).append(rejection)
    looks = []
    for item in items:
        look = Look(item, points.of(item.name))
        for rejection in of_image.get(item.name, ()):
            if rejection.reason is Reason.OUTSIDE:
                look.outside.append(rejection)
            if rejection.reason is not Reason.DUPLICATE:
                look.warnings.append(f"{rejection.reason.value}: {rejection.found}")
        for i, j in too_near(look.points):
            look.marked.update((i, j))
            gap = np.hypot(look.points[i].x - look.points[j].x, look.points[i].y - look.points[j].y)
            look.warnings.append(f"{_point(look.points[i])} and {_point(look.points[j])} are {gap:.1f} px apart.")
        for i, point in enumerate(look.points):
            if point.label in rare:
                look.marked.add(i)
                look.warnings.append(f"{_point(point)} is one of {rare[point.label]} of its class.")
        looks.append(look)
    return looks


def _point(point: Point) -> str:
    return f"{point.label} ({point.x:.1f}, {point.y:.1f})"


def _chosen(looks: Sequence[Look], count: int) -> list[Look]:
    """The most suspicious, then a sample spread evenly over the others with points."""
    ranked = sorted((look for look in looks if look.warnings), key=lambda look: -len(look.warnings))[:count]
    calm = [look for look in looks if not look.warnings and look.points]
    room = min(count - len(ranked), len(calm))
    return ranked + [calm[index * len(calm) // room] for index in range(room)]


def _edges(look: Look, bands: Bands) -> list[int]:
    """Indices of points on edges; on a large image each is looked at in a window of its own."""
    height, width = image_size(look.item.image)
    if height * width <= _WHOLE:
        return on_edge(look.points, bands.picture_of(look.item.image))
    found = []
    for index, point in enumerate(look.points):
        rows, columns = min(_AROUND, height), min(_AROUND, width)
        top = min(max(0, point.pixel[0] - rows // 2), height - rows)
        left = min(max(0, point.pixel[1] - columns // 2), width - columns)
        picture = bands.picture_of(window_of(look.item.image, top, left, rows, columns))
        if on_edge([replace(point, x=point.x - left, y=point.y - top)], picture):
            found.append(index)
    return found


def _card(look: Look, dataset: Dataset) -> dict[str, object]:
    height, width = image_size(look.item.image)
    scale = min(_HEIGHT / height, _WIDTH / width)
    shown = max(1, round(height * scale))
    # A raster is made smaller while it is read.
    small = (shown, max(1, round(width * scale))) if scale < 1 else None
    picture = picture_of_image(dataset.known_bands.picture_of(look.item.image, small), shown)
    rows = [(point.x, point.y, dataset.classes.index(point.label)) for point in look.points]
    draw_points(picture, np.array(rows, dtype=np.float64).reshape(-1, 3), (height, width), dataset.classes)
    inside = [look.points[index] for index in sorted(look.marked)]
    _mark(picture, [(point.x, point.y) for point in inside], (height, width))
    _mark(picture, [(rejection.point.x, rejection.point.y) for rejection in look.outside], (height, width))
    return {
        "name": look.item.name,
        "url": data_url(picture, "JPEG"),
        "width": picture.width,
        "height": picture.height,
        "count": f"{len(look.points):,} point{'' if len(look.points) == 1 else 's'}",
        "warnings": look.warnings[:_WARNINGS],
        "more": max(0, len(look.warnings) - _WARNINGS),
    }


def _mark(picture: Picture, positions: Sequence[tuple[float, float]], size: tuple[int, int]) -> None:
    """Red squares; for positions outside, at the nearest place of the border."""
    draw = ImageDraw.Draw(picture)
    radius = 9
    for x, y in positions:
        cx = min(max(x * picture.width / size[1], 0), picture.width - 1)
        cy = min(max(y * picture.height / size[0], 0), picture.height - 1)
        draw.rectangle((cx - radius, cy - radius, cx + radius, cy + radius), outline=WARNING, width=2)


def _classes(dataset: Dataset, rare: dict[str, int]) -> list[dict[str, object]]:
    counts = dataset.points.counts()
    images = Counter(name for image in dataset.points.images for name in {p.label for p in dataset.points.of(image)})
    most = max(counts.values(), default=1)
    return [
        {
            **swatch,
            "points": f"{counts[swatch['name']]:,}",
            "images": f"{images[swatch['name']]:,}",
            "width": round(100 * counts[swatch["name"]] / most, 1),
            "rare": swatch["name"] in rare,
        }
        for swatch in dataset.classes.swatches()
    ]


def _reasons(checked: Checked) -> list[dict[str, object]]:
    first = {rejection.reason: rejection for rejection in reversed(checked.rejections)}
    return [
        {
            "reason": reason.value,
            "count": f"{count:,}",
            "example": first[reason].found,
            "place": first[reason].point.place
            or (f"line {first[reason].point.line}" if first[reason].point.line else ""),
            "hint": first[reason].hint,
        }
        for reason, count in checked.reasons().most_common()
    ]
