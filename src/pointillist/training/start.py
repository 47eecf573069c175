"""Where a training begins: with the weights of a model, and what is known of how that one came about."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pointillist.classes import ClassSet
from pointillist.data.inputs import InputSpec
from pointillist.errors import ConfigError, RunError
from pointillist.files import new_folder, read_text
from pointillist.sealed import read_sealed, write_sealed
from pointillist.training.config import Config
from pointillist.training.methods import get_method
from pointillist.training.model_file import ModelFile, read_model_file, sha256
from pointillist.training.model_folder import Model, load_model
from pointillist.training.own import OwnModule
from pointillist.training.run_directory import RunDirectory

SHARE, SLOWER = 0.25, 0.5
"""A training that goes on from a model: its length where nobody gave it one, and its highest learning rate, both as
shares of those of a training from scratch."""

FILES = ("model.json", "model.safetensors")

MOST_MODELS = 1000
OF_A_MODEL = {"name": str, "sha256": str, "clicks": int, "images": int, "steps": int, "begun": str}
"""What the history says of each model."""


@dataclass(frozen=True)
class Start:
    """A model to begin with.

    Args:
        folder: Where it lies.
        model: What it is.
        settings: Settings of the training that goes on from it, by dotted name, unless others are given.
        history: What it came from, itself last: `name`, `sha256` of the weights, `clicks`, `images` and `steps` of each
            model, and when its training `begun` ("" where nothing says it).
    """

    folder: Path
    model: Model
    settings: dict[str, Any]
    history: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, folder: Path, network: OwnModule | None = None) -> Start:
        """Read a model folder, and the records of the run around it where there is one; nothing is executed.

        `network` is that of `load_model`.

        Raises:
            RunError: It is missing, damaged, or from a newer version.
        """
        if not (folder / "model.json").is_file():
            hint = "Name a run, or its folder model/."
            raise RunError("has no weights to go on from.", where=folder, hint=hint)
        model = load_model(folder, network)
        file, _ = read_model_file(read_text(folder / "model.json", RunError), folder / "model.json")
        run = RunDirectory(folder.parent)
        within = folder.name == run.model.name and run.config_file.is_file()
        history = read_history(run) if within else ()
        own = {
            "name": (folder.parent if within else folder).resolve().name,
            "sha256": model.sha256,
            "clicks": file.protocol.clicks,
            "images": file.protocol.images,
            "steps": file.protocol.steps,
            "begun": run.origin()["begun"] if within else "",
        }
        settings = _settings(run.read()[0] if within else None, file, model, again=bool(history))
        return cls(folder, model, settings, (*history, own))

    @classmethod
    def kept(cls, run: RunDirectory, network: OwnModule | None = None) -> Start | None:
        """What a run began with; None where it began from scratch.

        Raises:
            RunError: It is damaged.
        """
        if not run.start.is_dir():
            return None
        history = read_history(run)
        if not history:
            raise RunError("is missing.", where=run.history, hint="Restore the file, or train anew with --from.")
        return replace(cls.read(run.start, network), history=history)

    def __str__(self) -> str:
        return f"model {self.history[-1]['name']}, sha256 {self.model.sha256[:12]}"

    def check(self, config: Config, classes: ClassSet, spec: InputSpec) -> None:
        """Refuse what these weights do not fit.

        Raises:
            ConfigError: The network, the classes or the bands are others.
        """
        if not get_method(config.method.name).in_steps:
            found = f"'{config.method.name}' learns at once, which goes on from nothing."
            raise ConfigError(found, field="method", hint="Train without --from.")
        if config.network.weights is not None:
            found = "the weights of a model and those of a file are both to begin with."
            raise ConfigError(found, field="network.weights", hint="Leave --weights or --from out.")
        asked = config.network.model_dump(mode="json")
        for name, value in self.settings["network"].items():
            if asked[name] != value:
                found = f"{asked[name]!r} is not what the model in '{self.folder}' was trained with: {value!r}."
                raise ConfigError(found, field=f"network.{name}", hint="Leave it out, or train without --from.")
        if self.model.classes.names != classes.names:
            found = f"the model knows {_listed(self.model.classes.names)}; the data have {_listed(classes.names)}."
            raise ConfigError(found, where=self.folder, field="classes", hint="Train without --from.")
        if self.model.spec.bands.names != spec.bands.names:
            found = f"the model sees {_listed(self.model.spec.bands.names)}; the data have {_listed(spec.bands.names)}."
            raise ConfigError(found, where=self.folder, field="bands", hint="Train without --from.")

    def keep(self, run: RunDirectory) -> None:
        """Write the model and its history into a run, which then needs nothing else to begin again.

        Raises:
            RunError: The model was replaced meanwhile.
            SaveError: Something could not be written.
        """
        with new_folder(run.start) as folder:
            for name in FILES:
                shutil.copyfile(self.folder / name, folder / name)
            if sha256(folder / FILES[1]) != self.model.sha256:
                raise RunError("was replaced while it was read.", where=self.folder, hint="Try again.")
        write_sealed(run.history, {"models": self.history})


def read_history(run: RunDirectory) -> tuple[dict[str, Any], ...]:
    """The models that a run goes back to, the oldest first; none where it began from scratch.

    Raises:
        RunError: The file is damaged.
    """
    if not run.history.is_file():
        return ()
    mend = "Restore the file, or remove it."
    models = read_sealed(run.history, RunError, mend, bare="models").get("models")
    if not isinstance(models, list) or not 0 < len(models) <= MOST_MODELS or not all(map(_is_model, models)):
        found = f"is no list of 1 to {MOST_MODELS} models with {', '.join(OF_A_MODEL)}."
        raise RunError(found, where=run.history, field="models", hint=mend)
    return tuple(models)


def _is_model(one: Any) -> bool:
    return isinstance(one, dict) and all(
        isinstance(one.get(key), kind) and not isinstance(one.get(key), bool) for key, kind in OF_A_MODEL.items()
    )


def _settings(config: Config | None, file: ModelFile, model: Model, *, again: bool) -> dict[str, Any]:
    """What goes on as it was; length, number of devices and the file of encoder weights do not."""
    network = file.network.model_copy(update={"weights": None}).model_dump(mode="json")
    if config is None:
        settings: dict[str, Any] = {"method": model.protocol["method"], "trainer": {"seed": file.protocol.seed}}
        settings["trainer"]["batch_size"] = file.protocol.batch_size
        settings["optimizer"] = {"lr": file.protocol.lr}
    else:
        settings = config.to_dict()
        for name in ("epochs", "steps", "minutes", "devices", "nodes"):
            settings["trainer"].pop(name)
    if not again:
        settings["optimizer"]["lr"] *= SLOWER
    return {**settings, "network": network}


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names[:20]) + (", …" if len(names) > 20 else "")
