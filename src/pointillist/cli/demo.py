"""`pointillist demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def demo(
    out: Annotated[Path, typer.Option(help="Where data, runs, results.json and the report go.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of scenes, clicks and training.")] = 0,
) -> None:
    """Draw a small data set, learn it in three ways, compare: about five minutes on two CPU cores.

    Example: **pointillist demo**
    """
    from pointillist.demo import run_demo

    run_demo(out, seed=seed, console=Console())
