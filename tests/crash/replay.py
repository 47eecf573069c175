"""Records a scenario, and looks at what each possible crash leaves of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.disk import Disk, Tree, cuts, read_tree, write_tree
from tests.crash.recorder import build, environment, read_record
from tests.crash.scenarios import SCENARIOS, Facts

VOLATILE = "-shm"
"""Files of SQLite that it makes anew from its log: it writes them through memory, which is not recorded."""


@dataclass
class Outcome:
    """What came of a record: calls in it, crashes tried, different folders among them, and what went wrong."""

    calls: int = 0
    crashes: int = 0
    folders: int = 0
    failures: list[str] = field(default_factory=list)


def record(name: str, home: Path) -> Disk:
    """Run a scenario under the recorder; `home` is an empty folder.

    The record is replayed whole first: it must lead to the very folder that the program left.
    """
    folder = Path(os.path.realpath(home)) / "work"
    folder.mkdir(parents=True)
    SCENARIOS[name].prepare(folder)
    start = read_tree(folder)
    command = [sys.executable, "-m", "tests.crash.scenarios", name, str(folder), str(home / "record")]
    own = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "XDG_CACHE_HOME": str(home / "cache")}
    done = subprocess.run(command, env=environment(build(home.parent)) | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    disk = Disk(start, folder, list(read_record(home / "record")))
    replayed, left = (_lasting(tree) for tree in (disk.after(disk.length, "all", _NO_CHANCE), read_tree(folder)))
    assert replayed.keys() == left.keys(), replayed.keys() ^ left.keys()
    assert replayed == left, [path for path in left if left[path] != replayed[path]]
    return disk


def replay(name: str, disk: Disk, home: Path, most: int | None, seed: int) -> Outcome:
    """Try crashes at all places, or at `most` of them."""
    outcome, seen = Outcome(calls=disk.length), set[bytes]()
    facts = [(number, tuple(json.loads(text))) for number, text in disk.notes]
    for cut, how, chance in cuts(disk, most, seed):
        tree = disk.after(cut, how, chance)
        said: Facts = [fact for number, fact in facts if number < cut]
        later: Facts = [fact for number, fact in facts if number >= cut]
        outcome.crashes += 1
        digest = hashlib.sha256(repr((sorted(tree.items()), len(said), how == "all")).encode()).digest()
        if digest in seen:
            continue
        seen.add(digest)
        folder = home / "crashed"
        write_tree(tree, folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                SCENARIOS[name].check(folder, said, later, how == "all")
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            outcome.failures.append(
                f"{how}, cut at {cut}: {type(error).__name__}: {error} ({place.name}:{place.lineno})"
            )
        finally:
            shutil.rmtree(folder)
    outcome.folders = len(seen)
    return outcome


def _lasting(tree: Tree) -> dict[str, Any]:
    return {path: content for path, content in tree.items() if not path.endswith(VOLATILE)}


class _NoChance:
    def randint(self, *_: int) -> int:
        return 0

    def choice(self, values: Any) -> Any:
        return values[0]

    def random(self) -> float:
        return 1.0


_NO_CHANCE: Any = _NoChance()
