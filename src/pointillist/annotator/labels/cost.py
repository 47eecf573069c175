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


def count(tables: Tables, client: str, operation: Operation, clicks: int) -> None:
    """Count `clicks` more (−1 for an undone one), and the time between operations of a tab at most `IDLE` apart."""
    if not isinstance(operation, ops.Add | ops.Change | ops.Correction) or ops.of_audit(operation):
        return
    now = time()
    last = float(tables.metadata(f"last {client}") or now)
    if 0 < now - last <= IDLE:
        # Answers make no click dearer.
        work = ANSWERING if isinstance(operation, ops.Answer | ops.Reopen) else CLICKING
        tables.set_metadata(work, repr(float(tables.metadata(work) or 0) + now - last))
    tables.set_metadata(f"last {client}", repr(now))
    if clicks:
        tables.set_metadata("clicks", str(max(0, int(tables.metadata("clicks") or 0) + clicks)))


def cost(tables: Tables) -> dict[str, Any]:
    """Clicks that are there, answers, minutes, seconds per click, and the median of the seconds that pages measured."""
    clicks = int(tables.metadata("clicks") or 0)
    clicking, answering = (float(tables.metadata(work) or 0) for work in (CLICKING, ANSWERING))
    return {
        "clicks": clicks,
        "minutes": round((clicking + answering) / 60, 2),
        "seconds_per_click": round(clicking / clicks, 2) if clicks else None,
        "answers": tables.answers(),
        "seconds_per_answer": tables.seconds_per_answer(),
    }
