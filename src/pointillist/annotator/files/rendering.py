"""What `points.csv` and `dataset.yaml` say, made from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointillist.annotator.folder import DataFolder
from pointillist.annotator.labels.rows import ClassRow
from pointillist.annotator.labels.tables import Tables
from pointillist.data.dataset_file import DatasetFile
from pointillist.errors import DatasetError, PointillistError
from pointillist.files import read_text, read_yaml
from pointillist.points.table import Point, PointTable
from pointillist.yamltext import render_yaml


def point_table(tables: Tables) -> PointTable:
    """All points and questions, as points.csv has them."""
    names = {row.id: row.name for row in tables.classes()}
    points = (Point(image, x, y, names[c], extra) for _, image, x, y, c, extra in tables.all_points())
    unnamed = (Point(image, x, y, "", extra) for _, image, x, y, _, extra in tables.all_points(unnamed=True))
    return PointTable(points, tables.columns(), unnamed=unnamed)


def render_classes(tables: Tables, folder: DataFolder) -> str | None:
    """The content of dataset.yaml; None while there are too few classes for one."""
    path = folder.dataset_file
    classes = tables.classes()
    there = path.is_file()
    if len(classes) < 2 and not there:
        return None
    content: dict[str, Any] = read_yaml(path, DatasetError) if there else {}
    before = dict(content)
    entries: list[dict[str, Any]] = [{"name": row.name, "color": row.color} for row in classes]
    if any(row.values is not None for row in classes):
        given = values_of(classes, content.get("ignore_index", 255))
        for entry, values in zip(entries, given, strict=True):
            entry["value"] = values[0] if len(values) == 1 else list(values)
    content["classes"] = entries
    background, policy = tables.background()
    content["background"] = "none"
    for index, row in enumerate(classes):
        if row.id == background:
            content["background"] = policy if index == 0 else {"policy": policy, "class": row.name}
    if not there and folder.images_at_root:
        content["paths"] = {"images": "."}
    if there and _same_classes(before, content):
        return read_text(path, DatasetError)  # its owner's own words
    return render_yaml(content, DatasetError, path, short=True)


def values_of(classes: Sequence[ClassRow], ignored: int) -> list[tuple[int, ...]]:
    """The values of each class in masks: those that were declared, else its index, or the next free one."""
    if all(row.values is None for row in classes):
        return [(index,) for index in range(len(classes))]
    taken = {value for row in classes for value in row.values or ()} | {ignored}
    free = (value for value in range(256 + len(taken)) if value not in taken)
    return [row.values or (next(free),) for row in classes]


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
