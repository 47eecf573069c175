"""The `model/` folder of a run: opened without executing anything, whoever wrote it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StrictFloat, StrictInt, ValidationInfo, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file

from pointillist.classes import BackgroundPolicy, ClassSet
from pointillist.errors import ConfigError, DatasetError, RunError
from pointillist.files import read_text
from pointillist.schema import Strict, parse
from pointillist.training.config import NetworkSettings
from pointillist.training.networks import Network, build_network

FORMAT = 2
"""Version of the files of a run; a newer program reads all older ones. 1: until version 0.1."""

Byte = Annotated[StrictInt, Field(ge=0, le=255)]
Count = Annotated[StrictInt, Field(ge=0)]
Side = Annotated[StrictInt, Field(ge=16, le=16384)]
Share = Annotated[StrictFloat, Field(ge=0, le=1.001)]


class _Class(Strict, extra="ignore"):
    name: str
    color: tuple[Byte, Byte, Byte]


class _Method(Strict, extra="ignore"):
    name: str
    shift: Annotated[StrictFloat, Field(ge=0.001)] | None = None


class _Protocol(Strict, extra="ignore"):
    """What is computed with or printed as a number; the rest is a record."""

    method: _Method
    clicks: Count
    images: Count
    clicks_per_image: StrictFloat
    steps: Count
    batch_size: Count
    lr: StrictFloat
    seed: Count


class _ModelFile(Strict, extra="ignore"):
    """model.json."""

    classes: tuple[_Class, ...]
    background_policy: BackgroundPolicy
    background: Count | None
    network: NetworkSettings
    size: tuple[Side, Side] | None
    protocol: _Protocol
    class_prior: tuple[Share, ...] | None = None
    expected: tuple[Share, ...] | None = None
    """Version 0.1 wrote the prior to the power of its correction."""
    sha256: str

    @field_validator("background", "class_prior", "expected")
    @classmethod
    def _fit_the_classes(cls, value: Any, info: ValidationInfo) -> Any:
        count = len(info.data.get("classes", ()))
        if (isinstance(value, tuple) and len(value) != count) or (isinstance(value, int) and value >= count):
            raise ValueError(f"there are {count} classes")
        return value

    def prior(self) -> tuple[float, ...] | None:
        """How much of each class the network was taught."""
        strength = self.protocol.method.shift
        if self.class_prior is not None or self.expected is None or strength is None:
            return self.class_prior
        return tuple(share ** (1 / strength) for share in self.expected)


@dataclass(frozen=True)
class Model:
    """A trained network with what is needed to use it.

    Args:
        network: In evaluation mode, on the CPU.
        classes: Its classes, in the order of its logits.
        size: Scale of training; images are fitted into it before prediction.
        protocol: How it was trained.
        class_prior: How much of each class it was taught (C, shares); None where its method does not ask.
        sha256: Hash of its weights.
    """

    network: Network
    classes: ClassSet
    size: tuple[int, int] | None
    protocol: dict[str, Any]
    class_prior: tuple[float, ...] | None
    sha256: str


def load_model(folder: Path) -> Model:
    """Load a `model/` directory; nothing in it is executed, and no file that it names is opened.

    Raises:
        RunError: It is missing, damaged, or from a newer version.
    """
    file, weights = folder / "model.json", folder / "model.safetensors"
    if not file.is_file():
        raise RunError("holds no trained model.", where=folder, hint="Let the training finish, or --resume it.")
    try:
        content = json.loads(read_text(file, RunError))
    except (ValueError, RecursionError) as error:
        raise RunError(f"is damaged ({error}).", where=file, hint="Train again, or restore the file.") from error
    check_format(content.get("format") if isinstance(content, dict) else None, file)
    saved = parse(_ModelFile, content, RunError, file)
    found = sha256(weights) if weights.is_file() else "no file"
    if found != saved.sha256:
        problem, hint = "the weights are not those the model was saved with.", "Copy the model again from its source."
        raise RunError(problem, where=weights, field="sha256", hint=hint)
    names, colors = tuple(one.name for one in saved.classes), tuple(one.color for one in saved.classes)
    try:
        classes = ClassSet(names, colors, saved.background_policy, saved.background)
        network = build_network(saved.network.model_copy(update={"weights": None}), len(classes))
        network.load_state_dict(load_file(weights))
    except (ConfigError, DatasetError) as error:
        raise RunError(error.found, where=file, field=error.field, hint=error.hint) from error
    except (SafetensorError, RuntimeError) as error:
        raise RunError(f"cannot be loaded: {error}", where=weights, hint="Train again.") from error
    return Model(network.eval(), classes, saved.size, content["protocol"], saved.prior(), saved.sha256)


def check_format(version: Any, where: Path) -> int:
    """The version of a file of a run; a RunError when it has none, or one of the future."""
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT:
        found = f"has format {version!r}; this version reads up to {FORMAT}."
        raise RunError(found, where=where, field="format", hint="Update pointillist.")
    return version


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
