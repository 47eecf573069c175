"""The backend's side of the conversation, over HTTP.

Source: label-studio-ml-backend, `api.py`: `/health`, `/setup`, `/predict`, `/webhook`.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointillist.connections import Connection
from pointillist.errors import ConfigError, ImageError, PointillistError
from pointillist.files import read_text
from pointillist.inference.batch import collect_images
from pointillist.inference.predictor import Predictor
from pointillist.label_studio.interface import Interface, read_interface
from pointillist.label_studio.regions import regions_of
from pointillist.points.formats.jsontext import Node
from pointillist.points.formats.label_studio_tasks import image_path
from pointillist.points.names import ImageNames

MAX_BYTES = 2**24
"""Longest body of a request."""

LEAST_PASSWORD = 16
"""Characters of the shortest password: fewer can be guessed."""

HERE = ("localhost", "127.0.0.1", "[::1]")
"""What this machine calls itself."""

Say = Callable[[str], None]


class Backend:
    """Answers for one model and a folder of images.

    A task's image is found by its name in that folder. Nothing is fetched from an address that a request has.

    Args:
        run: A run directory, or a model folder.
        images: Folder of the images, or some images.
        device: See `Predictor`.
        say: Called with a line for each thing that a person should know.
    """

    def __init__(self, run: Path, images: list[Path], device: str = "auto", say: Say = print) -> None:
        self._predictor = Predictor(run, device)
        self._files = collect_images(images).images
        self._names = ImageNames(self._files)
        self._busy = threading.Lock()
        self._say = say
        model = run / "model"
        trained = datetime.fromtimestamp((model if model.is_dir() else run).stat().st_mtime, UTC)
        self.version = f"{run.resolve().name} {trained.isoformat(timespec='seconds')}"

    def setup(self, content: Node) -> dict[str, Any]:
        """Look at a project: which of its labels the model has.

        Raises:
            ConfigError: Its interface cannot show what the model says.
            PointsError: The request is not as Label Studio writes it.
        """
        interface = _interface(content.get("schema"))
        classes = self._predictor.classes
        marked = [name for index, name in enumerate(classes) if index != classes.background]
        without = [name for name in marked if name not in interface.labels]
        if len(without) == len(marked):
            raise ConfigError(
                f"has none of the model's classes ({', '.join(marked)}).",
                field="label_config",
                hint="Give its labels the names of the classes, or an alias.",
            )
        if without:
            self._say(f"the project has no label for {', '.join(without)}, which is left out")
        return {"model_version": self.version}

    def predict(self, content: Node) -> dict[str, Any]:
        """Regions of each task, in their order; none for an image that is missing or cannot be read.

        Raises:
            ImageError: That is so for all of them.
            ConfigError, PointsError: See `setup`.
        """
        interface = _interface(content.get("label_config"))
        answers: list[dict[str, Any]] = []
        failed: list[ImageError] = []
        for task in content.get("tasks").each():
            path = image_path(task.get("data").get(interface.key).text())
            try:
                answers.append(self._answer(path, interface))
            except ImageError as error:
                self._say(f"left out: {error.found}")
                answers.append({"result": [], "score": 0.0, "model_version": self.version})
                failed.append(error)
        if failed and len(failed) == len(answers):
            raise failed[0]
        return {"results": answers}

    def _answer(self, path: str, interface: Interface) -> dict[str, Any]:
        name = self._names.find(path, "tail")
        if name is None:
            raise ImageError(f"there is no image '{path}'.", field="tasks", hint=self._names.hint(path, "tail"))
        with self._busy:  # a model has one device, and the memory for one image
            prediction = self._predictor.predict(self._files[name], confidence=True)
        regions = regions_of(prediction, self._predictor.classes, interface)
        self._say(f"{name}: {len(regions)} regions")
        score = sum(region["score"] for region in regions) / len(regions) if regions else 0.0
        return {"result": regions, "score": score, "model_version": self.version}


def _interface(node: Node) -> Interface:
    if not isinstance(node.value, str):
        raise node.fail("is no text.")
    return read_interface(node.value)


def make_app(backend: Backend, password: str | None = None) -> Starlette:
    """The routes.

    Args:
        backend: Who answers.
        password: What every request must show (HTTP Basic, any user); None lets everybody in.
    """

    def answered_by(answer: Callable[[Node], dict[str, Any]]) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            if (refusal := _refusal(request, password)) is not None:
                return refusal
            # A page of somebody else can send text without asking first, but not this.
            if request.headers.get("content-type", "").partition(";")[0] != "application/json":
                return _refused(ConfigError("is no JSON.", field="Content-Type", hint="Send application/json."), 415)
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    hint = "Ask for fewer tasks at once."
                    return _refused(ConfigError(f"has more than {MAX_BYTES:,} bytes.", field="body", hint=hint), 413)
            try:
                content = Node(json.loads(body), Path(request.url.path))
                return JSONResponse(await run_in_threadpool(answer, content))
            except (ValueError, RecursionError) as error:
                return _refused(ConfigError(f"is no JSON ({error}).", field="body", hint="Send an object."), 400)
            except PointillistError as error:
                return _refused(error, 404 if isinstance(error, ImageError) else 400)

        return handle

    async def health(request: Request) -> Response:
        if (refusal := _refusal(request, password)) is not None:
            return refusal
        return JSONResponse({"status": "UP", "model_class": "pointillist", "model_version": backend.version})

    return Starlette(
        routes=[
            Route("/", health),
            Route("/health", health),
            Route("/setup", answered_by(backend.setup), methods=["POST"]),
            Route("/predict", answered_by(backend.predict), methods=["POST"]),
            # Annotations that were made or changed: the model learns from points.csv, by `train`.
            Route("/webhook", answered_by(lambda _: {"status": "ok"}), methods=["POST"]),
        ]
    )


def serve(backend: Backend, *, host: str, port: int, password_file: Path | None, ready: Callable[[str], None]) -> None:
    """Answer until interrupted.

    Args:
        backend: Who answers.
        host: Address to listen on; one that other machines reach needs a password.
        port: Its port; 0 takes a free one.
        password_file: File with the password.
        ready: Called with the address once requests are answered.

    Raises:
        ConfigError: The password is missing or short, or the address cannot be listened on.
    """
    password = None if password_file is None else read_text(password_file, ConfigError, max_bytes=10_000).strip()
    if password is not None and len(password) < LEAST_PASSWORD:
        hint = f"Use at least {LEAST_PASSWORD} characters."
        raise ConfigError("this password is short.", where=password_file, field="--password-file", hint=hint)
    if password is None and not _is_here(host):
        raise ConfigError(
            f"other machines reach {host}, and there is no password.",
            field="--host",
            hint="Add --password-file, and give the same password to Label Studio.",
        )
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        found = f"{host}, port {port} cannot be listened on ({error.strerror or error})."
        raise ConfigError(found, field="--port", hint="Choose another --port.") from error
    shown = f"[{host}]" if ":" in host else host
    app = make_app(backend, password)
    config = uvicorn.Config(app, http=Connection, log_level="warning", access_log=False, ws="none")
    with listener:
        ready(f"http://{shown}:{listener.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listener])


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _refusal(request: Request, password: str | None) -> Response | None:
    """What a request gets that shows no password; without one, that calls the server by a name of somebody else."""
    if password is None:
        # A page elsewhere can let its own name point here; the browser then still says that name.
        name = re.sub(r":\d+$", "", request.headers.get("host", ""))
        if name in HERE:
            return None
        error = ConfigError(f"this server does not go by '{name}'.", field="Host", hint="Use the address it has shown.")
        return _refused(error, 403)
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    with suppress(ValueError):
        decoded = base64.b64decode(given, validate=True)
        if kind.lower() == "basic" and hmac.compare_digest(decoded.partition(b":")[2], password.encode()):
            return None
    return Response(status_code=401, headers={"www-authenticate": 'Basic realm="pointillist"'})


def _refused(error: PointillistError, status: int) -> JSONResponse:
    content = {"detail": f"{error.field or ''} {error.found} {error.hint}".strip(), "field": error.field}
    return JSONResponse(content, status_code=status)
