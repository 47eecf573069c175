"""What the outputs for geographic information systems share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
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
