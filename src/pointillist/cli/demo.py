"""`pointillist demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pointillist.cli.display import give, open_console


def demo(
    out: Annotated[Path, typer.Option(help="Where data, runs, results.json and the report go.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of scenes, clicks and training.")] = 0,
) -> None:
    """Draw a small data set, learn it in three ways, compare: about five minutes on two CPU cores.

    Example: **pointillist demo**
    """
    from pointillist.demo import run_demo
    from pointillist.errors import RunError
    from pointillist.files import read_text

    report = run_demo(out, seed=seed, console=open_console())
    give({"report": report, **json.loads(read_text(out / "results.json", RunError))})
