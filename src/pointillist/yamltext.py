"""YAML that strangers wrote: every mistake is one error, in bounded time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pointillist.errors import PointillistError

MAX_BYTES = 2**20
"""Of a file; one with 10,000 classes has half of it."""

MAX_VALUES = 50_000
"""Values, counted as often as they are named again (`*name`)."""

MAX_DEPTH = 32
"""Lists and mappings inside each other; settings have five."""


class _Bounded(yaml.SafeLoader):
    """Counts while it reads, before anything is made of it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        alias = isinstance(event, yaml.AliasEvent)
        if alias and event.anchor not in self._sizes:
            raise yaml.MarkedYAMLError(
                problem=f"*{event.anchor:.60} names nothing above", problem_mark=event.start_mark
            )
        before = self._values
        self._values += self._sizes[event.anchor] if alias else 1
        self._depth += 1
        if self._depth > MAX_DEPTH or self._values > MAX_VALUES:
            problem = f"it is nested more than {MAX_DEPTH} deep"
            if self._depth <= MAX_DEPTH:
                problem = f"it has more than {MAX_VALUES:,} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not alias and event.anchor is not None:
            self._sizes[event.anchor] = self._values - before
        return node


def render_yaml(
    content: Any, kind: type[PointillistError], where: str | Path | None = None, *, short: bool = False
) -> str:
    """Plain values as YAML that `parse_yaml` reads again; `short` writes small lists and mappings on one line.

    Raises:
        kind: It is too large to be read again.
    """
    style: dict[str, Any] = {"default_flow_style": None, "width": 110} if short else {}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, **style)
    # A value takes two characters at least, so short text needs no counting.
    if len(text) > MAX_VALUES:
        if len(text.encode()) > MAX_BYTES:
            found = f"would have more than {MAX_BYTES:,} bytes."
            raise kind(found, where=where, hint="Name fewer things in it.")
        parse_yaml(text, kind, where=where)
    return text


def parse_yaml(
    text: str, kind: type[PointillistError], *, where: str | Path | None = None, field: str | None = None
) -> Any:
    """Read YAML; no tag in it makes anything but plain values.

    Args:
        text: The whole, or one value.
        kind: Of the error.
        where: The file, for messages.
        field: The option or setting, for messages.

    Raises:
        kind: It is no YAML, too deep or too large, or a value cannot be, such as a 13th month.
    """
    try:
        return yaml.load(text, Loader=_Bounded)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None or where is None else mark.line + 1
        found = f"is not valid YAML: {getattr(error, 'problem', None) or str(error).partition(chr(10))[0]:.300}."
        hint = "Mend that line; indentation and colons matter." if field is None else "Quote it."
        raise kind(found, where=where, line=line, field=field, hint=hint) from error
    except (ValueError, TypeError, AttributeError, OverflowError, KeyError, IndexError, RecursionError) as error:
        # What is tagged or written as a date or number, and is none; PyYAML says so in many ways.
        found = f"has a date or a number that cannot be ({error!s:.200})."
        raise kind(found, where=where, field=field, hint="Put text into quotes.") from error
