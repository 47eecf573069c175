"""Fuzz every reader for long, and record what came of it: `make torture`.

Each reader has a process of its own. What crashed it, took too long or ended its process is kept in `crashes/`, and
tried again by every `make test` from then on. A record grows: each time has other chances, and adds to what was tried.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from pointillist.version import __version__

CRASHES = Path(__file__).parent / "crashes"
RECORD = Path(__file__).parents[2] / "docs" / "fuzz.json"
MEMORY = 8 * 2**30
"""Bytes of address space that a reader may have."""


class TooLong(BaseException):
    """A reader took longer than it may."""


def folder_of(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


def _too_long(*_: Any) -> None:
    raise TooLong


def torture(name: str, seconds: float, seed: int, home: Path) -> None:
    """Try a reader; writes `result.json` into `home`, and the file that is being read as `present`."""
    from tests.fuzz.readers import READERS, SECONDS, attempt, mutated

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGVTALRM, _too_long)
    reader, chance = READERS[name], random.Random(f"{seed} {name}")
    (home / "seeds").mkdir()
    seeds = list(reader.seeds(home / "seeds"))
    found: dict[str, Any] = {"executions": 0, "read": 0, "refused": 0, "crashes": 0, "slowest_s": 0.0}
    ends, said = time.monotonic() + seconds, set[str]()
    while time.monotonic() < ends:
        content = mutated(seeds, reader.words, chance)
        (home / "present").write_bytes(content)
        with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as folder:
            began = time.process_time()
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
            try:
                read = attempt(reader, Path(folder), content)
                found["read" if read else "refused"] += 1
                # What is read although it is new may lead to more that is.
                if read and len(seeds) < 200 and len(content) < 100_000 and chance.random() < 0.02:
                    seeds.append(content)
            except (Exception, TooLong) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
                found["crashes"] += what not in said
                if what not in said:
                    keep(name, content)
                    print(f"{name}: {what}: {error}", flush=True)
                said.add(what)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            found["slowest_s"] = max(found["slowest_s"], round(time.process_time() - began, 2))
        found["executions"] += 1
        (home / "result.json").write_text(json.dumps(found))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    (home / "result.json").write_text(json.dumps(found))
    os._exit(0)  # threads of libraries have been seen to wait for each other at the end


def keep(name: str, content: bytes) -> None:
    """Keep a file that crashed a reader."""
    folder = CRASHES / folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


def in_process(name: str, seconds: float, seed: int) -> dict[str, Any]:
    """What came of a reader that was tried in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="pointillist-fuzz-") as home:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=torture, args=(name, seconds, seed, Path(home)))
        process.start()
        # What hangs in a library is not interrupted by a signal.
        process.join(seconds + 120)
        if process.is_alive():
            process.kill()
            process.join()
        file = Path(home, "result.json")
        found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {"executions": 0, "crashes": 0}
        if process.exitcode != 0:
            keep(name, Path(home, "present").read_bytes())
            found["crashes"] += 1
            print(f"{name}: ended with {process.exitcode}", flush=True)
    return found


def main() -> None:
    from tests.fuzz.readers import READERS

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200, help="for each reader")
    parser.add_argument("--seed", type=int, help="another than all before, so that a record grows")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("readers", nargs="*", help="names; those that were tried for the shortest time first")
    given = parser.parse_args()
    failed = False
    record = json.loads(given.record.read_text(encoding="utf-8")) if given.record.is_file() else {"readers": {}}
    tried: dict[str, dict[str, Any]] = record["readers"]
    before = {name: tried.get(name, {}).get("seconds", 0) for name in READERS}
    for name in given.readers or sorted(READERS, key=before.__getitem__):
        last = tried.setdefault(name, {"seconds": 0, "tries": 0, "executions": 0, "crashes": 0})
        found = in_process(name, given.seconds, last["tries"] if given.seed is None else given.seed)
        print(name, found, flush=True)
        found |= {"seconds": round(given.seconds), "tries": 1}
        most = {key: max(last.get(key, 0), found.get(key, 0)) for key in ("slowest_s", "peak_mb")}
        tried[name] = {key: last.get(key, 0) + value for key, value in found.items()} | most
        record |= {"pointillist": __version__, "python": sys.version.split()[0]}
        record["total"] = {key: sum(one.get(key, 0) for one in tried.values()) for key in ("executions", "crashes")}
        # After each reader: what is interrupted leaves what it has found.
        given.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        failed |= found["crashes"] > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
