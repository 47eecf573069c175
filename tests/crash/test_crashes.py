"""A crash at every moment: what was acknowledged is there, and nothing is half there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.recorder import why_not
from tests.crash.replay import Outcome, record, replay

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def crash(name: str, home: Path, most: int | None) -> Outcome:
    outcome = replay(name, record(name, home / "record"), home, most, seed=0)
    assert outcome.folders >= 5
    return outcome


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *(("files", 1000), ("annotator", 60), ("training", 30), ("prediction", 80)),
        pytest.param("files", None, marks=pytest.mark.long),
        *(pytest.param(name, None, marks=pytest.mark.torture) for name in ("annotator", "training", "prediction")),
    ],
)
def test_no_crash_takes_what_was_acknowledged(name: str, most: int | None, tmp_path: Path) -> None:
    assert crash(name, tmp_path, most).failures == []


def test_a_program_that_flushes_nothing_is_found_out(tmp_path: Path) -> None:
    """The files are there, and still their names or what is in them may not have reached the disk."""
    failures = crash("careless", tmp_path, None).failures
    assert any("FileNotFoundError" in one for one in failures)
    assert any("AssertionError" in one for one in failures)
    assert not any(one.startswith("all") for one in failures)
