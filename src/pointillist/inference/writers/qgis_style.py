"""The colours of the classes in a GeoPackage, where QGIS looks for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from pointillist.classes import ClassSet

TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)
"""
"""As QGIS makes it when a style is saved in a GeoPackage."""

COLUMNS = "f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, useAsDefault"

OPACITY = 0.6
"""What is below can be seen."""


def write_style(path: Path, layer: str, column: str, classes: ClassSet) -> None:
    """Put a style for a layer of polygons into a GeoPackage: a colour for each class.

    Args:
        path: The GeoPackage, which no other program has open.
        layer: Its layer.
        column: The column with the names of the classes.
        classes: Names and colours.

    Raises:
        OSError: It cannot be written.
    """
    try:
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(TABLE)
            style = ("", "", layer, "geom", "classes", _qml(column, classes), 1)
            file.execute(f"INSERT INTO layer_styles ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", style)
            what = "(table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 'layer_styles')"
            file.execute(f"INSERT INTO gpkg_contents {what}")
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _qml(column: str, classes: ClassSet) -> str:
    """The style in QGIS' own language."""
    root = Element("qgis")
    renderer = SubElement(root, "renderer-v2", type="categorizedSymbol", attr=column, enableorderby="0")
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for number, (name, color) in enumerate(zip(classes, classes.colors, strict=True)):
        SubElement(categories, "category", value=name, label=name, symbol=str(number), render="true", type="string")
        symbol = SubElement(symbols, "symbol", type="fill", name=str(number), alpha=str(OPACITY))
        fill = SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
        for key in ("color", "outline_color"):
            SubElement(fill, "prop", k=key, v=",".join(map(str, (*color, 255))))
    return tostring(root, encoding="unicode")
