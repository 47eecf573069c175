"""`pointillist points …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pointillist.cli.options import Data, Layout

app = typer.Typer(help="Work with clicks.", no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def points() -> None:
    """Work with clicks."""


@app.command()
def simulate(
    data: Data,
    out: Annotated[Path, typer.Option(help="The points.csv to be written.", show_default=False)],
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one with a mask.")] = "all",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    protocol: Annotated[
        str, typer.Option(help="component: in the inner part of each object; uniform: anywhere on it; centroid.")
    ] = "component",
    k: Annotated[int, typer.Option("--k", help="Clicks per object.")] = 1,
    min_area: Annotated[int, typer.Option(help="Objects of fewer pixels get no click.")] = 50,
    jitter: Annotated[float, typer.Option(help="Spread of the hand in pixels; with it a click can miss.")] = 0.0,
    layout: Layout = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Draw seeded clicks from masks: one per connected component and class.

    Example: **pointillist points simulate camvid --split train --seed 0 --out camvid_seed0.csv**
    """
    from rich.console import Console
    from rich.table import Table

    from pointillist.cli.display import counting
    from pointillist.data.layouts import load_dataset
    from pointillist.data.simulated import simulate_dataset
    from pointillist.errors import ConfigError, SaveError, nearest
    from pointillist.points.formats.native import write_csv
    from pointillist.points.simulate import PROTOCOLS

    if protocol not in PROTOCOLS:
        raise ConfigError(f"{protocol!r} is no protocol.", field="--protocol", cure=nearest(protocol, PROTOCOLS))
    if out.exists() and not overwrite:
        raise SaveError("is there already.", where=out, cure="Choose another --out, or replace it with --overwrite.")
    console = Console()
    dataset = load_dataset(data, layout=layout)
    images = sum(1 for item in dataset.split(split) if item.mask is not None)
    with counting(console, "clicking", images) as done:
        table = simulate_dataset(
            dataset,
            split=split,
            seed=seed,
            protocol=protocol,
            per_object=k,
            min_area=min_area,
            jitter=jitter,
            on_image=done,
        )
    write_csv(table, out)
    counts = table.counts()
    summary = Table(title=f"{len(table):,} clicks on {images:,} images", title_justify="left")
    summary.add_column("class")
    summary.add_column("clicks", justify="right")
    for name in dataset.classes.names:
        summary.add_row(name, f"{counts[name]:,}")
    console.print(summary)
    console.print(f"[green]wrote[/] {out}", highlight=False)
