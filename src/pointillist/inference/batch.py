"""Predicting files and folders: a million images, some of them broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pointillist
from pointillist.classes import hex_color
from pointillist.data.dataset import find_images
from pointillist.data.images import read_image
from pointillist.errors import ImageError, RunError
from pointillist.files import make_folder, write_text
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers.png import write_labels, write_map, write_overlay

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    Args:
        manifest: The file that lists everything.
        written: Images that were predicted.
        failed: Error by image that could not be read.
    """

    manifest: Path
    written: int
    failed: dict[str, ImageError]


def collect_images(inputs: Sequence[Path]) -> dict[str, Path]:
    """Images by the name of their result: files by their own name, folders by the path below them.

    Raises:
        ImageError: An input is missing.
        DatasetError: A folder holds no image.
        RunError: Two images would be written to the same place.
    """
    found: dict[str, Path] = {}
    results: dict[str, Path] = {}
    for given in inputs:
        if not given.exists():
            raise ImageError("there is no such image or folder.", where=given, cure="Check the path.")
        for name, path in (find_images(given) if given.is_dir() else {given.name: given}).items():
            stem = str(PurePosixPath(name).with_suffix(""))
            if stem in results:
                raise RunError(
                    f"'{results[stem]}' and '{path}' would both be written to '{stem}.png'.",
                    field="IMAGE",
                    cure="Predict them into different --out folders.",
                )
            results[stem] = path
            found[name] = path
    return found


def predict_files(
    predictor: Predictor,
    inputs: Sequence[Path],
    out: Path,
    *,
    confidence: bool = False,
    uncertainty: bool = False,
    overlays: bool = True,
    on_image: Callable[[str], None] | None = None,
) -> Outcome:
    """Predict images and write, below `out`, a label PNG, an overlay picture and optional maps for each.

    An image that cannot be read is listed in the manifest and does not stop the others.

    Args:
        predictor: The model.
        inputs: Images and folders of images.
        out: Output folder; made when missing.
        confidence: Also write `…_confidence.png`.
        uncertainty: Also write `…_uncertainty.png`.
        overlays: Write `…_overlay.jpg`.
        on_image: Called with the name of each image that is done.

    Raises:
        ImageError, DatasetError, RunError: See `collect_images`.
        SaveError: A file could not be written.
    """
    images = collect_images(inputs)
    make_folder(out)
    entries: list[dict[str, Any]] = []
    failed: dict[str, ImageError] = {}
    for name, path in images.items():
        stem = PurePosixPath(name).with_suffix("")
        target = out / stem.parent
        try:
            image = read_image(path)
        except ImageError as error:
            failed[name] = error
            entries.append({"image": name, "error": error.found})
        else:
            prediction = predictor.predict(image, confidence=confidence, uncertainty=uncertainty)
            make_folder(target)
            files = {"labels": f"{stem}.png"}
            write_labels(prediction.labels, predictor.classes, out / files["labels"])
            if overlays:
                files["overlay"] = f"{stem}_overlay.jpg"
                write_overlay(image, prediction.labels, predictor.classes, out / files["overlay"])
            for kind in ("confidence", "uncertainty"):
                values = getattr(prediction, kind)
                if values is not None:
                    files[kind] = f"{stem}_{kind}.png"
                    write_map(values, out / files[kind])
            entries.append({"image": name, "height": image.shape[0], "width": image.shape[1], **files})
        if on_image is not None:
            on_image(name)
    manifest = out / MANIFEST
    content = {
        "pointillist": pointillist.__version__,
        "model_sha256": predictor.model.sha256,
        "classes": [
            {"index": index, "name": name, "color": hex_color(color)}
            for index, (name, color) in enumerate(zip(predictor.classes.names, predictor.classes.colors, strict=True))
        ],
        "maps": "confidence and uncertainty: 8-bit grey, 255 = 1",
        "protocol": predictor.model.protocol,
        "images": entries,
    }
    write_text(manifest, json.dumps(content, indent=1) + "\n")
    return Outcome(manifest, len(images) - len(failed), failed)
