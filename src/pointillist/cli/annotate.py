"""`pointillist annotate`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pointillist.cli.display import give, open_console, say

if TYPE_CHECKING:
    from pointillist.annotator.folder import DataFolder


def annotate(
    data: Annotated[Path, typer.Argument(help="Folder of images, or of a data set.")],
    port: Annotated[
        int | None, typer.Option(help="Port of the page; 8765 or a free one if not given.", min=0, max=65535)
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; whoever opens the link that is shown can change the labels.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with a token of your own, 16 or more letters and digits; or set POINTILLIST_TOKEN."),
    ] = None,
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
        if error.name not in ("fastapi", "platformdirs", "starlette", "uvicorn"):
            raise
        raise ConfigError(
            f"the package '{error.name}' is not installed, which the annotator needs.",
            hint="pip install 'pointillist[annotate]'.",
        ) from error
    console = open_console()

    def ready(address: str, once: str, folder: DataFolder) -> None:
        say(describe(len(folder.images), folder.left_out))
        without_token = address.partition("?")[0]
        say(f"page: [bold]{address}[/]   (Ctrl-C ends)", logged=f"page: {without_token}   (Ctrl-C ends)")
        give({"address": address, "images": len(folder.images)})
        if not no_browser:
            import webbrowser

            webbrowser.open(once)

    # The server itself ends in good order when it is interrupted, and says so by this exception.
    with suppress(KeyboardInterrupt):
        serve(data, host=host, port=port, token_file=token_file, ready=ready)
    console.print("[green]done[/] every point is in points.csv", highlight=False)
