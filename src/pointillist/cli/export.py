"""`pointillist export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pointillist.cli.display import give, open_console, say_plain
from pointillist.cli.options import Overwrite, Run


def export(
    run: Run,
    to: Annotated[
        str, typer.Option(help="onnx, torchscript, torch-export, archive, huggingface, bioimageio, or one of your own.")
    ],
    out: Annotated[Path | None, typer.Option(help="File or folder to make; in the run directory if not given.")] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(help="Images or a folder to compare on, if not those of the run's data; may be repeated."),
    ] = None,
    author: Annotated[
        list[str] | None,
        typer.Option(help="Author, where the target has a place; may be repeated.", metavar="NAME"),
    ] = None,
    license_: Annotated[
        str | None,
        typer.Option("--license", help="Licence, likewise: an SPDX identifier, such as CC-BY-4.0.", metavar="ID"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model as a file for other programs, compared with the model on images: there is no export that differs.

    Example: **pointillist export runs/berries --to onnx --out berries.onnx**
    """
    from pointillist.inference.export import export_model
    from pointillist.inference.exports.parity import DIFFERENCE

    done = export_model(run, to, out, images=images or (), authors=author or (), license_=license_, overwrite=overwrite)
    open_console().print(
        f"[green]done[/] {escape(str(done.path))}, {done.bytes / 1e6:.1f} MB, {done.seconds:.0f} s", highlight=False
    )
    compared = None
    if done.parity is not None:
        compared = {"agreement": done.parity.agreement, "difference": float(done.parity.difference)}
        pixels, count = sum(row.pixels for row in done.parity.rows), len(done.parity.rows)
        say_plain(
            f"compared with the model on {count} images, {pixels:,} pixels: {done.parity.agreement:.4%} have the same "
            f"label, probabilities differ by at most {done.parity.difference:.1e} ({DIFFERENCE:g} is allowed)"
        )
    give({"path": done.path, "bytes": done.bytes, "seconds": done.seconds, "parity": compared})
