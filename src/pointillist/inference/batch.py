"""Predicting files and folders: a million images, some of them broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointillist.data.folders import Found, LeftOut, look_through
from pointillist.data.images import on_a_map, read_pixels
from pointillist.data.listing import no_images
from pointillist.data.outputs import ABOUT, AMONG_IMAGES, EARLIER, LOG, MANIFEST, predicted
from pointillist.errors import ConfigError, ImageError, RunError
from pointillist.files import make_folder, read_text, saving, write_text
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers import STANDARD, get_writer, writers
from pointillist.inference.writers.base import Result, Writer
from pointillist.version import __version__


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch.

    Args:
        manifest: The file that lists everything.
        written: Images that were predicted.
        failed: Error by image that could not be read.
        left_out: What of the folders was no input.
        on_map: Predicted images that say where on the earth they lie; the results don't.
    """

    manifest: Path
    written: int
    failed: dict[str, ImageError]
    left_out: LeftOut
    on_map: int = 0


def collect_images(inputs: Sequence[Path]) -> Found:
    """Images by the name of their result: files by their own name, folders by the path below them.

    What `predict` itself or a training wrote is no input, also where a shell's `photos/*` names it.

    Raises:
        ImageError: An input is missing.
        DatasetError: There is no image, or a folder has nothing in it that looks like one.
        RunError: Two images would be written to the same place.
    """
    found: dict[str, Path] = {}
    left_out = LeftOut()
    results: dict[str, Path] = {}
    for given in inputs:
        if not given.exists():
            raise ImageError("there is no such image or folder.", where=given, hint="Check the path.")
        inside = look_through(given) if given.is_dir() else Found({given.name: given}, LeftOut())
        if not inside.images and not inside.left_out:
            raise no_images(given, left_out)
        left_out.include(inside.left_out, f"{given.name}/" if len(inputs) > 1 else "")
        for name, path in inside.images.items():
            stem = str(PurePosixPath(name).with_suffix(""))
            if stem in results:
                raise RunError(
                    f"'{results[stem]}' and '{path}' would both be written under the name '{stem}'.",
                    field="IMAGE",
                    hint="Predict them into different --out folders.",
                )
            results[stem] = path
            found[name] = path
    if not found:
        raise no_images(inputs[0], left_out)
    return Found(found, left_out)


def predict_files(
    predictor: Predictor,
    inputs: Sequence[Path],
    out: Path,
    *,
    write: Sequence[str] = STANDARD,
    resume: bool = False,
    on_image: Callable[[str], None] | None = None,
) -> BatchResult:
    """Predict images and write what is asked for below `out`.

    An image that cannot be read is listed in the manifest and does not stop the others. What is done is noted image by
    image, so that a batch that was interrupted, or to which images were added, can go on.

    Args:
        predictor: The model.
        inputs: Images and folders of images.
        out: Output folder; made when missing.
        write: Names of what to write, see `writers`.
        resume: Leave out images that an earlier call with the same model and the same results has predicted into
            `out`; one whose file has changed since is predicted again.
        on_image: Called with the name of each image that is done.

    Raises:
        ConfigError: No writer has one of these names, or none is given.
        ImageError, DatasetError, RunError: See `collect_images`; also, a result would take the place of an image or of
            a file from elsewhere, or, with `resume`, what is there is of another model or has other results.
        SaveError: A file could not be written.
    """
    if not write:
        raise ConfigError("nothing is to be written.", field="write", hint=f"Name outputs: {', '.join(writers())}.")
    chosen = [get_writer(name) for name in dict.fromkeys(write)]
    needs = {need: True for writer in chosen for need in writer.needs}
    found = collect_images(inputs)
    images = found.images
    settings: dict[str, Any] = {
        "model_sha256": predictor.model.sha256,
        "results": [writer.name for writer in chosen],
    }
    _spare_others(images, out, chosen)
    if any(folder.resolve().is_relative_to(out.resolve()) for folder in {path.parent for path in images.values()}):
        # Whoever looks through this folder must tell results from images, also results that are not made again.
        earlier = predicted(out)
        settings |= {AMONG_IMAGES: True, EARLIER: sorted(earlier.results()) if earlier else []}
    make_folder(out)
    entries = _done(out, predictor.model.sha256, chosen) if resume else {}
    failed: dict[str, ImageError] = {}
    on_map = 0
    log = out / LOG
    write_text(log, "".join(json.dumps(line) + "\n" for line in (settings, *entries.values())))
    for name, path in images.items():
        state = _state(path)
        if name not in entries or entries[name]["state"] != state:
            entries[name] = {"image": name, "state": state}
            try:
                pixels = read_pixels(path, plane=predictor.spec.bands.plane)
                prediction = predictor.predict(pixels, **needs)
            except ImageError as error:
                failed[name] = ImageError(error.found, where=path, field=error.field, hint=error.hint)
                entries[name]["error"] = error.found
            else:
                on_map += on_a_map(path)
                image = predictor.spec.bands.picture(predictor.spec.bands.scaled(pixels).values)
                files = {writer.name: _file(name, writer) for writer in chosen}
                make_folder((out / name).parent)
                result = Result(name, prediction, predictor.classes, None, partial(_rows, image))
                for writer in chosen:
                    writer.write(result, out / files[writer.name])
                entries[name] |= {"height": image.shape[0], "width": image.shape[1], **files}
            _note(log, entries[name])
        if on_image is not None:
            on_image(name)
    manifest = out / MANIFEST
    content = {
        "pointillist": __version__,
        **settings,
        "classes": [{"index": index, **swatch} for index, swatch in enumerate(predictor.classes.swatches())],
        "protocol": predictor.model.protocol,
        "left_out": found.left_out.to_dict(),
        "images": list(entries.values()),
    }
    write_text(manifest, json.dumps(content, indent=1) + "\n")
    log.unlink()
    return BatchResult(manifest, len(images) - len(failed), failed, found.left_out, on_map)


def _rows(image: NDArray[np.uint8], top: int, bottom: int) -> NDArray[np.uint8]:
    return image[top:bottom]


def _file(name: str, writer: Writer) -> str:
    """Name below the output folder of what is written for one image."""
    return f"{PurePosixPath(name).with_suffix('')}{writer.suffix}"


def _spare_others(images: dict[str, Path], out: Path, chosen: Sequence[Writer]) -> None:
    """Refuse an output folder in which a result would take the place of an image, another result or anybody's file.

    Raises:
        RunError: With the file.
    """
    ours = predicted(out) is not None
    # Links of folders count; a million images lie in few of them.
    real: Callable[[Path], Path] = cache(Path.resolve)

    def place(path: Path) -> str:
        return os.path.normcase(real(path.parent) / path.name)

    inputs = {place(path) for path in images.values()}
    files = [MANIFEST, LOG, *(_file(name, writer) for name in images for writer in chosen)]
    folders = {above for file in files for above in _above(file)}
    taken: set[str] = set()
    for file in files:
        path = out / file
        if file in taken or file in folders:
            raise RunError("two results would be written here.", where=path, hint="Split the images or outputs.")
        taken.add(file)
        if place(path) in inputs:
            raise RunError("this image would be overwritten.", where=path, hint="Choose another --out.")
        if path.is_dir() or (not ours and path.is_file()):
            raise RunError("is there already, and not from a prediction.", where=path, hint="Choose another --out.")


def _above(file: str) -> list[str]:
    """The folders of a path: of `a/b/c.png`, `a` and `a/b`."""
    parts = file.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _done(out: Path, model: str, chosen: Sequence[Writer]) -> dict[str, dict[str, Any]]:
    """What an earlier call has predicted, by image: from its log when it was interrupted, else from its manifest."""
    file = next((out / name for name in (LOG, MANIFEST) if (out / name).is_file()), None)
    if file is None:
        return {}
    try:
        if file.name == LOG:
            # A line that a power cut left torn is the last one, and its image is predicted again.
            lines = [line for line in read_text(file, RunError).splitlines(keepends=True) if line.endswith("\n")]
            earlier, *entries = (json.loads(line) for line in lines)
        else:
            earlier = json.loads(read_text(file, RunError))
            entries = earlier["images"]
        whole = [entry for entry in entries if "error" not in entry]
        kinds = {writer.name for writer in chosen}
        if earlier["model_sha256"] != model or any(entry.keys() - ABOUT != kinds for entry in whole):
            raise RunError(
                "is of another model, or of other results.",
                where=file,
                hint="Give the same model and options as before, another --out, or leave --resume out.",
            )
        return {e["image"]: e for e in whole if all((out / e[kind]).is_file() for kind in kinds)}
    except (ValueError, KeyError, TypeError) as error:
        raise RunError("does not say what was predicted.", where=file, hint="Predict without --resume.") from error


def _note(log: Path, entry: dict[str, Any]) -> None:
    """Add a line to the log."""
    with saving(log, "Free some space, then --resume."), log.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(entry) + "\n")


def _state(path: Path) -> list[int] | None:
    """Size and time of the last change of a file, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
