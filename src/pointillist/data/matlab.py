"""Masks in MATLAB files, as the Semantic Boundaries Dataset has them: of a whole file one array of numbers is read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointillist.errors import MaskError
from pointillist.files import regular

SUFFIX = ".mat"

MAX_BYTES = 2**28
"""256 MB unpacked: far more than the boundaries and masks of one photograph, and too few to fill a memory."""

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""NumPy's names of the kinds of elements."""

_STRUCT = 2
_NUMERIC = range(6, 16)
"""Kinds of arrays: full ones of real numbers or whole ones."""


def read_segmentation(path: Path, variable: str) -> NDArray[np.int64]:
    """Read the field `Segmentation` of a struct in a MATLAB file of version 5 to 7.

    Only the tags on the way to the array are looked at, without recursion; nothing in the file can name code.

    Args:
        path: The file.
        variable: Name of the struct: `GTcls` for classes, `GTinst` for instances.

    Returns:
        H×W values.

    Raises:
        MaskError: Missing, unreadable, too large, or without such a field.

    Source: *MAT-File Format*, MathWorks, Level 5.
    """
    hint = "Give SBD's own files, or save the masks as PNG files."
    try:
        content = regular(path, MaskError, max_bytes=MAX_BYTES).read_bytes()
    except OSError as error:
        raise MaskError(
            f"could not be read ({error.strerror or error}).", where=path, hint="Check the file."
        ) from error
    if b"MATLAB 7.3" in content[:116]:
        raise MaskError("is a MATLAB file of version 7.3.", where=path, hint="Save it with '-v7'.")
    try:
        return _segmentation(content, variable)
    except (ValueError, struct.error, zlib.error) as error:
        raise MaskError(f"is no readable MATLAB mask ({error}).", where=path, hint=hint) from error


def _segmentation(content: bytes, variable: str) -> NDArray[np.int64]:
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("it does not begin like one")
    others = []
    left = MAX_BYTES
    for kind, element in _elements(memoryview(content)[128:], order):
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(element, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise ValueError(f"it has more than {MAX_BYTES:,} bytes unpacked")
            kind, element = _take(_elements(memoryview(unpacked), order), 1)[0]
        if kind == _MATRIX:
            name, array_kind, shape, parts = _array(element, order)
            if name == variable:
                if array_kind != _STRUCT or prod(shape) != 1:
                    raise ValueError(f"{variable} is no single struct")
                return _numbers(_field(parts, order), order)
            others.append(name)
    raise ValueError(f"there is no {variable} in it" + (f", but {', '.join(others[:4])}" if others else ""))


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Kind and content of each element; short ones have both in one tag."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        short = kind >> 16
        begin, size, kind = (at + 4, short, kind & 0xFFFF) if short else (at + 8, size, kind)
        if size > len(data) - begin or short > 4:
            raise ValueError("an element is longer than what holds it")
        yield kind, data[begin : begin + size]
        at = at + 8 if short else begin + size + (0 if kind == _COMPRESSED else -size % 8)


def _take(elements: Iterator[tuple[int, memoryview]], count: int) -> list[tuple[int, memoryview]]:
    taken = list(islice(elements, count))
    if len(taken) < count:
        raise ValueError("an element is missing")
    return taken


def _array(element: memoryview, order: str) -> tuple[str, int, tuple[int, ...], Iterator[tuple[int, memoryview]]]:
    """Name, kind and shape of an array, and its further elements."""
    parts = _elements(element, order)
    (_, flags), (_, shape), (_, name) = _take(parts, 3)
    (kind,) = struct.unpack_from(f"{order}I", flags)
    return bytes(name).decode("latin-1"), kind & 0xFF, tuple(np.frombuffer(shape, f"{order}i4").tolist()), parts


def _field(parts: Iterator[tuple[int, memoryview]], order: str) -> memoryview:
    """The field `Segmentation` of a struct."""
    (_, length), (_, names) = _take(parts, 2)
    (step,) = struct.unpack_from(f"{order}i", length)
    if step < 1:
        raise ValueError("names have no length")
    known = [bytes(names[at : at + step]).split(b"\0")[0] for at in range(0, len(names), step)]
    if b"Segmentation" not in known:
        raise ValueError("there is no Segmentation in it")
    return _take(parts, known.index(b"Segmentation") + 1)[-1][1]


def _numbers(element: memoryview, order: str) -> NDArray[np.int64]:
    _, kind, shape, parts = _array(element, order)
    ((code, data),) = _take(parts, 1)
    if kind not in _NUMERIC or code not in _NUMBERS or len(shape) != 2 or min(shape) < 1:
        raise ValueError("its Segmentation is no table of numbers")
    values = np.frombuffer(data, f"{order}{_NUMBERS[code]}")
    if values.size != prod(shape):
        raise ValueError(f"its Segmentation has {values.size:,} values for a shape of {shape}")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.rint(values))).all():
        raise ValueError("its Segmentation has values that are no whole numbers")
    return values.reshape(shape, order="F").astype(np.int64)
