"""A server of the annotator in its own process, and a browser's page that notices every fault."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect

from pointillist.data.synthetic import draw_scene

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
TABLET: ViewportSize = {"width": 820, "height": 1180}
PHONE: ViewportSize = {"width": 390, "height": 844}

TOKEN = "a-token-of-the-tests"

PATIENCE = 60_000
"""Milliseconds that anything on the page may take: these machines are slow and shared."""

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

expect.set_options(timeout=PATIENCE)


def installed_browser(playwright: Playwright) -> str | None:
    """A Chromium of this machine: the one POINTILLIST_CHROMIUM names, one on the PATH, or Playwright's own."""
    named = os.environ.get("POINTILLIST_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    found = next((path for path in map(shutil.which, names) if path), None)
    own = Path(playwright.chromium.executable_path)
    return found or (str(own) if own.is_file() and not named else None)


def write_village(folder: Path, count: int, scale: int = 4) -> Path:
    """A folder of images of the embedded data set, enlarged, without any label."""
    (folder / "images").mkdir(parents=True)
    for index in range(count):
        image = Image.fromarray(draw_scene(0, index).image)
        size = (image.width * scale, image.height * scale)
        image.resize(size, Image.Resampling.BICUBIC).save(folder / "images" / f"village_{index:02d}.png")
    return folder


def until(page: Page, script: str, patience: int = PATIENCE) -> None:
    """Wait until a script says true. Playwright's own way would evaluate text in the page, which its policy forbids."""
    for _ in range(patience // 100):
        if page.evaluate(script):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {script}")


class Server:
    """`pointillist annotate` on a folder, which can be killed and started again at the same address."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.link = f"{self.url}?token={TOKEN}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [sys.executable, "-m", "pointillist", "annotate", str(self.folder)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--no-browser"],
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "OMP_NUM_THREADS": "1",
                    "POINTILLIST_TOKEN": TOKEN,
                    "XDG_CACHE_HOME": str(self.folder.parent / "cache"),
                },
                # Its trainings are killed with it.
                start_new_session=True,
            )
        for _ in range(600):
            if self._process.poll() is not None:
                break
            try:
                with self.client() as client:
                    client.get("/api/project").raise_for_status()
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise RuntimeError(f"The server did not start: {self.log.read_text()}")

    def client(self) -> httpx.Client:
        """One that talks to it beside the pages."""
        headers = {"x-pointillist": "1", "authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def expect_labels(self, *labels: str) -> None:
        """Wait until points.csv has the points of these classes; it follows the clicks within moments."""
        file = self.folder / "points.csv"
        found: list[str] = []
        for _ in range(PATIENCE // 100):
            lines = file.read_text(encoding="utf-8").splitlines()[1:] if file.is_file() else []
            found = [line.split(",")[3] for line in lines]
            if sorted(found) == sorted(labels):
                return
            time.sleep(0.1)
        raise AssertionError(f"points.csv has points of {found}, not of {labels}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(folder: Path, port: int | None = None) -> Iterator[Server]:
    """A running server of a folder."""
    server = Server(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@dataclass
class Faults:
    """What a page must not do: errors in its console or its code, failed or refused requests, foreign hosts."""

    server: str
    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Notice every fault of a page from now on."""
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        page.on("response", lambda response: self._answered(response.status, response.url))
        page.on("request", lambda request: self._asked(request.url))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.found.append(f"console {kind}: {text}")

    def _failed(self, url: str, failure: str | None) -> None:
        # What is under way when a page is left or loaded again is given up by the browser itself.
        if failure != "net::ERR_ABORTED":
            self.found.append(f"failed: {url} {failure}")

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.found.append(f"status {status}: {url}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.server, "blob:", "data:")):
            self.found.append(f"asked another host: {url}")


class Annotator:
    """A page of the annotator with the moves of a person."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.faults = Faults(server.url)
        self.faults.watch(page)
        page.set_default_timeout(PATIENCE)

    def open(self, fragment: str = "") -> Annotator:
        """Open the page and wait for its first image."""
        self.page.goto(self.server.url + fragment)
        expect(self.page.locator("#image-name")).not_to_have_text("No image")
        return self

    def add_classes(self, *names: str) -> None:
        """Name classes one after another."""
        field = self.page.locator("#class-name")
        if not field.is_visible():
            self.page.get_by_role("button", name="Add class").click()
        for name in names:
            field.fill(name)
            field.press("Enter")
            expect(self.class_row(name)).to_be_visible()
        self.page.locator("#canvas").focus()

    def class_row(self, name: str) -> Any:
        """The row of a class."""
        return self.page.locator(".class-row").filter(has=self.page.get_by_text(name, exact=True))

    def screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the fitted image (as shares of its width and height) lies on the screen."""
        box = self.page.locator("#canvas").bounding_box()
        assert box is not None
        width, height = self.size
        scale = min((box["width"] - 40) / width, (box["height"] - 40) / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + x * width * scale, top + y * height * scale

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image on show."""
        label = self.page.locator("#canvas").get_attribute("aria-label") or ""
        width, height = label.split(", ")[-2].removesuffix(" pixels").split(" by ")
        return int(width), int(height)

    def click(self, x: float, y: float) -> None:
        """Click a place of the image."""
        self.page.mouse.click(*self.screen(x, y))

    def expect_points(self, count: int) -> None:
        """Wait until the image has so many points."""
        words = "1 point" if count == 1 else f"{count} points"
        expect(self.page.locator("#canvas")).to_have_attribute("aria-label", _ending(words))

    def expect_saved(self) -> None:
        """Wait until everything is on the server's disk."""
        expect(self.page.locator("#connection-text")).to_have_text("Saved")

    def listed(self) -> list[tuple[str, float, float]]:
        """(class, x, y) of the points of the image on show, newest first."""
        self.page.locator("#tab-points").click()
        label = self.page.locator("#canvas").get_attribute("aria-label") or ""
        expect(self.page.locator(".point-row")).to_have_count(int(label.split(", ")[-1].split()[0]))
        # All rows in one go, found and read: in between, the list might be drawn anew.
        texts = self.page.evaluate("[...document.querySelectorAll('.point-row')].map((row) => row.innerText)")
        rows = [row.strip().split("\n") for row in texts]
        return [(name, *map(float, place.split(", "))) for name, place in rows]  # type: ignore[misc]

    def expect_listed(self, label: str, x: float, y: float) -> None:
        """Wait until the image has a point of a class at a place, to the pixel or so."""
        listed: list[tuple[str, float, float]] = []
        for _ in range(PATIENCE // 100):
            listed = self.listed()
            if any(name == label and max(abs(x - at_x), abs(y - at_y)) <= 1.5 for name, at_x, at_y in listed):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"no {label} at {x}, {y} among {listed}")

    def expect_no_fault(self) -> None:
        """Nothing went wrong on the page."""
        assert not self.faults.found, "\n".join(self.faults.found)


def _ending(words: str) -> Any:
    return re.compile(rf", {words}$")


@contextmanager
def annotator(browser: Browser, server: Server, size: ViewportSize = DESKTOP, **context: Any) -> Iterator[Annotator]:
    """A fresh browser profile that was let in by a server, with a page."""
    profile = browser.new_context(viewport=size, **context)
    try:
        profile.request.get(server.link)
        yield Annotator(profile.new_page(), server)
    finally:
        profile.close()
