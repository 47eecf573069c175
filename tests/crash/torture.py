"""Every fault at every call, kills, and a long day of the server, recorded in docs/faults.json: part of `make torture`.

All faults take hours; `--most` draws some evenly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pointillist.version import __version__
from tests.crash.recorder import build, environment, why_not

RECORD = Path(__file__).parents[2] / "docs" / "faults.json"


def run(home: Path, commands: Iterable[str], seed: int) -> dict[str, dict[str, Any]]:
    """What came of commands, see `faults`, in a process below the recorder."""
    result = home / "result.json"
    own = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "XDG_CACHE_HOME": str(home / "cache"),
        "CUDA_VISIBLE_DEVICES": "",  # a device does not outlive a fork
    }
    command = [sys.executable, "-m", "tests.crash.faults", str(home), str(result), *commands, "--seed", str(seed)]
    done = subprocess.run(command, env=environment(build(home)) | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, Any]] = json.loads(result.read_text())
    return found


def write(record: dict[str, Any], file: Path) -> None:
    """Keep what was found until now: what is interrupted later leaves it."""
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    from tests.annotator.kills import kill_server
    from tests.annotator.soak import soak
    from tests.crash.commands import COMMANDS

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="faults of each command, evenly drawn; all")
    parser.add_argument("--kills", type=int, default=500, help="of all commands together, the server among them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--seconds", type=float, default=1800, help="of the long day")
    parser.add_argument("--only", choices=("faults", "kills", "soak"))
    parser.add_argument("commands", nargs="*", help="names; all")
    given = parser.parse_args()
    if why_not():
        sys.exit(why_not())
    record = json.loads(given.record.read_text()) if given.record.is_file() else {"faults": {}, "kills": {}}
    record |= {"pointillist": __version__, "python": sys.version.split()[0]}
    names, each, failures = given.commands or [*COMMANDS, "server"], given.kills // (len(COMMANDS) + 1), 0
    if given.only in (None, "soak"):
        with tempfile.TemporaryDirectory(prefix="pointillist-torture-") as folder:
            record["soak"] = soak(Path(folder), given.seconds, given.seed)
        print("soak", record["soak"], flush=True)
        failures += len(record["soak"]["failures"])
        write(record, given.record)
    for part in ("faults", "kills"):
        for name in names if given.only in (None, part) else ():
            with tempfile.TemporaryDirectory(prefix="pointillist-torture-") as folder:
                home = Path(folder)
                if part == "kills" and name == "server":
                    found = kill_server(home, each, given.seed)
                elif name != "server":
                    how = f":kill:{each}" if part == "kills" else f":{given.most}" if given.most else ""
                    (found,) = run(home, [name + how], given.seed).values()
                else:
                    continue
            print(part, name, found, flush=True)
            failures += len(found["failures"])
            record[part][name] = found
            write(record, given.record)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
