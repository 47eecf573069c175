"""What a type checker says of a program that uses the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pointillist

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def wrong_lines() -> set[tuple[str, int]]:
    lines = (HERE / "mistakes.py").read_text(encoding="utf-8").splitlines()
    return {("mistakes.py", number) for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


@pytest.mark.slow
@pytest.mark.long
def test_mypy_takes_the_consumer_and_finds_every_mistake() -> None:
    # As a program that has it installed: strict, without the settings of this repository.
    source = Path(pointillist.__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        str(ROOT / ".mypy_cache" / "consumer"),
    ]
    done = subprocess.run(
        [*command, "consumer.py", "mistakes.py"],
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = re.findall(r"^(\w+\.py):(\d+): error: ", done.stdout, re.MULTILINE)
    assert {(name, int(line)) for name, line in found} == wrong_lines(), done.stdout + done.stderr
    assert wrong_lines()


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(pointillist.__file__).parent / "py.typed").is_file()
