"""The few lines the README shows, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pointillist as pt
from tests.conftest import TINY


def test_load_train_evaluate_predict(tiny_data: Path, tmp_path: Path) -> None:
    data = pt.load(tiny_data)
    settings = {name: value for name, value in TINY.items() if name not in ("data.size", "trainer.epochs")}
    run = pt.train(data, out=tmp_path / "run", method="points", epochs=1, size=(48, 64), seed=1, settings=settings)
    result = pt.evaluate(run, data)
    assert 0 <= result.miou <= 1
    assert result.protocol["seed"] == 1
    labels = pt.Predictor(run)(np.zeros((30, 40, 3), np.uint8))
    assert labels.shape == (30, 40)


def test_every_public_name_exists() -> None:
    for name in pt.__all__:
        assert getattr(pt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        pt.magic  # noqa: B018


def test_help_does_not_wait_for_torch() -> None:
    script = "import sys, pointillist.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
