"""The rows of the speed table, one function each: what is measured, against what, and the floor below it."""

from __future__ import annotations

import statistics
from typing import Any

import literal
import numpy as np
import torch
from measure import alternating, peak_extra_memory, ratio, summary
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from skimage.graph import MCP_Geometric

from pointillist.pseudomask import distance_fields, refine, refine_torch

Row = dict[str, Any]
NEIGHBOURS, GROUP = 48, 4


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def scene(height: int, width: int) -> torch.Tensor:
    """A synthetic picture: discs of colour, shading and grain."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    picture = np.stack([x / width, y / height, (x + y) / (height + width)])
    for _ in range(60):
        cy, cx, radius = random.random() * height, random.random() * width, random.random() * min(height, width) / 6
        picture[:, (y - cy) ** 2 + (x - cx) ** 2 < radius**2] = random.random((3, 1))
    picture += 0.02 * random.standard_normal(picture.shape)
    return torch.from_numpy(np.clip(picture, 0, 1).astype(np.float32))[None]


def refine_floor(pixels: int, classes: int, iterations: int, peaks: dict[str, float]) -> Row:
    """Least time by arithmetic, by loads from the first-level cache, and by affinities and masks streamed."""
    operations = 2.0 * NEIGHBOURS * pixels * classes * iterations
    loads = 4.0 * NEIGHBOURS * pixels * (classes + classes / GROUP) * iterations
    stream = 4.0 * pixels * (NEIGHBOURS + 2 * classes) * iterations
    floors = {
        "arithmetic_s": operations / peaks["gflops"] / 1e9,
        "l1_loads_s": loads / peaks["l1_gbs"] / 1e9,
        "stream_s": stream / peaks["stream_gbs"] / 1e9,
    }
    binding = max(floors, key=lambda name: floors[name])
    return {
        "gflop": round(operations / 1e9, 2),
        "l1_gb": round(loads / 1e9, 2),
        "stream_gb": round(stream / 1e9, 2),
        **{name: round(value, 5) for name, value in floors.items()},
        "binding": binding,
        "binding_s": round(floors[binding], 5),
    }


def refine_against_literal(batch: int, classes: int, target: float, peaks: dict[str, float], memory: bool) -> Row:
    image, masks = noise(batch, 3, 321, 321), noise(batch, classes, 321, 321)
    seconds = alternating(
        {
            "literal": lambda: literal.refine(image, masks),
            "shifted views": lambda: refine_torch.refine_channels(image, masks, literal.DILATIONS, 10),
            "engine": lambda: refine(image, masks),
        },
        cold=("literal",),
    )
    # In float64 the shifted views equal the literal version to 1e-12 (tests), and take a tenth of its time.
    difference = (refine(image.double(), masks.double()) - refine(image, masks)).abs().max()
    floor = refine_floor(batch * 321 * 321, classes, 10, peaks)
    row: Row = {
        "what": f"refine, {batch}×{classes}×321×321, T=10, default dilations",
        "against": "literal: all 48 shifted copies stacked",
        "target": f"≥ {target:g}× faster" + (", peak extra memory ≤ 1/10" if memory else ""),
        "times_faster": round(ratio(seconds, "literal", "engine"), 1),
        "times_faster_than_shifted_views": round(ratio(seconds, "shifted views", "engine"), 1),
        "largest_difference_to_float64": float(f"{float(difference):.2g}"),
        "seconds": summary(seconds),
        "floor": floor,
        "times_above_floor": round(statistics.median(seconds["engine"]) / floor["binding_s"], 2),
    }
    row["reached"] = row["times_faster"] >= target
    if memory:
        extra = {name: peak_extra_memory(name) for name in ("literal", "engine")}
        row["peak_extra_mb"] = extra
        if extra["literal"] and extra["engine"]:
            row["memory_ratio"] = round(extra["engine"] / extra["literal"], 4)
            row["reached"] = row["reached"] and row["memory_ratio"] <= 0.1
    return row


def refine_growth(peaks: dict[str, float]) -> list[Row]:
    rows = []
    sizes = {"1 MP": noise(1, 3, 1000, 1000), "4 MP": noise(1, 3, 2000, 2000)}
    masks = {name: noise(1, 4, *image.shape[2:]) for name, image in sizes.items()}
    seconds = alternating({name: lambda name=name: refine(sizes[name], masks[name]) for name in sizes})
    floor = refine_floor(4_000_000, 4, 10, peaks)
    rows.append(
        {
            "what": "refine, 4 classes, 1 → 4 megapixels",
            "target": "time ≤ 4.8×",
            "times_slower": round(ratio(seconds, "4 MP", "1 MP"), 2),
            "seconds": summary(seconds),
            "floor": floor,
            "times_above_floor": round(statistics.median(seconds["4 MP"]) / floor["binding_s"], 2),
        }
    )
    rows[-1]["reached"] = rows[-1]["times_slower"] <= 4.8
    image = sizes["1 MP"]
    stacks = {2: noise(1, 2, 1000, 1000), 32: noise(1, 32, 1000, 1000)}
    seconds = alternating({str(n): lambda n=n: refine(image, stacks[n]) for n in stacks})
    floor = refine_floor(1_000_000, 32, 10, peaks)
    rows.append(
        {
            "what": "refine, 1 megapixel, 2 → 32 classes",
            "target": "time ≤ 19.2×",
            "times_slower": round(ratio(seconds, "32", "2"), 2),
            "seconds": summary(seconds),
            "floor": floor,
            "times_above_floor": round(statistics.median(seconds["32"]) / floor["binding_s"], 2),
        }
    )
    rows[-1]["reached"] = rows[-1]["times_slower"] <= 19.2
    return rows


def geodesic(peaks: dict[str, float]) -> Row:
    side, gamma = 1000, 300.0
    image = scene(side, side)
    points = noise(10, 3) * torch.tensor([side, side, 0.0])
    starts = [(int(y), int(x)) for x, y, _ in points.tolist()]
    colours = image[0].double().numpy()
    steepness = sum(np.abs(np.gradient(plane)[axis]) for plane in colours for axis in (0, 1))
    costs = 1.0 + gamma * steepness
    seconds = alternating(
        {
            "MCP_Geometric": lambda: MCP_Geometric(costs).find_costs(starts),
            "engine": lambda: distance_fields([points], (side, side), 1, metric="geodesic", image=image, gamma=gamma),
        }
    )
    field = distance_fields([points], (side, side), 1, metric="geodesic", image=image, gamma=gamma)[0, 0]
    exact = scipy_field(colours, points.double().numpy(), gamma)
    error = np.abs(field.double().numpy().ravel() / exact - 1).max()
    # Colours read, edges written and read, distances read and written, each once.
    moved = side * side * (12 + 16 + 16 + 8 + 8 + 4)
    row: Row = {
        "what": "geodesic distances, 1 megapixel, 10 points of one class",
        "against": "skimage.graph.MCP_Geometric (node costs)",
        "target": "≥ 2× faster",
        "times_faster": round(ratio(seconds, "MCP_Geometric", "engine"), 2),
        "largest_relative_error_against_dijkstra": float(f"{error:.2g}"),
        "seconds": summary(seconds),
        "floor": {
            "bytes": moved,
            "binding": "stream_s",
            "binding_s": round(moved / peaks["stream_gbs"] / 1e9, 5),
            "note": "bytes alone: the order of the pixels depends on the data, so prefetching and vectors do not apply",
        },
    }
    row["times_above_floor"] = round(statistics.median(seconds["engine"]) / row["floor"]["binding_s"], 1)
    row["reached"] = row["times_faster"] >= 2
    return row


def scipy_field(colours: np.ndarray, points: np.ndarray, gamma: float) -> np.ndarray:
    """The same graph, the same starts, in SciPy: one more node per click leads to its pixel."""
    height, width = colours.shape[1:]
    index = np.arange(height * width).reshape(height, width)
    flat = colours.reshape(len(colours), -1)
    heads, tails, lengths = [], [], []
    for dy, dx in ((0, 1), (1, -1), (1, 0), (1, 1)):
        here = index[: height - dy, max(0, -dx) : width - max(0, dx)].ravel()
        there = index[dy:, max(0, dx) : width + min(0, dx)].ravel()
        heads += [here, there]
        tails += [there, here]
        length = np.sqrt(dy * dy + dx * dx + gamma**2 * ((flat[:, here] - flat[:, there]) ** 2).sum(axis=0))
        lengths += [length, length]
    columns, rows = np.floor(points[:, 0]).astype(int), np.floor(points[:, 1]).astype(int)
    starts = np.arange(len(points)) + height * width
    heads.append(starts)
    tails.append(index[rows, columns])
    lengths.append(np.hypot(columns + 0.5 - points[:, 0], rows + 0.5 - points[:, 1]))
    nodes = height * width + len(points)
    graph = coo_matrix(
        (np.concatenate(lengths), (np.concatenate(heads), np.concatenate(tails))), (nodes, nodes)
    ).tocsr()
    found: np.ndarray = dijkstra(graph, indices=starts, min_only=True)[: height * width]
    return found
