"""`pointillist predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pointillist.cli.options import Device, Run


def predict(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Images and folders of images.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the results.", show_default=False)],
    confidence: Annotated[bool, typer.Option("--confidence", help="Also write the probability of the label.")] = False,
    uncertainty: Annotated[bool, typer.Option("--uncertainty", help="Also write how unsure the model is.")] = False,
    no_overlay: Annotated[bool, typer.Option("--no-overlay", help="Leave out the overlay pictures.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Predict only what is missing or has changed since an earlier call.")
    ] = False,
    device: Device = None,
) -> None:
    """Label images at their own size: an indexed PNG, an overlay picture, optional maps, a manifest.

    Example: **pointillist predict runs/berries photos --out predictions --uncertainty**
    """
    from rich.console import Console

    from pointillist.cli.display import counting
    from pointillist.errors import ImageError
    from pointillist.inference.batch import collect_images, predict_files
    from pointillist.inference.predictor import Predictor

    console = Console()
    predictor = Predictor(run, device or "auto")
    total = len(collect_images(images))
    try:
        with counting(console, "predicting", total) as done:
            outcome = predict_files(
                predictor,
                images,
                out,
                confidence=confidence,
                uncertainty=uncertainty,
                overlays=not no_overlay,
                resume=resume,
                on_image=done,
            )
    except KeyboardInterrupt:
        console.print("[yellow]interrupted[/] go on with the same command and --resume", highlight=False)
        raise typer.Exit(130) from None
    console.print(f"[green]done[/] {outcome.written} of {total} images, listed in {outcome.manifest}", highlight=False)
    for name, error in outcome.failed.items():
        console.print(f"[red]left out[/] {name}: {error.found}", highlight=False)
    if outcome.failed:
        first = next(iter(outcome.failed.values()))
        raise ImageError(
            f"{len(outcome.failed)} of {total} images could not be read; the others are done.",
            where=first.where,
            hint=first.hint,
        )
