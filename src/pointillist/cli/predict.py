"""`pointillist predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pointillist.cli.display import counting, say
from pointillist.cli.options import Device, Run, numbers, planes


def predict(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Images and folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    write: Annotated[
        list[str] | None,
        typer.Option(
            help="png, overlay, confidence, uncertainty, or an output of your own: with commas between, or given "
            "again. Without it png,overlay."
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
    device: Device = None,
) -> None:
    """Label images at their own size, and list what was written in a manifest.

    Example: **pointillist predict runs/berries photos --out predictions --write png,uncertainty**
    """
    from pointillist.data.folders import describe
    from pointillist.errors import ImageError
    from pointillist.inference.batch import collect_images, predict_files
    from pointillist.inference.predictor import Predictor
    from pointillist.inference.writers import STANDARD

    names = [name.strip() for name in ",".join(write or STANDARD).split(",")]
    names += [name for name, wanted in (("confidence", confidence), ("uncertainty", uncertainty)) if wanted]
    names = [name for name in names if not (no_overlay and name == "overlay")]
    console = Console()
    predictor = Predictor(run, device or "auto")
    predictor.take(
        bands=None if bands is None else numbers(bands, int, "--bands"),
        range_=None if range_ is None else numbers(range_, float, "--range"),
        plane=None if plane is None else planes(plane),
        scale=scale,
    )
    total = len(collect_images(images).images)
    try:
        with counting("predicting", total) as done:
            result = predict_files(predictor, images, out, write=names, resume=resume, on_image=done)
    except KeyboardInterrupt:
        console.print("[yellow]interrupted[/] go on with the same command and --resume", highlight=False)
        raise typer.Exit(130) from None
    console.print(f"[green]done[/] {result.written} of {total} images, listed in {result.manifest}", highlight=False)
    say(describe(total, result.left_out))
    if result.on_map:
        say(f"{result.on_map} of them lie on a map; the results have their pixels, but no coordinates.")
    for name, error in result.failed.items():
        console.print(f"[red]left out[/] {name}: {error.found}", highlight=False)
    if result.failed:
        first = next(iter(result.failed.values()))
        raise ImageError(
            f"{len(result.failed)} of {total} images could not be read; the others are done.",
            where=first.where,
            hint=first.hint,
        )
