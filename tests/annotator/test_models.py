from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import pointillist as pt
from pointillist.annotator.models import Model
from pointillist.inference.predictor import Predictor


def test_what_a_model_says_is_divided_by_what_it_was_taught_to_expect(tiny_data: Path, tmp_path: Path) -> None:
    settings = {"trainer.steps": 4, "trainer.device": "cpu", "trainer.validations": 0}
    run = pt.train(pt.load(tiny_data), out=tmp_path / "run", size=(48, 64), settings=settings)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    predictor = Predictor(run)
    said = torch.cat([strip for _, strip in predictor.probability_strips(pixels)], dim=1)
    expected = predictor.model.expected
    assert expected is not None
    assert len(set(expected)) > 1
    planes = Model(run.root).knowledge(("a",), pixels, [[0], [1, 2], []]).probabilities
    assert torch.allclose(planes[0], said[0] / expected[0])
    assert torch.allclose(planes[1], said[1] / expected[1] + said[2] / expected[2])
    assert (planes[2] == 0).all()
