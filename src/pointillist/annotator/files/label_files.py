"""`points.csv` and `dataset.yaml`, always as the store has them; what others change there is taken in, never lost."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pointillist.annotator.files.foreign import Backups, RowsRemovedError, digest_of, is_much, read_at_rest
from pointillist.annotator.files.mask_files import MaskFiles
from pointillist.annotator.files.merging import merge_classes, merge_points, read_classes, rows_of
from pointillist.annotator.files.rendering import point_table, render_classes
from pointillist.annotator.folder import DataFolder
from pointillist.annotator.labels.store import Store
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.labels.writer import Writer
from pointillist.errors import PointillistError, RunError, SaveError
from pointillist.files import flush_folder, saving, write_text
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.renaming import exchange

PAUSE = 1.0
"""Least seconds between two writings of points.csv; more where there are so many points that writing takes long."""

LOOK = 3.0
"""Seconds between two looks at whether others have changed the files."""


class LabelFiles:
    """Keeps both files current, and the masks, in a thread of its own; `on_write` is called after each writing or
    failure."""

    def __init__(
        self, folder: DataFolder, store: Store, writer: Writer, masks: MaskFiles, on_write: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._store = store
        self._writer = writer
        self._masks = masks
        self._on_write = on_write
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._files = (("points", folder.points_file), ("classes", folder.dataset_file))
        self._backups = Backups(folder.below("backups"))
        self._base = folder.own / "points.written.csv"
        self._written_seq = -1
        self._seen: list[tuple[int, int] | None] = []
        self._thread: threading.Thread | None = None
        self._agreed = ""
        self.problem: PointillistError | None = None
        self.ended = False
        """Whether both files were written when it was closed."""

    @property
    def removal(self) -> RowsRemovedError | None:
        """What somebody has to decide on, see `decide`."""
        return self.problem if isinstance(self.problem, RowsRemovedError) else None

    @property
    def current(self) -> bool:
        """Whether the files hold all acknowledged operations."""
        return self.problem is None and self._written_seq == self._store.reading().seq()

    @property
    def written(self) -> int:
        """The last operation that the files hold; −1 before they were written."""
        return self._written_seq

    def open(self) -> None:
        """Take in what the files say, write what the store has, and go on doing so.

        Raises:
            PointillistError: A file cannot be read or written; nothing was changed.
        """
        with self._readable():
            try:
                self._flush()
            except RowsRemovedError as error:
                self.problem = error  # the page asks
            self._masks.write(self._store.reading())
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
            with self._readable():
                self._flush()
                # After dataset.yaml, which says what their values mean.
                self._masks.write(self._store.reading())
        except PointillistError as error:
            self.problem = error
            raise
        finally:
            self._on_write()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What the system refuses is an error of the folder."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise SaveError(
                f"its label files could not be read or written ({error}).",
                where=self._folder.root,
                hint="Check that nothing locks points.csv and dataset.yaml, and that the disk has space left.",
            ) from error

    def decide(self, digest: str, *, remove: bool) -> None:
        """Say of the rows that others removed whether their points are to go; what they wrote is kept as a backup.

        Raises:
            RunError: The file has changed since that was asked.
        """
        with self._lock:
            if self.removal is None or self.removal.digest != digest:
                raise RunError("nobody asks that any more.", field="digest", hint="Load the page again.")
            if remove:
                self._agreed = digest
            else:
                # As if it were our own: the next writing replaces it.
                self._writer.submit(lambda tables: tables.set_metadata("points written", digest)).result()
            self.problem = None
        self.changed()

    def close(self) -> None:
        """Write what is left, and end.

        Raises:
            PointillistError: It could not be written; the points are safe in the store.
        """
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        self.ended = True

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(timeout=LOOK)
            self._wake.clear()
            rests = self.current and self._seen == self._look() and self._masks.current(self._store.reading())
            if self._closing.is_set() or rests:
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
        asked = self.removal
        if asked is not None and asked.digest == digest_of(path):
            raise asked
        found, copy = read_at_rest(path, self._backups, NativeCsv().read)
        # What stood there before, if this very store wrote it; without it nothing counts as removed by hand.
        ours = self._base.is_file() and digest_of(self._base) == self._store.metadata("points written")
        before = Counter(rows_of(NativeCsv().read(self._base).rows)) if ours else Counter()
        digest = digest_of(copy)
        removed = (before - Counter(rows_of(found.rows))).total()
        if removed:
            shutil.copyfile(self._base, self._backups.next(path))
        if is_much(removed, before.total()) and digest != self._agreed:
            raise RowsRemovedError(path, digest, removed, before.total())
        self._writer.submit(lambda tables: merge_points(tables, found, before, digest)).result()
        shutil.copyfile(copy, self._base)

    def _take_in_classes(self) -> None:
        path = self._folder.dataset_file
        if not self._changed_by_others("classes", path):
            return
        settings, copy = read_at_rest(path, self._backups, read_classes)
        digest = digest_of(copy)
        self._writer.submit(lambda tables: merge_classes(tables, settings, digest)).result()

    def _changed_by_others(self, kind: str, path: Path) -> bool:
        # A file that was removed is written anew.
        return path.is_file() and not self._ours(kind, digest_of(path))

    def _ours(self, kind: str, digest: str) -> bool:
        tables = self._store.reading()
        return digest in (tables.metadata(f"{kind} written"), tables.metadata(f"{kind} writing"))

    def _write(self, kind: str, path: Path, text: str) -> bool:
        """Replace a file unless others have just changed it; whether it now has this text."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        there = digest_of(path) if path.is_file() else ""
        if there and not self._ours(kind, there):
            return False
        if there == digest == self._store.metadata(f"{kind} written"):
            return True

        def about_to_write(tables: Tables) -> None:
            tables.set_metadata(f"{kind} written", there)
            tables.set_metadata(f"{kind} writing", digest)

        # Kept before the file is: whoever is killed in between knows the file for our own.
        self._writer.submit(about_to_write).result()
        following = self._folder.own / f"{path.stem}.ours{path.suffix}"
        write_text(following, text)
        with saving(path):
            if path.is_file() and exchange(following, path):
                if not self._ours(kind, digest_of(following)):
                    # Others wrote meanwhile: theirs goes back, and is taken in.
                    exchange(following, path)
                    if digest_of(following) != digest:  # and once more in between
                        shutil.copyfile(following, self._backups.next(path))
                    return False
                following.unlink()
            elif self._changed_by_others(kind, path):
                return False
            else:
                following.replace(path)
            flush_folder(path.parent)
        self._writer.submit(lambda tables: tables.set_metadata(f"{kind} written", digest)).result()
        return True
