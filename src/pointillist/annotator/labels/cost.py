"""What the labels have cost."""

from __future__ import annotations

from time import time
from typing import Any

from pointillist.annotator.labels import operations as ops
from pointillist.annotator.labels.operations import Operation
from pointillist.annotator.labels.tables import Tables

IDLE = 60.0
"""Seconds without an operation after which a person is taken to have left."""

CLICKING, ANSWERING = "seconds", "seconds of answers"


def count(tables: Tables, client: str, operation: Operation) -> None:
    """Count clicks, and the time between operations of one tab that are not further apart than `IDLE`."""
    if not isinstance(operation, ops.Add | ops.Change):
        return
    now = time()
    last = float(tables.metadata(f"last {client}") or now)
    if 0 < now - last <= IDLE:
        # Answers make no click dearer.
        work = ANSWERING if isinstance(operation, ops.Answer | ops.Reopen) else CLICKING
        tables.set_metadata(work, repr(float(tables.metadata(work) or 0) + now - last))
    tables.set_metadata(f"last {client}", repr(now))
    if isinstance(operation, ops.Add):
        tables.set_metadata("clicks", str(int(tables.metadata("clicks") or 0) + 1))


def cost(tables: Tables) -> dict[str, Any]:
    """Clicks, answers, minutes of work, seconds per click, and the median of the seconds that the page measured."""
    clicks = int(tables.metadata("clicks") or 0)
    clicking, answering = (float(tables.metadata(work) or 0) for work in (CLICKING, ANSWERING))
    return {
        "clicks": clicks,
        "minutes": round((clicking + answering) / 60, 2),
        "seconds_per_click": round(clicking / clicks, 2) if clicks else None,
        "answers": tables.answers(),
        "seconds_per_answer": tables.seconds_per_answer(),
    }
