"""The manifest of a prediction: a line per image, written as images are done, so that a batch can go on."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from heapq import merge
from pathlib import Path
from typing import Any

from pointillist.data.outputs import ABOUT, LOG, MANIFEST, OLD_MANIFEST, manifest_line, manifest_lines
from pointillist.errors import RunError
from pointillist.files import replacing, saving
from pointillist.inference.writers import RENAMED

Entry = dict[str, Any]
"""What a manifest says of one image."""


LIST = "images_sha256"
"""Key of a manifest: which images were asked for, of all shares together; those of another list are not joined."""

SETTINGS = "settings"
"""Key of a manifest: what images were taken for, and the settings of the outputs; version 0.1 did not say."""


FORMAT_KEY, FORMAT = "format", 1
"""Key of a manifest, and its value today; version 0.1 did not say."""


class Manifest:
    """The manifest of an output folder, or of one share of it.

    Args:
        out: The folder.
        shard: (number, of how many), counted from 1; None for all of it.
    """

    def __init__(self, out: Path, shard: tuple[int, int] | None = None) -> None:
        self.out = out
        name = "" if shard is None else "-{}-of-{}".format(*shard)
        self.file = out / MANIFEST.replace(".", f"{name}.")
        self.log = out / LOG.replace(".", f"{name}.")
        self._before = (self.log, self.file, *([out / OLD_MANIFEST] if shard is None else []))

    def begin(self, about: Mapping[str, Any], resume: bool, mine: Set[str] | None = None) -> dict[str, Any]:
        """Start the log.

        Args:
            about: What is said of the prediction as a whole: `model_sha256`, `results` and `settings` at least.
            resume: Whether what is done already stays.
            mine: Only these images stay; with other images, a share has others.

        Returns:
            The state of each image, at the time, that an earlier call with the same model, results and settings has
            done, and whose results are there.

        Raises:
            RunError: With `resume`: what is there is of another model, or has other results or settings.
            SaveError: It cannot be written.
        """
        if self.log.is_symlink():  # it is added to, and so would be what it leads to
            raise RunError("is a link.", where=self.log, hint="Remove it.")
        earlier = next((file for file in self._before if file.is_file()), None) if resume else None
        done = {}
        with replacing(self.log) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(manifest_line({FORMAT_KEY: FORMAT, **about}))
            for entry in [] if earlier is None else self._earlier(earlier, about):
                if mine is not None and entry["image"] not in mine:
                    continue
                done[entry["image"]] = entry["state"]
                stream.write(manifest_line(entry))
        return done

    def _earlier(self, file: Path, about: Mapping[str, Any]) -> Iterator[Entry]:
        with _readable(file):
            lines = manifest_lines(file)
            first, kinds = next(lines), set(about["results"])
            if first.get(FORMAT_KEY, FORMAT) != FORMAT:
                found = f"has format {first[FORMAT_KEY]!r:.20}; this version reads {FORMAT}."
                raise RunError(found, where=file, field=FORMAT_KEY, hint="Update pointillist, or leave --resume out.")
            fits = first["model_sha256"] == about["model_sha256"]
            fits &= first.get(SETTINGS, about[SETTINGS]) == about[SETTINGS]
            for line in lines:
                entry = {RENAMED.get(key, key): value for key, value in line.items()}
                if "error" in entry:
                    continue
                if not fits or entry.keys() - ABOUT != kinds:
                    raise RunError(
                        "is of another model, of other results, or was made with other settings.",
                        where=file,
                        hint="Give the same model and options as before, another --out, or leave --resume out.",
                    )
                if all((self.out / entry[kind]).is_file() for kind in kinds) and "state" in entry:
                    yield entry

    def note(self, entry: Entry) -> None:
        """Add an image to the log.

        Raises:
            SaveError: It cannot be written.
        """
        hint = "Free some space, then --resume."
        with saving(self.log, hint), self.log.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(manifest_line(entry))

    def finish(self) -> None:
        """Make the log the manifest: one line for each image, by name.

        Raises:
            SaveError: It cannot be written.
        """
        places: dict[str, int] = {}
        with self.log.open("rb") as log, replacing(self.file) as temporary, temporary.open("wb") as manifest:
            manifest.write(log.readline())
            start = log.tell()
            for line in log:
                places[json.loads(line)["image"]] = start
                start += len(line)
            for name in sorted(places):
                log.seek(places[name])
                manifest.write(log.readline())
        with saving(self.log, "It is done but for this file: --resume ends it."):
            self.log.unlink()
            (self.out / OLD_MANIFEST).unlink(missing_ok=True)

    def what(self) -> str:
        """Model, results, settings and images of a share, as text.

        Raises:
            RunError: It does not say.
        """
        with _readable(self.file):
            about = next(manifest_lines(self.file), {})
        return json.dumps([about.get(key) for key in ("model_sha256", "results", SETTINGS, LIST)])

    def join(self, shares: Sequence[Manifest]) -> None:
        """Make one manifest of those of all shares: one line for each image, by name.

        Raises:
            RunError: One of them is damaged.
            SaveError: It cannot be written.
        """
        for share in shares:
            with _readable(share.file):
                deque(manifest_lines(share.file), 0)
        with replacing(self.file) as temporary, temporary.open("wb") as joined, ExitStack() as stack:
            parts = [stack.enter_context(share.file.open("rb")) for share in shares]
            first, *_ = [part.readline() for part in parts]
            joined.write(first)
            joined.writelines(merge(*parts, key=lambda line: str(json.loads(bytes(line))["image"])))

    def files(self, kind: str) -> Iterator[str]:
        """Names below the folder of all files of a kind, by name of their image."""
        lines = manifest_lines(self.file)
        next(lines)
        return (entry[kind] for entry in lines if kind in entry)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """What is wrong with a manifest is one error.

    Raises:
        RunError: It is damaged.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, StopIteration, OSError) as error:
        raise RunError("does not say what was predicted.", where=file, hint="Predict without --resume.") from error
