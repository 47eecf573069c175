"""Every registered label format keeps the contract; a format that breaks its word is found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pointillist.errors import PointsError
from pointillist.points.formats import PointFormat, ReadContext, formats, recognise_format
from pointillist.points.formats.attributes import Keeps, in_words
from pointillist.points.formats.base import translated
from pointillist.points.formats.files import read_label_text
from pointillist.points.formats.native import NativeCsv
from pointillist.points.formats.options import FormatOptions, Origin, describe_options
from pointillist.points.table import Point, PointTable
from tests.points.format_contract import CHECKS, Check, Kind, context, made, table, target

DOCS = Path(__file__).parents[2] / "docs" / "label-formats.md"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(formats()))
def test_contract(name: str, check: Check, tmp_path: Path) -> None:
    check(formats()[name], tmp_path)


@pytest.mark.parametrize("name", sorted(formats()))
def test_no_other_format_takes_its_files(name: str, tmp_path: Path) -> None:
    kind = formats()[name]
    path = target(kind, tmp_path)
    made(kind).write(table(kind), path, context(kind))
    asked = {other: candidate() for other, candidate in formats().items() if candidate.priority >= 0}
    takers = {other for other, candidate in asked.items() if candidate.recognise(path)}
    assert takers <= {name}
    if takers or kind.priority < 0:
        assert recognise_format(path).name == name


class Wandering(NativeCsv):
    """Loses a tenth of a pixel."""

    name: ClassVar[str] = "wandering"

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        super()._write(PointTable([Point(p.image, p.x + 0.1, p.y, p.label) for p in table]), path, context)


class Forgetful(NativeCsv):
    """Says that it keeps all further columns, and loses one."""

    name: ClassVar[str] = "forgetful"

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        columns = [name for name in table.columns if name != "seconds"]
        super()._write(PointTable(table, columns, unnamed=table.unnamed), path, context)


class Modest(NativeCsv):
    """Keeps more than it says."""

    name: ClassVar[str] = "modest"
    keeps: ClassVar[Keeps] = ()


class Greedy(NativeCsv):
    """Takes any file."""

    name: ClassVar[str] = "greedy"
    priority: ClassVar[int] = 0

    def recognise(self, path: Path) -> bool:
        return True


class Careless(NativeCsv):
    """Lets errors of Python through."""

    name: ClassVar[str] = "careless"

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        return PointTable([Point("a.png", float(path.read_text()), 1.0, "cat")])


class Silent(NativeCsv):
    """Has an option that nobody explains."""

    class Options(FormatOptions):
        mystery: int = 0

    name: ClassVar[str] = "silent"


class OneFile(PointFormat):
    """A whole format: `image x y class` in lines, which keeps the contract without a line of tests."""

    name: ClassVar[str] = "one-file"
    title: ClassVar[str] = "lines"
    suffixes: ClassVar[tuple[str, ...]] = (".points",)
    origin: ClassVar[Origin] = "corner"

    def recognise(self, path: Path) -> bool:
        return path.is_file() and path.suffix in self.suffixes and path.read_bytes().startswith(b"points\t")

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points = []
        for number, line in enumerate(read_label_text(path).split("\n")[1:], start=2):
            cells = line.split("\t")
            try:
                image, x, y, label = cells[0], float(cells[1]), float(cells[2]), cells[3].strip()
            except (IndexError, ValueError):
                if not line:
                    continue
                raise PointsError("is no point.", where=path, line=number, hint="Write four values.") from None
            if not (image and label):
                raise PointsError("a name is missing.", where=path, line=number, hint="Write it.")
            points.append(translated(Point(image, x, y, label, line=number), self.offset))
        return PointTable(points)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        lines = [f"{p.image}\t{p.x - self.offset!r}\t{p.y - self.offset!r}\t{p.label}\n" for p in table]
        path.write_text("points\t\n" + "".join(lines), encoding="utf-8")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_new_format_of_one_file_keeps_the_contract(check: Check, tmp_path: Path) -> None:
    check(OneFile, tmp_path)


@pytest.mark.parametrize(
    ("kind", "caught_by"),
    [
        (Wandering, "gives_back_what_it_was_given"),
        (Forgetful, "keeps_the_columns_that_it_declares_and_says_what_is_lost"),
        (Modest, "keeps_the_columns_that_it_declares_and_says_what_is_lost"),
        (Greedy, "says_no_to_foreign_files"),
        (Careless, "is_read_with_typed_errors_only"),
        (Silent, "options_are_documented"),
    ],
)
def test_the_contract_finds_what_is_broken(kind: Kind, caught_by: str, tmp_path: Path) -> None:
    check = next(check for check in CHECKS if check.__name__ == caught_by)
    with pytest.raises((AssertionError, ValueError)):
        check(kind, tmp_path)


def option_rows(options: dict[str, Any]) -> list[str]:
    """Rows of the table of options in the docs."""
    return [
        f"| `{name}` | `{info.name}` | {info.values} | {'**required**' if info.required else info.default} "
        f"| {info.description} |"
        for name, infos in options.items()
        for info in infos
    ]


def test_the_docs_list_every_format_and_option() -> None:
    text = DOCS.read_text(encoding="utf-8")
    options: dict[str, Any] = {"all formats": describe_options(FormatOptions)}
    for name, kind in formats().items():
        options[name] = [info for info in kind.option_infos() if info.name in kind.own_options()]
    rows = option_rows(options)
    assert re.findall(r"^\| `.*\|$", text.partition("## Options")[2].partition("\n## ")[0], re.MULTILINE) == rows
    held = {0.0: "exact", 1e-9: "1e-9 px", 1e-6: "1e-6 px", 0.5: "whole pixels"}
    for name, kind in formats().items():
        (row,) = re.findall(rf"^\| `{name}` \|.*\|$", text.partition("## Options")[0], re.MULTILINE)
        assert f"both, {held[kind.tolerance]}" in row
        assert f" | {in_words(kind.keeps, kind.keeps_unnamed)} | " in row
        assert kind.origin in row or "centre of a" in row
