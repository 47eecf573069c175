"""Which image or class of a data set a label file means: the only rules by which names agree."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal
from unicodedata import normalize

NamedBy = Literal["path", "tail", "stem"]
"""How a label file names images.

`path`: as the data set does, perhaps with `images/` in front; an absolute path by its end. `tail`: by a path of which
the data set's is the end, or the other way round; `stem`: the same without extension. All compare Unicode names in NFC,
take a backslash for `/`, and match a name with the hash of an upload in front (`0a1b2c3d-a.png`) where no image is
called so.
"""

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")


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
        return _grouped(self._exact, lambda name: normalize("NFC", name.rpartition("/")[2]))

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return _grouped(self._exact, lambda name: normalize("NFC", PurePosixPath(name).stem))

    @cached_property
    def _by_fold(self) -> dict[str, list[str]]:
        return _grouped(self._exact, lambda name: _folded(name)[-1])

    @cached_property
    def _spellings(self) -> tuple[list[str], list[str]]:
        return sorted(self._by_fold), sorted(fold[::-1] for fold in self._by_fold)

    def find(self, name: str, by: NamedBy = "path") -> str | None:
        """The image of this name, None when there is none or several fit equally well.

        >>> names = ImageNames(["a/1.jpg", "b/1.jpg", "b/2.jpg"])
        >>> names.find("images/b/1.jpg"), names.find("1.jpg", "tail"), names.find("2", "stem")
        ('b/1.jpg', None, 'b/2.jpg')
        """
        fits = self._fits(name, by)
        return fits[0] if len(fits) == 1 else None

    def _fits(self, name: str, by: NamedBy) -> list[str]:
        """All images that fit equally well, and better than the others."""
        if name in self._exact:
            return [name]
        wanted = _parts(name)
        if not wanted:
            return []
        whole = by == "path" and not _SCHEME.match(name) and name[0] not in "/\\"
        # An image that is called like an upload, hash and all, goes first.
        without_hash = [*wanted[:-1], _UPLOAD.sub("", wanted[-1])]
        return self._of_parts(wanted, by, whole) or self._of_parts(without_hash, by, whole)

    def _of_parts(self, wanted: list[str], by: NamedBy, whole: bool) -> list[str]:
        found = self._by_last.get(wanted[-1], [])
        if whole:
            paths = [wanted, wanted[1:]] if wanted[0] == "images" else [wanted]
            return next((fits for path in paths if (fits := [name for name in found if _parts(name) == path])), [])
        fits = _longest([(name, _parts(name)) for name in found], wanted)
        if not fits and by == "stem":
            found = self._by_stem.get(wanted[-1], [])
            fits = _longest([(name, _parts(_without_extension(name))) for name in found], wanted)
        return fits

    def hint(self, name: str, by: NamedBy = "path") -> str:
        """What to do about a name that was not found: the nearest images, where there are any."""
        fits = self._fits(name, by)
        if len(fits) > 1:
            return f"It fits {listed(fits)} equally well; write the path below the image folder."
        wanted = _folded(name)
        same = self._by_fold.get(wanted[-1], []) if wanted else []
        same = [found for found in same if _folded(found) == wanted] or same
        if same:
            called = "The image is called" if len(same) == 1 else "There are"
            return f"{called} {listed(same)}; names must agree in folder, case and extension."
        near = get_close_matches(wanted[-1], self._neighbours(wanted[-1]), n=1) if wanted else []
        nearest = f" The nearest is {listed(self._by_fold[near[0]])}." if near else ""
        return (
            "Add the image, or leave its points out; names are paths below the image folder, with extension." + nearest
        )

    def _neighbours(self, fold: str) -> list[str]:
        """Names that begin or end alike: comparing with each of 100,000 would take too long."""
        around = set()
        for spellings, wanted, back in zip(self._spellings, (fold, fold[::-1]), (1, -1), strict=True):
            place = bisect_left(spellings, wanted)
            around |= {other[::back] for other in spellings[max(0, place - 2) : place + 2]}
        return sorted(around)


def rivals(images: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Names that may not all mean the image they lead to, each with all the names that lead there.

    A label file that has `scans/a.png` and `photos/a.png` knows two images; where the data set has one `a.png`, nobody
    can say which. A name that is the image's whole path is right in any case, and not among them.

    Args:
        images: The image of each name of a label file, None where there is none.
    """
    leading = _grouped((name for name, image in images.items() if image is not None), lambda name: images[name] or "")
    found: dict[str, list[str]] = {}
    for image, names in leading.items():
        if len(names) > 1 and len({tuple(_parts(name)) for name in names}) > 1:
            path = _parts(image)
            whole = (path, ["images", *path], _parts(_without_extension(image)))
            found |= {name: names for name in names if _parts(name) not in whole}
    return found


def class_finder(classes: Sequence[str], rename: Mapping[str, str]) -> Callable[[str], str]:
    """What gives the data set's name of a class by that of a label file; the same name for a class that is not there.

    Args:
        classes: Names of the data set's classes.
        rename: Its names by those of the file, where they differ.
    """
    renamed = {normalize("NFC", theirs): ours for theirs, ours in rename.items()}
    known = {normalize("NFC", name): name for name in classes}

    def find(label: str) -> str:
        ours = renamed.get(normalize("NFC", label), label)
        return known.get(normalize("NFC", ours), ours)

    return find


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first of many.

    >>> listed(["a.png", "b.png"])
    "'a.png' and 'b.png'"
    """
    shown = [f"'{name}'" for name in names[:3]]
    more = [f"{len(names) - 3:,} more"] if len(names) > 3 else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last


def _longest(candidates: list[tuple[str, list[str]]], wanted: list[str]) -> list[str]:
    """Those of which one path is the end of the other, and of these the ones that agree in most parts."""
    fits: dict[int, list[str]] = {}
    for name, parts in candidates:
        common = min(len(parts), len(wanted))
        if parts[-common:] == wanted[-common:]:
            fits.setdefault(common, []).append(name)
    return fits[max(fits)] if fits else []


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(key(name), []).append(name)
    return groups


def _parts(name: str) -> list[str]:
    path = _SCHEME.sub("", normalize("NFC", name).replace("\\", "/"))
    return [part for part in path.split("/") if part not in ("", ".", "..")]


def _folded(name: str) -> list[str]:
    """The parts of a name without what people get wrong: case, extension, the hash of an upload."""
    parts = [normalize("NFC", part.casefold()) for part in _parts(name)]
    return parts and [*parts[:-1], _UPLOAD.sub("", PurePosixPath(parts[-1]).stem)]


def _without_extension(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
