"""The columns of questions in files of other tools, where they are attributes of a point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pointillist.errors import PointsError
from pointillist.naming import has_controls
from pointillist.points.questions import COLUMNS, QUESTION, SOURCE, is_question
from pointillist.points.table import NO_EXTRA, Point, PointTable

Keeps = tuple[str, ...] | Literal["all"]
"""Names of the further columns that a format keeps, often `questions.COLUMNS`."""


def attributes(given: Mapping[str, Any]) -> Mapping[str, str]:
    """What is given for the columns of questions, without the empty ones.

    Other tools use these words for purposes of their own, too: only one line of text and numbers, which become text,
    can be ours.
    """
    if not given:
        return NO_EXTRA
    texts = {name: _text(given.get(name)) for name in COLUMNS}
    return {name: text for name, text in texts.items() if text} or NO_EXTRA


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    if isinstance(value, str):
        return "" if has_controls(value) else value
    # A missing number of a GIS is NaN.
    return "" if math.isnan(value) else repr(value)


def label_or_question(label: str | None, extra: Mapping[str, str]) -> str | None:
    """The class of a point, "" for a question without one; None for a point without one, which is no use."""
    return label or ("" if extra.get(SOURCE) == QUESTION else None)


def table_of(
    points: Iterable[Point],
    columns: Iterable[str] | None = None,
    *,
    listed: Iterable[str] = (),
    skipped: Mapping[str, int] | None = None,
) -> PointTable:
    """A table of points and questions without a class, told by the label "".

    Without `columns` it has those of questions: all of them if there is a question, else those that are there.
    """
    named: list[Point] = []
    unnamed: list[Point] = []
    there: set[str] = set()
    for point in points:
        (named if point.label else unnamed).append(point)
        there |= point.extra.keys()
    if columns is None:
        asked = unnamed or any(map(is_question, named))
        columns = [name for name in COLUMNS if asked or name in there]
    return PointTable(named, columns, listed=listed, skipped=skipped, unnamed=unnamed)


def check_attributes(table: PointTable, path: Path) -> None:
    """Refuse what `attributes` would not read again.

    Raises:
        PointsError: A column of questions has more than one line of text.
    """
    for point in chain(table, table.unnamed):
        for name in COLUMNS if point.extra else ():
            if has_controls(value := point.extra.get(name, "")):
                found = f"{value[:60]!r} at ({point.x:g}, {point.y:g}) of image '{point.image}' is no line of text."
                raise PointsError(found, where=path, field=name, hint="Use printable characters without line breaks.")


def in_words(keeps: Keeps, keeps_unnamed: bool) -> str:
    """What a format keeps, for listings."""
    kept = "all" if keeps == "all" else "of questions" if keeps == COLUMNS else ", ".join(keeps) or "none"
    return f"{kept}; no class needed" if keeps_unnamed else kept


def what_is_lost(table: PointTable, keeps: Keeps, keeps_unnamed: bool) -> str | None:
    """What a format that keeps so much has no place for, in words; None when it keeps everything."""
    rows = table.rows if keeps_unnamed else table
    kept = table.columns if keeps == "all" else keeps
    columns = [name for name in table.columns if name not in kept and any(point.extra.get(name) for point in rows)]
    lost = []
    if columns:
        lost.append(f"it has no place for {', '.join(columns)}")
    if SOURCE in columns and (answers := sum(map(is_question, rows))):
        lost.append(f"{answers:,} {'answer becomes a plain click' if answers == 1 else 'answers become plain clicks'}")
    if table.unnamed and not keeps_unnamed:
        many = len(table.unnamed)
        lost.append(f"{many:,} question{' without a class is' if many == 1 else 's without a class are'} left out")
    return "; ".join(lost) or None
