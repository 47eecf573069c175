"""Folders that the project itself wrote: how they are known, so that their files are never taken for input."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pointillist.errors import RunError
from pointillist.files import read_text

MANIFEST = "manifest.jsonl"
"""What `predict` leaves in its output folder when all is done: a line about the prediction, then one per image."""

LOG = "manifest.log"
"""The same while it grows, in the order in which images are done; an image may come again, the last one counts."""

OLD_MANIFEST = "manifest.json"
"""The manifest of version 0.1: one JSON object."""

AMONG_IMAGES = "among_images"
"""Key of a manifest: whether its folder holds images that were predicted, too, and not results alone."""

EARLIER = "earlier_results"
"""Key of a manifest: results of earlier calls that are still there."""

ABOUT = frozenset({"image", "state", "height", "width", "error", "field", "hint"})
"""What a manifest says of an image besides its files."""

_CHECKSUM = "crc32"
"""Key of each line of a manifest: that of the line without it."""

_NAMES = re.compile(r"manifest(\.json|(-\d+-of-\d+)?\.(jsonl|log))")


def is_run(folder: Path, names: Set[str]) -> bool:
    """Whether a folder with these names in it is what a training wrote: its `config.yaml` names pointillist."""
    return (
        "config.yaml" in names and re.search(r"^pointillist:", _head(folder / "config.yaml"), re.MULTILINE) is not None
    )


@dataclass(frozen=True)
class Predicted:
    """The manifests and logs of a folder that `predict` wrote; see `AMONG_IMAGES`."""

    files: tuple[Path, ...]
    among_images: bool

    def results(self) -> frozenset[str]:
        """Paths of all results below the folder; none that a damaged file does not tell."""
        found: set[str] = set()
        for file in self.files:
            with suppress(RunError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
                lines = manifest_lines(file)
                found |= set(next(lines).get(EARLIER, ()))
                for entry in lines:
                    found |= {entry[key] for key in entry.keys() - ABOUT}
        return frozenset(name for name in found if isinstance(name, str))


def manifest_lines(file: Path) -> Iterator[dict[str, Any]]:
    """What a manifest or a log says of its prediction, then of each image.

    Raises:
        RunError: It cannot be read.
        ValueError, KeyError, TypeError: It is damaged, or names files that are not below its folder.
    """
    if file.name == OLD_MANIFEST:
        content = _object(read_text(file, RunError))
        yield content
        for entry in content["images"]:
            yield _entry(entry)
        return
    try:
        growing = file.suffix == PurePath(LOG).suffix
        with file.open(encoding="utf-8", errors="replace" if growing else "strict") as stream:
            whole = (line for line in stream if line.endswith("\n"))
            for first in whole:
                yield _object(first)
                break
            for line in whole:
                try:
                    content = _object(line)
                except (ValueError, TypeError):
                    # A power cut leaves what was added last torn, missing or as zeros; such an image is done again.
                    if not growing:
                        raise
                    continue
                yield _entry(content)
    except OSError as error:
        found = f"could not be read ({error.strerror or error})."
        raise RunError(found, where=file, hint="Check its permissions.") from error


def manifest_line(content: Mapping[str, Any]) -> str:
    """A line of a manifest or a log, with a checksum of its own: a log grows line by line."""
    text = json.dumps(content)
    return json.dumps({**content, _CHECKSUM: zlib.crc32(text.encode())}) + "\n"


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(content, dict):
        raise TypeError("no object")
    # Versions before 0.2 wrote none.
    if (said := content.pop(_CHECKSUM, None)) is not None and said != zlib.crc32(json.dumps(content).encode()):
        raise ValueError("something in it has changed")
    return content


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """The same; a manifest may be a stranger's, and files elsewhere are not read for it."""
    names = [entry["image"], *(entry[key] for key in entry.keys() - ABOUT)]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("a name is no text")
    if any((path := PurePath(name)).anchor or ".." in path.parts for name in names[1:]):
        raise ValueError("a name leads out of the folder")
    return entry


def predicted(folder: Path, names: Set[str] | None = None) -> Predicted | None:
    """What `predict` wrote into a folder with these names in it, judged by the beginnings of its manifests."""
    if names is None:
        names = {path.name for path in folder.glob("manifest*")}
    heads = {name: _head(folder / name) for name in sorted(names) if _NAMES.fullmatch(name)}
    ours = {name: head for name, head in heads.items() if '"model_sha256"' in head}
    if not ours:
        return None
    among = any(f'"{AMONG_IMAGES}": true' in head for head in ours.values())
    return Predicted(tuple(folder / name for name in ours), among)


def _head(path: Path) -> str:
    with suppress(OSError):
        if path.is_file():  # to open a pipe could wait for ever
            with path.open("rb") as stream:
                return stream.read(4096).decode(errors="replace")
    return ""
