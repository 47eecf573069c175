"""Networks of segmentation_models_pytorch by name, with preprocessing inside."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.errors import ConfigError, nearest
from pointillist.training.methods import NetworkOutput
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks.base import Network, NetworkFamily, check_options

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


ENCODER_OPTIONS = {
    *("channels", "stem_width", "stem_type", "avg_down", "base_width", "img_size", "strict_img_size"),
    *("drop_rate", "drop_path_rate", "drop_block_rate", "attn_drop_rate", "proj_drop_rate"),
}
"""What timm's encoders may be told. A list, because timm takes paths and addresses as options as well."""

NOT_OPTIONS = {"encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params", "upsampling"}
"""Arguments of architectures that are ours to choose: images go in, and logits of their size come out."""

LEAST_CELLS = {"pan": 8}
"""How many rows the deepest map must have: PAN halves it three times more."""


class SmpNetwork(Network):
    """A network of segmentation_models_pytorch, padding its images to the encoder's stride."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: NetworkSettings, model: Any) -> None:
        super().__init__()
        self.model = model
        if settings.normalization == "group":
            _replace_batch_norm(model)
        if settings.weights is not None:
            load_encoder(model.encoder, settings.weights)
        head = model.segmentation_head.modules()
        self.feature_channels = next(part.in_channels for part in head if isinstance(part, nn.Conv2d))
        # The model's own forward then gives both.
        model.segmentation_head.register_forward_hook(_with_features)
        # Fixed numbers, not the data set's: a model must not change with the folder it was trained on.
        self.register_buffer("mean", torch.full((1, 1, 1, 1), 0.5), persistent=False)
        self.register_buffer("std", torch.full((1, 1, 1, 1), 0.25), persistent=False)
        stride, depth = int(model.encoder.output_stride), len(model.encoder.out_channels) - 1
        # DPT's decoder halves the map once more than its encoder; dilated encoders halve early maps as others do.
        self.stride = max(stride * (2 if settings.architecture == "dpt" else 1), 2**depth)
        self.least = max(self.stride, LEAST_CELLS.get(settings.architecture, 1) * stride)

    def forward(self, images: Tensor) -> NetworkOutput:
        """See `Network.forward`."""
        height, width = images.shape[-2:]
        x = (images - self.mean) / self.std
        # Group normalisation refuses a single value, so the deepest map has at least two columns.
        right = max(-width % self.stride, 2 * self.least - width)
        x = F.pad(x, (0, right, 0, max(-height % self.stride, self.least - height)))
        # Convolutions of small batches run a third faster on CPUs in this order of memory.
        x = x.contiguous(memory_format=torch.channels_last)
        logits, features = self.model(x)
        # A cut-out view would cost the loss four times as much as a copy.
        return NetworkOutput(logits[..., :height, :width].contiguous(), features)


def _with_features(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> NetworkOutput:
    return NetworkOutput(output, inputs[0])


class SegmentationModels(NetworkFamily):
    """Architectures and encoders of segmentation_models_pytorch, encoders of timm among them."""

    name = "smp"
    architectures = tuple(smp.MODEL_ARCHITECTURES_MAPPING)

    @classmethod
    def build(cls, settings: NetworkSettings, num_classes: int, bands: int) -> SmpNetwork:
        """See `NetworkFamily.build`."""
        _check_encoder(settings)
        signature = inspect.signature(smp.MODEL_ARCHITECTURES_MAPPING[settings.architecture])
        own = {name for name, one in signature.parameters.items() if one.kind is not one.VAR_KEYWORD}
        of_timm = settings.encoder == "small" or settings.encoder.startswith("tu-")
        check_options(settings, sorted((own - NOT_OPTIONS) | (ENCODER_OPTIONS if of_timm else set())))
        options: dict[str, Any] = {"encoder_name": settings.encoder}
        if settings.encoder == "small":
            options = {**SMALL, **SMALL_DECODERS.get(settings.architecture, {})}
        if settings.architecture == "dpt":
            options["dynamic_img_size"] = True
        options.update(settings.options)
        try:
            model = smp.create_model(
                settings.architecture, encoder_weights=None, in_channels=bands, classes=num_classes, **options
            )
            network = SmpNetwork(settings, model)
            _try(network, bands)
        except ConfigError:
            raise
        except Exception as error:  # theirs are of every type
            raise ConfigError(
                f"{settings.architecture} with {settings.encoder} cannot be built: {_first_line(error)}.",
                field="network",
                hint="Check encoder and options.",
            ) from error
        return network


def _check_encoder(settings: NetworkSettings) -> None:
    """By lists alone: smp and timm would follow some names to a folder or an address."""
    encoder = settings.encoder
    own = ["small", *smp.encoders.get_encoder_names()]
    if encoder not in own and encoder not in [f"tu-{name}" for name in timm.list_models()]:
        hint = "Valid: tu- before a name of timm.list_models()." if encoder.startswith("tu-") else nearest(encoder, own)
        raise ConfigError(f"{encoder!r} is no encoder.", field="network.encoder", hint=hint)
    if settings.architecture == "dpt" and not encoder.startswith("tu-"):
        raise ConfigError(
            f"dpt needs a vision transformer of timm; {encoder!r} is none.",
            field="network.encoder",
            hint="Choose one, for example tu-vit_tiny_patch16_224.",
        )


@torch.no_grad()
def _try(network: SmpNetwork, bands: int) -> None:
    """Some encoders and options are refused only by the first image."""
    network.eval()
    logits = network(torch.zeros(1, bands, 33, 65)).logits
    network.train()
    if logits.shape[-2:] != (33, 65):
        raise ValueError("its logits have another size than the image")


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
        ConfigError: The file cannot be read, its names or shapes are not the encoder's, or it is for another number of
            bands.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        _check_bands(encoder, state, path)
        # Classifier weights of an image-level network have no place in an encoder.
        own = set(encoder.state_dict())
        encoder.load_state_dict({k: v for k, v in state.items() if k in own or not k.startswith(("fc.", "head."))})
    except ConfigError:
        raise
    except Exception as error:  # torch's reader of pickles raises errors of every type
        raise ConfigError(
            f"weights cannot be loaded: {_first_line(error)}",
            where=path,
            field="network.weights",
            hint="The file must hold this encoder's weights; pre-trained ones need network.normalization=batch.",
        ) from error


def _check_bands(encoder: nn.Module, state: dict[str, Any], path: Path) -> None:
    """Refuse weights that differ from the encoder's in the number of bands of the first convolution alone."""
    name, first = next((name, one) for name, one in encoder.named_modules() if isinstance(one, nn.Conv2d))
    weight = state.get(f"{name}.weight")
    if not isinstance(weight, Tensor) or weight.ndim != 4 or weight.shape[1] == first.in_channels:
        return
    if weight[:, 0].shape == first.weight[:, 0].shape:
        raise ConfigError(
            f"these weights are for images of {weight.shape[1]} bands, and the network takes {first.in_channels}.",
            where=path,
            field="network.weights",
            hint=f"Take weights for {first.in_channels} bands, or leave network.weights out.",
        )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].removesuffix(".")
