"""What the outputs for geographic information systems share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from pointillist.errors import ConfigError
from pointillist.files import replacing
from pointillist.inference.writers.base import Writer
from pointillist.schema import Strict


class GisWriter(Writer):
    """Writes with libraries of the extra `geo`.

    Attributes:
        libraries: Their names.

    Raises:
        ConfigError: One is not installed; said before anything is predicted.
    """

    libraries: ClassVar[tuple[str, ...]] = ("rasterio",)

    def __init__(self, options: Strict | None = None) -> None:
        super().__init__(options)
        for name in self.libraries:
            if find_spec(name) is None:
                raise ConfigError(
                    f"{self.name!r} needs {name}, which is not installed.",
                    field="write",
                    hint="Install it with: pip install 'pointillist[geo]'.",
                )


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
