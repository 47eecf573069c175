"""The tutorials run from the first cell to the last; `make site` and `make newcomer` run them as long as they are."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
MOST_SECONDS = 600  # a minute where the machine is not loaded; more is a tutorial that hangs

OURS = """
def _command(command):
    import shlex, subprocess, sys
    sys.argv = shlex.split(command)
    if sys.argv[0] != "pointillist":
        subprocess.run(command, shell=True, check=True)
        return
    from pointillist.cli import main
    try:
        main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
"""

SHORT = """
from pointillist.training import pixel_classifier
pixel_classifier.STEPS = 20
"""


def code_of(name: str) -> str:
    """The code cells as one script; a line `# !command` runs the command, in the same process when it is ours."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    lines = [OURS]
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE):
        title, _, body = cell.partition("\n")
        if "[markdown]" in title:
            continue
        for line in body.splitlines():
            command = re.match(r"# !(.*)", line)
            lines.append(f"_command({command[1]!r})" if command else line)
    return "\n".join(lines)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs(name: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    script = tmp_path / "tutorial.py"
    script.write_text(SHORT + re.sub(r"(trainer\.steps\W+)\d+", r"\g<1>12", code_of(name)), encoding="utf-8")
    found = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path / "work",
        env={**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
    )
    assert found.returncode == 0, found.stdout[-1500:] + found.stderr[-3000:]


@pytest.mark.parametrize("name", NAMES)
def test_pictures_have_a_title(name: str) -> None:
    """What a cell shows as a picture needs the cell's title: it is the picture's text for those who cannot see it."""
    for cell in re.split(r"^# %%", (FOLDER / f"{name}.py").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = cell.partition("\n")
        if "[markdown]" in title:
            continue
        last = ast.parse(body).body[-1:] if body.strip() else []
        shown = any(isinstance(node, ast.Expr) and ast.unparse(node).startswith("Image.") for node in last)
        if shown or "plt.show()" in body or re.search(r"^show\(", body, re.MULTILINE):
            assert title.strip(), f"{name}: a cell with a picture has no title"
