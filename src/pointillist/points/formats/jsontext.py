"""Reading JSON that strangers wrote: every mistake is named by its key path, in bounded time and memory."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointillist.errors import PointsError
from pointillist.points.formats.files import read_label_text, write_label_text

MAX_VALUES = 20_000_000
"""A list of that many empty lists takes more than 1 GB; real label files have a tenth of it."""


@dataclass(slots=True, eq=False)
class Node:
    """A value of a JSON file that knows where it stands.

    What asks it for a number, text, a list, an object or a key raises a `PointsError` that names the key path, where
    the value is none or the key is missing.

    Args:
        value: What `json` made of it.
        file: The file.
        field: Key path, empty for the whole.
    """

    value: Any
    file: Path
    field: str = ""

    def fail(self, found: str, hint: str = "Correct this value, or export the file again.") -> PointsError:
        """An error at this place."""
        return PointsError(found, where=self.file, field=self.field or None, hint=hint)

    @property
    def place(self) -> str:
        """File name and key path, for messages about a point."""
        return f"{self.file.name}, {self.field}"

    def maybe(self, key: str) -> Node | None:
        """The value of a key of this object; None where it is missing or null."""
        value = self.items().get(key)
        return None if value is None else self._child(value, key)

    def get(self, key: str) -> Node:
        """The value of a key that must be there."""
        found = self.maybe(key)
        if found is None:
            raise self.fail(f"'{key}' is missing.", "Add it, or export the file again.")
        return found

    def items(self) -> dict[str, Any]:
        """The content of this object."""
        if not isinstance(self.value, dict):
            raise self.fail(f"found {_brief(self.value)} in place of an object {{…}}.")
        return self.value

    def members(self) -> Iterator[tuple[str, Node]]:
        """Keys and values of this object."""
        for key, value in self.items().items():
            yield key, self._child(value, key)

    def each(self) -> Iterator[Node]:
        """The entries of this list."""
        if not isinstance(self.value, list):
            raise self.fail(f"found {_brief(self.value)} in place of a list […].")
        for index, value in enumerate(self.value):
            yield Node(value, self.file, f"{self.field}[{index}]")

    def number(self) -> float:
        """A number, which may be NaN or infinite; text that looks like one is none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.fail(f"found {_brief(self.value)}, which is no number.", "Write a number without quotes.")
        try:
            return float(self.value)
        except OverflowError:
            return math.inf

    def integer(self) -> int:
        """A whole number."""
        number = self.number()
        if not number.is_integer():
            raise self.fail(f"found {_brief(self.value)}, which is no whole number.")
        return int(number)

    def text(self) -> str:
        """Text that can be the name of a class or an image."""
        if not isinstance(self.value, str):
            raise self.fail(f"found {_brief(self.value)} in place of text.", "Put it into quotes.")
        name = self.value.strip()
        # A lone half of a surrogate pair is legal in JSON, but no file can be written with it.
        if not name or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in name):
            raise self.fail(f"{_brief(self.value)} is no usable name.", "Use printable characters.")
        return name

    def _child(self, value: Any, key: str) -> Node:
        return Node(value, self.file, f"{self.field}.{key}" if self.field else key)


def read_json(path: Path) -> Node:
    """Read a JSON file.

    Raises:
        PointsError: It cannot be read, is no JSON, names a key twice, is nested too deeply or too large.
    """
    text = read_label_text(path)
    _check_values(text, path, "Is this the right file?")
    try:
        return Node(json.loads(text, object_pairs_hook=unique_keys), path)
    except json.JSONDecodeError as error:
        raise PointsError(
            f"is not valid JSON: {error.msg} at column {error.colno}.",
            where=path,
            line=error.lineno,
            hint="The file may be truncated; export or fetch it again.",
        ) from error
    except RecursionError as error:
        raise PointsError("is nested too deeply.", where=path, hint="Is this the right file?") from error
    except ValueError as error:
        # A key that is there twice, or a number of more than 4,300 digits.
        raise PointsError(f"cannot be used: {error}.", where=path, hint="Export or fetch the file again.") from error


def _check_values(text: str, path: Path, hint: str) -> None:
    if text.count(",") + text.count("[") + text.count("{") > MAX_VALUES:
        raise PointsError(f"has more than {MAX_VALUES:,} values.", where=path, hint=hint)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        PointsError: It would be refused when it is read: too many values or bytes.
        SaveError: It cannot be written.
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    _check_values(text, path, "Split the points, or choose another format: a points.csv holds more.")
    write_label_text(path, text)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, as `json` makes it.

    Raises:
        ValueError: A key is there twice.
    """
    # Without this the earlier of two entries, with all its points, would vanish without a word.
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {_brief(twice)} is there twice")
    return found


def _brief(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object {…}" if isinstance(value, dict) else "a list […]"
    text = "null" if value is None else repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}…"
