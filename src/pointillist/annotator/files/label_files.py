"""`points.csv` and `dataset.yaml`, always as the store has them; what others change there is taken in, never lost."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pointillist.annotator.files.merging import merge_classes, merge_points, rows_of
from pointillist.annotator.files.rendering import point_table, render_classes
from pointillist.annotator.folder import DataFolder
from pointillist.annotator.labels.store import Store
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.labels.writer import Writer
from pointillist.data.dataset_file import DatasetFile
from pointillist.errors import DatasetError, PointillistError, SaveError
from pointillist.files import read_yaml, replacing
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.schema import parse

PAUSE = 1.0
"""Least seconds between two writings of points.csv; more where there are so many points that writing takes long."""

LOOK = 3.0
"""Seconds between two looks at whether others have changed the files."""

REST, TRIES = 0.1, 20
"""Seconds for which a file that others write must not change before it is read, and how often that is tried."""

BACKUPS = 20
"""Versions of a file changed by others that are kept."""

_Content = TypeVar("_Content")


class LabelFiles:
    """Keeps both files current, in a thread of its own; `on_write` is called after each writing or failure."""

    def __init__(self, folder: DataFolder, store: Store, writer: Writer, on_write: Callable[[], None]) -> None:
        self._folder = folder
        self._store = store
        self._writer = writer
        self._on_write = on_write
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._files = (("points", folder.points_file), ("classes", folder.dataset_file))
        self._base = folder.own / "points.written.csv"
        self._written_seq = -1
        self._seen: list[tuple[int, int] | None] = []
        self._thread: threading.Thread | None = None
        self.problem: PointillistError | None = None

    @property
    def current(self) -> bool:
        """Whether the files hold all acknowledged operations."""
        return self.problem is None and self._written_seq == self._store.reading().seq()

    def open(self) -> None:
        """Take in what the files say, write what the store has, and go on doing so.

        Raises:
            PointillistError: A file cannot be read or written; nothing was changed.
        """
        self._flush()
        self._thread = threading.Thread(target=self._run, name="annotator-label-files", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Say that there are new operations."""
        self._wake.set()

    def flush(self) -> None:
        """Write both files now.

        Raises:
            PointillistError: One cannot be written, or was changed by others so that it cannot be read.
        """
        try:
            self._flush()
        except PointillistError as error:
            self.problem = error
            raise
        except (OSError, sqlite3.Error) as error:
            self.problem = SaveError(
                f"its label files could not be read or written ({error}).",
                where=self._folder.root,
                hint="Check that nothing locks points.csv and dataset.yaml, and that the disk has space left.",
            )
            raise self.problem from error
        finally:
            self._on_write()

    def close(self) -> None:
        """Write what is left, and end."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(timeout=LOOK)
            self._wake.clear()
            if self._closing.is_set() or (self.current and self._seen == self._look()):
                continue
            started = time.monotonic()
            # A failure is told to the page; the operations are safe in the store, and the next round tries again.
            with suppress(PointillistError):
                self.flush()
            # Writing a million points takes seconds; the clicks come first.
            self._closing.wait(max(PAUSE, 5 * (time.monotonic() - started)))

    def _flush(self) -> None:
        with self._lock:
            while not self._take_in_and_write():
                pass  # Somebody wrote meanwhile.
            self.problem = None

    def _take_in_and_write(self) -> bool:
        """Bring files and store together; False where others wrote a file in the meantime, and nothing was replaced."""
        self._take_in_classes()
        self._take_in_points()
        tables = self._store.reading()
        # Whatever comes after this number is written in the next round.
        with tables.snapshot():
            seq = tables.seq()
            described = render_classes(tables, self._folder)
            # Ready to take the place of points.csv.
            following = self._folder.own / "points.next.csv"
            write_csv(point_table(tables), following)
        if not self._write("points", self._folder.points_file, following.read_text(encoding="utf-8")):
            return False
        # Only now: what others change is told from what stood in the file before them.
        following.replace(self._base)
        if described is not None and not self._write("classes", self._folder.dataset_file, described):
            return False
        self._written_seq = seq
        looked = self._look()
        # Only our own writing counts as seen, not an edit that came between it and the look.
        self._seen = [] if any(self._changed_by_others(*file) for file in self._files) else looked
        return True

    def _look(self) -> list[tuple[int, int] | None]:
        """When the files were last changed, and their sizes: enough to see that somebody else wrote them."""
        found: list[tuple[int, int] | None] = [None, None]
        for index, (_, path) in enumerate(self._files):
            with suppress(OSError):
                status = path.stat()
                found[index] = status.st_mtime_ns, status.st_size
        return found

    def _take_in_points(self) -> None:
        path = self._folder.points_file
        if not self._changed_by_others("points", path):
            return
        found, copy = self._read_at_rest(path, NativeCsv().read)
        # What stood there before, if this very store wrote it; without it nothing counts as removed by hand.
        ours = self._base.is_file() and _digest(self._base) == self._store.metadata("points written")
        before = Counter(rows_of(NativeCsv().read(self._base).rows)) if ours else Counter()
        digest = _digest(copy)
        self._writer.submit(lambda tables: merge_points(tables, found, before, digest)).result()
        shutil.copyfile(copy, self._base)

    def _take_in_classes(self) -> None:
        path = self._folder.dataset_file
        if not self._changed_by_others("classes", path):
            return
        settings, copy = self._read_at_rest(
            path, lambda file: parse(DatasetFile, read_yaml(file, DatasetError), DatasetError, file)
        )
        digest = _digest(copy)
        self._writer.submit(lambda tables: merge_classes(tables, settings, digest)).result()

    def _changed_by_others(self, kind: str, path: Path) -> bool:
        # A file that was removed is written anew.
        return path.is_file() and not self._ours(kind, _digest(path))

    def _ours(self, kind: str, digest: str) -> bool:
        tables = self._store.reading()
        return digest in (tables.metadata(f"{kind} written"), tables.metadata(f"{kind} writing"))

    def _write(self, kind: str, path: Path, text: str) -> bool:
        """Replace a file unless others have just changed it; whether it now has this text."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        there = _digest(path) if path.is_file() else ""
        if there and not self._ours(kind, there):
            return False
        if there == digest == self._store.metadata(f"{kind} written"):
            return True

        def about_to_write(tables: Tables) -> None:
            tables.set_metadata(f"{kind} written", there)
            tables.set_metadata(f"{kind} writing", digest)

        # Kept before the file is: whoever is killed in between knows the file for our own.
        self._writer.submit(about_to_write).result()
        try:
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="\n")
                if self._changed_by_others(kind, path):
                    raise _ChangedMeanwhile
        except _ChangedMeanwhile:
            return False
        self._writer.submit(lambda tables: tables.set_metadata(f"{kind} written", digest)).result()
        return True

    def _read_at_rest(self, path: Path, read: Callable[[Path], _Content]) -> tuple[_Content, Path]:
        """The content of a file that others write, and a copy among the backups: of one state, not of half a writing.

        A copy that cannot be read is no backup, and the error is the original's.
        """
        folder = self._folder.below("backups")
        kept = sorted(folder.glob(f"{path.stem}-{'[0-9]' * 6}{path.suffix}"))
        number = int(kept[-1].stem.rpartition("-")[2]) + 1 if kept else 1
        copy = folder / f"{path.stem}-{number:06d}{path.suffix}"
        for _ in range(TRIES):
            before = path.stat()
            time.sleep(REST)
            shutil.copyfile(path, copy)
            after = path.stat()
            if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
                for old in kept[: max(0, len(kept) + 1 - BACKUPS)]:
                    old.unlink(missing_ok=True)
                break
        else:
            copy.unlink()
            raise SaveError("is being written by another program.", where=path, hint="Let that end; it is then read.")
        try:
            return read(copy), copy
        except PointillistError as error:
            copy.unlink()
            raise type(error)(error.found, where=path, line=error.line, field=error.field, hint=error.hint) from error


class _ChangedMeanwhile(Exception):
    """Others wrote a file that was about to be replaced."""


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
