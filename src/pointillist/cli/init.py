"""`pointillist init`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from pointillist.cli.display import give, open_console, say
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
    from pointillist.data.next_command import command, to_get_clicks

    dataset = create_dataset(
        data, [name.strip() for name in classes.split(",")], background=background, masks=masks, overwrite=overwrite
    )
    console = open_console()
    say(f"[green]wrote[/] {escape(str(data / 'dataset.yaml'))}: {len(dataset.classes)} classes")
    if dataset.points_file is None:
        console.print(
            f"Next: {escape(to_get_clicks(dataset))}\n"
            f"Or put clicks made elsewhere into {escape(str(data / 'points.csv'))}, "
            "one a line after the header [bold]image,x,y,class[/].\n"
            f"Then: {escape(command('train', data))}",
            highlight=False,
            soft_wrap=True,
        )
    say(describe(len(dataset.items), dataset.left_out))
    give({"dataset": data / "dataset.yaml", "classes": list(dataset.classes.names), "images": len(dataset.items)})
