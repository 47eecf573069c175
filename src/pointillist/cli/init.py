"""`pointillist init`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pointillist.cli.display import say
from pointillist.cli.options import Data


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
    from pointillist.data.folders import describe
    from pointillist.data.layouts.folder import create_dataset

    dataset = create_dataset(
        data, [name.strip() for name in classes.split(",")], background=background, masks=masks, overwrite=overwrite
    )
    console = Console()
    say(f"[green]wrote[/] {escape(str(data / 'dataset.yaml'))}: {len(dataset.classes)} classes")
    if dataset.points_file is None:
        console.print(
            f"Next: put clicks into {escape(str(data / 'points.csv'))}, "
            "one a line after the header [bold]image,x,y,class[/]; then\n"
            f"  pointillist train {escape(str(data))}",
            highlight=False,
        )
    say(describe(len(dataset.items), dataset.left_out))
