"""The command line: argument parsing and printing only."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from pointillist.cli import annotate, data, demo, evaluate, info, init, points, predict, train
from pointillist.errors import PointillistError

app = typer.Typer(
    name="pointillist",
    help="Clicks in, segmentation model out.\n\nExample: pointillist train berries",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (
    *(demo.demo, init.init, annotate.annotate),
    *(train.train, evaluate.evaluate, predict.predict, info.info),
):
    app.command()(command)
app.add_typer(points.app, name="points")
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2, never a traceback."""
    console = Console(stderr=True)
    try:
        app()
    except PointillistError as error:
        place = f"[bold]{escape(error.place)}[/]\n" if error.place else ""
        console.print(f"[red]error[/] {place}{escape(error.found)}", highlight=False, soft_wrap=True)
        console.print(f"[green]hint[/]  {escape(error.hint)}", highlight=False, soft_wrap=True)
        sys.exit(2)
