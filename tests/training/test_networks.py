from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pointillist.errors import ConfigError
from pointillist.training.config import NetworkSettings
from pointillist.training.networks import build_network
from pointillist.training.networks.smp import load_encoder

SLIM = {"channels": [8] * 4, "stem_width": 8, "decoder_channels": [8] * 5}


def slim(**changes: object) -> NetworkSettings:
    return NetworkSettings(**{"architecture": "unet", "options": SLIM, **changes})


def test_small_has_one_to_two_million_parameters() -> None:
    network = build_network(NetworkSettings(), 11)
    assert 1e6 < sum(p.numel() for p in network.parameters()) < 2e6


@pytest.mark.parametrize("size", [(48, 64), (1, 1), (33, 70)])
def test_any_size_goes_in_and_comes_out(size: tuple[int, int]) -> None:
    prediction = build_network(slim(), 5)(torch.rand(2, 3, *size))
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
