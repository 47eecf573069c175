"""Opening a folder and serving it until the user ends it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from pointillist.annotator.folder import DataFolder, open_folder
from pointillist.annotator.session import Session
from pointillist.annotator.web.server import make_app
from pointillist.errors import ConfigError

PORT = 8765
"""Where the page is when nobody says otherwise and nobody else is there."""

LEAST_TOKEN = 16
"""Characters of the shortest token: fewer can be guessed."""

LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    data: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    ready: Callable[[str, DataFolder], None],
) -> None:
    """Serve the annotator of a folder until it is interrupted.

    Users must show the token, which is needed beyond this machine. Without a port it is the usual one, or a free one.
    `ready` is called with the address of the page and the folder, once it can be opened.

    Raises:
        ConfigError: The token is missing or short, the address cannot be listened on.
        PointillistError: The folder cannot be opened; see `Session`.
    """
    check_reach(host, token)
    # Before the folder is opened: a second server must not wait for a folder it cannot serve.
    listener = listen(host, port)
    try:
        session = Session(open_folder(data))
        number = listener.getsockname()[1]
        app = make_app(session, port=number, hosts=(host, socket.gethostname()), token=token)
        config = uvicorn.Config(
            app,
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
        address = f"http://{shown}:{number}/" + (f"?token={token}" if token else "")

        async def run() -> None:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            if server.started:
                ready(address, session.folder)
            await serving

        asyncio.run(run())
    finally:
        listener.close()


def check_reach(host: str, token: str | None) -> None:
    """Refuse to serve more than this machine without a token.

    Raises:
        ConfigError: The token is missing or short.
    """
    if host not in LOCAL and token is None:
        raise ConfigError(
            f"everybody who reaches '{host}' could change the labels.",
            field="--token",
            hint=f"Add --token with at least {LEAST_TOKEN} characters that nobody guesses, or leave --host out.",
        )
    if token is not None and (not re.fullmatch(rf"[A-Za-z0-9_-]{{{LEAST_TOKEN},}}", token)):
        raise ConfigError(
            "this token is short, or has other characters than letters, digits, - and _.",
            field="--token",
            hint=f"Use at least {LEAST_TOKEN} letters and digits that nobody guesses.",
        )


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
