"""Progress bars of several commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def counting(console: Console, description: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar, on terminals only; gives a function to be called once per image."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total)

        def done(_name: str) -> None:
            progress.advance(task)

        yield done
