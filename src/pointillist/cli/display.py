"""What several commands print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


def say(text: str) -> None:
    """Print a line with markup; the terminal breaks it, so that paths can be copied."""
    Console().print(text, highlight=False, soft_wrap=True)


def say_plain(text: str, style: str | None = None) -> None:
    """Print a line whatever is in it."""
    Console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def counting(description: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar, on terminals only; gives a function to be called once per image."""
    console = Console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total)
        yield lambda _name: progress.advance(task)


def figure(value: float, sign: str = "") -> str:
    """A score, or a dash where it is not defined."""
    return "–" if value != value else f"{value:{sign}.3f}"


def between(interval: tuple[float, float] | None, sign: str = "") -> str:
    """The interval of a score, or a dash where there is none."""
    return "–" if interval is None else f"{interval[0]:{sign}.3f} to {interval[1]:{sign}.3f}"
