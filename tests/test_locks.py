"""A folder in use is refused, whatever is done to its marker, and free when its holder is gone, however that ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pointillist.errors import RunError
from pointillist.locks import MARKER, in_use

HOLD = """
import os, sys, time
from pathlib import Path
from pointillist.locks import in_use
with in_use(Path(sys.argv[1]), "training", share=sys.argv[2]):
    if sys.argv[3] == "fork" and os.fork():
        time.sleep(60)
    print("held", flush=True)  # said by the child, if there is one: it exists whole, and has not noticed any death yet
    time.sleep(60)
"""


def holding(folder: Path, share: str = "", then: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, share, then], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    then = "" if sys.platform == "win32" else "fork"
    process = holding(folder, then=then)
    try:
        said = rf"is in use: process {process.pid} on \S+ is training here since {time.strftime('%Y', time.gmtime())}"
        with pytest.raises(RunError, match=said), in_use(folder, "training"):
            pass
        assert (folder / MARKER).is_file(), "whoever is refused leaves the marker"
        if sys.platform != "win32":
            (folder / MARKER).unlink()
            with pytest.raises(RunError, match="is in use: by another"), in_use(folder, "training"):
                pass
    finally:
        process.kill()
        process.wait()
    with in_use(folder, "training"):
        assert str(os.getpid()) in (folder / MARKER).read_text()
    assert list(folder.iterdir()) == []


def test_shares_go_along_with_each_other_alone(tmp_path: Path) -> None:
    with in_use(tmp_path, "predicting", share="1-of-2"), in_use(tmp_path, "predicting", share="2-of-2"):
        for share in ("", "2-of-2") if sys.platform != "win32" else ("2-of-2",):
            with pytest.raises(RunError, match="is in use"), in_use(tmp_path, "predicting", share=share):
                pass
    with in_use(tmp_path, "predicting"), pytest.raises(RunError), in_use(tmp_path, "predicting", share="1-of-2"):
        pass


@pytest.mark.parametrize("marker", [b"", b"\xff", b"[" * 1900, b'{"pid": "x", "host": 1, "since": [], "doing": {}}'])
def test_a_marker_may_hold_anything(marker: bytes, tmp_path: Path) -> None:
    with in_use(tmp_path, "training"):
        (tmp_path / MARKER).write_bytes(marker)
        with pytest.raises(RunError, match="is in use: by another"), in_use(tmp_path, "training"):
            pass
    (tmp_path / MARKER).write_bytes(marker)  # of a killed program
    with in_use(tmp_path, "training"):
        pass


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), in_use(tmp_path / "a" / "b", "training"):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
