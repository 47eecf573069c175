"""In which order samples are drawn: the same one on any number of devices, and after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(eq=False, repr=False)
class DrawSampler(torch.utils.data.Sampler[list[tuple[int, int]]]):
    """Batches of (piece index, sample index) from an endless stream of seeded permutations.

    Sample number d of a run is always the same image with the same transformation: whatever the number of processes or
    workers, and wherever a run was interrupted.

    Args:
        length: Number of pieces.
        batch_size: Images per step over all processes together.
        seed: Seed of the permutations.
        steps: Batches in an epoch.
        steps_done: Asked when an epoch begins, or goes on: how many steps the run has behind it.
        rank: This process.
        processes: Number of processes; each takes its share of every batch.
    """

    length: int
    batch_size: int
    seed: int
    _: KW_ONLY
    steps: int
    steps_done: Callable[[], int] = lambda: 0
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        share = self.batch_size // self.processes
        orders: dict[int, NDArray[Any]] = {}
        start = self.steps_done()
        # In an epoch that was interrupted, only the rest of it.
        for step in range(start, start - start % self.steps + self.steps):
            first = step * self.batch_size + self.rank * share
            batch = []
            for sample_index in range(first, first + share):
                turn, place = divmod(sample_index, self.length)
                if turn not in orders:
                    orders[turn] = np.random.default_rng([self.seed, 1, turn]).permutation(self.length)
                batch.append((int(orders[turn][place]), sample_index))
            yield batch


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Steps in which as many samples are drawn as there are images."""
    return max(1, round(images / batch_size))
