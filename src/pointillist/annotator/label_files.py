"""`points.csv` and `dataset.yaml`, always as the store has them; what others change there is taken in, never lost."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from pointillist.annotator.folder import DataFolder
from pointillist.annotator.merging import merge_classes, merge_points, rows_of
from pointillist.annotator.store import ClassRow, Store, Tables
from pointillist.annotator.writer import Writer
from pointillist.data.layouts.folder import DatasetFile
from pointillist.errors import DatasetError, PointillistError
from pointillist.files import read_text, read_yaml, write_text
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.points.table import Point, PointTable
from pointillist.schema import parse

PAUSE = 1.0
"""Least seconds between two writings of points.csv; more where there are so many points that writing takes long."""

LOOK = 3.0
"""Seconds between two looks at whether others have changed the files."""

BACKUPS = 20
"""Versions of a file changed by others that are kept."""


class LabelFiles:
    """Keeps both files current, in a thread of its own.

    Args:
        folder: Where they are.
        store: What they say.
        writer: Takes in what others wrote.
        told: Called after each writing or failure.
    """

    def __init__(self, folder: DataFolder, store: Store, writer: Writer, told: Callable[[], None]) -> None:
        self._folder = folder
        self._store = store
        self._writer = writer
        self._told = told
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
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
        finally:
            self._told()

    def close(self) -> None:
        """Write what is left, and end.

        Raises:
            PointillistError: See `flush`.
        """
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
            rendered = False
            # Rendering a million points takes seconds: what others write meanwhile is taken in too.
            while not rendered or any(self._changed_by_others(*file) for file in self._files):
                self._take_in_classes()
                self._take_in_points()
                tables = self._store.reading()
                # Whatever comes after this number is written in the next round.
                tables.sql.execute("BEGIN")
                try:
                    seq = tables.seq()
                    described = self._render_classes(tables)
                    points = self._render_points(tables)
                finally:
                    tables.sql.execute("COMMIT")
                rendered = True
            self._write_points(points)
            if described is not None:
                self._write("classes", self._folder.dataset_file, described)
            self._written_seq = seq
            looked = self._look()
            # Only our own writing counts as seen, not an edit that came between it and the look.
            self._seen = [] if any(self._changed_by_others(*file) for file in self._files) else looked
            self.problem = None

    @property
    def _files(self) -> tuple[tuple[str, Path], ...]:
        return ("points", self._folder.points_file), ("classes", self._folder.dataset_file)

    def _look(self) -> list[tuple[int, int] | None]:
        """When the files were last changed, and their sizes: enough to see that somebody else wrote them."""
        found: list[tuple[int, int] | None] = []
        for _, path in self._files:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size))
        return found

    # points.csv

    def _table(self, tables: Tables) -> PointTable:
        names = {row.id: row.name for row in tables.classes()}
        points = (Point(image, x, y, names[c], extra) for image, x, y, c, extra in tables.all_points())
        return PointTable(points, json.loads(tables.fact("columns") or "[]"))

    def _render_points(self, tables: Tables) -> Path:
        """Where the content of points.csv lies, ready to take its place."""
        following = self._folder.own / "points.next.csv"
        write_csv(self._table(tables), following)
        return following

    def _write_points(self, following: Path) -> None:
        self._write("points", self._folder.points_file, following.read_text(encoding="utf-8"))
        # Only now: what others change is told from what stood in the file before them.
        following.replace(self._base)

    @property
    def _base(self) -> Path:
        return self._folder.own / "points.written.csv"

    def _take_in_points(self) -> None:
        path = self._folder.points_file
        if not self._changed_by_others("points", path):
            return
        found = NativeCsv().read(path)
        # What stood there before, if this very store wrote it; without it nothing counts as removed by hand.
        ours = self._base.is_file() and _digest(self._base) == self._store.fact("points written")
        before = Counter(rows_of(NativeCsv().read(self._base))) if ours else Counter()
        self._back_up(path)
        digest = _digest(path)
        self._writer.submit(lambda tables: merge_points(tables, found, before, digest)).result()

    # dataset.yaml

    def _take_in_classes(self) -> None:
        path = self._folder.dataset_file
        if not self._changed_by_others("classes", path):
            return
        settings = parse(DatasetFile, read_yaml(path, DatasetError), DatasetError, path)
        self._back_up(path)
        digest = _digest(path)
        self._writer.submit(lambda tables: merge_classes(tables, settings, digest)).result()

    def _render_classes(self, tables: Tables) -> str | None:
        """The content of dataset.yaml; None while there are too few classes for one."""
        path = self._folder.dataset_file
        classes = tables.classes()
        there = path.is_file()
        if len(classes) < 2 and not there:
            return None
        content: dict[str, Any] = read_yaml(path, DatasetError) if there else {}
        before = dict(content)
        entries: list[dict[str, Any]] = [{"name": row.name, "color": row.color} for row in classes]
        if any(row.values is not None for row in classes):
            taken = {value for row in classes for value in row.values or ()} | {content.get("ignore_index", 255)}
            free = (value for value in range(256 + len(taken)) if value not in taken)
            for entry, row in zip(entries, classes, strict=True):
                values = row.values or (next(free),)
                entry["value"] = values[0] if len(values) == 1 else list(values)
        content["classes"] = entries
        content["background"] = _background_entry(tables, classes)
        if not there and self._folder.images_at_root:
            content["paths"] = {"images": "."}
        if there and _same_classes(before, content):
            return read_text(path, DatasetError)  # its owner's own words
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)

    # Both

    def _changed_by_others(self, kind: str, path: Path) -> bool:
        if not path.is_file():
            return False  # a file that was removed is written anew
        ours = self._store.reading()
        return _digest(path) not in (ours.fact(f"{kind} written"), ours.fact(f"{kind} writing"))

    def _write(self, kind: str, path: Path, text: str) -> None:
        digest = hashlib.sha256(text.encode()).hexdigest()
        facts = self._store.reading()
        if path.is_file() and _digest(path) == digest == facts.fact(f"{kind} written"):
            return
        # Kept before the file is: whoever is killed in between knows the file for our own.
        self._writer.submit(lambda tables: tables.set_fact(f"{kind} writing", digest)).result()
        write_text(path, text)
        self._writer.submit(lambda tables: tables.set_fact(f"{kind} written", digest)).result()

    def _back_up(self, path: Path) -> None:
        folder = self._folder.below("backups")
        kept = sorted(folder.glob(f"{path.stem}-*{path.suffix}"))
        number = int(kept[-1].stem.rpartition("-")[2]) + 1 if kept else 1
        shutil.copyfile(path, folder / f"{path.stem}-{number:06d}{path.suffix}")
        for old in kept[: max(0, len(kept) + 1 - BACKUPS)]:
            old.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _background_entry(tables: Tables, classes: list[ClassRow]) -> Any:
    """What dataset.yaml says about the background."""
    policy, background = tables.fact("policy") or "none", tables.fact("background")
    index = next((i for i, row in enumerate(classes) if row.id == background), None)
    if index is None:
        return "none"
    return policy if index == 0 else {"policy": policy, "class": classes[index].name}


def _same_classes(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a file that others wrote says the same already, in fewer words."""

    def said(content: dict[str, Any]) -> tuple[Any, ...]:
        try:
            settings = DatasetFile.model_validate(content)
            classes = settings.class_set()
        except (ValueError, PointillistError):
            return (content,)
        values = settings.mask_values()
        return classes.names, classes.colors, classes.policy, classes.background, values

    return said(before) == said(after)
