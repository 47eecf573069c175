"""Files with several pictures by tifffile: OME-TIFF, ImageJ, multi-page TIFF; which picture is meant must be said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from pointillist.data.pixels import TYPES, Pixels, Plane, kind_of
from pointillist.errors import ImageError

PAGE = "page"
"""The axis of pages that nobody described."""


def read_stack(path: Path, plane: Plane) -> Pixels:
    """Read one picture of a file with several; channels become bands.

    Args:
        path: The file.
        plane: Which picture, see `Plane`; axes of length 1 need not be named.

    Raises:
        ImageError: The picture is not chosen, there is no such one, the file is unreadable, or tifffile is missing.
    """
    try:
        import tifffile
    except ImportError as error:
        raise ImageError(
            "has several pages or described axes, and reading it needs tifffile, which is not installed.",
            where=path,
            hint="Install it with: pip install 'pointillist[bio]'.",
        ) from error
    try:
        with tifffile.TiffFile(path) as file:
            axes, lengths, pages = _axes(file)
            chosen = _choose(path, axes, lengths, plane)
            channels = axes.index("C") if "C" in axes else None
            numbers = range(lengths[channels]) if channels is not None else (0,)
            pictures = []
            for number in numbers:
                place = [number if axis == channels else chosen[axis] for axis in range(len(axes))]
                index = int(np.ravel_multi_index(place, lengths)) if axes else 0
                pictures.append(pages[index].asarray())
        # Each picture is Y×X, or Y×X×S with its own samples.
        values = np.concatenate([p[:, :, None] if p.ndim == 2 else p for p in pictures], axis=2)
    except ImageError:
        raise
    except Exception as error:  # what a damaged file makes of tifffile's parser is not foreseeable
        hint = "It may be truncated; open it in another program."
        if "imagecodecs" in str(error):
            hint = "Install it with: pip install imagecodecs, or save the file with Deflate or no compression."
        found = f"is no readable image ({str(error) or type(error).__name__})."
        raise ImageError(found, where=path, hint=hint) from error
    if values.dtype.name not in TYPES:
        raise ImageError(
            f"has {kind_of(values.shape[2], values.dtype.name)}.",
            where=path,
            hint=f"Save it with one of these types: {', '.join(TYPES)}.",
        )
    return Pixels(np.ascontiguousarray(values))


def _axes(file: Any) -> tuple[list[str], list[int], list[Any]]:
    """Axes beside those of a picture, their lengths, and the pages in their order."""
    series = file.series[0]
    if file.is_ome or file.is_imagej:
        within = len(series.pages[0].shape)
        lengths = list(series.shape[:-within])
        if math.prod(lengths) == len(series.pages):
            return list(series.axes[: len(lengths)]), lengths, list(series.pages)
    pages = [page for page in file.pages if not page.is_reduced and not page.is_mask]
    return [PAGE], [len(pages)], pages


def _choose(path: Path, axes: list[str], lengths: list[int], plane: Plane) -> list[int]:
    """Index of the picture on each axis, counted from 0."""
    known = {axis: length for axis, length in zip(axes, lengths, strict=True) if axis != "C"}
    example = ", ".join(f"{axis}: 1" for axis, length in known.items() if length > 1)
    hint = f"Write bands: {{plane: {{{example or 'page: 1'}}}}} in dataset.yaml."
    for axis, number in plane.items():
        if axis not in known:
            raise ImageError(f"has no axis '{axis}'; it has {', '.join(known) or 'none'}.", where=path, hint=hint)
        if not 1 <= number <= known[axis]:
            found = f"has no {axis} {number}; there are {known[axis]}, counted from 1."
            raise ImageError(found, where=path, hint=hint)
    open_axes = [f"{length} along {axis}" for axis, length in known.items() if length > 1 and axis not in plane]
    if open_axes:
        found = f"holds several pictures ({', '.join(open_axes)}), and nothing says which is meant."
        raise ImageError(found, where=path, hint=hint)
    return [plane.get(axis, 1) - 1 for axis in axes]
