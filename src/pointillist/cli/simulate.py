"""`pointillist points simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import counting, give, open_console, say_plain
from pointillist.cli.options import Data, Layout
from pointillist.points.protocols import PROTOCOLS, ClickOptions, draw_options


def simulate(
    data: Data,
    out: Annotated[Path, typer.Option(help="The points.csv to be written.")],
    split: Annotated[str, typer.Option(help="Which images; 'all' for every one with a mask.")] = "all",
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    protocol: Annotated[
        str,
        typer.Option(help=f"{'; '.join(f'{one.name}: {one.description}' for one in PROTOCOLS.values())}."),
    ] = "seen",
    placement: Annotated[
        str | None,
        typer.Option(help="component (default): in the inner part of each object; uniform: anywhere on it; centroid."),
    ] = None,
    per_object: Annotated[int | None, typer.Option(help="Clicks per object, in place of 1.")] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Clicks kept of each class in an image, by chance; 0 for all.")
    ] = None,
    min_area: Annotated[int | None, typer.Option(help="Objects of fewer pixels get no click.")] = None,
    min_share: Annotated[
        float | None, typer.Option(help="Objects of a smaller share of the image's pixels get no click.")
    ] = None,
    equal_background: Annotated[
        bool | None,
        typer.Option(
            help="As many background clicks as object clicks in each image, or background like any class. "
            "It counts where the background policy is 'points'."
        ),
    ] = None,
    jitter: Annotated[
        float | None, typer.Option(help="Spread of the hand in pixels; with it a click can miss.")
    ] = None,
    questions: Annotated[
        int | None, typer.Option(help="Beside the clicks, so many evenly drawn pixels of each image, named.")
    ] = None,
    border_error: Annotated[
        float | None, typer.Option(help="Share of wrong answers within 2 px of another class, 0 to 1.")
    ] = None,
    layout: Layout = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Draw seeded clicks from masks, by a click protocol; options of your own go first.

    An object is a connected component of one class, or an instance where the data set has instance maps.

    Example: **pointillist points simulate camvid --split train --seed 0 --out camvid_seed0.csv**
    """
    from pointillist.data.layouts import open_dataset
    from pointillist.data.simulated import simulate_dataset
    from pointillist.files import refuse_existing
    from pointillist.points.formats.native import write_csv
    from pointillist.points.questions import is_question

    given = {
        "placement": placement,
        "per_object": per_object,
        "per_class": per_class,
        "min_area": min_area,
        "min_share": min_share,
        "equal_background": equal_background,
        "jitter": jitter,
        "questions": questions,
        "border_error": border_error,
    }
    own = cast(ClickOptions, {name: value for name, value in given.items() if value is not None})
    options, said = draw_options(protocol, own)
    refuse_existing(out, overwrite)
    dataset = open_dataset(data, layout=layout)
    images = sum(1 for item in dataset.split(split) if item.mask is not None)
    with counting("clicking", images) as done:
        table = simulate_dataset(
            dataset,
            split=split,
            seed=seed,
            on_image=done,
            **options,
        )
    write_csv(table, out)
    counts = table.counts()
    asked = sum(map(is_question, table))
    said_of = [f"{len(table) - asked:,} clicks"] * (asked < len(table)) + [f"{asked:,} answers"] * (asked > 0)
    unsure = f", and {len(table.unnamed):,} pixels nobody can name" if table.unnamed else ""
    title = f"{' and '.join(said_of)} on {images:,} images{unsure}"
    summary = Table("class", Column("points", justify="right"), title=title, title_justify="left")
    for name in dataset.classes.names:
        summary.add_row(escape(name), f"{counts[name]:,}")
    open_console().print(summary)
    say_plain(f"wrote {out}: protocol {said}, seed {seed}", "green")
    say_plain(f"Next: pointillist train {data} --points {out}")
    give({"out": out, "protocol": said, "seed": seed, "images": images, "points": dict(counts)})
