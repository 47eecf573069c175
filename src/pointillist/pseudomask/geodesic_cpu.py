"""Geodesic distances on the CPU: Dijkstra's algorithm with buckets, exact.

Every edge is at least one pixel long. So with buckets one pixel wide no path can shorten another that ends in the same
bucket: its pixels are final in any order, and no heap is needed (Dial 1969; Denardo and Fox 1979). The grid has a
margin of one pixel that no finite edge leads to, so that no neighbour has to be tested against the image's border.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pointillist.pseudomask.compiled import compiled

Floats = NDArray[np.float64]
Lengths = NDArray[np.float32]
Ints = NDArray[np.int32]

NONE = -1
"""End of a list, or no click."""


@compiled
def edge_lengths(image: Lengths, gamma: float) -> tuple[Lengths, float]:
    """(H+2)×(W+2)×4 lengths of the edges from each pixel to its east, south-west, south and south-east neighbours.

    The length is √(‖i−j‖² + γ²‖I_i−I_j‖²) for a K×H×W image, and +inf where an end is in the margin.
    """
    bands, height, width = image.shape
    lengths = np.full((height + 2, width + 2, 4), np.inf, np.float32)
    longest = 1.0
    for y in range(height):
        for direction in range(4):
            dy = 0 if direction == 0 else 1
            dx = 1 if direction == 0 else direction - 2
            if y + dy >= height:
                continue
            for x in range(max(0, -dx), min(width, width - dx)):
                colour = 0.0
                for k in range(bands):
                    step = np.float64(image[k, y, x]) - np.float64(image[k, y + dy, x + dx])
                    colour += step * step
                length = math.sqrt(dy * dy + dx * dx + gamma * gamma * colour)
                lengths[y + 1, x + 1, direction] = length
                longest = max(longest, length)
    return lengths, longest


@compiled
def shortest_paths(
    lengths: Lengths, seeds: Ints, costs: Floats, clicks: Ints, longest: float, distance: Lengths, owner: Ints
) -> None:
    """Fill `distance` with the shortest path from any seed, and `owner` with its click.

    Args:
        lengths: (H+2)×(W+2)×4 edge lengths, each 1 or more.
        seeds: Pixel index y·W + x of each seed.
        costs: Distance at which each seed starts.
        clicks: Click each seed belongs to.
        longest: Largest finite edge length.
        distance: Result, H·W.
        owner: Result, H·W, or of length 0 if it is not wanted.
    """
    height, width = lengths.shape[0] - 2, lengths.shape[1] - 2
    row = width + 2
    edges = lengths.reshape(-1)
    # Edges to the west and north are kept by the neighbour: east, south-west, south, south-east of it, in this order.
    ways = np.array([1, row - 1, row, row + 1, -1, 1 - row, -row, -row - 1])
    places = np.array([0, 1, 2, 3, -4, 4 * (1 - row) + 1, -4 * row + 2, -4 * (row + 1) + 3])
    best = np.full((height + 2) * row, np.inf)
    source = np.full(best.size if owner.size > 0 else 0, NONE, np.int32)

    buckets = 4
    while buckets < longest + 4:
        buckets *= 2  # a power of two, so that a mask finds the bucket
    mask = buckets - 1
    first = np.full(buckets, NONE, np.int32)
    # A pixel is listed again whenever its distance shrinks; entries of its old buckets are skipped when met.
    pixels = _longer(first[:0], max(1024, 4 * (height + width)))
    after = pixels.copy()
    free = 0
    inside = 0

    # Seeds enter when the wave reaches their bucket, so that a far click needs no buckets of its own.
    order = np.argsort(costs, kind="mergesort")
    waiting = 0
    level = 0
    while inside > 0 or waiting < order.size:
        if inside == 0:
            level = max(level, int(costs[order[waiting]]))
        while waiting < order.size and int(costs[order[waiting]]) <= level:
            seed = order[waiting]
            waiting += 1
            y = seeds[seed] // width
            u = (y + 1) * row + seeds[seed] - y * width + 1
            if costs[seed] < best[u]:
                best[u] = costs[seed]
                if source.size > 0:
                    source[u] = clicks[seed]
                if free == NONE:
                    free = pixels.size
                    pixels, after = _longer(pixels, pixels.size), _longer(after, pixels.size)
                entry, free = free, after[free]
                pixels[entry] = u
                after[entry] = first[level & mask]
                first[level & mask] = entry
                inside += 1
        bucket = level & mask
        while first[bucket] != NONE:
            entry = first[bucket]
            first[bucket] = after[entry]
            u = pixels[entry]
            after[entry] = free
            free = entry
            inside -= 1
            here = best[u]
            if int(here) != level:
                continue
            for way in range(8):
                v = u + ways[way]
                there = here + edges[4 * u + places[way]]
                if there < best[v]:
                    listed = best[v] != np.inf and int(best[v]) == int(there)
                    best[v] = there
                    if source.size > 0:
                        source[v] = source[u]
                    if not listed:
                        if free == NONE:
                            free = pixels.size
                            pixels, after = _longer(pixels, pixels.size), _longer(after, pixels.size)
                        entry, free = free, after[free]
                        pixels[entry] = v
                        after[entry] = first[int(there) & mask]
                        first[int(there) & mask] = entry
                        inside += 1
        level += 1
    distance[:] = best.reshape(height + 2, row)[1:-1, 1:-1].copy().reshape(-1)
    if source.size > 0:
        owner[:] = source.reshape(height + 2, row)[1:-1, 1:-1].copy().reshape(-1)


@compiled
def _longer(array: Ints, count: int) -> Ints:
    """The same entries and so many free ones, each naming the next, the last none."""
    size = array.size
    longer = np.arange(1, size + count + 1).astype(np.int32)
    longer[:size] = array
    longer[size + count - 1] = NONE
    return longer
