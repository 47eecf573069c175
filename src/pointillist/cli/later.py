"""Commands whose parameters are read when they are used: for all of them, that takes longer than their list."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperCommand

from pointillist.cli.everywhere import Command, Group, give_to_all


class _Commands(Mapping[str, Any]):
    """Commands by name, each made once, when it is asked for."""

    def __init__(self, sources: Mapping[str, Callable[..., None] | typer.Typer]) -> None:
        self.sources = sources
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            source = self.sources[name]
            if isinstance(source, typer.Typer):
                app = source
                give_to_all(app)
            else:
                app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
                app.command(name, cls=Command)(source)
            self._made[name] = typer.main.get_command(app)
            self._made[name].name = name
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)


def group_of(sources: Mapping[str, Callable[..., None] | typer.Typer]) -> type[Group]:
    """The class of a group with these commands, for `typer.Typer(cls=…)`.

    Args:
        sources: By name, what Typer makes a command of, or an app with commands of its own.
    """

    class Later(Group):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.commands = _Commands(sources)  # type: ignore[assignment]

        def list_commands(self, ctx: Any) -> list[str]:
            return list(sources)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            listing = copy.copy(self)
            listing.commands = {name: TyperCommand(name, help=_told(source)) for name, source in sources.items()}
            super(Later, listing).format_help(ctx, formatter)

    return Later


def _told(source: Callable[..., None] | typer.Typer) -> str:
    """What a command or an app says of itself."""
    return str(source.info.help) if isinstance(source, typer.Typer) else inspect.getdoc(source) or ""
