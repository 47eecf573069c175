"""The store: every acknowledged operation in one SQLite file, safe against a killed program and a lost power supply."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointillist.errors import PointillistError, SaveError

FORMAT = 1
"""Version of the tables below; a newer program reads all older ones."""

_TABLES = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE classes(
    id TEXT PRIMARY KEY, name TEXT NOT NULL, color TEXT NOT NULL, place INTEGER NOT NULL,
    mask_values TEXT, joined TEXT, removed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE points(
    id TEXT PRIMARY KEY, image TEXT NOT NULL, x REAL NOT NULL, y REAL NOT NULL, class TEXT NOT NULL,
    extra TEXT, place INTEGER NOT NULL, version INTEGER NOT NULL, client TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX points_of_image ON points(image, deleted);
CREATE INDEX points_of_class ON points(class, deleted);
CREATE TABLE operations(
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL, content TEXT NOT NULL, time REAL NOT NULL
);
CREATE TABLE regions(
    image TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, score REAL NOT NULL,
    x INTEGER NOT NULL, y INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class ClassRow:
    """A class; `values` are what masks have for it where that is not its index."""

    id: str
    name: str
    color: str
    values: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PointRow:
    """A point; `image` is the image's name, `version` the operation that changed it last, `client` who did."""

    id: str
    image: str
    x: float
    y: float
    label: str
    version: int
    client: str
    deleted: bool


_WITH_ONE = 2**23
"""More points than any operation brings."""

_POINT = "id, image, x, y, class, version, client, deleted"


class Store:
    """The tables; one connection writes, each thread reads with its own.

    Args:
        path: The file; made when missing.

    Raises:
        SaveError: It cannot be made, is damaged, or comes from a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._readers: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._lock = threading.Lock()
        try:
            self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._writer.execute("PRAGMA journal_mode=WAL")
            # The log is flushed to the disk before an operation is acknowledged.
            self._writer.execute("PRAGMA synchronous=FULL")
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._writer.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={FORMAT};COMMIT;")
        except sqlite3.Error as error:
            raise store_error(error, path) from error
        if version > FORMAT:
            raise SaveError(
                f"has format {version}; this version reads up to {FORMAT}.", where=path, hint="Update pointillist."
            )
        if not self.metadata("secret"):
            with self.writing() as tables:
                tables.set_metadata("secret", secrets.token_hex(32))

    def close(self) -> None:
        """Close all connections; what was acknowledged is on the disk already."""
        with self._lock:
            for connection in (*(reader for _, reader in self._readers), self._writer):
                with suppress(sqlite3.Error):
                    connection.close()
            self._readers.clear()

    @contextmanager
    def writing(self) -> Iterator[Tables]:
        """A transaction: on the disk when the block ends well, undone when it does not.

        Only one thread may write at a time.

        Raises:
            SaveError: The disk is full or broken; nothing of the block was kept.
        """
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield Tables(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite has undone the transaction by itself where the disk failed.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise store_error(error, self.path) from error

    def reading(self) -> Tables:
        """The tables as they are, for this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA query_only=ON")
            self._local.connection = connection
            with self._lock:
                # The server's worker threads come and go; those that went need their files no more.
                for thread, reader in self._readers:
                    if not thread.is_alive():
                        reader.close()
                self._readers = [(thread, reader) for thread, reader in self._readers if thread.is_alive()]
                self._readers.append((threading.current_thread(), connection))
        return Tables(connection)

    def metadata(self, name: str) -> str:
        """A single value; empty where it is not known."""
        return self.reading().metadata(name)


def store_error(error: sqlite3.Error, path: Path) -> PointillistError:
    """What went wrong, in the words of the house."""
    return SaveError(
        f"could not be written or read ({error}).",
        where=path,
        hint="Free space on this disk; nothing that was acknowledged is lost.",
    )


class Tables:
    """Questions and changes, inside or outside a transaction.

    Args:
        connection: To the store.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.sql = connection

    def metadata(self, name: str) -> str:
        """A single value; empty where it is not known."""
        row = self.sql.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def set_metadata(self, name: str, value: str) -> None:
        """Keep a single value."""
        self.sql.execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (name, value))

    # Classes

    def classes(self) -> list[ClassRow]:
        """The present classes, in order."""
        rows = self.sql.execute(
            "SELECT id, name, color, mask_values FROM classes WHERE joined IS NULL AND NOT removed ORDER BY place"
        )
        return [ClassRow(i, n, c, None if v is None else tuple(json.loads(v))) for i, n, c, v in rows]

    def class_id(self, given: str) -> str | None:
        """The class that an id means today: merged ones lead to what they became; None for an unknown one."""
        while True:
            row = self.sql.execute("SELECT joined FROM classes WHERE id=?", (given,)).fetchone()
            if row is None:
                return None
            if row[0] is None:
                return given
            given = row[0]

    def add_class(self, row: ClassRow) -> None:
        """Append a class, or bring a removed one back under this name."""
        place = self.sql.execute("SELECT coalesce(max(place), -1) + 1 FROM classes").fetchone()[0]
        values = None if row.values is None else json.dumps(row.values)
        self.sql.execute(
            "INSERT OR REPLACE INTO classes(id, name, color, place, mask_values) VALUES(?, ?, ?, ?, ?)",
            (row.id, row.name, row.color, place, values),
        )

    def alias_class(self, given: str, target: str) -> None:
        """Let an id mean another class."""
        self.sql.execute(
            "INSERT OR REPLACE INTO classes(id, name, color, place, joined) VALUES(?, '', '', -1, ?)", (given, target)
        )

    def change_class(self, given: str, **values: Any) -> None:
        """Change columns of a class."""
        for column, value in values.items():
            self.sql.execute(f"UPDATE classes SET {column}=? WHERE id=?", (value, given))

    def points_by_class(self) -> dict[str, int]:
        """Number of points of each class that has some."""
        return dict(self.sql.execute("SELECT class, count(*) FROM points WHERE NOT deleted GROUP BY class"))

    # Points

    def point(self, given: str) -> PointRow | None:
        """A point, deleted or not."""
        row = self.sql.execute(f"SELECT {_POINT} FROM points WHERE id=?", (given,)).fetchone()
        return None if row is None else _point_row(row)

    def points_of(self, image: str) -> list[PointRow]:
        """Points of an image, in the order they were made."""
        rows = self.sql.execute(f"SELECT {_POINT} FROM points WHERE image=? AND deleted=0 ORDER BY place, id", (image,))
        return [_point_row(row) for row in rows]

    def points_version(self, image: str) -> int:
        """The last operation that changed a point of this image; 0 before any."""
        row = self.sql.execute("SELECT coalesce(max(version), 0) FROM points WHERE image=?", (image,)).fetchone()
        return int(row[0])

    def all_points(self) -> Iterator[tuple[str, float, float, str, Mapping[str, str]]]:
        """(image, x, y, class id, further columns) of every point, in order."""
        rows = self.sql.execute("SELECT image, x, y, class, extra FROM points WHERE deleted=0 ORDER BY place, id")
        return ((image, x, y, c, json.loads(extra) if extra else {}) for image, x, y, c, extra in rows)

    def counts(self) -> dict[str, int]:
        """Number of points of each image that has some."""
        return dict(self.sql.execute("SELECT image, count(*) FROM points WHERE deleted=0 GROUP BY image"))

    def put_point(self, row: PointRow, *, number: int = 0, extra: Mapping[str, str] | None = None) -> None:
        """Add a point, after all others; `number` counts those that come with the same operation."""
        place = row.version * _WITH_ONE + number
        more = json.dumps(extra) if extra else None
        self.sql.execute(
            f"INSERT INTO points({_POINT}, place, extra) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (row.id, row.image, row.x, row.y, row.label, row.version, row.client, int(row.deleted), place, more),
        )

    def change_point(self, row: PointRow) -> None:
        """Write the changed state of a point."""
        self.sql.execute(
            "UPDATE points SET x=?, y=?, class=?, version=?, client=?, deleted=? WHERE id=?",
            (row.x, row.y, row.label, row.version, row.client, int(row.deleted), row.id),
        )

    # Operations

    def seq(self) -> int:
        """Number of the last operation; 0 before any."""
        return int(self.sql.execute("SELECT coalesce(max(seq), 0) FROM operations").fetchone()[0])

    def seq_of(self, operation: str) -> int | None:
        """Number of an operation by its id; None when it was never applied."""
        row = self.sql.execute("SELECT seq FROM operations WHERE id=?", (operation,)).fetchone()
        return None if row is None else int(row[0])

    def log(self, seq: int, operation: str, client: str, content: Mapping[str, Any], time: float) -> None:
        """Keep what was done."""
        text = json.dumps(content, ensure_ascii=False)
        self.sql.execute("INSERT INTO operations VALUES(?, ?, ?, ?, ?)", (seq, operation, client, text, time))

    def operations_after(self, seq: int, limit: int) -> list[tuple[int, str, dict[str, Any]]]:
        """(seq, client, content) of the operations after a number."""
        rows = self.sql.execute(
            "SELECT seq, client, content FROM operations WHERE seq>? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return [(number, client, json.loads(text)) for number, client, text in rows]


def _point_row(row: tuple[Any, ...]) -> PointRow:
    given, image, x, y, label, version, client, deleted = row
    return PointRow(given, image, x, y, label, version, client, bool(deleted))
