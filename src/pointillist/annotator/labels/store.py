"""The store: every acknowledged operation in one SQLite file, safe against a killed program and a lost power supply."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pointillist.annotator.labels.mask_tables import CREATE_MASKS
from pointillist.annotator.labels.rows import CREATE, QUESTIONS, derived
from pointillist.annotator.labels.tables import Tables
from pointillist.errors import PointillistError, SaveError

FORMAT = 3
"""Version of the tables; a newer program reads all older ones. 2 has questions, 3 masks."""


class Store:
    """The tables, in a file made when missing; one connection writes, each thread reads with its own.

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
            if version <= FORMAT:
                with self._writer:
                    self._writer.execute("BEGIN IMMEDIATE")
                    if version < FORMAT:
                        _bring_up(self._writer, version)
                    # Each time: a file that cannot be opened for writing is opened for reading alone, and nothing but
                    # a change shows it.
                    self._writer.execute(f"PRAGMA user_version={FORMAT}")
        except sqlite3.Error as error:
            raise store_error(error, path) from error
        if version > FORMAT:
            raise SaveError(
                f"has format {version}; this version reads up to {FORMAT}.", where=path, hint="Update pointillist."
            )
        try:
            if not self.metadata("secret"):
                with self.writing() as tables:
                    tables.set_metadata("secret", secrets.token_hex(32))
        except sqlite3.Error as error:
            raise store_error(error, path) from error

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
            with self._writer:  # ends the transaction, unless SQLite has undone it by itself because the disk failed
                self._writer.execute("BEGIN IMMEDIATE")
                yield Tables(self._writer)
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


def _bring_up(connection: sqlite3.Connection, version: int) -> None:
    """Lead the tables of an older format, 0 where there are none, to today's, inside a transaction."""
    for command in CREATE.strip().split(";\n") if version == 0 else ():
        connection.execute(command.removesuffix(";"))
    if version < 2:
        _add_questions(connection)
    for command in CREATE_MASKS.strip().split(";\n"):
        connection.execute(command.removesuffix(";"))


def _add_questions(connection: sqlite3.Connection) -> None:
    """Lead the tables of format 1 to format 2, inside a transaction."""
    for command in QUESTIONS.strip().split(";\n"):
        connection.execute(command.removesuffix(";"))
    found = connection.execute("SELECT id, class, extra FROM points WHERE extra LIKE '%question%'").fetchall()
    for given, label, extra in found:
        _, state, seconds = derived(label, json.loads(extra))
        connection.execute("UPDATE points SET question=?, seconds=? WHERE id=?", (state, seconds, given))


def store_error(error: sqlite3.Error, path: Path) -> PointillistError:
    """What went wrong, in the words of the house."""
    return SaveError(
        f"could not be written or read ({error}).",
        where=path,
        hint="Free space on this disk; nothing that was acknowledged is lost.",
    )
