"""A folder of small images, an opened session, and a real server on a real port."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from pointillist.annotator.folder import open_folder
from pointillist.annotator.labels.applying import Applied
from pointillist.annotator.labels.operations import OperationBatch
from pointillist.annotator.session import Session
from pointillist.annotator.web.access import Access
from pointillist.annotator.web.server import make_app
from pointillist.annotator.web.serving import listen
from pointillist.connections import Connection

HEIGHT, WIDTH = 24, 32


def write_images(folder: Path, count: int = 3, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    """Colourful noise, of which no two pixels agree."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        noise = np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"i{index}.png")
    return folder


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that a test makes are for it alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with `images/` and nothing else."""
    write_images(tmp_path / "berries" / "images")
    return tmp_path / "berries"


@dataclass
class Hand:
    """One tab: makes operations with ids of its own and applies them to a session.

    Args:
        session: Opened folder.
        name: Of the tab.
    """

    session: Session
    name: str = "tab-one-0"
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def op(self, kind: str, **values: Any) -> dict[str, Any]:
        """An operation with a fresh id; `class_` stands for `class`."""
        operation = {"id": f"{self.name}-op-{next(self._numbers)}", "kind": kind}
        return operation | {key.rstrip("_"): value for key, value in values.items()}

    def send(self, *operations: dict[str, Any]) -> list[Applied]:
        """Apply operations in one batch."""
        batch = OperationBatch.model_validate({"client": self.name, "ops": operations})
        return self.session.submit(batch).result()[1]

    def do(self, kind: str, **values: Any) -> Applied:
        """Apply one operation."""
        return self.send(self.op(kind, **values))[0]

    def image(self, name: str = "i0.png") -> str:
        """Id of an image."""
        return self.session.catalogue.id(name)

    def classes(self, *names: str) -> None:
        """Add classes whose ids are `class-` and their names; the first is the background."""
        for name in names:
            done = self.do("class-add", class_=f"class-{name}", name=name, background=name == names[0])
            assert done.status == "done"

    def add(self, point: str, x: float = 1.5, y: float = 2.5, label: str = "soil", image: str = "i0.png") -> Applied:
        """Click."""
        return self.do("add", point=point, image=self.image(image), x=x, y=y, class_=f"class-{label}")


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Session]]:
    """Opens sessions and closes them at the end."""
    sessions: list[Session] = []

    def open_(path: Path) -> Session:
        session = Session(open_folder(path))
        sessions.append(session)
        return session

    yield open_
    for session in sessions:
        session.close()


@pytest.fixture
def hand(data: Path, opened: Callable[[Path], Session]) -> Hand:
    """A tab on the folder, with the classes soil (background) and berry."""
    hand = Hand(opened(data))
    hand.classes("soil", "berry")
    return hand


@dataclass
class Live:
    """A server in a thread."""

    session: Session
    port: int
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Serve = Callable[..., Live]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, and stops them at the end."""
    running: list[tuple[uvicorn.Server, threading.Thread, httpx.Client]] = []

    def start(path: Path, token: str | None = None, **options: Any) -> Live:
        listener = listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        session = Session(open_folder(path))
        access = None if token is None else Access(token, port)
        app = make_app(session, port=port, access=access, warm=False, **options)
        config = uvicorn.Config(app, http=Connection, log_level="error", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"x-pointillist": "1"}, timeout=60)
        running.append((server, thread, client))
        while not server.started and thread.is_alive():
            thread.join(0.01)
        assert server.started
        return Live(session, port, client)

    yield start
    for server, thread, client in running:
        client.close()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
