"""Options of all commands: they may stand before a command and behind it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pointillist.cli.display import OUTPUT, STDOUT

PANEL = "Options of all commands"


def _quiet(value: bool) -> None:
    OUTPUT.quiet = OUTPUT.quiet or value


def _json(value: str | None) -> None:
    OUTPUT.json = value or OUTPUT.json


def _log_file(value: Path | None) -> None:
    OUTPUT.log_file = value or OUTPUT.log_file


def _options(
    _q: Annotated[
        bool,
        typer.Option("--quiet", help="Print errors only.", callback=_quiet, expose_value=False, rich_help_panel=PANEL),
    ] = False,
    _j: Annotated[
        str | None,
        typer.Option(
            "--json",
            help="The result as one JSON object on standard output, all else on standard error; or into FILE.json.",
            metavar="[FILE.json]",
            callback=_json,
            expose_value=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
    _l: Annotated[
        Path | None,
        typer.Option(
            "--log-file",
            help="Also add what is printed to this file.",
            metavar="FILE",
            callback=_log_file,
            expose_value=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> None:
    """Only what these are called, and what is done with them."""


@cache
def _params() -> list[Any]:
    """The same for every command: making them for each would take a quarter of the time of `--help`."""
    app = typer.Typer(add_completion=False)
    app.command()(_options)
    return list(typer.main.get_command(app).params)


class Command(TyperCommand):
    """A command with the options of all commands."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params = [*self.params, *_params()]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments; `--json` may do without its file."""
        return super().parse_args(ctx, list(_with_json(args)))

    def invoke(self, ctx: Any) -> Any:
        """Begin the log, then run."""
        OUTPUT.begin(str(ctx.obj))
        return super().invoke(ctx)


class Group(TyperGroup):
    """A group of commands with the options of all commands."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params = [*self.params, *_params()]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `Command.parse_args`."""
        return super().parse_args(ctx, list(_with_json(args)))


def give_to_all(app: typer.Typer) -> None:
    """Let the commands of an app, and of the apps in it, take the options of all commands."""
    for registered in app.registered_commands:
        if registered.cls is None or not issubclass(registered.cls, Command):
            registered.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.cls = Group
            give_to_all(group.typer_instance)


def _with_json(args: list[str]) -> Iterator[str]:
    """The same with `--json=-` for a `--json` that no file name follows."""
    for index, argument in enumerate(args):
        if argument == "--":
            yield from args[index:]
            return
        following = args[index + 1] if index + 1 < len(args) else ""
        bare = argument == "--json" and not (following.endswith(".json") and not following.startswith("-"))
        yield f"--json={STDOUT}" if bare else argument
