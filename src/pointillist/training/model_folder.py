"""The `model/` folder of a run: opened without executing anything, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode

from pointillist.classes import ClassSet
from pointillist.data.inputs import InputSpec
from pointillist.errors import ConfigError, RunError
from pointillist.files import read_text
from pointillist.training.model_file import LARGEST, read_model_file, sha256
from pointillist.training.networks import Network, build_network
from pointillist.training.own import Own, OwnModule, OwnNetwork


@dataclass(frozen=True)
class Model:
    """A trained network with what is needed to use it.

    Args:
        network: In evaluation mode, on the CPU.
        classes: Its classes, in the order of its logits.
        spec: What it has learnt to see: bands and scale.
        protocol: How it was trained.
        class_prior: How much of each class it was taught (C, shares); None where its method does not ask.
        sha256: Hash of its weights.
    """

    network: Network
    classes: ClassSet
    spec: InputSpec
    protocol: dict[str, Any]
    class_prior: tuple[float, ...] | None
    sha256: str


class _Outline(TorchFunctionMode):
    """New tensors take no memory: a stranger's file may describe a network of any size.

    Not `torch.device("meta")`, under which some encoders of smp ask for a number that is not there.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **{**(kwargs or {}), **({"device": "meta"} if func in _CREATE else {})})


_CREATE = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}


def load_model(folder: Path, network: OwnModule | None = None) -> Model:
    """Load a `model/` directory; nothing in it is executed, and no file that it names is opened.

    Args:
        folder: The directory.
        network: The module that was trained, or what makes it, where it was a program's own. A copy gets the weights.

    Raises:
        RunError: It is missing, damaged, or from a newer version; or its network was a program's own, and not the one
            that is handed over.
        ConfigError: A network is handed over for a model that names its own.
    """
    file, weights = folder / "model.json", folder / "model.safetensors"
    if not file.is_file():
        raise RunError("holds no trained model.", where=folder, hint="Let the training finish, or --resume it.")
    saved, content = read_model_file(read_text(file, RunError, max_bytes=LARGEST), file)
    found = sha256(weights) if weights.is_file() else "no file"
    if found != saved.sha256:
        problem, hint = "the weights are not those the model was saved with.", "Copy the model again from its source."
        raise RunError(problem, where=weights, field="sha256", hint=hint)
    spec = saved.spec()
    classes = saved.class_set(file)
    try:
        settings = saved.network.model_copy(update={"weights": None})
        built: Network
        if network is not None:
            Own(network).check(settings.architecture, "")
            built = OwnNetwork(network, len(classes), len(spec.bands))
            built.load_state_dict(load_file(weights))
            return Model(built.eval(), classes, spec, content["protocol"], saved.prior(), saved.sha256)
        with _Outline():
            outline = build_network(settings, len(classes), len(spec.bands))
        if sum(tensor.nbytes for tensor in outline.state_dict().values()) > weights.stat().st_size:
            raise ConfigError("this network is larger than its weights.", field="network.options", hint="Train again.")
        built = build_network(settings, len(classes), len(spec.bands))
        built.load_state_dict(load_file(weights))
    except ConfigError as error:
        raise RunError(error.found, where=file, field=error.field, hint=error.hint) from error
    except (SafetensorError, RuntimeError) as error:
        hint = "Train again." if network is None else "Hand over the network that was trained."
        raise RunError(f"cannot be loaded: {error}", where=weights, hint=hint) from error
    return Model(built.eval(), classes, spec, content["protocol"], saved.prior(), saved.sha256)
