"""`pointillist data …`."""

from __future__ import annotations

import typer

app = typer.Typer(help="Work with data sets.", no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def data() -> None:
    """Work with data sets."""
