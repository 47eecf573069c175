from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import pointillist as pt
from pointillist.annotator.engine.jobs import Clicks
from pointillist.annotator.engine.layer import layer_labels
from pointillist.annotator.engine.loaded_model import LoadedModel
from pointillist.data.pixels import Pixels
from pointillist.data.views import WholeView
from pointillist.inference.predictor import Predictor
from pointillist.pseudomask import PseudoMaskGenerator
from pointillist.training.tiling import probabilities_of


def test_the_layer_is_what_the_training_step_would_make(tiny_data: Path, tmp_path: Path) -> None:
    """The generator of the method, told what the network was taught to expect."""
    settings = {"trainer.steps": 4, "trainer.device": "cpu", "trainer.validations": 0, "data.size": "48x64"}
    run = pt.train(pt.load(tiny_data), out=tmp_path / "run", settings=settings)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    points = np.array([[10.5, 10.5, 0], [50.5, 30.5, 1], [30.5, 40.5, 2]])
    predictor = Predictor(run)
    (block,) = predictor.blocks(WholeView(predictor.spec, Pixels(pixels)))
    said = torch.from_numpy(probabilities_of(block.logits))
    expected = predictor.engine.class_prior
    assert expected is not None
    assert len(set(expected)) > 1
    image, clicks = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 255, torch.from_numpy(points)
    corrected, without = (
        PseudoMaskGenerator(0)(image, said[None], [clicks], class_prior=prior).labels[0]
        for prior in (torch.tensor(expected), None)
    )
    output = LoadedModel(run.root).output(("a",), Pixels(pixels), [[0], [1], [2]])
    found = layer_labels(pixels, Clicks(points, 3, 0), (48, 64), output)
    assert found is not None
    assert (found == corrected.numpy()).mean() > 0.999  # a threshold may be met within rounding
    assert (found == without.numpy()).mean() < 0.999


def test_outputs_of_merged_classes_are_added(tiny_data: Path, tmp_path: Path) -> None:
    settings = {"trainer.steps": 4, "trainer.device": "cpu", "trainer.validations": 0, "data.size": "48x64"}
    model = LoadedModel(pt.train(pt.load(tiny_data), out=tmp_path / "run", settings=settings).root)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    apart = model.output(("a",), Pixels(pixels), [[0], [1], [2]]).probabilities
    together = model.output(("a",), Pixels(pixels), [[0], [1, 2], []]).probabilities
    assert torch.allclose(apart.sum(0), torch.ones(48, 64))
    assert torch.allclose(together[1], apart[1] + apart[2])
    assert (together[2] == 0).all()
