"""What others wrote into the label files, merged into the store; only what they removed themselves goes."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pointillist.annotator.labels.applying import check_class_count, check_class_name, free_color
from pointillist.annotator.labels.rows import ClassRow, PointRow
from pointillist.annotator.labels.tables import Tables
from pointillist.classes import parse_color
from pointillist.data.dataset_file import DatasetFile
from pointillist.errors import DatasetError
from pointillist.files import read_yaml
from pointillist.naming import class_key
from pointillist.points.questions import ANSWER, QUESTION, SOURCE
from pointillist.points.table import Point, PointTable
from pointillist.schema import parse

CLIENT = "label-files"
"""Who made the changes that come from the files."""

Row = tuple[str, float, float, str, tuple[tuple[str, str], ...]]
"""A line of points.csv: image, x, y, class name, empty where a question names none, and the further columns that are
not empty."""


def merge_points(tables: Tables, found: PointTable, before: Counter[Row], digest: str) -> None:
    """Make the changes that lead from what was written to what is found there."""
    ids, _ = class_ids(tables, found)
    tables.add_columns(found.columns)
    names = {row.id: row.name for row in tables.classes()} | {"": ""}
    # Other programs may write the same letters in another way.
    here = [replace(point, label=names[ids[point.label]] if point.label else "") for point in found.rows]
    ids = {name: given for given, name in names.items()}
    live: dict[Row, list[str]] = defaultdict(list)
    for given, image, x, y, label, more in (*tables.all_points(), *tables.all_points(unnamed=True)):
        live[_row(image, x, y, names[label], more)].append(given)
    after = Counter(rows_of(here))
    seq = tables.seq() + 1
    for mine, theirs in _same_questions(live, before, after):
        given = live[mine].pop()
        image, x, y, label, extra = theirs
        tables.change_point(PointRow(given, image, x, y, ids[label], seq, CLIENT, False, dict(extra)))
        live[theirs].append(given)
    for row, count in (before - after).items():
        for given in live[row][:count]:
            tables.delete_point(given, seq, CLIENT)
        live[row] = live[row][count:]
    # A row that the store has already is no second point.
    needed = Counter({row: min(n, after[row] - len(live[row])) for row, n in (after - before).items()})
    for number, row in enumerate(rows_of(here)):
        if needed[row] > 0:
            needed[row] -= 1
            image, x, y, label, extra = row
            point = PointRow(uuid.uuid4().hex, image, x, y, ids[label], seq, CLIENT, False, dict(extra))
            tables.put_point(point, number=number)
    _took_in(tables, "points", digest)


def _same_questions(live: Mapping[Row, list[str]], before: Counter[Row], after: Counter[Row]) -> list[tuple[Row, Row]]:
    """Questions that stand otherwise here than in the file are one question each: (as it is here, as it becomes).

    Who answered it since the file was written stays in the right; of two who did, the one here. `before` and `after`
    are changed to agree.
    """
    here = Counter({row: len(given) for row, given in live.items() if _is_question(row)})
    found = Counter({row: count for row, count in after.items() if _is_question(row)})
    by_place: dict[tuple[str, float, float], list[Row]] = defaultdict(list)
    for row in (here - found).elements():
        by_place[row[:3]].append(row)
    changes = []
    for theirs in (found - here).elements():
        if not by_place[theirs[:3]]:
            continue
        mine = by_place[theirs[:3]].pop()
        if before[theirs]:  # it was changed here alone
            _swap((before, after), theirs, mine)
        elif before[mine] or (_is_answered(theirs) and not _is_answered(mine)):  # there
            changes.append((mine, theirs))
            _swap([before] if before[mine] else [], mine, theirs)
        else:  # in both
            _swap([after], theirs, mine)
    return changes


def _swap(counters: Iterable[Counter[Row]], old: Row, new: Row) -> None:
    for counter in counters:
        counter[old] -= 1
        counter[new] += 1


def _is_question(row: Row) -> bool:
    return (SOURCE, QUESTION) in row[4]


def _is_answered(row: Row) -> bool:
    return bool(row[3]) or ANSWER in dict(row[4])


def rows_of(points: Iterable[Point]) -> list[Row]:
    """Points as lines, to be compared with others."""
    return [_row(point.image, point.x, point.y, point.label, point.extra) for point in points]


def _row(image: str, x: float, y: float, label: str, extra: Mapping[str, str]) -> Row:
    return image, x, y, label, tuple(sorted((key, value) for key, value in extra.items() if value))


def class_ids(tables: Tables, points: Iterable[Point]) -> tuple[dict[str, str], list[str]]:
    """Ids of all classes by their names, and the names of those that these points brought."""
    ids = {class_key(row.name): row.id for row in tables.classes()}
    labels = list(dict.fromkeys(point.label for point in points))
    added = list({class_key(label): label for label in reversed(labels) if class_key(label) not in ids}.values())[::-1]
    check_class_count(len(ids) + len(added))
    ids |= {class_key(label): _new_class(tables, label) for label in added}
    return {label: ids[class_key(label)] for label in labels}, added


def _new_class(tables: Tables, name: str, color: str | None = None, values: tuple[int, ...] | None = None) -> str:
    """Add a class that a file names, and give its id; a colour that is free is chosen where it has none."""
    check_class_name(name)
    background = name.casefold() == "background"
    row = ClassRow(uuid.uuid4().hex, name, (color or free_color(tables, background=background)).lower(), values)
    tables.add_class(row)
    if background and not tables.background()[0]:
        # A file that names a class so means it.
        tables.set_background(row.id, "points")
    return row.id


def read_classes(path: Path) -> DatasetFile:
    """What a `dataset.yaml` says of its classes, which may be fewer than a training needs.

    Raises:
        DatasetError: It cannot be read, or has classes that no data set can have.
    """
    settings = parse(DatasetFile, read_yaml(path, DatasetError), DatasetError, path)
    if len(settings.classes) > 1:
        settings.class_set()
    for entry in settings.classes:
        check_class_name(entry.name)
        if entry.color is not None:
            parse_color(entry.color)
    settings.mask_values()
    return settings


def merge_classes(tables: Tables, settings: DatasetFile, digest: str) -> None:
    """The file's owner decides on names, order, colours and background; a class that has points stays."""
    present = {class_key(row.name): row for row in tables.classes()}
    with_points = tables.points_by_class()
    order: list[str] = []
    for entry in settings.classes:
        values = (entry.value,) if isinstance(entry.value, int) else entry.value
        if class_key(entry.name) in present:
            given = present[class_key(entry.name)].id
            if entry.color is not None:
                tables.change_class(given, color=entry.color.lower())
            tables.set_mask_values(given, values)
        else:
            given = _new_class(tables, entry.name, entry.color, values)
        order.append(given)
    for row in present.values():
        if row.id not in order:
            if with_points.get(row.id):
                order.append(row.id)
            else:
                tables.change_class(row.id, removed=True)
    check_class_count(len(order))
    for position, given in enumerate(order):
        tables.change_class(given, position=position)
    long = None if isinstance(settings.background, str) else settings.background
    policy = settings.background if isinstance(settings.background, str) else settings.background.policy
    ids = {class_key(row.name): row.id for row in tables.classes()}
    named = ids.get(class_key(long.class_)) if long is not None and long.class_ is not None else None
    tables.set_background("" if policy == "none" or not order else named or order[0], policy)
    _took_in(tables, "classes", digest)


def _took_in(tables: Tables, kind: str, digest: str) -> None:
    """Note what a file has that was taken in; what was to be written before is in the past."""
    tables.log(tables.seq() + 1, CLIENT, {"kind": "file", "images": None})
    tables.set_metadata(f"{kind} written", digest)
    tables.set_metadata(f"{kind} writing", digest)
