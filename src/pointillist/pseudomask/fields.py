"""Distance fields of clicks: how far each pixel is from the nearest click of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointillist.errors import TensorError
from pointillist.pseudomask import geodesic_cpu
from pointillist.pseudomask.checks import check_maps, check_points, check_setting, check_tensor, shape_of
from pointillist.pseudomask.compiled import ThreadPool, no_compile

Metric = Literal["euclidean", "geodesic"]

GAMMA = 300.0
"""Price of colour in pixels of an image of 160×160: so many for the way from black to white in one channel."""


@no_compile
def distance_fields(
    points: Sequence[Tensor],
    size: tuple[int, int],
    num_classes: int,
    *,
    metric: Metric = "euclidean",
    image: Tensor | None = None,
    gamma: float = GAMMA,
) -> Tensor:
    """Distance of each pixel to the nearest click of each class.

    `euclidean`: straight from the pixel's centre to the click's continuous position.

    `geodesic`: the shortest path over 8-neighbours with edges √(‖i−j‖² + γ²‖I_i−I_j‖²), which respects the borders of
    objects; exact, found by Dijkstra's algorithm in float64 on the CPU (the result returns to the image's device). A
    path starts at the centre of the pixel that contains the click, at the straight distance between the two (at most
    √½ pixel). A click outside the image reaches it in a straight line through space of no colour: it starts at each
    pixel of the border columns and rows that face it, at its straight distance to their centres. A click to the left
    of the image therefore never starts at the right border.

    Args:
        points: One N_i×3 tensor per image: x, y in pixels, class. Origin at the top-left corner of the image, x to the
            right, y down, the centre of pixel (column c, row r) at (c+0.5, r+0.5). Clicks outside the image count.
        size: (H, W) of the fields.
        num_classes: C.
        metric: "euclidean" or "geodesic".
        image: B×3×H×W in [0, 1]; needed by "geodesic".
        gamma: γ in pixels per unit of colour.

    Returns:
        B×C×H×W float32 in pixels, +inf everywhere for a class without clicks; on the device of `image`, or of
        `points` where there is no image.

    Raises:
        TensorError: For points that are not N×3, a class outside 0…C−1, or an image of a wrong rank, size or range.
        ConfigError: For an unknown metric, or a γ that is negative or not finite.
    """
    check_setting(metric in get_args(Metric), "metric", metric, f"Use one of {', '.join(get_args(Metric))}.")
    check_setting(math.isfinite(gamma) and gamma >= 0, "gamma", gamma, "Use a finite number of pixels, 0 or more.")
    rows = check_points(points, None if image is None else image.shape[0], num_classes)
    device = points[0].device
    if image is not None:
        check_maps(image, "image", channels=3)
        good = tuple(image.shape[2:]) == tuple(size)
        check_tensor(good, f"Got {shape_of(image)} for fields of {size}.", "image", "Use one size.")
        device = image.device
    elif metric == "geodesic":
        raise TensorError("Got None.", field="image", hint="Pass the B×3×H×W image: a geodesic follows its colours.")
    return class_fields(rows, size, num_classes, metric, image, [gamma] * len(rows), device)[0]


def class_fields(
    points: Sequence[Tensor],
    size: tuple[int, int],
    num_classes: int,
    metric: Metric,
    image: Tensor | None,
    gammas: Sequence[float],
    device: torch.device,
    *,
    nearest_click: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """`distance_fields` of checked CPU points with a γ per image, and the index of each pixel's nearest click if asked.

    Returns:
        B×C×H×W float32 distances, and B×C×H×W int64 rows of `points[b]` (−1 = none) or `None`.
    """
    if metric == "geodesic" and image is not None:
        distances, clicks = _geodesic(points, size, num_classes, image, gammas, nearest_click)
        return distances.to(device), clicks.to(device).long() if nearest_click else None
    return _euclidean(points, size, num_classes, device, nearest_click)


def _euclidean(
    points: Sequence[Tensor], size: tuple[int, int], num_classes: int, device: torch.device, nearest_click: bool
) -> tuple[Tensor, Tensor | None]:
    height, width = size
    ys = torch.arange(height, device=device, dtype=torch.float32)[:, None] + 0.5
    xs = torch.arange(width, device=device, dtype=torch.float32)[None, :] + 0.5
    squares = torch.full((len(points), num_classes, height, width), math.inf, device=device)
    clicks = torch.full(squares.shape, -1, device=device) if nearest_click else None
    for image, rows in enumerate(points):
        for row, (x, y, c) in enumerate(rows.tolist()):
            best = squares[image, int(c)]
            square = (xs - x).square() + (ys - y).square()
            if clicks is not None:
                clicks[image, int(c)].masked_fill_(square < best, row)
            torch.minimum(best, square, out=best)
    return squares.sqrt_(), clicks


def _geodesic(
    points: Sequence[Tensor],
    size: tuple[int, int],
    num_classes: int,
    image: Tensor,
    gammas: Sequence[float],
    nearest_click: bool,
) -> tuple[Tensor, Tensor]:
    height, width = size
    colours = image.detach().float().cpu().contiguous().numpy()
    lowest, highest = float(colours.min()), float(colours.max())
    good = lowest >= -1e-3 and highest <= 1.0 + 1e-3
    found = f"Got values from {lowest:g} to {highest:g}."
    check_tensor(good, found, "image", "Bring colours to [0, 1] (γ counts in them).")
    distances = np.full((len(points), num_classes, height * width), np.inf, np.float32)
    clicks = np.full(distances.shape if nearest_click else (len(points), num_classes, 0), -1, np.int32)
    with ThreadPool() as pool:
        for image_index, rows in enumerate(points):
            if len(rows):
                table = rows.double().numpy()
                gamma = float(gammas[image_index])
                _image_fields(pool, colours[image_index], table, gamma, distances[image_index], clicks[image_index])
    shape = (len(points), num_classes, height, width)
    fields = torch.from_numpy(distances).view(shape)
    return fields, torch.from_numpy(clicks).view(shape if nearest_click else clicks.shape)


def _image_fields(
    pool: ThreadPool,
    colours: NDArray[np.float32],
    table: NDArray[np.float64],
    gamma: float,
    distances: NDArray[np.float32],
    clicks: NDArray[np.int32],
) -> None:
    """Fill C×H·W distances and rows of the clicks of one 3×H×W image, the classes shared among the pool."""
    height, width = colours.shape[1:]
    lengths, longest = geodesic_cpu.edge_lengths(colours, float(gamma))
    classes = np.unique(table[:, 2].astype(np.int64))

    def one_class(index: int) -> None:
        c = classes[index]
        seeds = _seeds(table, np.flatnonzero(table[:, 2] == c), height, width)
        geodesic_cpu.shortest_paths(lengths, *seeds, longest, distances[c], clicks[c])

    pool.each(one_class, len(classes))


def _seeds(
    table: NDArray[np.float64], rows: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]:
    """Where the paths of some clicks start: pixel indices, distances at the start, rows of `table`."""
    pixels, costs, clicks = [], [], []
    for row in rows:
        x, y = table[row, :2]
        column, line = min(max(math.floor(x), 0), width - 1), min(max(math.floor(y), 0), height - 1)
        starts = {(line, column)}
        if not 0 <= x < width:
            starts |= {(r, column) for r in range(height)}
        if not 0 <= y < height:
            starts |= {(line, c) for c in range(width)}
        for r, c in sorted(starts):
            pixels.append(r * width + c)
            costs.append(math.hypot(c + 0.5 - x, r + 0.5 - y))
            clicks.append(row)
    return np.array(pixels, np.int32), np.array(costs, np.float64), np.array(clicks, np.int32)
