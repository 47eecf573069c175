"""Which image of a data set a label file means: names agree as paths, as ends of paths, or without extension."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

NamedBy = Literal["path", "tail", "stem"]
"""How a label file names images.

`path`: exactly as the data set does. `tail`: by a path of which the data set's is the end, or the other way round;
`stem`: the same without extension.
"""


class ImageNames:
    """Finds the image a label file means, among the images of a data set.

    Args:
        names: Paths below the image folder, with `/` and extension.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._exact = set(names)

    # Built when first asked: of 100,000 images named exactly, none needs them.
    @cached_property
    def _by_last(self) -> dict[str, list[str]]:
        return _grouped(self._exact, lambda name: name.rpartition("/")[2])

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped(self._exact, lambda name: PurePosixPath(name).stem)

    @cached_property
    def _by_fold(self) -> dict[str, str]:
        return {self._fold(name): name for name in sorted(self._exact)}

    @staticmethod
    def _fold(name: str) -> str:
        return str(PurePosixPath(name).with_suffix("")).casefold() if PurePosixPath(name).name else ""

    def find(self, name: str, by: NamedBy = "path") -> str | None:
        """The image of this name, None when there is none or several fit equally well.

        >>> names = ImageNames(["a/1.jpg", "b/1.jpg", "b/2.jpg"])
        >>> names.find("images/b/1.jpg", "tail"), names.find("1.jpg", "tail"), names.find("2", "stem")
        ('b/1.jpg', None, 'b/2.jpg')
        """
        if name in self._exact:
            return name
        wanted = [] if by == "path" else _parts(name)
        if not wanted:
            return None
        fits = self._longest([(found, _parts(found)) for found in self._by_last.get(wanted[-1], ())], wanted)
        if not fits and by == "stem":
            candidates = self._by_stem.get(wanted[-1], ())
            fits = self._longest(
                [(found, _parts(str(PurePosixPath(found).with_suffix("")))) for found in candidates], wanted
            )
        return fits[0] if len(fits) == 1 else None

    @staticmethod
    def _longest(candidates: list[tuple[str, list[str]]], wanted: list[str]) -> list[str]:
        """Those of which one path is the end of the other, and of these the ones that agree in most parts."""
        fits: dict[int, list[str]] = {}
        for name, parts in candidates:
            common = min(len(parts), len(wanted))
            if parts[-common:] == wanted[-common:]:
                fits.setdefault(common, []).append(name)
        return fits[max(fits)] if fits else []

    def hint(self, name: str) -> str:
        """What to do about a name that was not found."""
        close = self._by_fold.get(self._fold(name))
        if close is not None:
            return f"The image is called '{close}'; names must agree in case and extension."
        return "Add the image, or remove its points; names are paths below the image folder, with extension."


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(key(name), []).append(name)
    return groups


def _parts(name: str) -> list[str]:
    path = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:", "", name.replace("\\", "/"))
    return [part for part in path.split("/") if part not in ("", ".", "..")]
