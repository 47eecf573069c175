"""The wheel works alone, without the source tree beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY_FLAGS

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_trains_and_writes_its_report(tiny_data: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("pointillist-*.whl")
    site = tmp_path / "site"
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> str:
        # Elsewhere, so that nothing of the source tree is found by chance.
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert str(site) in run("-c", "import pointillist; print(pointillist.__file__)")
    # report.html needs the template that must have come with the wheel.
    run("-m", "pointillist", "train", str(tiny_data), "--method", "points", "--out", "run", *TINY_FLAGS)
    assert "<!doctype html>" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert (site / "pointillist" / "py.typed").is_file()
