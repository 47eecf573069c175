"""What the pages tell a reader to type can be typed, and what they point to is there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from pointillist.cli import app
from pointillist.registry import VARIABLE
from pointillist.training.config import make_config

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
]
FENCE = re.compile(r"^( *)(```+)(\w*)[^\n]*\n(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
OWN = re.compile(r"^(?:src|docs|tests|benchmarks)/[^\s…]+$")
"""Code spans that name a file of the repository."""
A_TEST = re.compile(r"^(?:[\w/]*/)?test_\w+\.py(?:::\w+)*$")


class Block(NamedTuple):
    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}: {self.text.strip().splitlines()[0][:60]}"


def blocks() -> list[Block]:
    return [
        Block(page, language, text)
        for page in PAGES
        for _, _, language, text in FENCE.findall(page.read_text(encoding="utf-8"))
    ]


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def commands(text: str) -> Iterator[list[str]]:
    """The `pointillist` command lines of a shell block; a loop's variable has its first value."""
    variables: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        loop = re.match(r"\s*for (\w+) in (\S+).*;\s*do", line)
        if loop:
            variables[loop[1]] = loop[2]
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words: list[str] = []
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for word in (*lexer, ";"):
            if set(word) <= set(";|&()<>"):
                while words and re.fullmatch(r"\w+=.*", words[0]):
                    words.pop(0)
                if words and words[0].rpartition("/")[2] == "pointillist":
                    yield words[1:]
                words = []
            else:
                words.append(word)


def parse(args: list[str]) -> tuple[str, dict[str, Any]]:
    """Name and parameters of the command, parsed as the command line parses them, and not executed."""
    command, name = typer.main.get_command(app), ""
    context = command.make_context("pointillist", list(args))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        _, command, rest = command.resolve_command(context, rest)
        name = f"{name} {command.name}".strip()
        context = command.make_context(command.name, rest, parent=context)
    return name, context.params


SHELL = [block for block in blocks() if block.language in ("sh", "bash", "") and list(commands(block.text))]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_known(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if block.page.name == "plugins.md":
        # Its commands use the plug-in that it shows.
        shown = next(other.text for other in blocks() if other.page == block.page and other.language == "python")
        (tmp_path / "plugin.py").write_text(shown, encoding="utf-8")
        monkeypatch.setenv(VARIABLE, str(tmp_path / "plugin.py"))
    for args in commands(block.text):
        try:
            name, given = parse(args)
        except Exception as error:
            pytest.fail(f"pointillist {shlex.join(args)}: {getattr(error, 'message', error)}")
        if name == "train":
            make_config(None, {"method": given["method"], "data.size": given["size"]}, given["set_"] or ())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_sentences_are_known(page: Path) -> None:
    for span in SPAN.findall(prose(page)):
        # `pointillist data get | convert` names several commands, `pointillist …` none in particular.
        if not re.match(r"pointillist [a-z]", span) or re.search(r"[…|]", span):
            continue
        for args in commands(span):
            try:
                parse(args)
            except Exception as error:
                # A sentence may name a command without what it needs.
                missing = "missing" in type(error).__name__.lower() or "noargs" in type(error).__name__.lower()
                assert missing, f"`{span}`: {getattr(error, 'message', error)}"


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "python"], ids=str)
def test_python_compiles_and_its_names_exist(block: Block) -> None:
    tree = ast.parse(block.text)
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name] = importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            home = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(home, alias.name), f"{node.module} has no {alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"{node.value.id} has no {node.attr}"


def anchors(page: Path) -> set[str]:
    """What can stand behind `#`, as GitHub makes it from headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = SPAN.sub("", prose(page))
    for target in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target}: there is no {file}"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    for span in SPAN.findall(prose(page)):
        path, _, names = span.partition("::")
        if OWN.match(path):
            assert list(ROOT.glob(path.rstrip("/"))), f"`{span}`: there is no such file"
        if A_TEST.match(span):
            files = [ROOT / path] if "/" in path else list((ROOT / "tests").rglob(path))
            assert files, f"`{span}`: there is no such test"
            for name in filter(None, names.split("::")):
                assert any(re.search(rf"(?:def|class) {name}\b", file.read_text()) for file in files), f"`{span}`"
