"""The command line: argument parsing and printing only."""

from __future__ import annotations

import errno
import shlex
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pointillist.cli import (
    annotate,
    ask,
    audit,
    compare,
    data,
    demo,
    evaluate,
    export,
    info,
    init,
    label_studio,
    points,
    predict,
    train,
)
from pointillist.cli import map as map_command
from pointillist.cli.display import OUTPUT, error_console, log_console
from pointillist.cli.later import group_of
from pointillist.errors import ConfigError, PointillistError, PointillistWarning, explained
from pointillist.registry import use_plugin_files
from pointillist.version import __version__

app = typer.Typer(
    name="pointillist",
    help="Clicks in, segmentation model out.\n\nExample: pointillist train berries",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    cls=group_of(
        {
            "demo": demo.demo,
            "init": init.init,
            "annotate": annotate.annotate,
            "ask": ask.ask,
            "train": train.train,
            "evaluate": evaluate.evaluate,
            "audit": audit.audit,
            "compare": compare.compare,
            "predict": predict.predict,
            "export": export.export,
            "label-studio": label_studio.label_studio,
            "info": info.info,
            "map": map_command.map_,
            "points": points.app,
            "data": data.app,
        }
    ),
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"pointillist {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file with methods, formats, … of your own; anywhere in a command.", metavar="FILE"),
    ] = None,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2, never a traceback."""
    OUTPUT.end()
    console = error_console()

    def note(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, PointillistWarning):
            place = log_console() if OUTPUT.quiet else console
            place.print(f"[yellow]note[/]  {escape(str(message))}", highlight=False, soft_wrap=True)
        else:
            shown(message, category, *where)

    shown = warnings.showwarning
    warnings.showwarning = note  # type: ignore[assignment]
    command = shlex.join(["pointillist", *sys.argv[1:]])
    try:
        use_plugin_files(_plugins(sys.argv))
        try:
            app(obj=command)
        except ModuleNotFoundError as error:
            raise explained(error) from error
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise ConfigError("this name is too long.", where=str(error.filename), hint="Check the path.") from error
    except PointillistError as error:
        place = f"[bold]{escape(error.place)}[/]\n" if error.place else ""
        console.print(f"[red]error[/] {place}{escape(error.found)}", highlight=False, soft_wrap=True)
        console.print(f"[green]hint[/]  {escape(error.hint)}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except Exception:
        if OUTPUT.log is not None:
            traceback.print_exc(file=OUTPUT.log)
        raise
    finally:
        OUTPUT.end()
        warnings.showwarning = shown


def _plugins(arguments: list[str]) -> list[Path]:
    """Take `--plugin FILE` out of the arguments, wherever it stands: people add it at the end of a command."""
    files = []
    index = 1
    while index < len(arguments) and arguments[index] != "--":
        name, equals, value = arguments[index].partition("=")
        if name == "--plugin":
            if not equals and index + 1 == len(arguments):
                raise ConfigError("names no file.", field="--plugin", hint="Write --plugin FILE.")
            files.append(Path(value if equals else arguments[index + 1]))
            del arguments[index : index + (1 if equals else 2)]
        else:
            index += 1
    return files
