"""Opening a folder and serving it until the user ends it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from pointillist.annotator.folder import DataFolder, open_folder
from pointillist.annotator.session import Session
from pointillist.annotator.web.access import Access, find_token
from pointillist.annotator.web.server import make_app
from pointillist.connections import Connection
from pointillist.errors import ConfigError, SaveError

PORT = 8765
"""Where the page is when nobody says otherwise and nobody else is there."""


def serve(
    data: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    token_file: Path | None = None,
    ready: Callable[[str, str, DataFolder], None],
) -> None:
    """Serve the annotator of a folder until it is interrupted.

    Browsers are let in by the token, see `find_token`. Without a port it is the usual one, or a free one. Once the page
    can be opened, `ready` is called with its address, an address that works once, and the folder.

    Raises:
        ConfigError: The token cannot be read or is short, the address cannot be listened on.
        PointillistError: The folder cannot be opened, see `Session`; at the end, `points.csv` or `dataset.yaml` cannot
            be written, which then has not all points that the folder's own store has.
    """
    token = find_token(token_file)
    # Before the folder is opened: a second server must not wait for a folder it cannot serve.
    listener = listen(host, port)
    try:
        session = Session(open_folder(data))
        number = listener.getsockname()[1]
        access = Access(token, number)
        app = make_app(session, port=number, hosts=(host, socket.gethostname()), access=access)
        config = uvicorn.Config(
            app,
            http=Connection,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,
        )
        server = uvicorn.Server(config)
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{number}/?"

        async def run() -> None:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            if server.started:
                ready(address + access.query, address + access.link(), session.folder)
            await serving

        try:
            asyncio.run(run())
        finally:
            if not session.files.ended:
                raise session.files.problem or SaveError(
                    "ended before its label files were written.", where=data, hint="Start it again: no point is lost."
                )
    finally:
        listener.close()


def address_option(system: str = os.name) -> int:
    """Socket option with which a server has its port alone."""
    if system == "posix":
        return socket.SO_REUSEADDR  # the port is free again as soon as a server has ended
    # The same option on Windows lets a second server have a port that is in use.
    return int(socket.SO_EXCLUSIVEADDRUSE)  # type: ignore[attr-defined, unused-ignore]


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (PORT, 0) if port is None else (port,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, address_option(), 1)
            listener.bind((host, number))
            listener.listen(128)
        except OSError as error:
            listener.close()
            problem = error
        else:
            return listener
    raise ConfigError(
        f"{host}, port {port} cannot be listened on ({problem.strerror or problem}).",
        field="--port",
        hint="Choose another --port, or leave it out.",
    )
