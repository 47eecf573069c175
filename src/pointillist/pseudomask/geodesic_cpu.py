"""Geodesic distances on the CPU: Dijkstra with buckets, exact.

Every edge is at least one pixel long. So with buckets one pixel wide no path within a bucket can shorten another of
that bucket: its pixels are final in any order, and no heap is needed (Dial 1969; Denardo and Fox 1979).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pointillist.pseudomask.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

NONE = -1
"""End of a list, or no click."""


@compiled
def edge_lengths(image: NDArray[np.float32], gamma: float) -> Floats:
    """H×W×4 lengths of the edges from each pixel to its east, south-west, south and south-east neighbours.

    The length is √(‖i−j‖² + γ²‖I_i−I_j‖²) for an F×H×W image, and +inf where there is no such neighbour.
    """
    channels, height, width = image.shape
    lengths = np.full((height, width, 4), np.inf)
    for y in range(height):
        for direction in range(4):
            dy = 0 if direction == 0 else 1
            dx = 1 if direction == 0 else direction - 2
            if y + dy >= height:
                continue
            for x in range(max(0, -dx), min(width, width - dx)):
                colour = 0.0
                for k in range(channels):
                    step = np.float64(image[k, y, x]) - np.float64(image[k, y + dy, x + dx])
                    colour += step * step
                lengths[y, x, direction] = math.sqrt(dy * dy + dx * dx + gamma * gamma * colour)
    return lengths


@compiled
def shortest_paths(
    lengths: Floats, seeds: Ints, costs: Floats, clicks: Ints, longest: float, distance: Floats, owner: Ints
) -> None:
    """Fill `distance` (H·W, +inf at the start) with the shortest path from any seed, and `owner` with its click.

    Args:
        lengths: H×W×4 edge lengths, each 1 or more.
        seeds: Pixel index y·W + x of each seed.
        costs: Distance at which each seed starts.
        clicks: Click each seed belongs to.
        longest: Largest finite edge length.
        distance: Result.
        owner: Result, or an array of length 0 if it is not wanted.
    """
    height, width = lengths.shape[:2]
    edges = lengths.reshape(-1)
    track = owner.size > 0
    after = np.full(height * width, NONE, np.int32)
    before = np.full(height * width, NONE, np.int32)
    spread = 0.0
    for s in range(seeds.size):
        spread = max(spread, costs[s])
    buckets = int(longest) + 3
    first = np.full(buckets, NONE, np.int32)
    # Seeds wait in order of their cost and enter when the wave reaches their bucket, so a far click needs no buckets.
    order = np.argsort(costs, kind="mergesort")
    waiting = 0
    inside = 0
    level = 0
    while inside > 0 or waiting < order.size:
        if inside == 0:
            level = max(level, int(costs[order[waiting]]))
        while waiting < order.size and int(costs[order[waiting]]) <= level:
            s = order[waiting]
            waiting += 1
            u = seeds[s]
            if costs[s] < distance[u]:
                if distance[u] == np.inf:
                    inside += 1
                else:
                    _unlink(first, after, before, u, int(distance[u]) % buckets)
                distance[u] = costs[s]
                if track:
                    owner[u] = clicks[s]
                _link(first, after, before, u, int(costs[s]) % buckets)
        bucket = level % buckets
        while first[bucket] != NONE:
            u = first[bucket]
            _unlink(first, after, before, u, bucket)
            inside -= 1
            y = u // width
            x = u - y * width
            here = distance[u]
            for dy in range(-1, 2):
                if y + dy < 0 or y + dy >= height:
                    continue
                for dx in range(-1, 2):
                    if (dy == 0 and dx == 0) or x + dx < 0 or x + dx >= width:
                        continue
                    v = u + dy * width + dx
                    forward = dy > 0 or (dy == 0 and dx > 0)
                    base = u if forward else v
                    step = dx if forward else -dx
                    direction = 0 if dy == 0 else 2 + step
                    there = here + edges[4 * base + direction]
                    if there < distance[v]:
                        if distance[v] == np.inf:
                            inside += 1
                        else:
                            _unlink(first, after, before, v, int(distance[v]) % buckets)
                        distance[v] = there
                        if track:
                            owner[v] = owner[u]
                        _link(first, after, before, v, int(there) % buckets)
        level += 1


@compiled
def _link(first: Ints, after: Ints, before: Ints, u: int, bucket: int) -> None:
    """Put pixel u at the head of a bucket's list."""
    head = first[bucket]
    after[u] = head
    before[u] = NONE
    if head != NONE:
        before[head] = u
    first[bucket] = u


@compiled
def _unlink(first: Ints, after: Ints, before: Ints, u: int, bucket: int) -> None:
    """Take pixel u out of a bucket's list."""
    if before[u] == NONE:
        first[bucket] = after[u]
    else:
        after[before[u]] = after[u]
    if after[u] != NONE:
        before[after[u]] = before[u]
