"""What the outputs for geographic information systems share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from pointillist.files import replacing
from pointillist.inference.writers.base import Writer


class GisWriter(Writer):
    """Writes with libraries of the extra `geo`."""

    libraries: ClassVar[tuple[str, ...]] = ("rasterio",)
    extra = "geo"


@contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Give another path of a folder, in which pyogrio finds no archive and no address, as it does behind a `!`.

    Raises:
        OSError: There is none.
    """
    if sys.platform == "win32":  # where it takes paths as they are
        yield folder
        return
    with TemporaryDirectory() as place:
        if set("!?#\n\r\t") & set(place):
            raise OSError(f"pyogrio cannot use {place}: set TMPDIR to a folder with a simpler name")
        link = Path(place, "folder")
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield link


@contextmanager
def replacing_by_gdal(path: Path) -> Iterator[Path]:
    """As `replacing`; what GDAL says about a file that it cannot write is a `SaveError`, too.

    Raises:
        SaveError: It could not be written.
    """
    with replacing(path) as temporary:
        try:
            yield temporary
        except Exception as error:
            # The two libraries have no common base for what GDAL says, and that of rasterio is private.
            if type(error).__module__.split(".")[0] not in ("rasterio", "pyogrio"):
                raise
            raise OSError(error.__cause__ or error) from error
