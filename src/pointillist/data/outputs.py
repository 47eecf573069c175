"""Folders that the project itself wrote: how they are known, so that their files are never taken for input."""

from __future__ import annotations

import json
import re
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pointillist.errors import RunError
from pointillist.files import read_text

MANIFEST = "manifest.json"
"""What `predict` leaves in its output folder; written when all is done."""

LOG = "manifest.log"
"""The same while it grows: a line of settings, then a line per image."""

AMONG_IMAGES = "among_images"
"""Key of a manifest: whether its folder holds images that were predicted, too, and not results alone."""

EARLIER = "earlier_results"
"""Key of a manifest: results of earlier calls that are still there."""

ABOUT = frozenset({"image", "state", "height", "width", "error"})
"""What a manifest says of an image besides its files."""


def is_run(folder: Path, names: Set[str]) -> bool:
    """Whether a folder with these names in it is what a training wrote: its `config.yaml` names pointillist."""
    return (
        "config.yaml" in names and re.search(r"^pointillist:", _head(folder / "config.yaml"), re.MULTILINE) is not None
    )


@dataclass(frozen=True)
class Predicted:
    """The manifest, or the log, of a folder that `predict` wrote; see `AMONG_IMAGES`."""

    file: Path
    among_images: bool

    def results(self) -> frozenset[str]:
        """Paths of all results below the folder; none that a damaged file does not tell."""
        with suppress(RunError, ValueError, KeyError, TypeError, AttributeError):
            text = read_text(self.file, RunError)
            if self.file.name == LOG:
                # The last line may be torn.
                lines = text.splitlines(keepends=True)
                about, *entries = (json.loads(line) for line in lines if line.endswith("\n"))
            else:
                about = json.loads(text)
                entries = about["images"]
            named = {entry[key] for entry in entries for key in entry.keys() - ABOUT}
            return frozenset(name for name in named | set(about.get(EARLIER, ())) if isinstance(name, str))
        return frozenset()


def predicted(folder: Path, names: Set[str] = frozenset({LOG, MANIFEST})) -> Predicted | None:
    """What `predict` wrote into a folder with these names in it, judged by the beginning of its log or manifest."""
    for name, sign in ((LOG, '"model_sha256"'), (MANIFEST, '"pointillist"')):
        if name in names and sign in (start := _head(folder / name)):
            return Predicted(folder / name, f'"{AMONG_IMAGES}": true' in start)
    return None


def _head(path: Path) -> str:
    with suppress(OSError):
        if path.is_file():  # to open a pipe could wait for ever
            with path.open("rb") as stream:
                return stream.read(4096).decode(errors="replace")
    return ""
