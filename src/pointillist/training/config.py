"""All settings of a training run: one frozen model, saved whole in the run directory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from pointillist.classes import BackgroundPolicy
from pointillist.data.draws import steps_per_epoch
from pointillist.errors import ConfigError, RenamedWarning
from pointillist.files import read_yaml
from pointillist.schema import Strict, check_depth, parse
from pointillist.training.methods import MethodOptions, get_method
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.renamed import put, translate
from pointillist.training.setting_types import LearntSize, Loggers, Size
from pointillist.yamltext import parse_yaml, render_yaml

WINDOW = 256
"""Side of the largest window that nobody asked for."""


class DataSettings(Strict):
    """How images become samples."""

    size: LearntSize = "auto"
    """At what scale images are seen: `auto` follows from the images (docs/data-sets.md), (height, width)
    fits every image into that, keeping its shape, None ("native") keeps images as they are."""
    window: Size = None
    """(height, width) of what the network sees of an image in one training step; None: the largest image at the learnt
    scale, up to 256×256."""
    balanced: float = Field(default=0.0, ge=0, le=1)
    """Share of windows that are drawn by class first, then around one of its clicks; the others lie anywhere, as all do
    for methods that learn from masks. It helped on one of three sets and hurt on two (docs/data-sets.md)."""
    zoom: tuple[Annotated[float, Field(gt=0.1, lt=10)], Annotated[float, Field(gt=0.1, lt=10)]] = (0.75, 1.5)
    """Range of the random zoom."""
    horizontal_flip: bool = True
    """Mirror left–right half of the time."""
    vertical_flip: bool = False
    """Mirror top–bottom half of the time; right for aerial views and fields, wrong for streets."""
    color_jitter: float = Field(default=0.2, ge=0, lt=1)
    """Strength of random brightness, contrast and saturation."""
    background: BackgroundPolicy | None = None
    """Background policy in place of the data set's own."""
    learn_masks: Literal["none", "all"] | tuple[str, ...] = "none"
    """Whose masks a method that learns from points learns, too: `none`, of `all` training images, or of those named."""
    log_pseudo_label_accuracy: bool = True
    """Compare pseudo-labels with real masks where the training images have some. Logged, never learnt from."""
    workers: int | None = Field(default=None, ge=0, le=256)
    """Loader processes; None chooses by device."""
    cache_mb: int = Field(default=256, ge=0)
    """Memory for images that were read, shared among the processes of a machine."""
    cache_disk_mb: int = Field(default=8192, ge=0)
    """Room in a temporary folder for those that memory does not hold, shared in the same way."""


class OptimizerSettings(Strict):
    """AdamW with a linear warm-up and a cosine to zero."""

    name: Literal["adamw", "own"] = "adamw"
    """`own` for an optimiser that a Python program hands over, which the other settings here say nothing about, but the
    warm-up where it brings no schedule, and the clip."""
    lr: float = Field(default=6e-3, gt=0, lt=10)
    """Highest learning rate."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps in which the rate rises."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest gradient norm."""


PASSES, LEAST_STEPS, MOST_STEPS = 100, 1_000, 20_000
"""Length of a run that nobody gave a length: passes over the images, within these numbers of steps. Fewer leave even
small data sets far from their end (docs/results.md, "Twice the steps")."""


class TrainerSettings(Strict):
    """How long, where, and how often to look."""

    epochs: int | None = Field(default=None, ge=1)
    """Passes over the training images; None sizes the run to the data set: 100 passes, but at least 1,000 steps and
    at most 20,000. A method that learns at once has one, whatever is asked for."""
    steps: int | None = Field(default=None, ge=1)
    """Number of steps in place of `epochs`, rounded up to whole epochs."""
    minutes: float | None = Field(default=None, gt=0, le=100_000)
    """Length in minutes on this machine: steps are timed first, and `epochs` becomes the number that fits."""
    batch_size: int = Field(default=4, ge=1)
    """Images per step over all devices together."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of weights, order and augmentation."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto, cpu, cuda or mps."""
    devices: int = Field(default=1, ge=1)
    """Devices per node."""
    nodes: int = Field(default=1, ge=1)
    """Machines."""
    precision: str = "32-true"
    """Lightning's name of the arithmetic, for example 32-true or bf16-mixed."""
    logger: Loggers = ("tensorboard",)
    """Where curves go beside `metrics.csv`, each into the run directory: tensorboard, csv, wandb (offline), mlflow;
    several with commas between, or none."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads; None leaves the choice to torch."""
    validations: int = Field(default=5, ge=0)
    """How many times the validation split is scored over the run, where it has masks."""
    snapshots: int = Field(default=6, ge=0)
    """How many times pictures are taken over the run."""
    checkpoint_seconds: float = Field(default=20.0, ge=0)
    """Least time between two checkpoints, also within an epoch; the end of the run always writes one."""
    checkpoint_steps: int | None = Field(default=None, ge=1)
    """Steps after which a checkpoint is written in any case; None leaves it to the time."""

    def epochs_for(self, images: int, share: float = 1.0) -> int:
        """Passes over so many training images; of a length that nobody gave, a share."""
        if self.steps is None and self.epochs is not None:
            return self.epochs
        per_epoch = steps_per_epoch(images, self.batch_size)
        steps = self.steps or math.ceil(share * min(max(PASSES * per_epoch, LEAST_STEPS), MOST_STEPS))
        return -(-steps // per_epoch)


RECORD_KEYS = ("format", "pointillist", "begun", "command", "dataset")
"""What a run's `config.yaml` says besides its settings."""


class Config(Strict):
    """Everything that decides what a run does, but the data set itself."""

    method: SerializeAsAny[MethodOptions]
    data: DataSettings = DataSettings()
    network: NetworkSettings = Field(default=NetworkSettings(), validate_default=True)
    optimizer: OptimizerSettings = OptimizerSettings()
    trainer: TrainerSettings = TrainerSettings()

    @field_validator("network")
    @classmethod
    def _take_the_network_of_the_method(cls, network: NetworkSettings, info: ValidationInfo) -> NetworkSettings:
        method: MethodOptions | None = info.data.get("method")
        brought = None if method is None else method.network()
        if method is None or brought is None:
            return network
        if network not in (brought, NetworkSettings()):
            raise ValueError(
                f"'{method.name}' brings its own network: leave these settings out, or choose another method"
            )
        return brought

    @model_validator(mode="after")
    def _refuse_several_devices_without_steps(self) -> Config:
        if self.trainer.devices * self.trainer.nodes > 1 and not get_method(self.method.name).in_steps:
            raise ValueError(f"'{self.method.name}' learns at once, which several devices cannot share")
        return self

    @model_validator(mode="after")
    def _refuse_uneven_batches(self) -> Config:
        processes = self.trainer.devices * self.trainer.nodes
        if self.trainer.batch_size % processes:
            raise ValueError(
                f"batch_size {self.trainer.batch_size} cannot be shared evenly by {processes} devices; "
                f"{max(1, self.trainer.batch_size // processes) * processes} can"
            )
        return self

    @model_validator(mode="after")
    def _refuse_two_lengths(self) -> Config:
        if self.trainer.minutes is not None:
            if self.trainer.epochs is not None or self.trainer.steps is not None:
                raise ValueError(
                    "give the length of the training in minutes, in epochs or in steps, not in two of them"
                )
            if self.trainer.devices * self.trainer.nodes > 1:
                raise ValueError("a length in minutes is measured on one device; give epochs or steps for several")
        return self

    def sized_to(self, images: int, share: float = 1.0) -> Config:
        """The same with the number of epochs that so many images get: one for a method without steps."""
        length: dict[str, int | None] = {"epochs": self.trainer.epochs_for(images, share), "minutes": None}
        if not get_method(self.method.name).in_steps:
            length = {"epochs": 1, "steps": None, "minutes": None}
        return self.model_copy(update={"trainer": self.trainer.model_copy(update=length)})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `config.yaml` holds them."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The content of `config.yaml`."""
        return render_yaml(self.to_dict(), ConfigError)


def make_config(
    file: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
    *,
    resume: bool = False,
    base: Mapping[str, Any] | None = None,
) -> Config:
    """Join a base, a settings file, values by dotted name, and `key=value` strings; what comes later wins.

    Args:
        file: YAML like a run's `config.yaml`.
        settings: Values by dotted name; None leaves a setting alone.
        overrides: `data.size=144x192`; values are read as YAML.
        resume: The file is the `config.yaml` of a run that goes on; its `network.weights` is then a mere record.
        base: Sections of settings to go on from, see `training.start`; a section of the file replaces the one here.

    Raises:
        ConfigError: A setting that does not exist, or an impossible value.
    """
    values: dict[str, Any] = {} if file is None else read_yaml(file, ConfigError)
    of_a_run = any(key in values for key in RECORD_KEYS) and not resume
    values = {key: value for key, value in values.items() if key not in RECORD_KEYS}
    network = values.get("network")
    named = network.pop("weights", None) if of_a_run and isinstance(network, dict) else None
    values = {**deepcopy(dict(base or {})), **values}
    for name, value in (settings or {}).items():
        if value is not None:
            put(values, name, value)
    for override in overrides:
        name, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"{override!r} has no '='.", where="--set", hint="Write key=value, as data.size=144x192.")
        put(values, name.strip(), parse_yaml(text, ConfigError, where="--set", field=name))
    if named is not None and "weights" not in values["network"]:
        found = f"a run's settings name the file {str(named)!r}, and they may be a stranger's."
        hint = "Name the file yourself with --weights."
        raise ConfigError(found, where=file, field="network.weights", hint=hint)
    return config_from(values, file or "settings")


def config_from(values: Mapping[str, Any], where: str | Path) -> Config:
    """Validate the content of a `config.yaml`.

    Raises:
        ConfigError: A setting that does not exist, or an impossible value.
    """
    check_depth(values, ConfigError, where)
    try:
        values, renamed = translate(values)
    except (TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as error:
        raise ConfigError(f"has an old setting that cannot be ({error}).", where=where, hint="Leave it out.") from error
    if renamed:
        warnings.warn(f"{where}: {' '.join(renamed)}", RenamedWarning, stacklevel=2)
    chosen = values.pop("method", {})
    chosen = {"name": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(chosen, dict):
        raise ConfigError("holds no settings.", where=where, field="method", hint="Write method: single-stage.")
    name = chosen.get("name", "single-stage")
    options = get_method(str(name)).Options
    method = parse(options, {**chosen, "name": name}, ConfigError, where, prefix="method.")
    return parse(Config, {**values, "method": method}, ConfigError, where)


class Setting(NamedTuple):
    """One setting for listings: dotted name, default as YAML, what it does."""

    name: str
    default: str
    text: str


def describe_settings(method: str = "single-stage") -> list[Setting]:
    """All settings with a method, with what the attributes' docstrings say about them."""
    return list(_described(config_from({"method": method}, method)))


def _described(model: BaseModel, prefix: str = "") -> Iterator[Setting]:
    for name, field in type(model).model_fields.items():
        value, text = getattr(model, name), " ".join((field.description or "").split())
        if name == "kind":
            continue  # said by the setting that holds it
        if isinstance(value, BaseModel):
            if text:
                yield Setting(f"{prefix}{name}", str(getattr(value, "kind", "")), text)
            yield from _described(value, f"{prefix}{name}.")
        else:
            plain = model.model_dump(mode="json")[name]
            default = yaml.safe_dump(plain, default_flow_style=True).removesuffix("...\n").strip()
            yield Setting(f"{prefix}{name}", default, text)
