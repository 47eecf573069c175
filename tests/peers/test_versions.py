"""What `make peers` has set up: the pinned packages, with the PyTorch of the project's own environment."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.peers.packages import PINNED


def test_every_package_is_pinned() -> None:
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in PINNED.values())
    assert list(PINNED) == sorted(PINNED, key=str.lower)


def test_the_page_of_other_programs_says_so() -> None:
    folder = Path(__file__).parent
    page = (folder.parents[1] / "docs" / "other-programs.md").read_text(encoding="utf-8").split("## Tried together")[1]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| [")]
    assert {re.sub(r"\[(.+)\]\(https://pypi.org/project/\1/\)", r"\1", row[0]): row[1] for row in rows} == PINNED
    named = {name for row in rows for name in re.findall(r"`(test_\w+\.py)`", row[3])}
    files = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("test_*.py")}
    assert named == {name for name, text in files.items() if "import peer\n" in text}


@pytest.mark.skipif(os.environ.get("POINTILLIST_PEERS") != "required", reason="this is not `make peers`")
def test_the_packages_are_those() -> None:
    assert {package: metadata.version(package) for package in PINNED} == PINNED
    import torch

    assert not Path(torch.__file__).is_relative_to(sys.prefix), "a second PyTorch, not the one that users get"
