"""The tables of the store: every question and every change, by name; SQL is in here, `mask_tables` and `store` only."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pointillist.annotator.labels.mask_tables import MaskTables
from pointillist.annotator.labels.rows import AUDIT_OPEN, AUDITED, OPEN, ClassRow, PointRow, derived

_WITH_ONE = 2**23
"""More points than any operation brings."""

_POINT = "id, image, x, y, class, version, client, deleted, extra"

_NAMED = "deleted=0 AND class<>''"
"""What is a point: not the questions that name no class."""


_AUDIT = f"question IN ('{AUDIT_OPEN}', '{AUDITED}')"
_LEARNT = f"question NOT IN ('{AUDIT_OPEN}', '{AUDITED}')"
"""Questions of audits, and the others."""

_NO_AUDIT = f"coalesce(question, '') NOT IN ('{AUDIT_OPEN}', '{AUDITED}')"
"""All that is learnt from, or may be."""


class Tables(MaskTables):
    """Questions and changes, inside or outside a transaction."""

    def metadata(self, name: str) -> str:
        """A single value; empty where it is not known."""
        row = self._sql.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def set_metadata(self, name: str, value: str) -> None:
        """Keep a single value."""
        self._sql.execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (name, value))

    def columns(self) -> list[str]:
        """Further columns of points.csv, in the order they came."""
        return list(json.loads(self.metadata("columns") or "[]"))

    def add_columns(self, columns: Iterable[str]) -> None:
        """Keep further columns of points.csv."""
        self.set_metadata("columns", json.dumps(list(dict.fromkeys([*self.columns(), *columns]))))

    def background(self) -> tuple[str, str]:
        """Id of the background class and the policy; ("", "none") without one."""
        return self.metadata("background"), self.metadata("policy") or "none"

    def set_background(self, label: str, policy: str) -> None:
        """Choose the background; an empty id for none."""
        self.set_metadata("background", label)
        self.set_metadata("policy", policy if label else "none")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All questions of the block see the same state."""
        self._sql.execute("BEGIN")
        try:
            yield
        finally:
            self._sql.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part of a transaction that an exception undoes alone."""
        self._sql.execute("SAVEPOINT change")
        try:
            yield
        except Exception:
            if self.writable:
                self._sql.execute("ROLLBACK TO change")
                self._sql.execute("RELEASE change")
            raise
        self._sql.execute("RELEASE change")

    @property
    def writable(self) -> bool:
        """Whether a transaction is open; a full disk ends it."""
        return self._sql.in_transaction

    def classes(self) -> list[ClassRow]:
        """The present classes, in order."""
        rows = self._sql.execute(
            "SELECT id, name, color, mask_values FROM classes WHERE joined IS NULL AND NOT removed ORDER BY place"
        )
        return [ClassRow(i, n, c, None if v is None else tuple(json.loads(v))) for i, n, c, v in rows]

    def class_id(self, given: str) -> str | None:
        """The class that an id means today: merged ones lead to what they became; None for an unknown one."""
        while True:
            row = self._sql.execute("SELECT joined FROM classes WHERE id=?", (given,)).fetchone()
            if row is None:
                return None
            if row[0] is None:
                return given
            given = row[0]

    def strays(self) -> bool:
        """Whether a point or question that is there names a class that is not."""
        live = "SELECT id FROM classes WHERE joined IS NULL AND NOT removed"
        found = f"SELECT 1 FROM points WHERE {_NAMED} AND class NOT IN ({live}) LIMIT 1"
        return self._sql.execute(found).fetchone() is not None

    def add_class(self, row: ClassRow) -> None:
        """Append a class, or bring a removed one back under this name."""
        position = self._sql.execute("SELECT coalesce(max(place), -1) + 1 FROM classes").fetchone()[0]
        values = None if row.values is None else json.dumps(row.values)
        added = "INSERT OR REPLACE INTO classes(id, name, color, place, mask_values) VALUES(?, ?, ?, ?, ?)"
        self._sql.execute(added, (row.id, row.name, row.color, position, values))

    def removed_name(self, given: str) -> str | None:
        """Name of a class that was removed; None for any other."""
        row = self._sql.execute("SELECT name FROM classes WHERE id=? AND removed", (given,)).fetchone()
        return None if row is None else str(row[0])

    def alias_class(self, given: str, target: str) -> None:
        """Let an id mean another class."""
        self._sql.execute(
            "INSERT OR REPLACE INTO classes(id, name, color, place, joined) VALUES(?, '', '', -1, ?)", (given, target)
        )

    def merge_class(self, source: str, target: str) -> None:
        """Give the points of a class to another one, and let its id mean that one."""
        self._sql.execute("UPDATE points SET class=? WHERE class=?", (target, source))
        self._sql.execute("UPDATE classes SET joined=? WHERE id=?", (target, source))

    def change_class(self, given: str, **values: str | int) -> None:
        """Change name, color, position or removed of a class."""
        columns = {"name": "name", "color": "color", "position": "place", "removed": "removed"}
        for name, value in values.items():
            self._sql.execute(f"UPDATE classes SET {columns[name]}=? WHERE id=?", (value, given))

    def set_mask_values(self, given: str, values: Sequence[int] | None) -> None:
        """Say which values mean a class in masks; None for its index."""
        row = (json.dumps(values) if values else None, given)
        self._sql.execute("UPDATE classes SET mask_values=? WHERE id=?", row)

    def points_by_class(self) -> dict[str, int]:
        """Number of points of each class that has some."""
        return dict(self._sql.execute(f"SELECT class, count(*) FROM points WHERE {_NAMED} GROUP BY class"))

    def point(self, given: str) -> PointRow | None:
        """A point or question, deleted or not."""
        return next(self._points("id=?", given), None)

    def points_of(self, image: str) -> list[PointRow]:
        """Points of an image, in the order they were made."""
        return list(self._points(f"image=? AND {_NAMED} ORDER BY place, id", image))

    def questions(self, *, audit: bool = False) -> list[PointRow]:
        """All questions that are asked to be learnt from, or all of audits, in the order they were made."""
        return list(self._points(f"{_AUDIT if audit else _LEARNT} AND deleted=0 ORDER BY place, id"))

    def audit_version(self) -> int:
        """The last operation on a question of an audit; 0 before any."""
        found = f"SELECT coalesce(max(version), 0) FROM points WHERE {_AUDIT}"
        return int(self._sql.execute(found).fetchone()[0])

    def _points(self, condition: str, *values: str | int) -> Iterator[PointRow]:
        rows = self._sql.execute(f"SELECT {_POINT} FROM points WHERE {condition}", values)
        for given, image, x, y, label, version, client, deleted, extra in rows:
            more = json.loads(extra) if extra else {}
            yield PointRow(given, image, x, y, label, version, client, bool(deleted), more)

    def points_version(self, image: str) -> int:
        """The last operation that changed a point of this image; 0 before any."""
        found = f"SELECT coalesce(max(version), 0) FROM points WHERE image=? AND {_NO_AUDIT}"
        return int(self._sql.execute(found, (image,)).fetchone()[0])

    def changed_points(self, after: int) -> int:
        """Number of clicks and answers that were made, changed or deleted after an operation."""
        found = "SELECT count(*) FROM points WHERE version>? AND class<>''"
        return int(self._sql.execute(found, (after,)).fetchone()[0])

    def points_since(self, after: int) -> list[PointRow]:
        """Clicks and answers that were made or changed after an operation."""
        return list(self._points(f"version>? AND {_NAMED} ORDER BY version, id", after))

    def clicks_by_class(self) -> dict[str, int]:
        """Number of clicks, without answers, of each class that has some."""
        found = f"SELECT class, count(*) FROM points WHERE {_NAMED} AND question IS NULL GROUP BY class"
        return dict(self._sql.execute(found))

    def points_versions(self) -> dict[str, int]:
        """The same for each image that ever had a point."""
        return dict(self._sql.execute(f"SELECT image, max(version) FROM points WHERE {_NO_AUDIT} GROUP BY image"))

    def all_points(self, *, unnamed: bool = False) -> Iterator[tuple[str, str, float, float, str, Mapping[str, str]]]:
        """(id, image, x, y, class id, further columns) of every point, or of every question that names no class."""
        which = f"deleted=0 AND class='' AND {_LEARNT}" if unnamed else _NAMED
        rows = self._sql.execute(f"SELECT id, image, x, y, class, extra FROM points WHERE {which} ORDER BY place, id")
        return ((*row, json.loads(extra) if extra else {}) for *row, extra in rows)

    def counts(self) -> dict[str, int]:
        """Number of points of each image that has some."""
        return dict(self._sql.execute(f"SELECT image, count(*) FROM points WHERE {_NAMED} GROUP BY image"))

    def open_questions(self, image: str | None = None, *, audit: bool = False) -> list[tuple[str, str, float, float]]:
        """(id, image, x, y) of the questions that nobody has answered, of an image or of all."""
        where, values = ("", ()) if image is None else (" AND image=?", (image,))
        found = f"SELECT id, image, x, y FROM points WHERE question=? AND deleted=0{where}"
        return list(self._sql.execute(found, (AUDIT_OPEN if audit else OPEN, *values)))

    def answers_by_image(self, *, audit: bool = False) -> dict[str, int]:
        """Number of answered questions of each image that has some."""
        which = f"question='{AUDITED}'" if audit else f"{_LEARNT} AND question<>'{OPEN}'"
        found = f"SELECT image, count(*) FROM points WHERE {which} AND deleted=0 GROUP BY image"
        return dict(self._sql.execute(found))

    def answers(self) -> int:
        """Number of answered questions."""
        return sum(self.answers_by_image().values())

    def seconds_per_answer(self) -> float | None:
        """The median, over the answers of which it is known."""
        timed = "FROM points WHERE deleted=0 AND seconds IS NOT NULL"
        (count,) = self._sql.execute(f"SELECT count(*) {timed}").fetchone()
        middle = self._sql.execute(
            f"SELECT seconds {timed} ORDER BY seconds LIMIT ? OFFSET ?", (2 - count % 2, max(0, count - 1) // 2)
        )
        return round(sum(seconds for (seconds,) in middle) / (2 - count % 2), 2) if count else None

    def put_point(self, row: PointRow, *, number: int = 0) -> None:
        """Add a point or question, after all others; `number` counts those that come with the same operation."""
        self._sql.execute(
            f"INSERT INTO points({_POINT}, question, seconds, place) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(row.id, row.image, row.x, row.y, row.label, row.version, row.client, int(row.deleted)),
                *derived(row.label, row.extra),
                row.version * _WITH_ONE + number,
            ),
        )

    def was_clicked(self, given: str) -> bool:
        """Whether a point was made on a page, not by a file."""
        found = "SELECT content FROM operations WHERE seq=(SELECT place / ? FROM points WHERE id=?)"
        row = self._sql.execute(found, (_WITH_ONE, given)).fetchone()
        return row is not None and json.loads(row[0])["kind"] in ("add", "scribble")

    def change_point(self, row: PointRow) -> None:
        """Write the changed state of a point or question."""
        self._sql.execute(
            "UPDATE points SET x=?, y=?, class=?, version=?, client=?, deleted=?, extra=?, question=?, seconds=? "
            "WHERE id=?",
            (
                *(row.x, row.y, row.label, row.version, row.client, int(row.deleted)),
                *derived(row.label, row.extra),
                row.id,
            ),
        )

    def delete_point(self, given: str, seq: int, client: str) -> None:
        """Mark a point as deleted."""
        self._sql.execute("UPDATE points SET deleted=1, version=?, client=? WHERE id=?", (seq, client, given))

    def touch_points(self, label: str, seq: int, client: str) -> None:
        """Note who changed all points of a class, and with which operation."""
        self._sql.execute("UPDATE points SET version=?, client=? WHERE class=?", (seq, client, label))

    def regions(self, model: str) -> list[tuple[str, int, tuple[Any, ...]]]:
        """(image, version of its points, (score, x, y, width, height)) of what a model said."""
        rows = self._sql.execute(
            "SELECT image, version, score, x, y, width, height FROM regions WHERE model=?", (model,)
        )
        return [(image, version, tuple(values)) for image, version, *values in rows]

    def keep_region(self, image: str, model: str, version: int, values: Sequence[float]) -> None:
        """Keep what `regions` gives; one for each image."""
        self._sql.execute(
            "INSERT OR REPLACE INTO regions VALUES(?, ?, ?, ?, ?, ?, ?, ?)", (image, model, version, *values)
        )

    def seq(self) -> int:
        """Number of the last operation; 0 before any."""
        return int(self._sql.execute("SELECT coalesce(max(seq), 0) FROM operations").fetchone()[0])

    def seq_of(self, operation: str) -> int | None:
        """Number of an operation by its id; None when it was never applied."""
        row = self._sql.execute("SELECT seq FROM operations WHERE id=?", (operation,)).fetchone()
        return None if row is None else int(row[0])

    def log(self, seq: int, client: str, content: Mapping[str, Any], *, operation: str | None = None) -> None:
        """Keep what was done; an operation that no page made gets an id of its own."""
        row = (seq, operation or uuid.uuid4().hex, client, json.dumps(content, ensure_ascii=False), time.time())
        self._sql.execute("INSERT INTO operations VALUES(?, ?, ?, ?, ?)", row)

    def operations_after(self, seq: int, limit: int) -> list[tuple[int, str, dict[str, Any]]]:
        """(seq, client, content) of the operations after a number."""
        rows = self._sql.execute(
            "SELECT seq, client, content FROM operations WHERE seq>? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return [(number, client, json.loads(text)) for number, client, text in rows]
