"""`pointillist label-studio`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from pointillist.cli.display import give, open_console, say, say_plain
from pointillist.cli.options import Device, Run


def label_studio(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Images and folders of images that the project has.")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 9090,
    host: Annotated[str, typer.Option(help="Address to listen on; other machines need a password.")] = "127.0.0.1",
    password_file: Annotated[
        Path | None, typer.Option(help="File with a password, which Label Studio is given as well.")
    ] = None,
    device: Device = None,
) -> None:
    """Be the machine-learning backend of a Label Studio project: its images come with the model's regions.

    Example: **pointillist label-studio runs/berries photos**
    """
    from pointillist.errors import ConfigError

    try:
        from pointillist.label_studio.server import Backend, serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        found = f"the package '{error.name}' is not installed, which a backend needs."
        raise ConfigError(found, hint="pip install 'pointillist[annotate]'.") from error
    backend = Backend(run, images, device or "auto", say=say_plain)

    def ready(address: str) -> None:
        say(f"backend: [bold]{address}[/]   (Ctrl-C ends)")
        say_plain("In Label Studio: Settings, Model, Connect Model, with this address.")
        give({"address": address, "model_version": backend.version})

    with suppress(KeyboardInterrupt):
        serve(backend, host=host, port=port, password_file=password_file, ready=ready)
    open_console().print("[green]done[/]")
