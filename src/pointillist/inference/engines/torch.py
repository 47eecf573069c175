"""Models of a run directory, run by PyTorch."""

from __future__ import annotations

from pathlib import Path

import torch

from pointillist.errors import ConfigError
from pointillist.inference.engines.base import Engine
from pointillist.training.model_folder import load_model
from pointillist.training.own import OwnModule
from pointillist.training.scoring import runner


def open_engine(folder: Path, device: str = "auto", network: OwnModule | None = None) -> Engine:
    """Open a `model/` directory.

    Args:
        folder: With model.json and model.safetensors.
        device: auto, cpu, cuda, cuda:1, mps.
        network: See `load_model`.

    Raises:
        RunError: There is no trained model, or it is damaged.
        ConfigError: The device is not available.
    """
    model = load_model(folder, network)
    placed = model.network.to(pick_device(device))
    return Engine(model.classes, model.spec, model.protocol, model.sha256, model.class_prior, runner(placed))


def pick_device(name: str) -> torch.device:
    """A device by name; `auto` takes a GPU where there is one.

    Raises:
        ConfigError: There is none of this name.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"{name!r} is not available here.", field="device", hint="Use cpu, or leave the choice to auto."
        ) from error
    return device
