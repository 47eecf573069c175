"""What the commands of `pointillist points` share: options of formats, clicks of data sets, the printed outcome."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pointillist.data.dataset import Dataset
    from pointillist.points.check import Checked

Format = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--format", help="Label format, see 'points formats'; recognised if not given.", show_default=False),
]
Order = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="yx or xy: which coordinate an id-text file has first.", show_default=False),
]
FileSize = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--size", help="HxW of all images, where they are not at hand.", show_default=False),
]
Rank = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help="What's the Point: only clicks of this rank; 1 is the one-point protocol.", show_default=False),
]
Unlabelled = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help="Point PNGs: the value of pixels without a point.", show_default=False),
]
Settings = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", help="KEY=VALUE: any other option of the format.", show_default=False),
]
Rename = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(help="THEIRS=OURS: a class by its name or index in the file.", show_default=False),
]
ClassTable = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="a,b,c: class names in the order of the file's indices.", show_default=False),
]
Report = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="JSON file for the counts and every rejected point with its reason.", show_default=False),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def with_clicks(
    dataset: Dataset,
    file: Path,
    format_name: str | None,
    options: Mapping[str, Any],
    rename: list[str] | None,
    classes: str | None,
) -> Dataset:
    """The data set with the clicks of a label file; misfits are counted, whatever the format."""
    names = pairs("--rename", rename)
    table = index_table(classes) or dict(enumerate(dataset.classes.names))
    # A class that is named by its index in the file: the table says what the index means.
    table |= {int(key): name for key, name in names.items() if key.isdecimal()}
    return dataset.with_points(file, format_name, options=options, rename=names, classes=table, strict=False)


def format_options(
    order: str | None, size: str | None, rank: int | None, unlabelled: int | None, settings: list[str] | None
) -> dict[str, Any]:
    """Options of a format from the flags that were given."""
    flags = {"order": order, "size": size, "rank": rank, "unlabelled": unlabelled}
    return {key: value for key, value in flags.items() if value is not None} | pairs("--set", settings)


def pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """`KEY=VALUE` arguments.

    Raises:
        ConfigError: One has no `=`.
    """
    from pointillist.errors import ConfigError

    found = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise ConfigError(f"found {text!r}.", field=flag, hint="Write it as KEY=VALUE.")
        found[key.strip()] = value.strip()
    return found


def index_table(classes: str | None) -> dict[int, str]:
    """Class names by index, from `a,b,c`."""
    return {} if classes is None else {index: name.strip() for index, name in enumerate(classes.split(","))}


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Protect what is there.

    Raises:
        SaveError: There is something, and the user did not say that it may be replaced.
    """
    from pointillist.errors import SaveError

    there = any(out.iterdir()) if out.is_dir() else out.exists()
    if there and not overwrite:
        raise SaveError("is there already.", where=out, hint="Choose another place, or replace it with --overwrite.")


def show_checked(console: Console, checked: Checked, report: Path | None) -> None:
    """Print what came in and what did not, and write the report if one is asked for."""
    import json

    from rich.markup import escape
    from rich.table import Table

    from pointillist.files import write_text

    total = f"{checked.total:,} points: {len(checked.points):,} imported + {len(checked.rejections):,} rejected"
    console.print(total, style="bold", highlight=False, soft_wrap=True)
    table = Table()
    table.add_column("")
    table.add_column("points", justify="right")
    for name, count in sorted(checked.points.counts().items()):
        table.add_row(escape(name), f"{count:,}")
    for reason, count in checked.reasons().most_common():
        table.add_row(f"[red]rejected: {reason.value}[/]", f"{count:,}")
        if reason.value == "unknown class":
            for name, own in checked.unknown_classes().most_common(20):
                table.add_row(f"  [dim]'{escape(name)}'[/]", f"{own:,}")
    for name, count in sorted(checked.skipped.items()):
        table.add_row(f"[dim]not a point, skipped: {escape(name)}[/]", f"{count:,}")
    console.print(table)
    for rejection in {rejection.reason: rejection for rejection in reversed(checked.rejections)}.values():
        line = f"line {rejection.point.line}: " if rejection.point.line else ""
        place = f"{rejection.point.place}: " if rejection.point.place and not line else line
        text = f"{rejection.reason.value}, for example {place}{rejection.found} {rejection.hint}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if report is not None:
        write_text(report, json.dumps(checked.report(), ensure_ascii=False, indent=2) + "\n")
        console.print(f"report: {report}", markup=False, highlight=False, soft_wrap=True)
