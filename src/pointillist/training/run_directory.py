"""The run directory: everything a training leaves behind, and where.

config.yaml        settings and the data set they were used on
images.json        names of the images that it learnt from, so that no audit asks about them
metrics.csv        one line per epoch
evaluation.json    scores on the validation split, where it has masks
checkpoints/       last.ckpt, to resume, and before.ckpt, the one before it
model/             model.safetensors + model.json, loadable without executing code, and a model card
history.json       the models that it goes back to, where it went on from one; start/ is that one
snapshots/         pictures taken along the way
tensorboard/       the same curves for TensorBoard
report.html        the page for a colleague
data/              the data set that it learnt from, where `map` made one; nothing else here needs it
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field
from safetensors.torch import save
from torch import Tensor

from pointillist.data.dataset import IN_MEMORY, Dataset, Item
from pointillist.data.regions import file_of
from pointillist.errors import RunError
from pointillist.files import left_by_writing, make_folder, read_yaml, replaced_folder, saving, write_text
from pointillist.locks import MARKER
from pointillist.points.questions import inclusion_of, is_question
from pointillist.schema import Strict, parse
from pointillist.sealed import CHECKSUM, checksum, write_sealed
from pointillist.training.config import RECORD_KEYS, Config, config_from
from pointillist.training.inputs import TrainingInput
from pointillist.training.model_file import FORMAT, check_format, sha256
from pointillist.training.network_settings import OWN
from pointillist.training.networks import Network
from pointillist.version import __version__
from pointillist.yamltext import render_yaml


class DataRecord(Strict):
    """Which data a run learnt from."""

    path: str
    """Data set, absolute; `IN_MEMORY` where it has none."""
    layout: str
    """Its layout."""
    points: str | None
    """Label file, absolute; None when the data set has none."""
    split: str
    """Split the run learnt from."""
    images: int = Field(ge=0, le=10**12)
    """Images it learnt from."""
    clicks: int = Field(ge=0, le=10**12)
    """Clicks on them."""
    fingerprint: str
    """Hash over classes, image names and clicks."""
    learnt: str = ""
    """In which bands, at what scale and in what windows, in words; "" in old runs."""

    @classmethod
    def of(cls, given: TrainingInput) -> DataRecord:
        """Describe the data a run is about to learn from."""
        dataset, items = given.dataset, given.items
        return cls(
            path=IN_MEMORY if dataset.layout == IN_MEMORY else str(dataset.root.resolve()),
            layout=dataset.layout,
            points=None if dataset.points_file is None else str(dataset.points_file.resolve()),
            split=dataset.training_split,
            images=len(items),
            clicks=sum(len(dataset.points.of(item.name)) for item in items),
            fingerprint=fingerprint(dataset, items),
            learnt=str(given),
        )


def fingerprint(dataset: Dataset, items: Iterable[Item]) -> str:
    """Hash over classes, image names, clicks, answers and masks that are learnt beside them: two runs with the same one
    had the same labels."""
    digest = hashlib.sha256(repr((dataset.classes.names, dataset.classes.policy)).encode())
    for item in items:
        points = dataset.points.of(item.name)
        if item.mask_learnt and item.mask is not None:
            file = file_of(item.mask)
            digest.update(f"mask {sha256(file) if file.is_file() else file}".encode())
        # A question teaches more than a click at its place: what the other classes cover.
        clicks = [(p.x, p.y, p.label, *([inclusion_of(p)] if is_question(p) else ())) for p in points]
        digest.update(repr((item.name, clicks)).encode())
    return digest.hexdigest()[:16]


def describe_protocol(
    config: Config, record: DataRecord, given: TrainingInput, steps: int, start: str | None = None
) -> dict[str, Any]:
    """How a number came about, as plain values: what must stand beside it so that somebody else can repeat it.

    `start` is the model whose weights it began with, in words.
    """
    size, weights = config.data.size, config.network.weights
    handed = config.network.architecture == OWN
    # A network that has neither layers to normalise nor weights to begin with.
    plain = not config.network.encoder and not handed
    return {
        "method": config.method.model_dump(mode="json"),
        "points": None if record.points is None else record.points.replace("\\", "/").rsplit("/", 1)[-1],
        "clicks": record.clicks,
        "images": record.images,
        "clicks_per_image": round(record.clicks / record.images, 2),
        "data_fingerprint": record.fingerprint,
        "background": given.dataset.classes.policy,
        "network": "/".join(filter(None, (config.network.architecture, config.network.encoder))),
        "normalization": "none" if plain else config.network.normalization,
        "initialisation": start or (OWN if handed else "none" if plain else str(weights.name) if weights else "random"),
        "size": f"{size[0]}x{size[1]}" if isinstance(size, tuple) else size,
        "learnt": record.learnt,
        "window": "x".join(map(str, given.window)),
        "steps": steps,
        "batch_size": config.trainer.batch_size,
        "lr": config.optimizer.lr if steps else 0.0,
        "seed": config.trainer.seed,
        "precision": config.trainer.precision,
        "checkpoint": "last",
        "test_time": "none",
        "metric": "mIoU of one confusion matrix over all pixels of the split, at each mask's own size",
    }


class RunDirectory:
    """Paths and records of one run.

    Args:
        root: The directory.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.config_file = self.root / "config.yaml"
        self.images = self.root / "images.json"
        self.metrics_file = self.root / "metrics.csv"
        self.checkpoint = self.root / "checkpoints" / "last.ckpt"
        self.checkpoint_before = self.checkpoint.with_name("before.ckpt")
        self.model = self.root / "model"
        self.snapshots = self.root / "snapshots"
        self.evaluation = self.root / "evaluation.json"
        self.report = self.root / "report.html"
        self.data = self.root / "data"
        self.start = self.root / "start"
        self.history = self.root / "history.json"

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
            hint = "Name a directory that 'pointillist train --out' made."
            raise RunError("is no run directory: it has no config.yaml.", where=run.root, hint=hint)
        return run

    def check_free(self, *, overwrite: bool = False) -> set[Path]:
        """What a new run here would replace.

        Raises:
            RunError: Something is there already that must not be replaced.
        """
        entries = set(self.root.iterdir()) - {self.data, self.root / MARKER} if self.root.is_dir() else set()
        if self.root.exists() and (not self.root.is_dir() or entries):
            ours = bool(entries) and all(left_by_writing(self.config_file, entry) for entry in entries)
            if not self.config_file.is_file() and not ours:
                raise RunError("exists and is no run.", where=self.root, hint="Choose another --out.")
            # A run that stopped before its first checkpoint has nothing to lose.
            if not overwrite and (self.checkpoint.exists() or self.model.exists()):
                hint = "Continue it with --resume, replace it with --overwrite, or choose another --out."
                raise RunError("holds a run already.", where=self.root, hint=hint)
        return entries

    def begin(
        self, config: Config, record: DataRecord, images: list[str], *, command: str = "", overwrite: bool = False
    ) -> None:
        """Make the directory and write what the run is, from which images, when it began, with which command line.

        Raises:
            RunError: Something is there already.
        """
        content = {
            "format": FORMAT,
            "pointillist": __version__,
            "begun": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "dataset": record.model_dump(),
        }
        described = render_yaml({**content, **config.to_dict()}, RunError, self.config_file)
        # config.yaml goes last: a directory that still has it is still known as a run.
        for entry in sorted(self.check_free(overwrite=overwrite), key=lambda path: path == self.config_file):
            with saving(entry, "Remove it by hand, or choose another --out."):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        make_folder(self.root)
        write_text(self.config_file, described)
        write_sealed(self.images, {"images": images})

    def origin(self) -> dict[str, str]:
        """`begun`, `command`, version (`pointillist`) and `data` set of the run, "" where its record does not say.

        Raises:
            RunError: The record is damaged.
        """
        content = read_yaml(self.config_file, RunError)
        record = content.get("dataset")
        path = str(record.get("path") or "") if isinstance(record, dict) else ""
        known = {key: str(content.get(key) or "") for key in ("begun", "command", "pointillist")}
        # The page of a run is passed on: the name of the folder is enough.
        return {**known, "data": path.replace("\\", "/").rstrip("/").rpartition("/")[2]}

    def format(self) -> int:
        """Version of the files of this run.

        Raises:
            RunError: It is damaged or from a newer version.
        """
        return check_format(read_yaml(self.config_file, RunError).get("format"), self.config_file)

    def read(self) -> tuple[Config, DataRecord]:
        """The settings of the run and the data it used.

        `network.weights` is a record here and never opened: the file may be a stranger's.

        Raises:
            RunError: They are damaged or from a newer version.
        """
        self.format()
        content = read_yaml(self.config_file, RunError)
        if not isinstance(content.get("dataset"), dict):
            found = "does not say which data it used."
            raise RunError(found, where=self.config_file, field="dataset", hint="Train anew.")
        record = parse(DataRecord, content.pop("dataset"), RunError, self.config_file, "dataset.")
        settings = {key: value for key, value in content.items() if key not in RECORD_KEYS}
        return config_from(settings, self.config_file), record

    def save_model(
        self,
        network: Network,
        config: Config,
        given: TrainingInput,
        protocol: dict[str, Any],
        class_prior: Tensor | None,
    ) -> None:
        """Write `model/`, replaced whole: weights as safetensors, and everything needed to use them as JSON."""
        classes = given.dataset.classes
        content = {
            "format": FORMAT,
            "pointillist": __version__,
            "classes": [{"name": n, "color": list(c)} for n, c in zip(classes.names, classes.colors, strict=True)],
            "background_policy": classes.policy,
            "background": classes.background,
            "network": config.network.model_copy(update={"weights": None}).model_dump(mode="json"),
            **given.spec.to_dict(),
            "protocol": protocol,
            "class_prior": None if class_prior is None else class_prior.tolist(),
        }
        with replaced_folder(self.model) as folder:
            weights = folder / "model.safetensors"
            weights.write_bytes(save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))
            # safetensors notices a truncated file, but not a flipped bit.
            content["sha256"] = sha256(weights)
            content[CHECKSUM] = checksum(content)
            write_text(folder / "model.json", json.dumps(content, indent=2) + "\n")
