"""What the tables of the store hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointillist.points.questions import ANSWER, QUESTION, SECONDS, SOURCE

CREATE = """
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

QUESTIONS = """
ALTER TABLE points ADD COLUMN question TEXT CHECK(class<>'' OR question IS NOT NULL);
ALTER TABLE points ADD COLUMN seconds REAL;
CREATE INDEX questions ON points(deleted, question, image) WHERE question IS NOT NULL;
CREATE INDEX answer_seconds ON points(deleted, seconds) WHERE seconds IS NOT NULL;
"""
"""What format 2 adds: questions. Only they may have no class, as `class` then is ''; `question` says how one stands
(`OPEN`, `NAMED`, or an answer that names no class), `seconds` how long its answer took. Both follow from `extra`."""

OPEN, NAMED = "open", "named"

AUDIT, AUDIT_OPEN, AUDITED = "\0audit", "audit", "audited"
"""Key of the further columns of a question of an audit, which no file can have as a column, and how such a question
stands. Its answer, the id of a class or '', is under that key, not in `class`: what learns from points misses it."""

DRAW = "\0draw"
"""Key of the number of the draw that a question of an audit belongs to, from 1."""


@dataclass(frozen=True)
class ClassRow:
    """A class; `values` are what masks have for it where that is not its index."""

    id: str
    name: str
    color: str
    values: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PointRow:
    """A point, or a question, whose `label` is empty while it names no class.

    `image` is the image's name, `version` the operation that changed it last, `client` who did, and `extra` has the
    further columns of points.csv.
    """

    id: str
    image: str
    x: float
    y: float
    label: str
    version: int
    client: str
    deleted: bool
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def question(self) -> bool:
        """Whether the program chose this pixel."""
        return self.extra.get(SOURCE) == QUESTION

    @property
    def audit(self) -> bool:
        """Whether this is a question by which models are judged, and that none learns from."""
        return AUDIT in self.extra

    @property
    def answered(self) -> bool:
        """Whether a question has its answer."""
        return bool(self.label or self.extra.get(ANSWER) or self.extra.get(AUDIT))


def derived(label: str, extra: Mapping[str, str]) -> tuple[str | None, str | None, float | None]:
    """What is stored of the further columns: all of them, and how a question stands and how long it took."""
    text = json.dumps(dict(extra)) if extra else None
    if extra.get(SOURCE) != QUESTION:
        return text, None, None
    if AUDIT in extra:
        return text, AUDITED if extra[AUDIT] or extra.get(ANSWER) else AUDIT_OPEN, None
    try:
        seconds = float(extra.get(SECONDS) or "nan")
    except ValueError:
        seconds = math.nan  # others wrote it; it stays in the file
    state = NAMED if label else extra.get(ANSWER) or OPEN
    return text, state, seconds if 0 <= seconds < math.inf else None
