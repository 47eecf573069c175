"""Networks of segmentation_models_pytorch by name, randomly initialised, with preprocessing inside."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import segmentation_models_pytorch as smp
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.errors import ConfigError, nearest
from pointillist.training.config import NetworkSettings
from pointillist.training.methods import NetworkOutput

SMALL = {
    "encoder_name": "tu-resnet18",
    "channels": (24, 48, 96, 128),
    "stem_type": "deep",
    "stem_width": 16,
}
"""The encoder called `small`: ResNet-18 with a third of its width and three small convolutions in place of the large
first one; 1.2 M parameters with its FPN decoder."""

SMALL_DECODERS: dict[str, dict[str, Any]] = {
    "fpn": {"decoder_pyramid_channels": 64, "decoder_segmentation_channels": 64, "decoder_dropout": 0.0},
    **{name: {"decoder_channels": (64, 48, 32, 24, 16)} for name in ("unet", "unetplusplus", "manet")},
}
"""Decoders of the same size, without dropout: pseudo-masks are made from the prediction of the training step. Those of
other architectures are as they come."""


class Network(nn.Module):
    """A segmentation network that takes plain images.

    Normalisation and padding to the encoder's stride happen inside, so that a saved model needs no instructions.

    Args:
        settings: Which network.
        num_classes: C.

    Raises:
        ConfigError: No such architecture, encoder or option.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: NetworkSettings, num_classes: int) -> None:
        super().__init__()
        self.model: Any = _create(settings, num_classes)
        if settings.normalization == "group":
            _replace_batch_norm(self.model)
        if settings.weights is not None:
            load_encoder(self.model.encoder, settings.weights)
        # Fixed numbers, not the data set's: a model must not change with the folder it was trained on.
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5), persistent=False)
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.25), persistent=False)
        self.stride = 2 ** int(getattr(self.model.encoder, "_depth", 5))

    @property
    def feature_channels(self) -> int:
        """F of `NetworkOutput.features`."""
        head = self.model.segmentation_head[0]
        return int(head.in_channels)

    def forward(self, images: Tensor) -> NetworkOutput:
        """Predict B×3×H×W images in [0, 1] of any size."""
        height, width = images.shape[-2:]
        x = (images - self.mean) / self.std
        # Group normalisation refuses a single value, so the deepest map has at least two columns.
        right = max(-width % self.stride, 2 * self.stride - width)
        x = F.pad(x, (0, right, 0, -height % self.stride))
        # Convolutions of small batches run a third faster on CPUs in this order of memory.
        x = x.contiguous(memory_format=torch.channels_last)
        features = self.model.decoder(self.model.encoder(x))
        # A cut-out view would cost the loss four times as much as a copy.
        logits: Tensor = self.model.segmentation_head(features)[..., :height, :width].contiguous()
        return NetworkOutput(logits, features)


def build_network(settings: NetworkSettings, num_classes: int) -> Network:
    """A network in channels-last order; its weights depend on torch's random state alone."""
    return Network(settings, num_classes).to(memory_format=torch.channels_last)


def _create(settings: NetworkSettings, num_classes: int) -> Any:
    architectures = smp.MODEL_ARCHITECTURES_MAPPING
    if settings.architecture not in architectures:
        raise ConfigError(
            f"{settings.architecture!r} is no architecture.",
            field="network.architecture",
            hint=nearest(settings.architecture, architectures),
        )
    options: dict[str, Any] = {"encoder_name": settings.encoder}
    if settings.encoder == "small":
        options = {**SMALL, **SMALL_DECODERS.get(settings.architecture, {})}
    _check_options(settings, inspect.signature(architectures[settings.architecture]))
    options.update(settings.options)
    try:
        model = smp.create_model(
            settings.architecture, encoder_weights=None, in_channels=3, classes=num_classes, **options
        )
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        known = ["small", *smp.encoders.get_encoder_names()]
        wrong_name = settings.encoder not in known and not settings.encoder.startswith("tu-")
        raise ConfigError(
            f"{settings.encoder!r} is no encoder." if wrong_name else f"the network cannot be built: {error}.",
            field="network.encoder" if wrong_name else "network",
            hint=nearest(settings.encoder, known) if wrong_name else "Check encoder and options.",
        ) from error
    return model


def _check_options(settings: NetworkSettings, signature: inspect.Signature) -> None:
    """Only timm's encoders take further options; other networks would swallow a misspelt one silently."""
    if settings.encoder == "small" or settings.encoder.startswith("tu-"):
        return
    known = [name for name, parameter in signature.parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    for name in settings.options:
        if name not in known:
            raise ConfigError(
                f"{settings.architecture} has no option '{name}'.", field="network.options", hint=nearest(name, known)
            )


def _replace_batch_norm(module: nn.Module) -> None:
    """Put group normalisation in place of batch normalisation; its statistics do not depend on the batch."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            group = nn.GroupNorm(math.gcd(8, child.num_features), child.num_features)
            with torch.no_grad():
                # timm starts some scales at zero on purpose.
                group.weight.copy_(child.weight)
                group.bias.copy_(child.bias)
            act = getattr(child, "act", None)  # timm fuses normalisation and activation in one layer
            setattr(module, name, group if act is None else nn.Sequential(group, act))
        else:
            _replace_batch_norm(child)


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Load pre-trained encoder weights; every weight must find its place.

    Raises:
        ConfigError: The file cannot be read, or its names or shapes are not the encoder's.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        # Classifier weights of an image-level network have no place in an encoder.
        own = set(encoder.state_dict())
        encoder.load_state_dict({k: v for k, v in state.items() if k in own or not k.startswith(("fc.", "head."))})
    except (OSError, ValueError, RuntimeError, EOFError, UnpicklingError, SafetensorError, AttributeError) as error:
        raise ConfigError(
            f"weights cannot be loaded: {str(error).splitlines()[0]}",
            where=path,
            field="network.weights",
            hint="The file must hold this encoder's weights; pre-trained ones need network.normalization=batch.",
        ) from error
