"""Data-set layouts on disk: one small file each, recognised or named.

A new layout is one new module here with a subclass of `Layout`; one that can be written defines `write`, too.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pointillist.data.dataset import Dataset
from pointillist.data.layouts.base import Layout
from pointillist.errors import DatasetError
from pointillist.registry import Registry

__all__ = ["LAYOUTS", "Layout", "layouts", "load_dataset", "open_dataset"]


LAYOUTS: Registry[Layout] = Registry("layout", __name__, Layout, "layout", DatasetError)  # type: ignore[type-abstract]
layouts = LAYOUTS.all


def load_dataset(path: str | Path, *, layout: str | None = None, points: str | Path | None = None) -> Dataset:
    """Open a data set.

    Args:
        path: Its folder, or a `dataset.yaml` anywhere.
        layout: Name of its layout; recognised when not given.
        points: A label file to use in place of the data set's own clicks.

    Raises:
        DatasetError: There is nothing at `path`, or it is of no known layout, or does not hold together.
        PointsError: The points cannot be read or do not fit.
    """
    with _no_garbage(), _readable(Path(path)):
        dataset = open_dataset(path, layout=layout)
        label_file = dataset.points_file if points is None else Path(points)
        return dataset if label_file is None else dataset.with_points(label_file)


def open_dataset(path: str | Path, *, layout: str | None = None) -> Dataset:
    """Open a data set without reading its clicks, for whoever does not need them or is about to check them.

    Raises:
        DatasetError: See `load_dataset`.
    """
    root = Path(path)
    if not root.exists():
        raise DatasetError("there is no such folder or file.", where=root, hint="Check the path of the data set.")
    if layout is not None:
        chosen = LAYOUTS.get(layout)()
    else:
        # A dataset.yaml is what its owner wrote on purpose, so it wins over a layout that merely looks alike.
        own = layouts()["folder"]()
        others = (kind() for name, kind in layouts().items() if name != "folder")
        fitting = [own] if own.recognise(root) else [kind for kind in others if kind.recognise(root)]
        if not fitting:
            raise DatasetError(
                "is no data set: there is no dataset.yaml, and no known layout fits.",
                where=root,
                hint=_look_around(root) or _to_make(root),
            )
        if len(fitting) > 1:
            raise DatasetError(
                f"fits several layouts: {', '.join(kind.name for kind in fitting)}.",
                where=root,
                field="--layout",
                hint=f"Name the one that is meant: --layout {fitting[0].name}.",
            )
        chosen = fitting[0]
    return chosen.load(root)


def _to_make(root: Path) -> str:
    first = "" if (root / "images").is_dir() else f"Put the images into {root / 'images'}. "
    return f"{first}Run 'pointillist init {root} --classes background,…' to make one from a folder of images."


def _look_around(root: Path) -> str | None:
    """People name the folder of images; and archives unpack into folders in folders, of which people name the outer."""
    if layouts()["folder"]().recognise(root.resolve().parent):
        return f"Name the folder above it, '{root.parent}'."
    with suppress(OSError):  # a folder nobody may look into holds no hint
        outer = [path for path in sorted(root.iterdir())[:100] if path.is_dir()] if root.is_dir() else []
        inner = (path for above in outer for path in sorted(above.iterdir())[:100] if path.is_dir())
        for folder in (*outer, *inner):
            for name, kind in layouts().items():
                if kind().recognise(folder):
                    return f"Name '{folder}', which looks like the layout '{name}'."
    return None


@contextmanager
def _readable(root: Path) -> Iterator[None]:
    """What the system refuses is an error of the data set: names that are too long, folders that nobody may open."""
    try:
        yield
    except OSError as error:
        found = f"could not be read ({error.strerror or error})."
        where = root if error.filename is None else str(error.filename)
        raise DatasetError(found, where=where, hint="Check the path and its permissions.") from error


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Keep the collector out: of 100,000 images it would walk over all that is there, again and again, in vain."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
