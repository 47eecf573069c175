"""Where no extra is installed: what works without, and that everything else names the extra that it needs.

Run by `make test-without-extras`, in an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pointillist

FIXTURES = Path(__file__).parent / "fixtures"
KEPT = FIXTURES / "version_0_1_0"
DATA, RUN = KEPT / "data", KEPT / "run"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointillist", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})


def test_nothing_of_an_extra_is_here() -> None:
    assert not [name for name in ("torch", "onnxruntime", "rasterio", "fastapi", "matplotlib") if find_spec(name)]


@pytest.mark.parametrize(
    "command",
    [
        *(
            ["--version"],
            ["--help"],
            ["info"],
            ["points", "formats"],
            ["points", "check", DATA],
            ["data", "check", DATA],
        ),
        ["points", "import", DATA, DATA / "points.csv", "--out", "OUT/points.csv"],
        ["points", "export", DATA, "OUT/labels", "--format", "labelme"],
        ["points", "convert", DATA / "points.csv", "OUT/labels", "--to", "labelme", "--images", DATA / "images"],
        ["points", "simulate", DATA, "--out", "OUT/points.csv"],
    ],
    ids=lambda command: " ".join(map(str, command[:2])),
)
def test_what_needs_no_extra_works(command: list[str | Path], tmp_path: Path) -> None:
    done = run(*(str(part).replace("OUT", str(tmp_path)) for part in command))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("extra", "command"),
    [
        ("train", ["train", DATA, "--out", "OUT/run"]),
        ("train", ["train", "--resume", "--out", RUN]),
        ("train", ["evaluate", RUN, DATA]),
        ("train", ["compare", RUN, RUN]),
        ("train", ["predict", RUN, DATA / "images", "--out", "OUT/out"]),
        ("train", ["demo", "--out", "OUT/demo"]),
        ("onnx", ["predict", FIXTURES / "onnx" / "tiny.onnx", DATA / "images", "--out", "OUT/out"]),
        ("annotate", ["annotate", DATA]),
        ("geo", ["points", "export", DATA, "OUT/points.gpkg", "--format", "gis"]),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[0]),
)
def test_what_needs_an_extra_names_it(extra: str, command: list[str | Path], tmp_path: Path) -> None:
    done = run(*(str(part).replace("OUT", str(tmp_path)) for part in command))
    assert done.returncode == 2, done.stderr
    assert f"pip install 'pointillist[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir()), "nothing is begun"


@pytest.mark.parametrize("name", ["train", "evaluate", "audit", "load", "PseudoMaskGenerator"])
def test_a_name_that_needs_an_extra_names_it(name: str) -> None:
    with pytest.raises(pointillist.PointillistError, match=r"pip install 'pointillist\[train\]'"):
        getattr(pointillist, name)
