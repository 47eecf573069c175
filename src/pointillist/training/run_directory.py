"""The run directory: everything a training leaves behind, and where.

config.yaml        settings and the data set they were used on
metrics.csv        one line per epoch
checkpoints/       last.ckpt, to resume
model/             model.safetensors + model.json, loadable without executing code
snapshots/         pictures taken along the way
tensorboard/       the same curves for TensorBoard
report.html        the page for a colleague
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.errors import RunError
from pointillist.files import make_folder, read_text, read_yaml, replacing, write_text
from pointillist.schema import parse
from pointillist.training.config import RECORD_KEYS, Config, NetworkSettings, config_from
from pointillist.training.networks import Network, build_network
from pointillist.version import __version__

FORMAT = 2
"""Version of the files below; a newer program reads all older ones. 1: until version 0.1."""


@dataclass(frozen=True)
class DataRecord:
    """Which data a run learnt from.

    Args:
        path: Data set, absolute.
        layout: Its layout.
        points: Label file, absolute; None when the data set has none.
        split: Split the run learnt from.
        images: Images it learnt from.
        clicks: Clicks on them.
        fingerprint: Hash over classes, image names and clicks.
    """

    path: str
    layout: str
    points: str | None
    split: str
    images: int
    clicks: int
    fingerprint: str

    @classmethod
    def of(cls, dataset: Dataset, items: Sequence[Item]) -> DataRecord:
        """Describe the data a run is about to learn from."""
        return cls(
            path=str(dataset.root.resolve()),
            layout=dataset.layout,
            points=None if dataset.points_file is None else str(dataset.points_file.resolve()),
            split=dataset.training_split,
            images=len(items),
            clicks=sum(len(dataset.points.of(item.name)) for item in items),
            fingerprint=fingerprint(dataset, items),
        )


def fingerprint(dataset: Dataset, items: Iterable[Item]) -> str:
    """Hash over classes, image names and clicks: two runs with the same one had the same labels."""
    digest = hashlib.sha256(repr((dataset.classes.names, dataset.classes.policy)).encode())
    for item in items:
        clicks = [(point.x, point.y, point.label) for point in dataset.points.of(item.name)]
        digest.update(repr((item.name, clicks)).encode())
    return digest.hexdigest()[:16]


class RunDirectory:
    """Paths and records of one run.

    Args:
        root: The directory.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.config_file = self.root / "config.yaml"
        self.metrics_file = self.root / "metrics.csv"
        self.checkpoint = self.root / "checkpoints" / "last.ckpt"
        self.model = self.root / "model"
        self.snapshots = self.root / "snapshots"
        self.report = self.root / "report.html"

    def __str__(self) -> str:
        return str(self.root)

    @classmethod
    def open(cls, root: str | Path) -> RunDirectory:
        """Open an existing run.

        Raises:
            RunError: There is none.
        """
        run = cls(root)
        if not run.config_file.is_file():
            raise RunError(
                "is no run directory: it has no config.yaml.",
                where=run.root,
                hint="Name a directory that 'pointillist train --out' made.",
            )
        return run

    def begin(self, config: Config, record: DataRecord, *, overwrite: bool = False) -> None:
        """Make the directory and write what the run is.

        Raises:
            RunError: Something is there already.
        """
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            if not self.config_file.is_file():
                raise RunError("exists and is no run.", where=self.root, hint="Choose another --out.")
            # A run that stopped before its first checkpoint has nothing to lose.
            if not overwrite and (self.checkpoint.exists() or self.model.exists()):
                raise RunError(
                    "holds a run already.",
                    where=self.root,
                    hint="Continue it with --resume, replace it with --overwrite, or choose another --out.",
                )
            # config.yaml goes last: a directory that still has it is still known as a run.
            for entry in sorted(self.root.iterdir(), key=lambda path: path == self.config_file):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        make_folder(self.root)
        content = {"format": FORMAT, "pointillist": __version__, "dataset": asdict(record)}
        write_text(self.config_file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True) + config.to_yaml())

    def format(self) -> int:
        """Version of the files of this run.

        Raises:
            RunError: It is damaged or from a newer version.
        """
        version = read_yaml(self.config_file, RunError).get("format")
        if not isinstance(version, int) or version > FORMAT:
            raise RunError(
                f"has format {version!r}; this version reads up to {FORMAT}.",
                where=self.config_file,
                hint="Update pointillist.",
            )
        return version

    def read(self) -> tuple[Config, DataRecord]:
        """The settings of the run and the data it used.

        Raises:
            RunError: They are damaged or from a newer version.
        """
        self.format()
        content = read_yaml(self.config_file, RunError)
        try:
            record = DataRecord(**content.pop("dataset"))
        except (KeyError, TypeError) as error:
            raise RunError(
                "does not say which data it used.", where=self.config_file, field="dataset", hint="Train anew."
            ) from error
        settings = {key: value for key, value in content.items() if key not in RECORD_KEYS}
        return config_from(settings, self.config_file), record

    def save_model(
        self, network: Network, config: Config, classes: ClassSet, protocol: dict[str, Any], class_prior: Tensor | None
    ) -> None:
        """Write `model/`: weights as safetensors and everything needed to use them as JSON."""
        make_folder(self.model)
        weights = self.model / "model.safetensors"
        with replacing(weights) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, temporary)
        content = {
            "format": FORMAT,
            "pointillist": __version__,
            "classes": [{"name": n, "color": list(c)} for n, c in zip(classes.names, classes.colors, strict=True)],
            "background_policy": classes.policy,
            "background": classes.background,
            "network": config.network.model_copy(update={"weights": None}).model_dump(mode="json"),
            "size": config.data.size,
            "protocol": protocol,
            "class_prior": None if class_prior is None else class_prior.tolist(),
            # safetensors notices a truncated file, but not a flipped bit.
            "sha256": sha256(weights),
        }
        write_text(self.model / "model.json", json.dumps(content, indent=2) + "\n")


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
    """Load a `model/` directory; nothing in it is executed.

    Raises:
        RunError: It is missing, damaged, or from a newer version.
    """
    file, weights = folder / "model.json", folder / "model.safetensors"
    if not file.is_file():
        raise RunError("holds no trained model.", where=folder, hint="Let the training finish, or --resume it.")
    try:
        content = json.loads(read_text(file, RunError))
        names = [entry["name"] for entry in content["classes"]]
        colors = [tuple(entry["color"]) for entry in content["classes"]]
        classes = ClassSet(tuple(names), tuple(colors), content["background_policy"], content["background"])
        version, checksum = content["format"], content["sha256"]
        size = None if content["size"] is None else (int(content["size"][0]), int(content["size"][1]))
        protocol = dict(content["protocol"])
        class_prior = _class_prior(content, protocol)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise RunError(f"is damaged ({error}).", where=file, hint="Train again, or restore the file.") from error
    if not isinstance(version, int) or version > FORMAT:
        raise RunError(
            f"has format {version!r}; this version reads up to {FORMAT}.", where=file, hint="Update pointillist."
        )
    found = sha256(weights) if weights.is_file() else "no file"
    if found != checksum:
        raise RunError(
            "the weights are not those the model was saved with.",
            where=weights,
            field="sha256",
            hint="Copy the model again from where it came from.",
        )
    network = build_network(parse(NetworkSettings, content["network"], RunError, file), len(classes))
    try:
        network.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        raise RunError(f"cannot be loaded: {error}", where=weights, hint="Train again.") from error
    return Model(network.eval(), classes, size, protocol, class_prior, checksum)


def _class_prior(content: dict[str, Any], protocol: dict[str, Any]) -> tuple[float, ...] | None:
    if content.get("class_prior") is not None:
        return tuple(float(share) for share in content["class_prior"])
    if content.get("expected") is None:
        return None
    # Version 0.1 wrote the prior to the power of its correction.
    strength = float(protocol["method"]["shift"])
    return tuple(float(share) ** (1 / strength) for share in content["expected"])


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
