"""What several commands print, and where: on a terminal, into a file, for another program, or not at all."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import FrameType
from typing import Any, TextIO

from rich.console import Console
from rich.control import Control

from pointillist.errors import SaveError

STDOUT = "-"
"""In place of a file name: standard output."""


@dataclass
class Output:
    """What the options of all commands say; one command runs in a process.

    Args:
        quiet: Print errors, and nothing else but what `--json` asks for.
        json: Where the result goes as JSON: `STDOUT`, a file, or None.
        log_file: What is printed goes here as well.
        log: The same file, once the command has begun.
    """

    quiet: bool = False
    json: str | None = None
    log_file: Path | None = None
    log: TextIO | None = None

    def begin(self, command: str) -> None:
        """Open the log.

        Raises:
            SaveError: It cannot be written.
        """
        if self.log_file is None or self.log is not None:
            return
        try:
            self.log = self.log_file.open("a", encoding="utf-8", buffering=1)
            self.log.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {command}\n")
        except OSError as error:
            found = f"could not be written ({error.strerror or error})."
            hint = "Name a file in a folder that exists."
            raise SaveError(found, where=self.log_file, field="--log-file", hint=hint) from error

    def end(self) -> None:
        """Close the log, and forget what was asked for."""
        if self.log is not None:
            self.log.close()
        self.quiet, self.json, self.log_file, self.log = False, None, None, None


OUTPUT = Output()


class _Logged(Console):
    """A console whose lines also go into the log."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        # A bar is redrawn by such codes; a file has its lines.
        if OUTPUT.log is not None and not any(isinstance(one, Control) for one in objects):
            log_console().print(*objects, **options)


def open_console() -> Console:
    """Where a command prints: on standard error where standard output is for a program."""
    return _Logged(stderr=OUTPUT.json == STDOUT, quiet=OUTPUT.quiet)


def error_console() -> Console:
    """Where errors go, also of a quiet command."""
    return _Logged(stderr=True)


def log_console() -> Console:
    """The log alone: lines without colours and control codes; nowhere without a log."""
    return Console(file=OUTPUT.log, quiet=OUTPUT.log is None, width=120, color_system=None, force_terminal=False)


def say(text: str, *, logged: str | None = None) -> None:
    """Print a line with markup; the terminal breaks it, so that paths can be copied.

    Args:
        text: The line.
        logged: What the log has in its place, where the line holds a secret: others may read a log.
    """
    console = open_console() if logged is None else Console(stderr=OUTPUT.json == STDOUT, quiet=OUTPUT.quiet)
    console.print(text, highlight=False, soft_wrap=True)
    if logged is not None and OUTPUT.log is not None:
        log_console().print(logged, highlight=False, soft_wrap=True)


def say_plain(text: str, style: str | None = None) -> None:
    """Print a line whatever is in it."""
    open_console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def interrupted(hint: str) -> None:
    """Say that Ctrl-C ended the command, and how to go on."""
    error_console().print(f"[yellow]interrupted[/] {hint}", highlight=False, soft_wrap=True)


def json_file() -> Path | None:
    """The file that the result goes to, where one is named."""
    return None if OUTPUT.json in (None, STDOUT) else Path(str(OUTPUT.json))


def give(result: Mapping[str, Any] | str) -> None:
    """Hand the result of a command to whoever asked for it with `--json`.

    Args:
        result: Values by name, or the same as JSON; NaN becomes null.

    Raises:
        SaveError: The file cannot be written.
    """
    if OUTPUT.json is None:
        return
    content = _finite(json.loads(result) if isinstance(result, str) else result)
    if OUTPUT.json == STDOUT:
        sys.stdout.write(json.dumps(content, allow_nan=False) + "\n")
        return
    from pointillist.files import write_text

    write_text(Path(OUTPUT.json), json.dumps(content, indent=2, allow_nan=False) + "\n")
    say_plain(f"wrote {OUTPUT.json}", "green")


def _finite(value: Any) -> Any:
    """Plain values: JSON knows neither NaN nor paths."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return str(value) if isinstance(value, Path) else value


EVERY = 15.0
"""Seconds between two lines of progress where there is no terminal."""


@contextmanager
def counting(description: str, total: int) -> Iterator[Callable[[str], None]]:
    """How many images are done, how many a second, and the time left; gives a function to be called once per image.

    A bar on a terminal; elsewhere, such as in the log of a cluster, a line from time to time, on standard error.

    Raises:
        KeyboardInterrupt: From the function, too, after Ctrl-C: libraries have been seen to swallow it.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, quiet=OUTPUT.quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    done, lines = 0, Lines()
    hidden = OUTPUT.quiet or not console.is_terminal
    with _ctrl_c() as pressed, Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(description, total=total, speed="")

        def advance(_: str) -> None:
            nonlocal done
            if pressed.is_set():
                raise KeyboardInterrupt
            done += 1
            speed = done / max(time.monotonic() - started, 1e-9)
            bar.update(task, advance=1, speed=f"{speed:.3g} images/s")
            left = timedelta(seconds=round((total - done) / speed))
            lines.say(f"{description}: {done:,} of {total:,} images, {speed:.3g} images/s, {left} left")

        yield advance


@contextmanager
def _ctrl_c() -> Iterator[Event]:
    """Give what is set by Ctrl-C during the block, beside what that does anyway."""
    pressed, before = Event(), signal.getsignal(signal.SIGINT)

    def press(number: int, frame: FrameType | None) -> None:
        pressed.set()
        if callable(before):
            before(number, frame)

    if not callable(before) or current_thread() is not main_thread():
        yield pressed
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def downloading() -> Iterator[Callable[[str], Callable[[int, int | None], None]]]:
    """How much of each file is there; gives a function that takes a file's name, and gives one for done and total."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, quiet=OUTPUT.quiet)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    lines = Lines()
    with Progress(*columns, console=console, transient=True, disable=OUTPUT.quiet or not console.is_terminal) as bar:

        def of_file(file: str) -> Callable[[int, int | None], None]:
            task = bar.add_task(file, total=None)

            def advance(done: int, total: int | None) -> None:
                bar.update(task, completed=done, total=total)
                lines.say(f"{file}: {done / 1e6:,.0f} MB" + (f" of {total / 1e6:,.0f} MB" if total else ""))

            return advance

        yield of_file


class Lines:
    """Progress as lines, for where no bar can be seen: on standard error without a terminal, and in the log."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def say(self, text: str) -> None:
        """Say it, unless something was said a short while ago."""
        now = time.monotonic()
        if now - self._said < EVERY:
            return
        self._said = now
        console = Console(stderr=True, quiet=OUTPUT.quiet)
        for each in (log_console(), *([] if console.is_terminal else [console])):
            each.print(text, highlight=False, markup=False, soft_wrap=True)


def figure(value: float, sign: str = "") -> str:
    """A score, or a dash where it is not defined."""
    return "–" if value != value else f"{value:{sign}.3f}"


def between(interval: tuple[float, float] | None, sign: str = "") -> str:
    """The interval of a score, or a dash where there is none."""
    return "–" if interval is None else f"{interval[0]:{sign}.3f} to {interval[1]:{sign}.3f}"
