"""`pointillist predict`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from pointillist.cli.display import counting, give, interrupted, say
from pointillist.cli.options import Device, Run, numbers, pairs, planes
from pointillist.errors import ConfigError

if TYPE_CHECKING:
    from pointillist.inference.batch import BatchResult, Work


def predict(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Images and folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    write: Annotated[
        list[str] | None,
        typer.Option(
            help="What to write, with commas between or given again: png, overlay, geotiff, … (**info** lists "
            "them all). Without it png,overlay, and geotiff if any image lies on a map."
        ),
    ] = None,
    confidence: Annotated[bool, typer.Option("--confidence", help="Adds confidence to the outputs.")] = False,
    uncertainty: Annotated[bool, typer.Option("--uncertainty", help="Adds uncertainty to the outputs.")] = False,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="Leaves the overlay out.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Predict only what is missing or has changed since an earlier call.")
    ] = False,
    bands: Annotated[
        str | None, typer.Option(help="Bands of the files that the model's bands are, from 1: 4,3,2.", metavar="N,N,…")
    ] = None,
    range_: Annotated[
        str | None,
        typer.Option("--range", help="Values that are black and white, where files are of another type: 0,65535."),
    ] = None,
    plane: Annotated[
        list[str] | None, typer.Option(help="Which picture of files with several: page=2.", metavar="AXIS=N")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Factor at which images are predicted, in place of the one learnt.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of an output: geojson.simplify=2; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only this share of the images: 3/16 is the third of sixteen.", metavar="N/M")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="local, or ray: on many machines (docs/many-machines.md).", metavar="local|ray")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Ray cluster, such as auto or head:6379; without it Ray starts here.")
    ] = None,
    device: Device = None,
) -> None:
    """Label images at their own size, and list what was written in a manifest.

    Example: **pointillist predict runs/berries photos --out predictions --write png,objects**
    """
    # Before torch comes: its threads would spin while they wait, on cores that read and write meanwhile.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from pointillist.data.folders import describe
    from pointillist.errors import ImageError
    from pointillist.inference.batch import collect_images, predict_files
    from pointillist.inference.predictor import Predictor

    work = _engine(engine, address, run, device or "auto")
    # With Ray the workers have the devices.
    predictor = Predictor(run, "cpu" if engine == "ray" else device or "auto")
    predictor.take(
        bands=None if bands is None else numbers(bands, int, "--bands"),
        range_=None if range_ is None else numbers(range_, float, "--range"),
        plane=None if plane is None else planes(plane),
        scale=scale,
    )
    share = None if shard is None else _share(shard)
    found = len(collect_images(images).images)
    total = found if share is None else len(range(share[0] - 1, found, share[1]))
    try:
        with counting("predicting", total) as done:
            result = predict_files(
                predictor,
                images,
                out,
                write=_names(write, confidence=confidence, uncertainty=uncertainty, overlay=not no_overlay),
                options=_options(settings),
                resume=resume,
                shard=share,
                on_image=done,
                work=work,
            )
    except KeyboardInterrupt:
        interrupted("go on with the same command and --resume")
        raise typer.Exit(130) from None
    say(f"[green]done[/] {result.written} of {total} images, listed in {escape(str(result.manifest))}")
    say(describe(total, result.left_out))
    for file in result.together:
        say(f"of all images: {escape(str(file))}")
    for name, error in result.failed.items():
        say(f"[red]left out[/] {escape(name)}: {escape(error.found)}")
    give(_summary(result))
    if result.failed:
        first = next(iter(result.failed.values()))
        raise ImageError(
            f"{len(result.failed)} of {total} images could not be read; the others are done.",
            where=first.where,
            hint=first.hint,
        )


def _engine(name: str, address: str | None, run: Path, device: str) -> Work:
    """What predicts the images."""
    from pointillist.inference.on_ray import on_ray
    from pointillist.inference.pipeline import Pipeline

    if name == "ray":
        return on_ray(run, device=device, address=address)
    if name != "local":
        raise ConfigError(f"{name!r} is no engine.", field="--engine", hint="Give local or ray.")
    if address is not None:
        raise ConfigError("is for Ray only.", field="--address", hint="Add --engine ray.")
    return Pipeline.__call__


def _names(write: list[str] | None, *, confidence: bool, uncertainty: bool, overlay: bool) -> list[str] | None:
    """What is to be written; None leaves it to the images."""
    from pointillist.inference.writers import STANDARD

    if write is None and overlay and not (confidence or uncertainty):
        return None
    names = [name.strip() for name in ",".join(write or STANDARD).split(",")]
    names += [name for name, wanted in (("confidence", confidence), ("uncertainty", uncertainty)) if wanted]
    return [name for name in names if overlay or name != "overlay"]


def _options(settings: list[str] | None) -> dict[str, dict[str, Any]]:
    """Settings by output, from `--set name.setting=value`."""
    from pointillist.yamltext import parse_yaml

    found: dict[str, dict[str, Any]] = {}
    for key, value in pairs("--set", settings).items():
        name, dot, setting = key.partition(".")
        if not dot:
            raise ConfigError(f"found {key!r}.", field="--set", hint="Write it as NAME.SETTING=VALUE.")
        found.setdefault(name, {})[setting] = parse_yaml(value, ConfigError, where="--set", field=key)
    return found


def _share(text: str) -> tuple[int, int]:
    """`3/16` → (3, 16)."""
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise ConfigError(f"{text!r} is no share.", field="--shard", hint="Write 3/16 for the third of sixteen.")
    return int(first), int(second)


def _summary(result: BatchResult) -> dict[str, Any]:
    return {
        "manifest": str(result.manifest),
        "written": result.written,
        "failed": {name: error.found for name, error in result.failed.items()},
        "left_out": result.left_out.to_dict(),
        "together": [str(file) for file in result.together],
    }
