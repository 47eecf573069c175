"""Files as one zip archive, made while it is sent: nothing of it lies on the disk or in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

CHUNK = 2**20

PACKED = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npz", ".parquet", ".gz", ".zip"})
"""Endings of files that no packing makes much smaller."""


class _Sink(io.RawIOBase):
    """Keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def take(self) -> bytes:
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def zipped(files: Iterable[tuple[str, Path]], folder: str) -> Iterator[bytes]:
    """A zip archive piece by piece, with all files below one folder of this name."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, path in files:
            info = zipfile.ZipInfo.from_file(path, f"{folder}/{name}", strict_timestamps=False)
            info.compress_type = zipfile.ZIP_STORED if path.suffix.lower() in PACKED else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w", force_zip64=info.file_size > 2**30) as target:
                while part := source.read(CHUNK):
                    target.write(part)
                    yield sink.take()
            yield sink.take()
    yield sink.take()
