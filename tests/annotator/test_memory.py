"""What the engine holds in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pointillist.annotator.engine.client import EngineClient
from pointillist.annotator.engine.jobs import Clicks, Lane, LayerJob
from pointillist.data.bands import EIGHT_BITS, Bands

pytestmark = pytest.mark.slow


def test_the_engine_imports_no_compiler_and_no_training() -> None:
    """Each of these costs more than 100 MB, and no layer needs one."""
    program = (
        "import sys, pointillist.annotator.engine.process; "
        "print(*{'torch._dynamo', 'torchvision', 'sklearn', 'lightning', 'timm'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not found.split()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory of a process")
def test_a_large_layer_leaves_no_memory_behind() -> None:
    engine = EngineClient()
    bands = Bands(("red", "green", "blue"), "uint8", (EIGHT_BITS,) * 3, (0, 1, 2))
    clicks = Clicks(np.array([[5.5, 5.5, 0], [80.5, 90.5, 1], [200.5, 100.5, 2]]), 3, 0)

    def held(lane: Lane, size: tuple[int, int]) -> int:
        """Private megabytes after a layer of a (height, width)."""
        pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
        job = LayerJob(lane, ("a", "b"), pixels, bands, clicks, size, ("#000000", "#ff0000", "#00ff00"))
        assert engine.run(job)
        assert engine._process is not None
        status = Path(f"/proc/{engine._process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) // 1024  # type: ignore[index]

    try:
        before = held("fast", (200, 300))
        assert held("full", (900, 1200)) < before + 60
    finally:
        engine.close()
