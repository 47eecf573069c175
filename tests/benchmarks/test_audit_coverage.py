"""The benchmark of audits: the page shows what was measured, and draws are weighted as they are drawn."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "accuracy")
    yield
    for name in ("audit_coverage", "audit_predictions"):
        sys.modules.pop(name, None)


def test_the_page_shows_what_was_measured() -> None:
    from audit_coverage import RESULT, table

    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    assert content["draws"] == 300
    missing = [line for line in table(content) if line not in page]
    assert not missing


def test_measuring_finds_what_is_known() -> None:
    """Where the model is always right, every interval has the truth inside; a map that is all wrong is 0."""
    from audit_coverage import measure, truth

    rng = np.random.default_rng(0)
    images = []
    for _ in range(6):
        mask = (rng.random((16, 16)) < 0.4).astype(np.uint8)
        images.append({"mask": mask, "unsure": rng.random((4, 4)), "forest": mask, "weak forest": 1 - mask})
    assert truth(images, 2, "weak forest")["iou 1"] == 0
    found = measure(images, 2, 24, "mixed", 3)
    assert (found["questions"], found["images"], found["of"]) == (24, 6, 6)
    assert found["figures"]["accuracy"]["truth"] == found["figures"]["accuracy"]["coverage"] == 1
    assert found["figures"]["difference of miou"]["truth"] == -1
