"""`pointillist init`."""

from __future__ import annotations

from typing import Annotated

import typer

from pointillist.cli.options import Data


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="init")(init)


def init(
    data: Data,
    classes: Annotated[str, typer.Option(help="Class names, separated by commas; the first is the background.")],
    background: Annotated[
        str,
        typer.Option(help="points: background is clicked; border: taken from the image border; none: no such class."),
    ] = "points",
    masks: Annotated[str, typer.Option(help="How masks, if any, name classes: index, palette or color.")] = "index",
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset.yaml that is there.")] = False,
) -> None:
    """Make a data set from a folder with images/ by writing its dataset.yaml.

    Example: **pointillist init berries --classes soil,berry**
    """
    from rich.console import Console

    from pointillist.classes import BACKGROUND_POLICIES, ClassSet
    from pointillist.data.dataset import find_images
    from pointillist.data.layouts.folder import FILE, write_dataset_file
    from pointillist.data.masks import MASK_ENCODINGS
    from pointillist.errors import ConfigError, DatasetError, nearest

    if background not in BACKGROUND_POLICIES:
        raise ConfigError(
            f"{background!r} is no background policy.",
            field="--background",
            hint=nearest(background, BACKGROUND_POLICIES),
        )
    if masks not in MASK_ENCODINGS:
        raise ConfigError(f"{masks!r} is no kind of mask.", field="--masks", hint=nearest(masks, MASK_ENCODINGS))
    file = data / FILE
    if file.exists() and not overwrite:
        raise DatasetError("is there already.", where=file, hint="Edit it, or replace it with --overwrite.")
    images = find_images(data / "images")
    class_set = ClassSet.create([name.strip() for name in classes.split(",")], policy=background)
    write_dataset_file(file, class_set, masks=masks)
    console = Console()
    console.print(f"[green]wrote[/] {file}: {len(class_set)} classes, {len(images)} images.")
    if not (data / "points.csv").exists():
        console.print(
            f"Next: put clicks into {data / 'points.csv'}, one a line after the header [bold]image,x,y,class[/]; then\n"
            f"  pointillist train {data}",
            highlight=False,
        )
