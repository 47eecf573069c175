"""The method `forest`: its features, its trees as tensors, and whole trainings."""

from __future__ import annotations

import json
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import ExtraTreesClassifier
from torch.utils._python_dispatch import TorchDispatchMode

from pointillist.api import evaluate, train
from pointillist.data.dataset import Dataset
from pointillist.data.layouts import load_dataset
from pointillist.data.samples import Clicked
from pointillist.data.transforms import Sample
from pointillist.errors import ConfigError, RunError
from pointillist.inference.export import export_model
from pointillist.inference.predictor import Predictor
from pointillist.sealed import checksum
from pointillist.training.config import Config, make_config
from pointillist.training.filter_bank import SIGMAS, clicked_features, filter_bank, reach
from pointillist.training.methods.forest import ForestMethodOptions, grow
from pointillist.training.metrics_table import read_metrics
from pointillist.training.model_file import sha256
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import build_network, forest
from pointillist.training.run import fit

SMALL = {"method.trees": 10, "method.sigmas": [0.5, 2.0], "method.max_leaves": 64}
CPU = {"method": "forest", "trainer.device": "cpu", "trainer.snapshots": 1}


def textures(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image whose two halves have the same mean and colour and differ in texture alone; mask; 20 clicks each."""
    rng = np.random.default_rng(seed)
    fine, coarse = rng.random((size, size)), np.kron(rng.random((size // 8, size // 8)), np.ones((8, 8)))
    mask = np.zeros((size, size), np.uint8)
    mask[:, size // 2 :] = 1
    grey = np.where(mask == 1, coarse, fine)
    x, y = rng.uniform(0, size / 2, 40), rng.uniform(0, size, 40)
    labels = np.repeat([0, 1], 20)
    return np.uint8(255 * grey)[:, :, None].repeat(3, 2), mask, np.stack([x + labels * size / 2, y, labels], 1)


def texture_data() -> Dataset:
    drawn = [textures(seed) for seed in range(4)]
    images, masks, points = ([one[part] for one in drawn] for part in range(3))
    return Dataset.from_arrays(images, points=points, masks=masks, classes=["fine", "coarse"], splits={"val": [2, 3]})


def test_features_are_those_of_scikit_image() -> None:
    image = np.random.default_rng(0).random((70, 90, 2), np.float32)
    found = filter_bank(torch.from_numpy(image.transpose(2, 0, 1))[None])[0].view(len(SIGMAS), 4, 2, 70, 90)
    expected = multiscale_basic_features(image, channel_axis=-1).transpose(2, 0, 1).reshape(2, len(SIGMAS), 4, 70, 90)
    off = np.abs(found.permute(2, 0, 1, 3, 4).numpy() - expected)
    assert off[:, :, :2].max() < 1e-6
    # At the border, second differences have no neighbours: they are one-sided there, ours repeat the border.
    assert off[..., 2:-2, 2:-2].max() < 1e-6


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_features_of_the_smallest_images_are_finite(size: tuple[int, int]) -> None:
    assert filter_bank(torch.rand(2, 3, *size)).isfinite().all()


def planted(classes: int = 4, bands: int = 2) -> tuple[forest.ForestNetwork, ExtraTreesClassifier, torch.Tensor]:
    """A network of random trees, and the same trees in scikit-learn; no click has the last class but one."""
    options = ForestMethodOptions(trees=12, max_depth=9, max_leaves=40, sigmas=(0.5, 1.5))
    image = torch.rand(1, bands, 60, 80, generator=torch.Generator().manual_seed(0))
    features = filter_bank(image, options.sigmas)[0].flatten(1).T[::16].contiguous()
    labels = (features[:, 0] * 3 + 0.3 * features[:, -1]).long()
    labels[labels == classes - 2] = classes - 1
    weights = torch.tensor([1.0, 2.0, 1.0, 0.5])
    network = build_network(options.network(), classes, bands).eval()
    network.plant(grow(features, labels, weights, options, seed=3))
    same = ExtraTreesClassifier(12, max_depth=9, max_leaf_nodes=40, max_features=None, random_state=3)
    return network, same.fit(features.numpy(), labels.numpy(), sample_weight=weights[labels].numpy()), image


def test_trees_say_what_scikit_learn_says() -> None:
    network, reference, image = planted()
    features = filter_bank(image, network.options.sigmas)[0].flatten(1).T.numpy()
    output = network(torch.cat([image, image.flip(3)]))
    found = output.features[0].flatten(1).T
    expected = reference.predict_proba(features)
    assert expected.shape[1] == 3
    assert (found[:, 2] == 0).all(), "nobody clicked this class"
    np.testing.assert_allclose(found[:, [0, 1, 3]].numpy(), expected, atol=1e-6)
    torch.testing.assert_close(output.logits.exp(), output.features.clamp(min=forest.LEAST))


def test_a_window_and_a_strip_say_what_the_whole_image_says(monkeypatch: pytest.MonkeyPatch) -> None:
    network, _, image = planted()
    whole, margin = network(image).logits, reach(network.options.sigmas)
    assert margin == 8
    window = network(image[:, :, 7:52, 11:70]).logits
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    torch.testing.assert_close(window[inside], whole[:, :, 7:52, 11:70][inside])
    monkeypatch.setattr(forest, "MOST", 7 * network.filters * 80)
    torch.testing.assert_close(network(image).logits, whole)


class Largest(TorchDispatchMode):
    """Notes the number of values of the largest tensor that is made."""

    values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.values = max(self.values, made.numel() if isinstance(made, torch.Tensor) else 0)
        return made


def test_many_trees_and_classes_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ForestMethodOptions(trees=100, max_leaves=2, sigmas=(0.5,))
    network = build_network(options.network(), 50, 1)
    network.shares.uniform_()
    filters = torch.rand(2, network.filters, 24, 20)
    whole = network.classify(filters)
    monkeypatch.setattr(forest, "MOST", most := 2**19)
    with Largest() as largest:
        parts = network.classify(filters)
    assert most / 2 < largest.values <= most < 100 * 50 * 960
    torch.testing.assert_close(parts, whole)
    monkeypatch.setattr(forest, "MOST", 1)  # a pixel at least
    torch.testing.assert_close(network.classify(filters[..., :2]), whole[..., :2])


def test_each_click_with_data_is_learnt_from_once() -> None:
    image, valid = torch.rand(3, 20, 30), torch.ones(20, 30, dtype=torch.bool)
    valid[:, :5] = False
    clicks = torch.tensor([[2.5, 3.5, 0], [7.9, 3.1, 1], [29.5, 19.5, 2], [31.0, 4.0, 2]])
    features, labels = clicked_features(
        [Clicked(Sample("a", image, clicks, valid, 24.0), clicks, True)], partial(filter_bank, sigmas=(1.0,))
    )
    assert labels.tolist() == [1, 2]
    torch.testing.assert_close(features, filter_bank(image[None], (1.0,))[0, :, [3, 19], [7, 29]].T)


def test_textures_are_learnt_and_the_run_is_complete(tmp_path: Path) -> None:
    data = texture_data()
    run = train(data, out=tmp_path / "run", settings={**CPU, **SMALL})
    assert evaluate(run, data).miou > 0.85
    (row,) = read_metrics(run)
    assert (row["epoch"], row["step"], row["lr"], row["loss"]) == ("1", "0", "", "")
    assert float(row["val_miou"]) == pytest.approx(evaluate(run, data).miou, abs=1e-6)
    assert run.report.is_file()
    assert list(run.snapshots.glob("*.png"))
    predictor = Predictor(run)
    protocol = predictor.engine.protocol
    assert (protocol["network"], protocol["normalization"], protocol["steps"], protocol["lr"]) == (
        "forest",
        "none",
        0,
        0,
    )
    assert {path.name for path in run.model.iterdir()} == {"model.json", "model.safetensors", "README.md"}
    config, _ = run.read()
    sizes = {name.removeprefix("method."): value for name, value in SMALL.items()}
    assert Config(method=ForestMethodOptions(**sizes)).network == config.network, "made in Python, it is the same"
    assert (config.network.architecture, config.network.options["trees"], config.trainer.epochs) == ("forest", 10, 1)
    # Learnt again, or gone on with, it is the same.
    again = fit(make_config(None, {**CPU, **SMALL}), data, tmp_path / "again")
    fit(config, data, tmp_path / "again", resume=True)
    assert sha256(again.model / "model.safetensors") == predictor.engine.sha256
    image = textures(2)[0]
    np.testing.assert_array_equal(Predictor(again)(image), predictor(image))


def test_what_does_not_go_together_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'forest' brings its own network") as caught:
        make_config(None, {"method": "forest", "network.architecture": "unet"})
    assert caught.value.field == "network"
    with pytest.raises(ValidationError, match="'forest' brings its own network"):
        Config(method=ForestMethodOptions(), network=NetworkSettings(architecture="unet"))
    with pytest.raises(ConfigError, match="which several devices cannot share"):
        make_config(None, {"method": "forest", "trainer.devices": 2})
    alone = make_config(None, {"method": "points", "network.architecture": "forest", "trainer.device": "cpu"})
    with pytest.raises(ConfigError, match="'forest' has nothing that 'points' could train"):
        fit(alone, load_dataset(tiny_data), tmp_path / "run")
    run = fit(make_config(None, {**CPU, **SMALL}), load_dataset(tiny_data), tmp_path / "forest")
    for target in ("onnx", "torchscript", "torch-export"):
        with pytest.raises(RunError, match="a ForestNetwork has no graph"):
            export_model(run.root, target)


def test_a_strangers_forest_is_looked_at(tiny_data: Path, tmp_path: Path) -> None:
    run = fit(make_config(None, {**CPU, **SMALL}), load_dataset(tiny_data), tmp_path / "run")
    weights, file = run.model / "model.safetensors", run.model / "model.json"
    state = load_file(weights)
    wrong = (
        ("child", 10_000, "from 0"),
        ("feature", 10_000, "from 0"),
        ("shares", nan, "finite"),
        ("shares", inf, "finite"),
    )
    for name, more, expected in wrong:
        save_file({**state, name: state[name] + more}, weights)
        content = {**json.loads(file.read_text()), "sha256": sha256(weights)}
        file.write_text(json.dumps({**content, "checksum": checksum(content)}))
        with pytest.raises(RunError, match=f"'{name}' of this forest holds a number that is not {expected}"):
            Predictor(run)
