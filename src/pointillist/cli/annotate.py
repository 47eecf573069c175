"""`pointillist annotate`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pointillist.cli.display import say

if TYPE_CHECKING:
    from pointillist.annotator.folder import DataFolder


def annotate(
    data: Annotated[Path, typer.Argument(help="Folder of images, or of a data set.")],
    port: Annotated[
        int | None, typer.Option(help="Port of the page; 8765 or a free one if not given.", min=0, max=65535)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine a --token is needed.")] = (
        "127.0.0.1"
    ),
    token: Annotated[str | None, typer.Option(help="What others must show: 16 or more letters and digits.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")] = False,
) -> None:
    """Label a folder of images with points in the browser, see what the clicks mean, train, click again.

    Example: **pointillist annotate berries**
    """
    from pointillist.data.folders import describe
    from pointillist.errors import ConfigError

    try:
        from pointillist.annotator.web.serving import serve
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise ConfigError(
            f"the package '{error.name}' is not installed, which the annotator needs.",
            hint="pip install 'pointillist[annotate]'.",
        ) from error
    console = Console()

    def ready(address: str, folder: DataFolder) -> None:
        say(f"{describe(len(folder.images), folder.left_out)}   page: [bold]{address}[/]   (Ctrl-C ends)")
        if not no_browser:
            import webbrowser

            webbrowser.open(address)

    # The server itself ends in good order when it is interrupted, and says so by this exception.
    with suppress(KeyboardInterrupt):
        serve(data, host=host, port=port, token=token, ready=ready)
    console.print("[green]done[/] every point is in points.csv", highlight=False)
