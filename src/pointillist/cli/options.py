"""What several commands share: arguments, the older flags of `pointillist points`, the outcome it prints."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, open_console, say_plain
from pointillist.cli.everywhere import Command
from pointillist.errors import ConfigError, PointillistError, RenamedWarning, explained

if TYPE_CHECKING:
    from pointillist.data.dataset import Dataset
    from pointillist.points.check import Checked

Number = TypeVar("Number", int, float)

Data = Annotated[Path, typer.Argument(help="Folder of a data set, or a dataset.yaml anywhere.")]
Run = Annotated[Path, typer.Argument(help="Run directory made by 'train', or a model made by 'export'.")]
Points = Annotated[Path | None, typer.Option(help="Label file in place of the data set's own clicks.")]
Layout = Annotated[
    str | None, typer.Option(help="Layout of the data set, see 'pointillist info'; recognised when not given.")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]

Format = Annotated[
    str | None, typer.Option("--format", help="Label format, see 'points formats'; recognised if not given.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE: an option of the format, see 'points formats'; may be repeated."),
]
Rename = Annotated[list[str] | None, typer.Option(help="THEIRS=OURS: a class by its name or index in the file.")]
ClassTable = Annotated[str | None, typer.Option(help="a,b,c: class names in the order of the file's indices.")]
Report = Annotated[Path | None, typer.Option(help="JSON file for the counts and every rejected point with its reason.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]

_RENAMED = {
    "--order": "--set order=",
    "--size": "--set size=",
    "--rank": "--set rank=",
    "--unlabelled": "--set unlabelled=",
    "--k": "--per-object ",
}
"""What flags of version 0.1 are called today."""


class OlderFlags(Command):
    """A command that still reads its flags of version 0.1, and says what they are called today."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments, after older flags got their new names."""
        return super().parse_args(ctx, list(_renewed(args)))


def _renewed(args: list[str]) -> Iterator[str]:
    rest = iter(args)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if flag not in _RENAMED:
            yield argument
            continue
        new = _RENAMED[flag] + (value if equals else next(rest, ""))
        warnings.warn(f"{flag} is called {new} today", RenamedWarning, stacklevel=2)
        yield from new.split(" ", 1)


def pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """`KEY=VALUE` arguments.

    Raises:
        ConfigError: One has no `=`.
    """
    found = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise ConfigError(f"found {text!r}.", field=flag, hint="Write it as KEY=VALUE.")
        found[key.strip()] = value.strip()
    return found


def numbers(text: str, kind: Callable[[str], Number], flag: str) -> list[Number]:
    """The numbers of an option that takes several, with commas between.

    Raises:
        ConfigError: One of them is none.
    """
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{text!r} are no numbers.", field=flag, hint="Write them with commas: 1,2,3.") from error


def planes(given: list[str]) -> dict[str, int]:
    """Which picture of files with several, from `--plane axis=number`."""
    return {axis: numbers(number, int, "--plane")[0] for axis, number in pairs("--plane", given).items()}


def names(classes: str | None) -> list[str] | None:
    """Class names from `a,b,c`."""
    return None if classes is None else [name.strip() for name in classes.split(",")]


def show_checked(checked: Checked, report: Path | None = None) -> None:
    """Print what came in and what did not, and write the report if one is asked for."""
    console = open_console()
    imported = len(checked.points.rows)
    total = f"{checked.total:,} points: {imported:,} imported + {len(checked.rejections):,} rejected"
    console.print(total, style="bold", highlight=False, soft_wrap=True)
    table = Table("", Column("points", justify="right"))
    for name, count in sorted(checked.points.counts().items()):
        table.add_row(escape(name), f"{count:,}")
    if checked.points.unnamed:
        table.add_row("questions without a class", f"{len(checked.points.unnamed):,}")
    for reason, count in checked.reasons().most_common():
        table.add_row(f"[red]rejected: {reason.value}[/]", f"{count:,}")
        if reason.value == "unknown class":
            for name, own in checked.unknown_classes().most_common(20):
                table.add_row(f"  [dim]'{escape(name)}'[/]", f"{own:,}")
    for name, count in sorted(checked.skipped.items()):
        table.add_row(f"[dim]skipped: {escape(name)}[/]", f"{count:,}")
    console.print(table)
    for rejection in {rejection.reason: rejection for rejection in reversed(checked.rejections)}.values():
        line = f"line {rejection.point.line}: " if rejection.point.line else ""
        place = f"{rejection.point.place}: " if rejection.point.place and not line else line
        text = f"{rejection.reason.value}, for example {place}{rejection.found} {rejection.hint}"
        say_plain(text)
    if report is not None:
        checked.write_report(report)
        say_plain(f"report: {report}")


def show_advice(dataset: Dataset, report: Path | None, **more: object) -> tuple[list[str], list[Any] | None]:
    """Print which classes are clicked too rarely, or why nobody can say, and write the report, `more` beside it.

    Gives what was said, and the same as plain values: None where nobody can say.
    """
    advice = None
    try:
        from pointillist.training.advice import LEARNT_FROM, advice_for

        clicked = sum(1 for item in dataset.split(dataset.training_split) if dataset.points.of(item.name))
        with counting("how much each class covers", min(clicked, LEARNT_FROM)) as done:
            advice = advice_for(dataset, done)
    except (ModuleNotFoundError, PointillistError) as error:
        problem = explained(error) if isinstance(error, ModuleNotFoundError) else error
        if not isinstance(problem, PointillistError):
            raise
        say_plain(f"whether a class is clicked too rarely was not looked at: {problem}")
    told = [str(one) for one in advice or ()]
    for line in told:
        say_plain(f"advice: {line}", "yellow")
    said = None if advice is None else [one.to_dict() for one in advice]
    if report is not None:
        dataset.checked.write_report(report, advice=said, **more)
        say_plain(f"report: {report}")
    return told, said
