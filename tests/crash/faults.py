"""Fault injection at the n-th call, for every n: one call to the system after another fails, in each way it may.

`python -m tests.crash.faults HOME RESULT NAME:MOST …` runs below the recorder. A command is run once undisturbed;
then, for each of the calls that it made, in a process of its own, with that call (and, of some errors, all after it)
failing.
"""

from __future__ import annotations

import errno
import faulthandler
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
import warnings
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pointillist.errors import PointillistError
from tests.crash.commands import CARELESS, COMMANDS, Command, Facts, Refused
from tests.crash.recorder import LINK, MKDIR, OPEN, READ, RENAME, SYNC, UNLINK, WRITE, Recorder

FOREVER = 1 << 40
ERRORS: dict[str, tuple[int, int]] = {
    "ENOSPC": (errno.ENOSPC, FOREVER),
    "EIO": (errno.EIO, 1),
    "EACCES": (errno.EACCES, FOREVER),
    "EINTR": (errno.EINTR, 1),
}
"""By name: the error, and how many calls have it. A full disk stays full; an interrupted call is made again."""

CHANGING = OPEN | WRITE | SYNC | RENAME | UNLINK | MKDIR | LINK
TEMPLATE = "before"
"""Folder with what is there before a command."""

SECONDS = 120
"""After which a command hangs."""


@dataclass
class Tally:
    """What came of a command.

    Args:
        calls: That it makes undisturbed.
        tried: Faults that were met.
        held: Of those, where all that must hold held.
        refused: Of those, where the command ended with its error.
        by_error: Tried and held by error.
        failures: What did not hold.
    """

    calls: int = 0
    tried: int = 0
    held: int = 0
    refused: int = 0
    by_error: dict[str, list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def count(self, found: dict[str, Any], what: str) -> None:
        """Add one try; `what` says which."""
        self.tried += 1
        self.refused += found["refused"]
        self.held += not found["failure"]
        if found["failure"]:
            self.failures.append(f"{what}: {found['failure']}")
            print(self.failures[-1], flush=True)


def _forked(work: Any, *arguments: Any) -> dict[str, Any]:
    """What a function gives, from a child process; how that ended, where it gave nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(reader)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            with os.fdopen(writer, "w") as stream, Path(os.devnull).open("w") as nothing:
                # What libraries print by themselves is nobody's.
                os.dup2(nothing.fileno(), 1)
                json.dump(work(*arguments), stream)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, ended = os.waitpid(child, 0)
    return json.loads(text) if text else {"failure": f"the process ended with {ended}", "hit": "?", "refused": False}


def _fact(what: str, *values: Any) -> tuple[str, Any]:
    return what, json.loads(json.dumps((values[0] if len(values) == 1 else list(values)) if values else None))


def undisturbed(command: Command, home: Path, kinds: int) -> dict[str, Any]:
    """The calls of a command that nothing disturbs, what it says and what it leaves, and the modules that it loads."""
    folder = home / "work"
    recorder, facts = Recorder(folder), Facts()
    before = command.left(folder)
    recorder.fail(0, 0, 0, kinds)
    began = time.monotonic()
    command.work(folder, lambda *fact: facts.append(_fact(*fact)))
    seconds = time.monotonic() - began
    left = command.left(folder)
    found = {"calls": recorder.calls, "seconds": seconds, "facts": facts, "left": left, "before": before}
    return found | {"modules": list(sys.modules)}


def disturbed(
    command: Command, home: Path, at: int, error: str, kinds: int, expected: dict[str, Any]
) -> dict[str, Any]:
    """Let the call number `at` fail; what did not hold is under `failure`."""
    folder = home / "work"
    recorder, facts = Recorder(folder), Facts()
    code, times = ERRORS[error]
    refused, failure = False, ""
    recorder.fail(at, times, code, kinds)
    try:
        command.work(folder, lambda *fact: facts.append(_fact(*fact)))
    except (PointillistError, Refused):
        refused = True
    except BaseException as problem:
        failure = f"ended with {_described(problem)}"
    hit = recorder.failed if recorder.hits else ""
    recorder.fail(0, 0, 0, 0)
    after = wrong(command, folder, facts, expected, done=not refused and not failure)
    return {"hit": hit, "refused": refused, "failure": "; ".join(filter(None, (failure, after)))}


def wrong(command: Command, folder: Path, facts: Facts, expected: dict[str, Any], *, done: bool) -> str:
    """What does not hold after a disturbance, or when the command goes on; `done` is whether it said that it was."""
    later = [(what, value) for what, value in expected["facts"]][len(facts) :]
    try:
        command.check(folder, facts, later, expected)
        if done:
            differences = _differences(command.left(folder), expected["left"])
            assert not differences, f"it says that it is done, and is not: {differences}"
        command.again(folder)
        differences = _differences(command.left(folder), expected["left"])
        assert not differences, f"going on leads elsewhere: {differences}"
    except BaseException as problem:
        return _described(problem)
    return ""


def _differences(one: dict[str, Any], other: dict[str, Any]) -> str:
    found = []
    for key in sorted(key for key in {*one, *other} if one.get(key) != other.get(key)):
        texts = repr(one.get(key)), repr(other.get(key))
        start = max(0, next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0) - 40)
        found.append(f"{key}: {texts[0][start : start + 120]} for {texts[1][start : start + 120]}")
    return "; ".join(found)[:1000]


def _described(problem: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if "pointillist" in frame.filename]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-6:-1])
    return f"{type(problem).__name__}: {problem!s:.1000} ({places})"


def faults(calls: int, most: int | None, seed: int) -> Iterator[tuple[int, str]]:
    """Every call with every error; `most` of them, evenly drawn."""
    every = [(at, error) for at in range(1, calls + 1) for error in ERRORS]
    if most is not None and most < len(every):
        every = sorted(random.Random(seed).sample(every, most))
    yield from every


def inject(command: Command, home: Path, most: int | None, seed: int, *, reads: bool) -> Tally:
    """Try a command with faults at all calls, or `most` faults of those; below the recorder only."""
    kinds = READ if reads else CHANGING
    expected = _ready(command, home, kinds)
    tally = Tally(calls=expected["calls"])
    tried, held = Counter[str](), Counter[str]()
    for at, error in faults(tally.calls, most, seed):
        found = _forked(disturbed, command, _new(home), at, error, kinds, expected)
        if not found["hit"]:
            continue  # threads come to the disk in another order each time
        tried[error] += 1
        held[error] += not found["failure"]
        tally.count(found, f"{error} at {at}, {found['hit'].replace(str(home), '')}")
    tally.by_error = {error: [tried[error], held[error]] for error in ERRORS}
    return tally


def kill(command: Command, home: Path, kills: int, seed: int) -> Tally:
    """Kill a command with SIGKILL at random moments."""
    chance = random.Random(seed)
    _ready(command, home)
    expected = _ready(command, home)  # now that all is loaded, it takes the time that it takes from here on
    tally = Tally(calls=expected["calls"])
    for number in range(kills):
        seconds = chance.uniform(0, expected["seconds"])
        found = _killed(command, _new(home), home / "said", seconds, expected)
        if found is not None:
            tally.count({"failure": found, "refused": False}, f"kill {number} after {seconds:.3f} s")
    return tally


def _killed(command: Command, home: Path, said: Path, seconds: float, expected: dict[str, Any]) -> str | None:
    """What does not hold after a command was killed; None if it was done before."""
    folder = home / "work"
    said.write_text("")

    def say(*fact: Any) -> None:
        with said.open("a") as stream:
            stream.write(json.dumps(fact) + "\n")

    child = os.fork()
    if not child:
        _silently(command.work, folder, say)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        return None
    facts = [_fact(*json.loads(line)) for line in said.read_text().splitlines()]
    return str(_forked(lambda: {"failure": wrong(command, folder, facts, expected, done=False)})["failure"])


def _silently(work: Any, *arguments: Any) -> None:
    with suppress(BaseException):
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        work(*arguments)
    os._exit(0)


def _ready(command: Command, home: Path, kinds: int = CHANGING) -> dict[str, Any]:
    """Load what a command needs, and see what it does when nothing disturbs it."""
    command.load()
    if not (home / TEMPLATE).exists():
        _forked(command.prepare, home / TEMPLATE / "work")
    expected = _forked(undisturbed, command, _new(home), kinds)
    assert "calls" in expected, expected["failure"]
    # All that are forked from here find loaded what it needs; it does not run here, as threads do not outlive a fork.
    for module in expected["modules"]:
        with suppress(Exception):
            importlib.import_module(module)
    return expected


def _new(home: Path) -> Path:
    """A new copy of what is there before; the last one is removed."""
    folder = home / "fault"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(home / TEMPLATE, folder)
    return folder


KNOWN = COMMANDS | {"careless": CARELESS}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("commands", nargs="+", help=f"NAME, NAME:MOST, or NAME:kill:TIMES; names: {', '.join(KNOWN)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reads", action="store_true", help="let opening for reading fail")
    given = parser.parse_args()
    home, found = Path(os.path.realpath(given.home)), {}
    for module in ("tests.conftest", "tests.annotator.conftest", "pointillist.api", "pointillist.cli"):
        importlib.import_module(module)  # once, and not in each process
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for which in given.commands:
            name, *how = which.split(":")
            if how[:1] == ["kill"]:
                tally = kill(KNOWN[name], home / name, int(how[1]), given.seed)
            else:
                most = int(how[0]) if how else None
                tally = inject(KNOWN[name], home / name, most, given.seed, reads=given.reads)
            found[which] = asdict(tally)
            given.result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
