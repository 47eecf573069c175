"""Masks that were accepted on the page, and the strokes of the brush on them: their part of the tables."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

CREATE_MASKS = """
CREATE TABLE masks(
    id TEXT PRIMARY KEY, image TEXT NOT NULL, labels BLOB NOT NULL, classes TEXT NOT NULL, place INTEGER NOT NULL,
    version INTEGER NOT NULL, client TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX masks_of_image ON masks(image, deleted, place);
CREATE TABLE strokes(
    id TEXT PRIMARY KEY, mask TEXT NOT NULL, class TEXT NOT NULL, radius REAL NOT NULL, path TEXT NOT NULL,
    place INTEGER NOT NULL, version INTEGER NOT NULL, client TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX strokes_of_mask ON strokes(mask, place);
"""
"""What format 3 adds."""


@dataclass(frozen=True)
class MaskRow:
    """An accepted mask: `labels` is a PNG of places in `classes` (ids), 255 where undecided, perhaps smaller than its
    image, whose name is `image`."""

    id: str
    image: str
    labels: bytes
    classes: tuple[str, ...]
    deleted: bool = False


@dataclass(frozen=True)
class StrokeRow:
    """A stroke of the brush: every pixel whose centre is at most `radius` from `path` gets a class, '' for undecided.

    `path` is x, y, x, y, … in pixels of the image, from its corner.
    """

    id: str
    mask: str
    label: str
    radius: float
    path: tuple[float, ...]
    deleted: bool = False


class MaskTables:
    """Questions about masks, and changes to them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def put_mask(self, row: MaskRow, seq: int, client: str) -> None:
        """Add a mask, which is from now on that of its image."""
        values = (row.id, row.image, row.labels, json.dumps(row.classes), seq, seq, client)
        self._sql.execute(
            "INSERT INTO masks(id, image, labels, classes, place, version, client) VALUES(?, ?, ?, ?, ?, ?, ?)", values
        )

    def put_stroke(self, row: StrokeRow, seq: int, client: str) -> None:
        """Add a stroke, on top of all others."""
        values = (row.id, row.mask, row.label, row.radius, json.dumps(row.path), seq, seq, client)
        self._sql.execute(
            "INSERT INTO strokes(id, mask, class, radius, path, place, version, client) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )

    def mask(self, given: str) -> MaskRow | None:
        """A mask, deleted or not."""
        return self._mask("id=?", given)

    def mask_of(self, image: str) -> MaskRow | None:
        """The mask of an image: the one that was accepted last."""
        return self._mask("image=? AND deleted=0 ORDER BY place DESC LIMIT 1", image)

    def _mask(self, condition: str, value: str) -> MaskRow | None:
        found = f"SELECT id, image, labels, classes, deleted FROM masks WHERE {condition}"
        row = self._sql.execute(found, (value,)).fetchone()
        if row is None:
            return None
        given, image, labels, classes, deleted = row
        return MaskRow(given, image, labels, tuple(json.loads(classes)), bool(deleted))

    def stroke(self, given: str) -> StrokeRow | None:
        """A stroke, deleted or not."""
        found = "SELECT id, mask, class, radius, path, deleted FROM strokes WHERE id=?"
        row = self._sql.execute(found, (given,)).fetchone()
        if row is None:
            return None
        given, of, label, radius, path, deleted = row
        return StrokeRow(given, of, label, radius, tuple(json.loads(path)), bool(deleted))

    def strokes_of(self, mask: str) -> list[StrokeRow]:
        """Strokes on a mask, in the order they were made."""
        found = "SELECT id, mask, class, radius, path FROM strokes WHERE mask=? AND deleted=0 ORDER BY place"
        rows = self._sql.execute(found, (mask,))
        return [StrokeRow(given, of, label, radius, tuple(json.loads(path))) for given, of, label, radius, path in rows]

    def delete_mask(self, given: str, seq: int, client: str, *, deleted: bool) -> None:
        """Mark a mask as deleted, or not."""
        self._delete("masks", given, seq, client, deleted)

    def delete_stroke(self, given: str, seq: int, client: str, *, deleted: bool) -> None:
        """Mark a stroke as deleted, or not."""
        self._delete("strokes", given, seq, client, deleted)

    def _delete(self, table: str, given: str, seq: int, client: str, deleted: bool) -> None:
        change = f"UPDATE {table} SET deleted=?, version=?, client=? WHERE id=?"
        self._sql.execute(change, (int(deleted), seq, client, given))

    def mask_versions(self) -> dict[str, int]:
        """The last operation that changed the mask of each image that ever had one."""
        found = (
            "SELECT image, max(max(masks.version), coalesce(max(strokes.version), 0)) FROM masks "
            "LEFT JOIN strokes ON strokes.mask=masks.id GROUP BY image"
        )
        return dict(self._sql.execute(found))

    def masked(self) -> tuple[str, ...]:
        """Names of the images that have a mask."""
        found = self._sql.execute("SELECT DISTINCT image FROM masks WHERE deleted=0 ORDER BY image")
        return tuple(image for (image,) in found)
