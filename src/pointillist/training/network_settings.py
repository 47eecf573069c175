"""Which network: settings that a model file holds as well, so that they are read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from pointillist.schema import PlainOptions, Strict

OWN = "own"
"""What settings say of a network or an optimiser that a Python program hands over."""


class NetworkSettings(Strict):
    """Which network."""

    architecture: str = "fpn"
    """A decoder of segmentation_models_pytorch (fpn, unet, deeplabv3plus, segformer, …), or an architecture of another
    family of networks; `own` for one that a Python program hands over."""
    encoder: str = "small"
    """An encoder of segmentation_models_pytorch (`tu-…` for timm's), or `small`: a narrow ResNet-18 for training
    from scratch on little data, 1.2 M parameters with the FPN decoder. Empty for a network without one."""
    normalization: Literal["group", "batch"] = "group"
    """`group` survives small batches; `batch` is what pre-trained weights come with."""
    weights: Path | None = None
    """File with encoder weights (safetensors or a state dict); None starts from scratch. Never taken from the files of
    a run or model: they may be a stranger's."""
    options: PlainOptions = Field(default_factory=dict)
    """Further arguments of the architecture and of timm's encoders, for example {decoder_dropout: 0.1}: numbers, short
    words, true, false, null, or short lists of numbers."""
