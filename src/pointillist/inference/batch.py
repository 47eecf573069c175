"""Predicting files and folders: a million images, some of them broken."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

from pointillist.data.folders import Found, LeftOut, look_through
from pointillist.data.images import on_a_map
from pointillist.data.listing import no_images
from pointillist.data.outputs import AMONG_IMAGES, EARLIER, LOG, MANIFEST, predicted
from pointillist.errors import ConfigError, ImageError, RunError
from pointillist.files import make_folder
from pointillist.inference.manifest import LIST, SETTINGS, Entry, Manifest
from pointillist.inference.pipeline import Job, Pipeline, file_of
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers import STANDARD, get_writer, writers
from pointillist.inference.writers.base import Writer
from pointillist.locks import in_use
from pointillist.naming import file_key
from pointillist.version import __version__

ON_A_MAP = (*STANDARD, "geotiff")
"""What is written when nothing is chosen and images say where on the earth they lie."""

LONGEST_NAME = 255
"""Bytes; the usual file systems take no longer names."""


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch.

    Args:
        manifest: The file that lists everything.
        written: Images that are predicted.
        failed: Error by image that could not be read.
        left_out: What of the folders was no input.
        together: Files of all images, such as tables, and the manifest of all shares when they are joined.
    """

    manifest: Path
    written: int
    failed: dict[str, ImageError]
    left_out: LeftOut
    together: tuple[Path, ...] = ()


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
            key = file_key(stem)
            if key in results:
                raise RunError(
                    f"'{results[key]}' and '{path}' would both be written under the name '{stem}'.",
                    field="IMAGE",
                    hint="Predict them into different --out folders.",
                )
            results[key] = path
            found[name] = path
    if not found:
        raise no_images(inputs[0], left_out)
    return Found(found, left_out)


Predict = TypeVar("Predict", bound=Callable[..., BatchResult])


def _alone(predict: Predict) -> Predict:
    """The same, with the output folder held against others; shares go along with each other."""

    @wraps(predict)
    def held(
        predictor: Predictor,
        inputs: Sequence[Path],
        out: Path,
        *,
        shard: tuple[int, int] | None = None,
        **more: Any,
    ) -> BatchResult:
        with in_use(out, "predicting", share="{}-of-{}".format(*shard) if shard else ""):
            return predict(predictor, inputs, out, shard=shard, **more)

    return cast(Predict, held)


@_alone
def predict_files(
    predictor: Predictor,
    inputs: Sequence[Path] | Found,
    out: Path,
    *,
    write: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    resume: bool = False,
    shard: tuple[int, int] | None = None,
    on_image: Callable[[str], None] | None = None,
    work: Work = Pipeline.__call__,
) -> BatchResult:
    """Predict images and write what is asked for below `out`.

    An image that cannot be read is listed in the manifest and does not stop the others. What is done is noted image by
    image, so that a batch that was interrupted, or to which images were added, can go on.

    Args:
        predictor: The model.
        inputs: Images and folders of images; or what was found of them already.
        out: Output folder; made when missing.
        write: Names of what to write, see `writers`; by default `STANDARD`, or `ON_A_MAP` where an image is on one.
        options: Settings of writers, by name.
        resume: Leave out images that an earlier call with the same model, results and settings has predicted into
            `out`; one whose file has changed since is predicted again.
        shard: (number, of how many), counted from 1: only this share of the images. The last one to be done joins all.
        on_image: Called with the name of each image that is done.
        work: What predicts and writes the images.

    Raises:
        ConfigError: No writer has one of these names, or none is given, or there is no such share.
        ImageError, DatasetError, RunError: See `collect_images`; also, a result would take the place of an image or of
            a file from elsewhere, or, with `resume`, what is there is of another model, or has other results or
            settings, or, with `shard`, images lie in `out`.
        SaveError: A file could not be written.
    """
    found = inputs if isinstance(inputs, Found) else collect_images(inputs)
    images = found.images
    if write is None:
        write = ON_A_MAP if any(map(on_a_map, images.values())) else STANDARD
    chosen = _chosen(write, options or {})
    for writer in chosen:
        writer.check(predictor.classes)
    about: dict[str, Any] = {"pointillist": __version__, "model_sha256": predictor.engine.sha256}
    _spare_others(images, out, chosen)
    if any(folder.resolve().is_relative_to(out.resolve()) for folder in {path.parent for path in images.values()}):
        if shard is not None:
            found_here = "images lie in here, so that one share could take the results of another for images."
            raise RunError(found_here, where=out, field="--shard", hint="Choose an --out that has no images.")
        # Whoever looks through this folder must tell results from images, also results that are not made again.
        earlier = predicted(out)
        about |= {AMONG_IMAGES: True, EARLIER: sorted(earlier.results()) if earlier else []}
    about |= {
        "results": [writer.name for writer in chosen],
        SETTINGS: {
            "input": predictor.spec.to_dict(),
            "outputs": {
                writer.name: writer.options.model_dump(mode="json") for writer in chosen if writer.Options.model_fields
            },
        },
        "classes": [{"index": index, **swatch} for index, swatch in enumerate(predictor.classes.swatches())],
        "protocol": predictor.engine.protocol,
        "left_out": found.left_out.to_dict(),
        # A name may be any bytes.
        LIST: sha256("\n".join(images).encode(errors="surrogatepass")).hexdigest(),
    }
    make_folder(out)
    manifest = Manifest(out, shard)
    mine = list(images)[shard[0] - 1 :: shard[1]] if shard else list(images)
    done = manifest.begin(about, resume, None if shard is None else set(mine))
    failed: dict[str, ImageError] = {}

    def jobs() -> Iterator[Job]:
        for name in mine:
            job = Job.of(name, images[name])
            if name not in done or done[name] != job.state:
                yield job
            elif on_image is not None:
                on_image(name)

    # Threads and machines end here, also when a note cannot be written.
    with closing(work(Pipeline(predictor, chosen, out), jobs())) as entries:
        for entry in entries:
            name = entry["image"]
            if "error" in entry:
                failed[name] = ImageError(
                    entry["error"], where=images[name], field=entry.get("field"), hint=entry.get("hint", "")
                )
            manifest.note(entry)
            if on_image is not None:
                on_image(name)
    manifest.finish()
    together = _join(manifest, chosen, shard)
    return BatchResult(manifest.file, len(mine) - len(failed), failed, found.left_out, together)


Work = Callable[[Pipeline, Iterable[Job]], Generator[Entry, None, None]]
"""What predicts and writes images, here or on other machines; gives what the manifest says of each."""


def _chosen(write: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> tuple[Writer, ...]:
    """Writers by their names, each once, with their settings."""
    if not write:
        raise ConfigError("nothing is to be written.", field="write", hint=f"Name outputs: {', '.join(writers())}.")
    names = [get_writer(name).name for name in write]
    for name in options:
        if name not in names:
            found = f"there are settings of '{name}', which is not written."
            raise ConfigError(found, field="--set", hint=f"Written are: {', '.join(names)}.")
    return tuple(get_writer(name, options.get(name)) for name in dict.fromkeys(names))


def _join(manifest: Manifest, chosen: Sequence[Writer], shard: tuple[int, int] | None) -> tuple[Path, ...]:
    """Write the files of all images, when all are there."""
    out = manifest.out
    if shard is not None:
        shares = [Manifest(out, (number, shard[1])) for number in range(1, shard[1] + 1)]
        if not all(share.file.is_file() and not share.log.is_file() for share in shares):
            return ()
        if len({share.what() for share in shares}) > 1:  # some are of an earlier prediction
            return ()
        manifest = Manifest(out)
        manifest.join(shares)
    together = [manifest.file] if shard else []
    for writer in chosen:
        if writer.together:
            writer.collect((out / name for name in manifest.files(writer.name)), out)
            together += [out / name for name in writer.together]
    return tuple(together)


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
    together = [name for writer in chosen for name in writer.together]
    files = [MANIFEST, LOG, *together, *(file_of(name, writer) for name in images for writer in chosen)]
    folders = {above for file in files for above in _above(file)}
    taken: set[str] = set()
    for file in files:
        path = out / file
        if file in taken or file in folders:
            raise RunError("two results would be written here.", where=path, hint="Split the images or outputs.")
        taken.add(file)
        if place(path) in inputs:
            raise RunError("this image would be overwritten.", where=path, hint="Choose another --out.")
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise RunError("has a name that is too long for a file.", where=path, hint="Give the image a shorter one.")
        if path.is_file() and not ours:
            ours = predicted(out) is not None  # another share may have begun just now
        if path.is_dir() or (not ours and path.is_file()):
            raise RunError("is there already, and not from a prediction.", where=path, hint="Choose another --out.")


def _above(file: str) -> list[str]:
    """The folders of a path: of `a/b/c.png`, `a` and `a/b`."""
    parts = file.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
