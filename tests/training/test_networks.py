from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch import nn

from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, PluginWarning
from pointillist.inference.predictor import Predictor
from pointillist.training import networks
from pointillist.training.config import Config, make_config
from pointillist.training.methods import get_method
from pointillist.training.module import TrainingModule
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import Network, architectures, build_network, families
from pointillist.training.networks.smp import load_encoder
from pointillist.training.run import fit
from tests.conftest import TINY
from tests.training.steps import CLASSES, make_batch

SLIM = {"channels": [8] * 4, "stem_width": 8, "decoder_channels": [8] * 5}


def slim(**changes: object) -> NetworkSettings:
    return NetworkSettings(**{"architecture": "unet", "options": SLIM, **changes})


def test_small_has_one_to_two_million_parameters() -> None:
    network = build_network(NetworkSettings(), 11)
    assert 1e6 < sum(p.numel() for p in network.parameters()) < 2e6


@pytest.mark.parametrize("size", [(48, 64), (1, 1), (33, 70)])
@pytest.mark.parametrize("bands", [1, 3, 13])
def test_any_size_and_number_of_bands_goes_in_and_a_map_of_that_size_comes_out(
    size: tuple[int, int], bands: int
) -> None:
    prediction = build_network(slim(), 5, bands)(torch.rand(2, bands, *size))
    assert prediction.logits.shape == (2, 5, *size)
    assert prediction.logits.isfinite().all()


@pytest.mark.parametrize(("architecture", "encoder"), [("unet", "resnet18"), ("fpn", "tu-resnet10t")])
def test_batch_normalisation_is_replaced_everywhere(architecture: str, encoder: str) -> None:
    network = build_network(NetworkSettings(architecture=architecture, encoder=encoder), 3)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
    assert any(isinstance(module, nn.GroupNorm) for module in network.modules())


def test_an_image_does_not_depend_on_its_batch() -> None:
    network = build_network(slim(), 3).train().double()  # normalising few values magnifies float32's rounding
    images = torch.rand(3, 3, 48, 64, dtype=torch.float64)
    together = network(images).logits
    alone = torch.cat([network(image[None]).logits for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


def test_weights_come_from_the_random_state_alone() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_network(slim(), 3).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_feature_channels() -> None:
    network = build_network(slim(), 3)
    assert network(torch.rand(1, 3, 32, 32)).features.shape[1] == network.feature_channels == 8


@pytest.mark.parametrize(
    ("settings", "field", "hint"),
    [
        ({"architecture": "unett"}, "network.architecture", "'unet'"),
        ({"encoder": "resnet81"}, "network.encoder", "'resnet18'"),
        ({"encoder": "smal"}, "network.encoder", "'small'"),
        ({"encoder": "resnet18", "options": {"decoder_dropot": 0.1}}, "network.options", "'decoder_dropout'"),
        ({"encoder": "tu-resnet18", "options": {"stem_with": 8}}, "network.options", "'stem_width'"),
    ],
)
def test_wrong_names(settings: dict[str, object], field: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_network(NetworkSettings(**settings), 3)
    assert caught.value.field == field
    assert hint in caught.value.hint


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_encoder_weights_are_loaded_whole(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(1)
    settings = slim(normalization="batch")
    source = build_network(settings, 3).model.encoder
    file = tmp_path / f"weights{suffix}"
    state = {name: tensor.contiguous() for name, tensor in source.state_dict().items()}
    state["fc.weight"] = torch.zeros(3)  # a classifier's, which an encoder has no place for
    save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
    torch.manual_seed(2)
    network = build_network(slim(normalization="batch", weights=file), 3)
    for name, tensor in source.state_dict().items():
        assert torch.equal(network.model.encoder.state_dict()[name], tensor), name


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    encoder = build_network(slim(), 3).model.encoder
    file = tmp_path / "weights.safetensors"
    save_file({"nothing": torch.zeros(1)}, file)
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_encoder(encoder, file)
    file.write_bytes(b"not weights")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_encoder(encoder, file)


@pytest.mark.parametrize("encoder", ["small", "resnet18", "tu-resnet10t"])
def test_weights_for_another_number_of_bands_say_so(tmp_path: Path, encoder: str) -> None:
    settings = {"architecture": "fpn", "encoder": encoder, "normalization": "batch"}
    source, file = build_network(NetworkSettings(**settings), 3).model.encoder, tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in source.state_dict().items()}, file)
    with pytest.raises(ConfigError, match="weights are for images of 3 bands, and the network takes 5") as caught:
        build_network(NetworkSettings(**settings, weights=file), 3, bands=5)
    assert (caught.value.where, caught.value.field) == (str(file), "network.weights")


def test_normalisation_is_the_same_in_every_band_and_not_saved() -> None:
    network, image = build_network(slim(), 3, bands=5).eval(), torch.rand(1, 5, 32, 64)  # a size without padding
    assert not {"mean", "std"} & set(network.state_dict())
    with torch.no_grad():
        expected = network.model((image - 0.5) / 0.25).logits
        torch.testing.assert_close(network(image).logits, expected)


def one_step(settings: NetworkSettings, size: tuple[int, int] = (24, 32)) -> None:
    """A training step of the whole module, after which every weight of the network has learnt something finite."""
    torch.manual_seed(0)
    config = Config(method=get_method("points").Options(name="points"), network=settings)
    module = TrainingModule(config, CLASSES, 10)
    before = {name: tensor.clone() for name, tensor in module.network.state_dict().items()}
    optimizer = torch.optim.SGD(module.network.parameters(), lr=0.1)
    module.method.loss(module.step_input(make_batch(size=size))).loss.backward()
    optimizer.step()
    after = module.network.state_dict()
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert any(not torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("architecture", sorted(smp.MODEL_ARCHITECTURES_MAPPING))
@pytest.mark.parametrize("size", [(24, 32), (33, 70)])
def test_every_architecture_learns(architecture: str, size: tuple[int, int]) -> None:
    encoder = "tu-vit_tiny_patch16_224" if architecture == "dpt" else "small"
    settings = NetworkSettings(architecture=architecture, encoder=encoder)
    one_step(settings, size)
    network = build_network(settings, 3, bands=5)
    output = network(torch.rand(2, 5, *size))
    assert output.logits.shape == (2, 3, *size)
    assert output.features.shape[:2] == (2, network.feature_channels)


@pytest.mark.parametrize("encoder", ["small", "resnet18", "tu-resnet18", "tu-vgg11"])
def test_dpt_wants_a_vision_transformer(encoder: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_network(NetworkSettings(architecture="dpt", encoder=encoder), 3)
    assert caught.value.field in ("network", "network.encoder")


@pytest.mark.parametrize(
    "settings",
    [
        {"architecture": "unet", "encoder": "tu-swin_tiny_patch4_window7_224"},
        {"architecture": "pspnet", "options": {"encoder_depth": 4}},
    ],
)
def test_what_cannot_take_images_of_any_size_is_refused_before_training(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be built"):
        build_network(NetworkSettings(**settings), 3)


FAMILY = """
from torch import nn
from pointillist.training.methods import NetworkOutput
from pointillist.training.networks import Network, NetworkFamily, check_options


class Line(Network):
    feature_channels = 4

    def __init__(self, num_classes, bands):
        super().__init__()
        self.body, self.head = nn.Conv2d(bands, 4, 3, padding=1), nn.Conv2d(4, num_classes, 1)

    def forward(self, images):
        features = self.body(images).relu()
        return NetworkOutput(self.head(features), features)


class Lines(NetworkFamily):
    name = "lines"
    architectures = ("ARCHITECTURE",)

    @classmethod
    def build(cls, settings, num_classes, bands):
        check_options(settings, ())
        return Line(num_classes, bands)
"""


def add_family(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, architecture: str) -> None:
    (folder / f"{name}.py").write_text(FAMILY.replace("ARCHITECTURE", architecture), encoding="utf-8")
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(folder)])


def test_a_new_network_is_one_file(tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_family(tmp_path, monkeypatch, "a_family_of_lines", "line")
    assert set(families()) == {"forest", "lines", "smp"}
    assert {"line", "fpn"} <= set(architectures())
    one_step(NetworkSettings(architecture="line"))
    with pytest.raises(ConfigError, match="no option 'x'"):
        build_network(NetworkSettings(architecture="line", options={"x": 1}), 3)
    config = make_config(None, {**TINY, "network.architecture": "line", "network.options": {}})
    run = fit(config, load_dataset(tiny_data), tmp_path / "run")
    assert Predictor(run)(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)


def test_a_family_that_knows_no_bands_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(families()["smp"]):
        architectures = ("old",)

        @classmethod
        def build(cls, settings: NetworkSettings, num_classes: int) -> Network:
            raise AssertionError((settings, num_classes))

    monkeypatch.setattr(networks, "architectures", lambda: {"old": Old})
    with pytest.raises(ConfigError, match=r"Old\.build of .*test_networks does not take a number of bands"):
        build_network(NetworkSettings(architecture="old"), 3)


def test_no_family_takes_the_name_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_family(tmp_path, monkeypatch, "a_family_of_other_lines", "fpn")
    with pytest.warns(PluginWarning, match="'fpn' of .* is left out: .* has it already"):
        network = build_network(NetworkSettings(), 3)
    assert isinstance(network, Network)
