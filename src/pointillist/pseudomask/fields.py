"""Distance fields of clicks: how far each pixel is from the nearest click of each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
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
"""Price of colour in pixels of an image of 160×160: so many for the way from black to white in one band of three."""


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

    `geodesic`: the shortest path over 8-neighbours with edges √(‖i−j‖² + γ²·3/K·‖I_i−I_j‖²) in an image of K bands,
    which respects the borders of objects; exact, found by Dijkstra's algorithm in float64 on the CPU (the result
    returns to the image's device). The weight 3/K makes γ mean the same for any number of bands, see `band_weight`. A
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
        image: B×K×H×W of K ≥ 1 bands in [0, 1]; needed by "geodesic".
        gamma: γ in pixels per unit of colour.

    Returns:
        B×C×H×W float32 in pixels, +inf everywhere for a class without clicks; on the device of `image`, or of
        `points` where there is no image.

    Raises:
        TensorError: For points that are not N×3, a class outside 0…C−1, or an image of a wrong rank, size or range.
        ConfigError: For an unknown metric, or a γ that is negative or not finite.

    Examples:
        >>> fields = distance_fields([torch.tensor([[0.5, 0.5, 1.0]])], (1, 4), 2)
        >>> fields[0, 1, 0].tolist(), fields[0, 0, 0, 0].item()  # class 0 is not clicked
        ([0.0, 1.0, 2.0, 3.0], inf)
    """
    check_setting(metric in get_args(Metric), "metric", metric, f"Use one of {', '.join(get_args(Metric))}.")
    check_setting(math.isfinite(gamma) and gamma >= 0, "gamma", gamma, "Use a finite number of pixels, 0 or more.")
    rows = check_points(points, None if image is None else image.shape[0], num_classes)
    device = points[0].device
    if image is not None:
        check_maps(image, "image")
        good = tuple(image.shape[2:]) == tuple(size)
        check_tensor(good, f"Got {shape_of(image)} for fields of {size}.", "image", "Use one size.")
        device = image.device
    elif metric == "geodesic":
        raise TensorError("Got None.", field="image", hint="Pass the B×K×H×W image: a geodesic follows its colours.")
    return class_fields(rows, size, num_classes, metric, image, [gamma] * len(rows), device)[0]


def band_weight(bands: int) -> float:
    """3/K: how much a squared difference counts in one of K bands, where such differences are summed over the bands.

    Whatever the number of bands, colours are then as far apart as those of three, for which γ and its like are chosen:
    a grey image repeated over 1, 3 or 13 bands gives the same distances.

    Examples:
        >>> band_weight(3), band_weight(12)
        (1.0, 0.25)
    """
    return 3 / bands


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
    if metric == "euclidean" or image is None:
        return _euclidean(points, size, num_classes, device, nearest_click)
    shape = (len(points), num_classes, *size)
    colours = image.detach().float().cpu().contiguous().numpy()
    lowest, highest = float(colours.min()), float(colours.max())
    good = lowest >= -1e-3 and highest <= 1.0 + 1e-3
    found = f"Got values from {lowest:g} to {highest:g}."
    check_tensor(good, found, "image", "Bring colours to [0, 1] (γ counts in them).")
    distances = np.full((len(points), num_classes, size[0] * size[1]), np.inf, np.float32)
    clicks = np.full(distances.shape if nearest_click else (len(points), num_classes, 0), -1, np.int32)
    weight = math.sqrt(band_weight(colours.shape[1]))
    with ThreadPool() as pool:
        for index, rows in enumerate(points):
            if len(rows):
                table = rows.double().numpy()
                lengths, longest = geodesic_cpu.edge_lengths(colours[index], weight * float(gammas[index]))
                fill = partial(_fill_class, table, lengths, longest, distances[index], clicks[index])
                pool.each(fill, np.unique(table[:, 2].astype(np.int64)).tolist())
    fields = torch.from_numpy(distances).view(shape).to(device)
    return fields, torch.from_numpy(clicks).view(shape).to(device).long() if nearest_click else None


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


def _fill_class(
    table: NDArray[np.float64],
    lengths: NDArray[np.float32],
    longest: float,
    distances: NDArray[np.float32],
    clicks: NDArray[np.int32],
    c: int,
) -> None:
    """Fill row `c` of C×H·W distances of one image, and of the rows of `table` that are the nearest clicks."""
    height, width = lengths.shape[0] - 2, lengths.shape[1] - 2
    pixels, costs, owners = [], [], []
    for row in np.flatnonzero(table[:, 2] == c):
        x, y = table[row, :2]
        column, line = min(max(math.floor(x), 0), width - 1), min(max(math.floor(y), 0), height - 1)
        starts = {(line, column)}
        if not 0 <= x < width:
            starts |= {(r, column) for r in range(height)}
        if not 0 <= y < height:
            starts |= {(line, k) for k in range(width)}
        for r, k in sorted(starts):
            pixels.append(r * width + k)
            costs.append(math.hypot(k + 0.5 - x, r + 0.5 - y))
            owners.append(row)
    seeds = np.array(pixels, np.int32), np.array(costs, np.float64), np.array(owners, np.int32)
    geodesic_cpu.shortest_paths(lengths, *seeds, longest, distances[c], clicks[c])
