"""The parity gate: an export gives what the model gives, on images, or there is no export."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pointillist.data.bands import Bands
from pointillist.data.images import read_pixels
from pointillist.data.resize import resize_bands
from pointillist.errors import RunError
from pointillist.training.model_folder import Model

DIFFERENCE = 1e-4
"""Most that a probability may differ by."""

AGREEMENT = 0.9999
"""Least share of pixels that must have the same label."""

IMAGES = 3
"""How many images are looked at, from first to last."""

HINT = "Nothing was written; export to another format with --to."

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""An export as one function: N×K×H×W values as files have them → N×C×H×W probabilities at the same size."""

LARGEST = 1024
"""Longest side of what is compared; of larger images a window in their middle."""


@dataclass(frozen=True)
class Probe:
    """An image to compare on.

    Args:
        name: What it is, for messages.
        values: N×K×H×W float32 as the file has them.
    """

    name: str
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """How far an export is from its model on one probe.

    Args:
        name: Of the probe.
        size: (H, W).
        pixels: Compared.
        equal: Of them those with the same label.
        difference: Largest difference of a probability.
        place: (x, y) of the pixel with it.
    """

    name: str
    size: tuple[int, int]
    pixels: int
    equal: int
    difference: float
    place: tuple[int, int]


@dataclass(frozen=True)
class Parity:
    """How far an export is from its model on all probes."""

    rows: tuple[Row, ...]

    @property
    def agreement(self) -> float:
        """Share of all pixels with the same label."""
        return sum(row.equal for row in self.rows) / sum(row.pixels for row in self.rows)

    @property
    def difference(self) -> float:
        """Largest difference of a probability."""
        return max(row.difference for row in self.rows)


def probes(files: Sequence[Path], bands: Bands) -> list[Probe]:
    """Images of several sizes from a few files: whole, windows with odd sides, one
    made smaller, a batch.

    Raises:
        ImageError: One cannot be read, or its bands or type are others.
    """
    chosen = [files[index] for index in np.unique(np.linspace(0, len(files) - 1, IMAGES).round().astype(int))]
    found = []
    for file in chosen:
        pixels = read_pixels(file, plane=bands.plane)
        bands.scaled(pixels, file)  # says what is wrong with it
        values = bands.colored(pixels.values)
        values = values if bands.select is None else values[:, :, [band - 1 for band in bands.select]]
        whole = _middle(values.transpose(2, 0, 1).astype(np.float32), LARGEST, LARGEST)
        height, width = whole.shape[1:]
        smaller = (max(1, height // 2), max(1, width * 2 // 3))
        odd = _middle(whole, max(1, height * 5 // 8) | 1, max(1, width * 2 // 5) | 1)
        small = _middle(whole, 33, 47)
        shapes = {
            file.name: whole,
            f"{file.name}, a window": odd,
            f"{file.name}, a small window": small,
            f"{file.name}, a column": _middle(whole, 21, 1),
            f"{file.name} made smaller": resize_bands(whole, smaller),
        }
        found += [Probe(name, image[None]) for name, image in shapes.items()]
        found.append(Probe(f"{file.name}, a batch", np.stack([odd, odd[:, ::-1, ::-1]])))
    return found


def _middle(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    top, left = max(0, (image.shape[1] - height) // 2), max(0, (image.shape[2] - width) // 2)
    return np.ascontiguousarray(image[:, top : top + height, left : left + width])


@torch.inference_mode()
def reference(model: Model, values: NDArray[np.float32], *, double: bool = False) -> NDArray[np.float32]:
    """What a model gives; no part of an export is used.

    Args:
        model: The model.
        values: N×K×H×W as files have them.
        double: Compute the network in double precision.

    Returns:
        N×C×H×W probabilities.
    """
    ranges = np.array(model.spec.bands.ranges, np.float32)
    shares = ((values - ranges[:, :1, None]) / (ranges[:, 1:, None] - ranges[:, :1, None])).clip(0, 1)
    size = values.shape[2:]
    seen = model.spec.scale.size_of((size[0], size[1]))
    network = copy.deepcopy(model.network).double() if double else model.network
    found = []
    for image in shares:
        given = torch.from_numpy(resize_bands(image, seen))[None]
        logits = network(given.double() if double else given).logits[0].float().numpy()
        found.append(resize_bands(logits, (size[0], size[1])))
    return torch.from_numpy(np.stack(found)).softmax(1).numpy()


def compare(model: Model, run: Run, probes: Sequence[Probe]) -> Parity:
    """How far an export is from its model.

    Where it is too far from what torch computes in single precision, it is compared with double precision: small
    networks on small images are rounded by more than the tolerance in torch itself.

    Args:
        model: The model, on the CPU.
        run: The export.
        probes: What to compare on.

    Raises:
        RunError: It gives something of another shape.
    """
    rows = []
    for probe in probes:
        found = run(probe.values)
        row = _row(probe, found, reference(model, probe.values))
        if row.difference > DIFFERENCE:
            row = min(row, _row(probe, found, reference(model, probe.values, double=True)), key=lambda r: r.difference)
        rows.append(row)
    return Parity(tuple(rows))


def _row(probe: Probe, found: NDArray[np.float32], expected: NDArray[np.float32]) -> Row:
    if found.shape != expected.shape:
        problem = f"gives {found.shape} for {probe.name}, where the model gives {expected.shape}."
        raise RunError(problem, hint=HINT)
    # A value that is none is as far away as can be.
    off = np.nan_to_num(np.abs(found - expected), nan=1.0).max(axis=(0, 1))
    y, x = np.unravel_index(off.argmax(), off.shape)
    equal = found.argmax(1) == expected.argmax(1)
    size = (expected.shape[2], expected.shape[3])
    return Row(probe.name, size, equal.size, int(equal.sum()), float(off.max()), (int(x), int(y)))


def gate(model: Model, run: Run, probes: Sequence[Probe], what: str) -> Parity:
    """The same, and no further when it is too far.

    Args:
        model: The model.
        run: The export.
        probes: What to compare on.
        what: Name of the target, for messages.

    Raises:
        RunError: With the image, its size, and how far.
    """
    parity = compare(model, run, probes)
    worst = max(parity.rows, key=lambda row: row.difference)
    if parity.difference <= DIFFERENCE and parity.agreement >= AGREEMENT:
        return parity
    if parity.difference <= DIFFERENCE:
        worst = min(parity.rows, key=lambda row: row.equal / row.pixels)
    height, width = worst.size
    x, y = worst.place
    raise RunError(
        f"gives other results than the model: on {worst.name} ({width}×{height}) probabilities differ by up to "
        f"{worst.difference:.2g} (at x={x}, y={y}; {DIFFERENCE:g} is allowed), and {worst.equal / worst.pixels:.4%} of "
        f"its pixels have the same label (of all pixels {parity.agreement:.4%}; {AGREEMENT:.2%} must).",
        where=what,
        hint=HINT,
    )
