"""What several commands print."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def say(text: str) -> None:
    """Print a line with markup; the terminal breaks it, so that paths can be copied."""
    Console().print(text, highlight=False, soft_wrap=True)


def say_plain(text: str, style: str | None = None) -> None:
    """Print a line whatever is in it."""
    Console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


EVERY = 15.0
"""Seconds between two lines of progress where there is no terminal."""


@contextmanager
def counting(description: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """How many images are done, how many a second, and the time left; gives a function to be called once per image.

    A bar on a terminal; elsewhere, such as in the log of a cluster, a line from time to time, on standard error.
    """
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    started = said = time.monotonic()
    done = 0
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(description, total=total, speed="")

        def advance(_: str) -> None:
            nonlocal done, said
            done += 1
            now = time.monotonic()
            speed = done / max(now - started, 1e-9)
            progress.update(task, advance=1, speed=f"{speed:.3g} images/s")
            if not console.is_terminal and now - said >= EVERY:
                said = now
                left = timedelta(seconds=round((total - done) / speed))
                text = f"{description}: {done:,} of {total:,} images, {speed:.3g} images/s, {left} left"
                console.print(text, highlight=False, markup=False, soft_wrap=True)

        yield advance


def figure(value: float, sign: str = "") -> str:
    """A score, or a dash where it is not defined."""
    return "–" if value != value else f"{value:{sign}.3f}"


def between(interval: tuple[float, float] | None, sign: str = "") -> str:
    """The interval of a score, or a dash where there is none."""
    return "–" if interval is None else f"{interval[0]:{sign}.3f} to {interval[1]:{sign}.3f}"
