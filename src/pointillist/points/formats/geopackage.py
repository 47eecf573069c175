"""Layers of points of a GeoPackage, which is an SQLite database and may be a stranger's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pointillist.errors import PointsError
from pointillist.points.formats.files import MAX_BYTES
from pointillist.points.formats.gis_files import (
    Found,
    checked_start,
    damaged,
    find_class_field,
    found_points,
    without_crs,
)
from pointillist.points.formats.writable import MAX_POINTS
from pointillist.points.names import listed
from pointillist.points.questions import COLUMNS

SQLITE = "SQLite format 3\0"
"""First bytes, as text."""


def read_geopackage(path: Path, class_field: str | None, layer: str | None) -> Found:
    """Read the points of a layer of a GeoPackage, that of its only layer with points if none is named.

    Only ordinary tables are read: no views, no virtual tables, and nothing that computes.

    Raises:
        PointsError: See `read_geojson`; also, there is no such layer, or it is no ordinary table.
    """
    with _database(path) as ask:
        layers = {
            str(row[0]): row[1:]
            for row in ask(
                "SELECT c.table_name, g.column_name, g.geometry_type_name, g.srs_id FROM gpkg_contents c "
                "JOIN gpkg_geometry_columns g ON g.table_name = c.table_name WHERE c.data_type = 'features'"
            )
        }
        table = _layer(layers, layer, path)
        geometry, _, srs = layers[table]
        for kind, made in ask("SELECT type, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", table):
            if kind == "view" or (kind == "table" and not str(made).upper().startswith("CREATE TABLE")):
                raise _no_table(f"the layer '{table}' is a {'view' if kind == 'view' else 'virtual table'}", path)
        systems = ask(
            "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?", srs
        )
        columns = ask(f"PRAGMA table_xinfo({_quoted(table)})")
        if any(column[-1] for column in columns):
            raise _no_table(f"the layer '{table}' has computed columns", path)
        fields = [str(column[1]) for column in columns if column[1] != geometry]
        wanted = [find_class_field(fields, class_field, path), *(name for name in COLUMNS if name in fields)]
        selected = ", ".join(_quoted(name) for name in (str(geometry), *wanted))
        rows = ask(f"SELECT {selected} FROM {_quoted(table)} LIMIT {MAX_POINTS + 1}")
    organization, code, definition = systems[0] if systems else ("NONE", 0, "undefined")
    if str(definition).lower() == "undefined" and str(organization).upper() != "EPSG":
        raise without_crs(path)
    crs = f"EPSG:{code}" if str(organization).upper() == "EPSG" else str(definition)
    return found_points(crs, [_wkb(row[0]) for row in rows], wanted, (row[1:] for row in rows), path)


@contextmanager
def _database(path: Path) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Open a GeoPackage and give what gets the rows of a query; in the block nothing is run but reads of tables.

    Raises:
        PointsError: It is none, or damaged; also in the block.
    """
    address = f"{checked_start(path, SQLITE, 'GeoPackage').resolve().as_uri()}?mode=ro"
    # What a program that has it open has saved is in a file beside it, until it is closed. Without one, none is made.
    if not path.with_name(f"{path.name}-wal").exists():
        address += "&immutable=1"

    def may(action: int, what: str | None, _: str | None, __: str | None, inside: str | None) -> int:
        # `inside` is the view or trigger that asks.
        reads = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ) and inside is None
        asks = action == sqlite3.SQLITE_PRAGMA and what == "table_xinfo"
        return sqlite3.SQLITE_OK if reads or asks else sqlite3.SQLITE_DENY

    try:
        connection = sqlite3.connect(address, uri=True)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
            connection.set_authorizer(may)
            yield lambda query, *values: connection.execute(query, values).fetchall()
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # what it says of damage quotes the file
        raise damaged(path, "GeoPackage", error) from error


def _layer(layers: dict[str, tuple[Any, ...]], wanted: str | None, path: Path) -> str:
    """The table to read."""
    if not layers:
        raise PointsError("has no layer of features.", where=path, hint="Export the layer with the clicks.")
    points = [name for name, (_, kind, _) in layers.items() if str(kind).upper() in ("POINT", "MULTIPOINT")]
    if wanted is None and 1 in (len(points), len(layers)):
        return points[0] if len(points) == 1 else next(iter(layers))
    if wanted not in layers:
        raise PointsError(
            f"has the layers {listed(list(layers))}." if wanted is None else f"has no layer '{wanted}'.",
            where=path,
            field="layer",
            hint=f"Say which one has the clicks: --set layer={(points or list(layers))[0]}.",
        )
    return wanted


def _no_table(found: str, path: Path) -> PointsError:
    hint = "Export the points into a new GeoPackage."
    return PointsError(f"{found}; only plain tables are read.", where=path, field="layer", hint=hint)


def _wkb(blob: Any) -> bytes | None:
    """The geometry of a GeoPackage without its header, whose length follows from its flags; None for what is none."""
    if not isinstance(blob, bytes) or blob[:2] != b"GP" or len(blob) < 8:
        return None
    envelope = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}.get(blob[3] >> 1 & 7)
    return None if envelope is None else blob[8 + envelope :]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
