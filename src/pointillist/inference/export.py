"""A trained model as a file or folder for other programs, compared with the model before it is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, PointillistError, RunError
from pointillist.files import make_folder, new_folder, read_text, refuse_existing, replacing
from pointillist.inference.batch import collect_images
from pointillist.inference.exports import TARGETS
from pointillist.inference.exports.base import Source, Validation
from pointillist.inference.exports.parity import Parity
from pointillist.inference.hub import find_model, unpacked
from pointillist.schema import parse
from pointillist.sealed import read_sealed
from pointillist.training.card import model_card
from pointillist.training.model_file import LARGEST, read_model_file
from pointillist.training.model_folder import load_model
from pointillist.training.run_directory import RunDirectory


@dataclass(frozen=True)
class Exported:
    """What an export left.

    Args:
        path: The file or folder.
        bytes: Its size.
        seconds: It took, the comparison included.
        parity: How far it is from the model; None where it holds the model itself.
    """

    path: Path
    bytes: int
    seconds: float
    parity: Parity | None


def export_model(
    run: str | Path,
    to: str,
    out: str | Path | None = None,
    *,
    images: Sequence[Path] = (),
    authors: Sequence[str] = (),
    license_: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Export a model, and compare what was made with the model on images.

    Args:
        run: A run directory, a `model/` directory or an archive of one; see `find_model`.
        to: Name of a target, see `exports.targets`.
        out: File, with the ending of the target, or folder to make; in the run directory when not given.
        images: Images and folders to compare on; when not given, those that the run is validated on or learns from.
        authors: Names of people, for the targets that have a place for them.
        license_: SPDX identifier, such as CC-BY-4.0.
        overwrite: Replace what is there.

    Raises:
        ConfigError: There is no such target, the file has another ending, an optional library is missing, or there are
            no images.
        RunError: There is no model, its network cannot be exported, or the export gives other results than the model.
        SaveError: It could not be written, or something is there.
    """
    target, place = TARGETS.get(to)(), find_model(run)
    root = place.parent if place.is_file() or place.name == "model" else place
    name = (place.stem if place.is_file() else root.resolve().name) or "model"
    path = root / f"{name}{target.suffix}" if out is None else Path(out)
    ending = "" if target.folder else f".{target.suffix.rpartition('.')[2]}"
    if not path.name.lower().endswith(ending):
        hint = f"Name it {path.stem}{ending}: programs go by the ending."
        raise ConfigError(f"a file of {to} ends in {ending}.", where=path, field="--out", hint=hint)
    refuse_existing(path, overwrite and not target.folder)
    begun = time.perf_counter()
    with unpacked(place) as folder:
        if not folder.is_dir() or not (folder / "model.json").is_file():
            raise RunError("holds no model that torch can read.", where=place, hint="Give the run directory.")
        model = load_model(folder)
        saved, content = read_model_file(
            read_text(folder / "model.json", RunError, max_bytes=LARGEST), folder / "model.json"
        )
        card = _card_of(folder) or model_card(saved, content, title=name)
        scored = None if place.is_file() else _validation(root)
        source = Source(
            name, folder, model, content, card, lambda: _images(root, images), tuple(authors), license_, scored
        )
        make_folder(path.parent)
        writing: AbstractContextManager[Path] = new_folder(path) if target.folder else replacing(path)
        with writing as temporary:
            parity = target.write(source, temporary)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Exported(path, sum(file.stat().st_size for file in files), time.perf_counter() - begun, parity)


def _card_of(folder: Path) -> str | None:
    """The card that came with a model, without what the Hugging Face Hub has in front."""
    file = folder / "README.md"
    if not file.is_file():
        return None
    text = read_text(file, RunError, max_bytes=2**20)
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2].lstrip("\n")
    return text


def _validation(root: Path) -> Validation | None:
    """What the run scored."""
    file = RunDirectory(root).evaluation
    if not file.is_file():
        return None
    hint = "Make it again with 'pointillist evaluate RUN DATA --json FILE', or remove it."
    return parse(Validation, read_sealed(file, RunError, hint), RunError, file)


def _images(root: Path, given: Sequence[Path]) -> list[Path]:
    if given:
        return list(collect_images(given).images.values())
    hint = "Name images like those that the model is for: --images FOLDER."
    try:
        _, record = RunDirectory.open(root).read()
        dataset = load_dataset(record.path, layout=record.layout, points=record.points)
        items = dataset.split(dataset.validation_split or dataset.training_split)
    except PointillistError as error:
        found = f"there are no images to compare on: those of the run are not there ({error.found})"
        raise ConfigError(found, where=error.where or root, field="--images", hint=hint) from error
    files = list(dict.fromkeys(item.image for item in items if isinstance(item.image, Path)))
    if not files:
        raise ConfigError("there are no images to compare on.", where=root, field="--images", hint=hint)
    return files
