"""Looking through folders of images: what is input, and what is left out, counted and named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pointillist.data.images import SUFFIXES
from pointillist.data.outputs import is_run, predicted
from pointillist.naming import image_name_problem

NAMED = 20
"""How many names are kept for each reason; the others are counted."""

_ENDINGS = """
    jpg jpeg jpe jfif png tif tiff bmp webp gif avif heic heif hif jp2 j2k jpf jpx jxl jxr psd xcf svg exr tga pcx
    ppm pgm pbm pnm dng raw cr2 cr3 nef nrw arw srf sr2 orf rw2 raf pef srw x3f 3fr dcm nii czi lif lsm nd2 oib oif vsi
    svs ndpi scn mrxs ecw sid
"""

IMAGE_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())
"""Endings that images have. One that is not among those read here is named; no other file is opened to see."""

_CURES = dict.fromkeys((".heic", ".heif", ".hif"), "install pillow-heif")

_SYSTEM = {
    **dict.fromkeys(("@eadir", ".thumbnails"), "thumbnail folder"),
    **dict.fromkeys(("__macosx", "#recycle", "@recycle", "$recycle.bin", "lost+found"), "system folder"),
    "system volume information": "system folder",
}
"""Folders, lower case, that systems put between people's own."""

_PLURALS = {
    "thumbnail folder": "thumbnail folders",
    "system folder": "system folders",
    "folder of predictions": "folders of predictions",
    "run directory": "run directories",
    "folder that cannot be read": "folders that cannot be read",
    "folder that was linked before": "folders that were linked before",
    "link to a folder": "links to folders",
    "link out of the folder": "links out of the folder",
    "name that is no text": "names that are no text",
    "name that label files cannot hold": "names that label files cannot hold",
    "hidden image": "hidden images",
    "result of predict": "results of predict",
    "image of the COCO file that is not there": "images of the COCO file that are not there",
    "image without mask or split": "images without mask or split",
    "device or pipe": "devices or pipes",
}


@dataclass
class LeftOut:
    """What of a folder is no input.

    Args:
        files: Files by reason: an ending that is not read here (`.psd`), or words.
        folders: The same for folders, none of which is looked into.
        names: Path below the folder of the first `NAMED` of each reason.
        other: Files of other kinds (labels, notes), and what is hidden.
    """

    files: Counter[str] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)
    names: dict[str, list[str]] = field(default_factory=dict)
    other: int = 0

    def __bool__(self) -> bool:
        return bool(self.files or self.folders)

    def add(self, reason: str, name: str, *, folder: bool = False) -> None:
        """Note a file or a folder, whose name may be any bytes."""
        (self.folders if folder else self.files)[reason] += 1
        some = self.names.setdefault(reason, [])
        if len(some) < NAMED:
            some.append(name.encode(errors="replace").decode())

    def include(self, more: LeftOut, below: str = "") -> None:
        """Note all that was left out of another folder, whose names begin with `below`."""
        self.files += more.files
        self.folders += more.folders
        self.other += more.other
        for reason, names in more.names.items():
            some = self.names.setdefault(reason, [])
            some += [below + name for name in names][: NAMED - len(some)]

    def __str__(self) -> str:
        """One line: `3 files and 1 folder left out: 3 .heic (install pillow-heif), 1 thumbnail folder`."""
        if not self:
            return ""
        kinds = []
        for counts in (self.files, self.folders):
            for reason, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
                cure = f" ({_CURES[reason]})" if reason in _CURES else ""
                kinds.append(counted(count, reason, _PLURALS.get(reason, reason)) + cure)
        if len(kinds) == 1:
            return f"{kinds[0]} left out"
        files, folders = self.files.total(), self.folders.total()
        totals = [counted(files, "file", "files")] if files else []
        totals += [counted(folders, "folder", "folders")] if folders else []
        return f"{' and '.join(totals)} left out: {', '.join(kinds)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "files": dict(self.files),
            "folders": dict(self.folders),
            "names": {reason: list(names) for reason, names in self.names.items()},
            "other": self.other,
        }


@dataclass(frozen=True)
class Found:
    """Images by their name (path below the folder, with `/`), sorted; and what else there was."""

    images: dict[str, Path]
    left_out: LeftOut


def counted(count: int, one: str, several: str) -> str:
    """A number and what it counts.

    >>> counted(1, "image", "images"), counted(2000, "image", "images")
    ('1 image', '2,000 images')
    """
    return f"{count:,} {one if count == 1 else several}"


def describe(images: int, left_out: LeftOut) -> str:
    """One line for people: how many images there are, and what was left out."""
    return counted(images, "image", "images") + (f"; {left_out}" if left_out else "")


def look_through(
    folder: Path,
    *,
    suffixes: Set[str] = SUFFIXES,
    without: Collection[Path] = (),
    border: Path | None = None,
    results: bool = False,
) -> Found:
    """All files of some endings below a folder; opens no image.

    Hidden files, folders of systems, run directories and what `predict` wrote are no input, wherever they lie.

    Args:
        folder: Where to look.
        suffixes: Endings that are wanted, lower case.
        without: Folders that hold something else, such as masks beside their images.
        border: Where it is given, links to folders are not followed, nor any that lead out of it; it has no link in its
            own path. Else all links are followed, each folder once.
        results: Whether what `predict` wrote is wanted, too: its label maps can be masks.
    """
    found: dict[str, Path] = {}
    left_out = LeftOut()
    spared: set[str] = set()
    seen: set[str] = set()
    others = {os.path.realpath(path) for path in without}
    waiting = [(str(folder), "")]
    while waiting:
        here, prefix = waiting.pop()
        try:
            with os.scandir(here) as scanned:
                entries = list(scanned)
        except OSError:
            left_out.add("folder that cannot be read", prefix or ".", folder=True)
            continue
        # People link folders instead of copying them; a link to a folder above would go round for ever.
        real = os.path.realpath(here)
        if real in seen:
            left_out.add("folder that was linked before", prefix, folder=True)
            continue
        seen.add(real)
        if prefix and real in others:
            left_out.other += 1
            continue
        names = {entry.name for entry in entries}
        if is_run(Path(here), names):
            left_out.add("run directory", prefix or ".", folder=True)
            continue
        if not results and (manifest := predicted(Path(here), names)) is not None:
            if not manifest.among_images:
                left_out.add("folder of predictions", prefix or ".", folder=True)
                continue
            spared |= {prefix + name for name in manifest.results()}
        for entry in entries:
            name = prefix + entry.name
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - PurePath takes ten times as long
            wanted = suffix in suffixes
            hidden = entry.name.startswith(".")
            is_folder = _is_folder(entry)
            system = _SYSTEM.get(entry.name.lower()) if is_folder else None
            reason = None if border is None or hidden else _beyond(entry, border, is_folder, wanted)
            if system is not None:
                left_out.add(system, name, folder=True)
            elif reason is not None:
                left_out.add(reason, name, folder=is_folder)
            elif is_folder and not hidden:
                waiting.append((entry.path, f"{name}/"))
            elif is_folder or (not wanted and suffix not in IMAGE_SUFFIXES):
                left_out.other += 1
            elif hidden:
                left_out.add("hidden image", name)
            elif not wanted:
                left_out.add(suffix, name)
            elif _is_special(entry):
                left_out.add("device or pipe", name)
            else:
                found[name] = Path(entry.path)
    for name in sorted(spared & found.keys()):
        left_out.add("result of predict", name)
        del found[name]
    for names_of in left_out.names.values():
        names_of.sort()
    return Found(dict(sorted(found.items())), left_out)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir()
    return False


def _is_special(entry: os.DirEntry[str]) -> bool:
    """Whether reading it might never end; a link that leads nowhere is an image that is missing."""
    with suppress(OSError):
        return not entry.is_file() and Path(entry.path).exists()
    return False


def _beyond(entry: os.DirEntry[str], border: Path, is_folder: bool, wanted: bool) -> str | None:
    """Why an entry must not be touched."""
    # A scan knows links without a further question to the disk: 20,000 images take a blink.
    if entry.is_symlink() and is_folder:
        return "link to a folder"
    if entry.is_symlink() and wanted and not Path(os.path.realpath(entry.path)).is_relative_to(border):
        return "link out of the folder"
    # On some systems a name may be any bytes, which cannot be written down.
    if entry.name.encode(errors="ignore").decode() != entry.name:
        return "name that is no text"
    # Points of this image, or of those below, could be written and never read again.
    return "name that label files cannot hold" if image_name_problem(entry.name) else None
