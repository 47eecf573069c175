"""All settings of a training run: one frozen model, saved whole in the run directory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from pointillist.classes import BackgroundPolicy
from pointillist.data.samples import steps_per_epoch
from pointillist.errors import ConfigError
from pointillist.files import read_yaml
from pointillist.schema import Strict, parse
from pointillist.training.methods import MethodOptions, get_method


def _size(value: Any) -> Any:
    """`144x192` as (height, width), `160` as (160, 160), `native` as None."""
    if isinstance(value, str):
        if value == "native":
            return None
        parts = value.lower().replace("×", "x").split("x")
        if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
            raise ValueError("write HEIGHTxWIDTH, for example 144x192, or one number, or 'native'")
        value = [int(part) for part in parts]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return [value[0], value[0]] if isinstance(value, list) and len(value) == 1 else value


Side = Annotated[int, Field(ge=16, le=16384)]
Size = Annotated[tuple[Side, Side] | None, BeforeValidator(_size)]


class DataSettings(Strict):
    """How images become samples.

    Args:
        size: (height, width) every image is fitted into, keeping its shape, in training and before prediction; None
            ("native") keeps images as they are.
        window: (height, width) of what the network sees of it in training; `size` when None.
        scale: Range of the random zoom.
        horizontal_flip: Mirror left–right half of the time.
        vertical_flip: Mirror top–bottom half of the time; right for aerial views and fields, wrong for streets.
        color_jitter: Strength of random brightness, contrast and saturation.
        background: Background policy in place of the data set's own.
        diagnose: Compare pseudo-masks with real masks where the training images have some. Shown, never learnt from.
        workers: Loader processes; None chooses by device.
        cache_mb: Memory for decoded training images.
    """

    size: Size = (256, 256)
    window: Size = None
    scale: tuple[Annotated[float, Field(gt=0.1, lt=10)], Annotated[float, Field(gt=0.1, lt=10)]] = (0.75, 1.5)
    horizontal_flip: bool = True
    vertical_flip: bool = False
    color_jitter: float = Field(default=0.2, ge=0, lt=1)
    background: BackgroundPolicy | None = None
    diagnose: bool = True
    workers: int | None = Field(default=None, ge=0, le=256)
    cache_mb: int = Field(default=2048, ge=0)

    @property
    def training_window(self) -> tuple[int, int]:
        """(height, width) of a training sample."""
        return self.window or self.size or (256, 256)


class NetworkSettings(Strict):
    """Which network.

    Args:
        architecture: A decoder of segmentation_models_pytorch: fpn, unet, deeplabv3plus, segformer, …
        encoder: An encoder of segmentation_models_pytorch (`tu-…` for timm's), or `small`: a
            narrow ResNet-18 for training from scratch on little data, 1.2 M parameters with the FPN decoder.
        normalization: `group` survives small batches; `batch` is what pre-trained weights come with.
        weights: File with encoder weights (safetensors or a state dict); None starts from scratch.
        options: Further arguments of the architecture, for example {decoder_dropout: 0.1}.
    """

    architecture: str = "fpn"
    encoder: str = "small"
    normalization: Literal["group", "batch"] = "group"
    weights: Path | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class OptimizerSettings(Strict):
    """AdamW with a linear warm-up and a cosine to zero.

    Args:
        lr: Highest learning rate.
        weight_decay: Decoupled weight decay.
        warmup: Share of all steps in which the rate rises.
        gradient_clip: Largest gradient norm.
        ema: Decay of the moving average of the weights; the average is what is kept in the end, and it makes the
            pseudo-masks of methods that make them from their prediction. 0 turns it off.
    """

    lr: float = Field(default=6e-3, gt=0, lt=10)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    gradient_clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)


PASSES, LEAST_STEPS, MOST_STEPS = 100, 1_000, 20_000
"""Length of a run that nobody gave a length: passes over the images, within these numbers of steps. Fewer leave even
small data sets far from their end (docs/results.md, "Twice the steps")."""


class TrainerSettings(Strict):
    """How long, where, and how often to look.

    Args:
        epochs: Passes over the training images; None sizes the run to the data set: 100 passes, but at least
            1,000 steps and at most 20,000.
        steps: Number of steps in place of `epochs`, rounded up to whole epochs.
        batch_size: Images per step over all devices together.
        seed: Seed of weights, order and augmentation.
        device: auto, cpu, cuda or mps.
        devices: Devices per node.
        nodes: Machines.
        precision: Lightning's name of the arithmetic, for example 32-true or bf16-mixed.
        threads: CPU threads; None leaves the choice to torch.
        validations: How many times the validation split is scored over the run, where it has masks.
        panels: How many times pictures are taken over the run.
        checkpoint_seconds: Least time between two checkpoints; the end of the run always writes one.
    """

    epochs: int | None = Field(default=None, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=4, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(default=1, ge=1)
    nodes: int = Field(default=1, ge=1)
    precision: str = "32-true"
    threads: int | None = Field(default=None, ge=1)
    validations: int = Field(default=5, ge=0)
    panels: int = Field(default=6, ge=0)
    checkpoint_seconds: float = Field(default=20.0, ge=0)

    def epochs_for(self, images: int) -> int:
        """Passes over so many training images."""
        if self.steps is None and self.epochs is not None:
            return self.epochs
        per_epoch = steps_per_epoch(images, self.batch_size)
        steps = self.steps or min(max(PASSES * per_epoch, LEAST_STEPS), MOST_STEPS)
        return -(-steps // per_epoch)


RECORD_KEYS = ("format", "pointillist", "dataset")
"""What a run's `config.yaml` says besides its settings."""


class Config(Strict):
    """Everything that decides what a run does, but the data set itself."""

    method: SerializeAsAny[MethodOptions]
    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    trainer: TrainerSettings = TrainerSettings()

    @model_validator(mode="after")
    def _share_batches_evenly(self) -> Config:
        processes = self.trainer.devices * self.trainer.nodes
        if self.trainer.batch_size % processes:
            raise ValueError(
                f"batch_size {self.trainer.batch_size} cannot be shared evenly by {processes} devices; "
                f"{max(1, self.trainer.batch_size // processes) * processes} can"
            )
        return self

    def sized_to(self, images: int) -> Config:
        """The same with the number of epochs that so many training images get."""
        epochs = self.trainer.epochs_for(images)
        return self.model_copy(update={"trainer": self.trainer.model_copy(update={"epochs": epochs})})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `config.yaml` holds them."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The content of `config.yaml`."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)


def make_config(
    file: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
) -> Config:
    """Join a settings file, values by dotted name, and `key=value` strings; what comes later wins.

    Args:
        file: YAML like a run's `config.yaml`.
        settings: Values by dotted name; None leaves a setting alone.
        overrides: `data.size=144x192`; values are read as YAML.

    Raises:
        ConfigError: A setting that does not exist, or an impossible value.
    """
    values: dict[str, Any] = {} if file is None else read_yaml(file, ConfigError)
    values = {key: value for key, value in values.items() if key not in RECORD_KEYS}
    for name, value in (settings or {}).items():
        if value is not None:
            _put(values, name, value)
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(
                f"{override!r} has no '='.", where="--set", hint="Write key=value, for example data.size=144x192."
            )
        try:
            _put(values, name.strip(), yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigError(f"{text!r} is no value.", where="--set", field=name, hint="Quote it.") from error
    return config_from(values, file or "settings")


def config_from(values: Mapping[str, Any], where: str | Path) -> Config:
    """Validate the content of a `config.yaml`.

    Raises:
        ConfigError: A setting that does not exist, or an impossible value.
    """
    values = dict(values)
    chosen = values.pop("method", {})
    chosen = {"name": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(chosen, dict):
        raise ConfigError("holds no settings.", where=where, field="method", hint="Write method: single-stage.")
    name = chosen.get("name", "single-stage")
    options = get_method(str(name)).Options
    try:
        method = parse(options, {**chosen, "name": name}, ConfigError, where)
    except ConfigError as error:
        raise ConfigError(error.found, where=where, field=f"method.{error.field}", hint=error.hint) from error
    return parse(Config, {**values, "method": method}, ConfigError, where)


class Setting(NamedTuple):
    """One setting for listings: dotted name, default as YAML, what it does."""

    name: str
    default: str
    text: str


def describe_settings(method: str = "single-stage") -> list[Setting]:
    """All settings with a method, with what their docstrings say about them."""
    sections: dict[str, type[Strict]] = {
        "data": DataSettings,
        "network": NetworkSettings,
        "optimizer": OptimizerSettings,
        "trainer": TrainerSettings,
        "method": get_method(method).Options,
    }
    found = []
    for section, model in sections.items():
        texts: dict[str, str] = {}
        for part in reversed(model.__mro__):  # a method's options are its own and those all methods share
            texts |= _argument_texts(part.__doc__ or "")
        for key, value in model().model_dump(mode="json").items():
            default = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
            found.append(Setting(f"{section}.{key}", default, texts.get(key, "")))
    return found


def _argument_texts(docstring: str) -> dict[str, str]:
    """What an `Args:` section says about each argument."""
    texts: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Args:")[2].splitlines():
        start = re.match(r" {8}(\w+): (.*)", line)
        if start:
            name, texts[start[1]] = start[1], start[2]
        elif name and line.strip():
            texts[name] += " " + line.strip()
    return texts


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    *sections, last = name.split(".")
    place = values
    for section in sections:
        inner = place.setdefault(section, {})
        if section == "method" and isinstance(inner, str):
            inner = place[section] = {"name": inner}
        if not isinstance(inner, dict):
            raise ConfigError(f"'{section}' has no settings below it.", field=name, hint="Check the name.")
        place = inner
    if name == "method" and isinstance(place.get("method"), dict):
        # Another method has other options; those of the same one stay.
        same = place["method"].get("name") == value
        place["method"] = {**place["method"], "name": value} if same else {"name": value}
    else:
        place[last] = value
