"""The words of docs/glossary.md: what it points to exists, and what it replaces is gone."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
MADE = {"results.md", "results-thumbnails.md", "settings.md"}
"""Pages that are written by `make docs`, partly from result files with names of their time."""
OLD_HEADING = "## Old words"


def rows(part: str) -> list[list[str]]:
    """Cells of the tables of a part of the page, headings and rules left out."""
    found = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in part.splitlines() if line[:2] == "| "]
    return [row for row in found if row[0] not in ("word", "old word")]


NEW, OLD = GLOSSARY.read_text(encoding="utf-8").split(OLD_HEADING)
PLACES = sorted({name for row in rows(NEW) for name in re.findall(r"`([\w.]+)`", row[-1]) if len(row) == 3})
OLD_WORDS = [word.strip() for row in rows(OLD) for word in row[0].split(",")]


def attribute(home: Any, name: str) -> Any:
    """An attribute of a module or class; of a class also a field that has no default."""
    if hasattr(home, name):
        return getattr(home, name)
    fields = {key: None for kind in getattr(home, "__mro__", ()) for key in getattr(kind, "__annotations__", {})}
    assert name in fields, f"{home.__name__} has no {name}"
    return fields[name]


@pytest.mark.parametrize("place", PLACES)
def test_the_place_in_code_exists(place: str) -> None:
    parts = ["pointillist", *place.split(".")]
    for length in range(len(parts), 1, -1):
        try:
            home: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            home = attribute(home, name)
        return
    pytest.fail(f"there is no module for {place}")


def sentences() -> Iterator[tuple[Path, str]]:
    """What users read: the pages, the words of commands and reports."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if page.name in MADE:
            continue
        text = page.read_text(encoding="utf-8").partition(OLD_HEADING)[0]
        yield page, re.sub(r"<!-- results: begin.*?<!-- results: end -->", "", text, flags=re.DOTALL)
    source = ROOT / "src" / "pointillist"
    for path in (*sorted((source / "cli").glob("*.py")), *sorted((source / "report").glob("*.py")), source / "demo.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # One word alone is a key or a name, not a sentence.
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield path, node.value
    for path in sorted((source / "report").glob("*.jinja")):
        yield path, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", OLD_WORDS)
def test_old_words_are_gone(word: str) -> None:
    pattern = re.compile(r"(?<![\w-])" + r"\s+".join(map(re.escape, word.split())) + r"(?![\w-])", re.IGNORECASE)
    for path, text in sentences():
        found = pattern.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {text[max(0, found.start() - 60) : found.end() + 60]!r}"
