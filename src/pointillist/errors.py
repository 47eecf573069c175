"""Every error a user can meet.

Each one says three things: what was found, where (file, line, field) and what to do about it. The command line
prints exactly that, without a traceback, and exits with code 2; a library user catches `PointillistError`.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock


class PointillistError(Exception):
    """Base of all errors raised on purpose.

    Args:
        found: What is wrong, with the offending value in it.
        where: File or folder it was found in.
        line: 1-based line of a text file.
        field: Column, key path (`shapes[3].points`) or argument.
        hint: What the user can do, as one imperative sentence.
    """

    def __init__(
        self,
        found: str,
        *,
        where: str | Path | None = None,
        line: int | None = None,
        field: str | None = None,
        hint: str,
    ) -> None:
        self.found = found
        self.where = None if where is None else str(where)
        self.line = line
        self.field = field
        self.hint = hint
        super().__init__(f"{self.place}: {found} {hint}" if self.place else f"{found} {hint}")

    @property
    def place(self) -> str:
        """`file, line 3, field 'x'`, as far as it is known."""
        parts = [] if self.where is None else [self.where]
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.field is not None:
            parts.append(f"field '{self.field}'")
        return ", ".join(parts)


class ConfigError(PointillistError):
    """A setting that does not exist or cannot have this value."""


class DatasetError(PointillistError):
    """A data-set folder or `dataset.yaml` that does not hold together."""


class ImageError(PointillistError):
    """An image that is missing, unreadable or truncated."""


class MaskError(PointillistError):
    """A mask of another size than its image, or with a value that names no class."""


class PointsError(PointillistError):
    """A label file that cannot be read, or a point that cannot be right."""


class RunError(PointillistError):
    """A run directory that is missing, taken, incomplete or from other data."""


class SaveError(PointillistError):
    """Something could not be written; what stood there before still stands."""


class TensorError(PointillistError, ValueError):
    """A tensor of the wrong rank, size, dtype or device."""


class PointillistWarning(UserWarning):
    """Base of all warnings of this package; the command line prints them as notes."""


class PointsWarning(PointillistWarning):
    """A label file was read in a way that it does not declare."""


class RenamedWarning(PointillistWarning):
    """A setting of an older version was read under its new name."""


class ImageWarning(PointillistWarning):
    """An image was read in a way that its owner should know of."""


class PluginWarning(PointillistWarning):
    """A plug-in cannot be used."""


TRAINING = frozenset(
    {"jinja2", "lightning", "llvmlite", "matplotlib", "numba", "safetensors", "segmentation_models_pytorch"}
    | {"sklearn", "tensorboard", "timm", "torch", "torchmetrics", "torchvision"}
)
"""Modules of the extra `train`; predicting with an ONNX file does without them."""


def explained(error: ModuleNotFoundError) -> Exception:
    """What to say where a module is missing: the same error, where no extra of this package brings it."""
    module = (error.name or "").partition(".")[0]
    if module not in TRAINING:
        return error
    return ConfigError(
        f"this needs {module}, which is not installed.", hint="Install it with: pip install 'pointillist[train]'."
    )


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint for a misspelt name: the nearest valid one, or all of them.

    Examples:
        >>> nearest("singel-stage", ["full", "points", "single-stage"])
        "Did you mean 'single-stage'? Valid: full, points, single-stage."
    """
    valid = list(choices)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Valid: {', '.join(valid)}."


NO_NEWS = "Dataset has no geotransform|The given matrix is equal|'crs' was not provided|Image size "
"""How warnings begin with which rasterio, pyogrio and Pillow speak of images without a place, and of large ones."""

_catching = warnings.catch_warnings()
_lock, _inside = Lock(), 0


@contextmanager
def ignoring() -> Iterator[None]:
    """Leave out the warnings in `NO_NEWS`, in a block that may overlap those of other threads.

    `warnings.catch_warnings` puts the filters of the whole process back to what they were at its beginning, in the
    middle of blocks of other threads. Libraries do so, too: around threads that call them, there must be a block that
    begins before them all and ends after them.
    """
    global _catching, _inside
    with _lock:
        if not _inside:
            _catching = warnings.catch_warnings()
            _catching.__enter__()
        _inside += 1
        warnings.filterwarnings("ignore", NO_NEWS)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _catching.__exit__(None, None, None)
