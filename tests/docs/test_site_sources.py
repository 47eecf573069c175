"""Every page has its place in the site, and every public name a place in its reference."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import pointillist
import pointillist.pseudomask
from pointillist.registry import BASES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class _Loader(yaml.SafeLoader):
    """Reads a file whose Python objects do not matter here."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *found: found[1])
CONFIG = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)


def leaves(nav: Any) -> Iterator[str]:
    """Pages of a part of the menu."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from leaves(part)


MENU = list(leaves(CONFIG["nav"]))


def test_every_page_is_in_the_menu_once() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    notebooks = {f"tutorials/{path.stem}.md" for path in (DOCS / "tutorials").glob("*.py")}
    made = {page for page in MENU if page.startswith("project/")} | {"reference/cli.md"}
    assert sorted(MENU) == sorted(pages | notebooks | made)


def test_nothing_is_loaded_from_other_hosts() -> None:
    assert CONFIG["theme"]["font"] is False
    assert CONFIG["extra"] == {"generator": False}
    assert {"search", "offline"} <= {plugin for plugin in CONFIG["plugins"] if isinstance(plugin, str)}
    for key in ("extra_javascript", "extra_css"):
        assert not [url for url in CONFIG.get(key, []) if "//" in url]


def reference() -> set[str]:
    """What the reference describes."""
    pages = (path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))
    return {name for page in pages for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)}


PUBLIC = [
    *(f"pointillist.{name}" for name in pointillist.__all__ if not name.startswith("_")),
    *(f"pointillist.pseudomask.{name}" for name in pointillist.pseudomask.__all__),
    *BASES,
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_in_the_reference_and_says_what_it_is(name: str) -> None:
    module, _, last = name.rpartition(".")
    thing = getattr(importlib.import_module(module), last)
    # The same thing under its first name counts, and so does the module that holds it.
    names = {name, module, f"pointillist.pseudomask.{last}"}
    names |= {f"{thing.__module__}.{last}", thing.__module__} if hasattr(thing, "__module__") else set()
    assert names & reference(), f"{name} is on no page of docs/reference/"
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert (inspect.getdoc(thing) or "").strip()


@pytest.mark.parametrize("name", sorted(reference()))
def test_what_the_reference_describes_exists(name: str) -> None:
    module, _, last = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), last), f"there is no {name}"


def names_in_links(text: str) -> Iterator[str]:
    """Targets of the links of a page of Markdown."""
    for target in re.findall(r"\]\(([^()\s]+)\)", text):
        if not re.match(r"\w+:", target):
            yield target.partition("#")[0]


@pytest.mark.parametrize("path", sorted((DOCS / "tutorials").glob("*.py")), ids=lambda path: path.stem)
def test_links_of_tutorials_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ast.parse(text)
    for target in names_in_links("\n".join(line for line in text.splitlines() if line.startswith("# "))):
        assert (path.parent / target).exists(), f"{target}: there is no such file"
