"""A moving picture of the annotator in docs/images/, from clicks to predictions: `make recordings`."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from pointillist.data.synthetic import draw_scene
from pointillist.points.simulate import simulate_image
from tests.browser.driver import ARGUMENTS, Annotator, annotator, installed_browser, served, until
from tests.browser.screenshots import CLASSES, CLICKED, LOADED, PICTURES, TRAINING, settle, write_clicked

SCREEN: ViewportSize = {"width": 1120, "height": 700}
WIDTH = 960
LIMIT = 1_500_000
"""Bytes a recording may have."""
MOST_CLICKS = 11
DOT = """([x, y]) => {
    const dot = document.getElementById('shown-mouse') || document.body.appendChild(document.createElement('div'))
    dot.id = 'shown-mouse'
    for (const [key, value] of Object.entries({ position: 'fixed', zIndex: 9999, width: '18px', height: '18px',
        left: `${x - 9}px`, top: `${y - 9}px`, borderRadius: '50%', pointerEvents: 'none',
        border: '3px solid #d3264c', background: '#d3264c55' })) dot.style[key] = value
}"""
"""A screenshot does not show the mouse."""


class Recording:
    """Frames of a page, each for some milliseconds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frames: list[Image.Image] = []
        self.times: list[int] = []

    def take(self, milliseconds: int) -> None:
        """Add what is seen now; what has not changed is shown longer."""
        shot = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        frame = shot.resize((WIDTH, round(shot.height * WIDTH / shot.width)), Image.Resampling.LANCZOS)
        if self.frames and frame.tobytes() == self.frames[-1].tobytes():
            self.times[-1] += milliseconds
        else:
            self.frames.append(frame)
            self.times.append(milliseconds)

    def point(self, x: float, y: float) -> None:
        """Show where the mouse is."""
        self.page.evaluate(DOT, [x, y])

    def save(self, name: str) -> Path:
        """Write it, refused when it is too large for a page."""
        file = PICTURES / f"{name}.webp"
        first, *rest = self.frames
        how = {"save_all": True, "append_images": rest, "duration": self.times, "loop": 0}
        first.save(file, quality=70, method=6, minimize_size=True, **how)
        size = file.stat().st_size
        print(f"{file.name}: {len(self.frames)} frames, {sum(self.times) / 1000:.0f} s, {size / 1000:.0f} kB")
        if size > LIMIT:
            raise SystemExit(f"{file.name} is larger than {LIMIT / 1e6} MB: take fewer frames.")
        return file


def main() -> None:
    """Record a person at work on the village, most images of which are clicked."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=installed_browser(playwright), args=ARGUMENTS)
        with served(write_clicked(Path(folder) / "village")) as server, annotator(browser, server, SCREEN) as person:
            person.open()
            recording = Recording(person.page)
            clicking(person, recording)
            training(person, recording)
            seeing(person, recording)
            recording.save("recording")
        browser.close()


def true_clicks() -> list[tuple[int, float, float]]:
    """Key of the class and place in shares of the image's size, where no tool lies above it; classes take turns."""
    mask = draw_scene(0, CLICKED).mask
    turns: Counter[str] = Counter()
    found = []
    for point in simulate_image("", mask, CLASSES, seed=0):
        x, y = point.x / mask.shape[1], point.y / mask.shape[0]
        if 0.2 < x < 0.95 and 0.1 < y < 0.85:
            turns[point.label] += 1
            found.append((turns[point.label], CLASSES.names.index(point.label) + 1, x, y))
    return [(key, x, y) for _, key, x, y in sorted(found)]


def clicking(person: Annotator, recording: Recording) -> None:
    """Clicks on an image without any, and what they mean at once."""
    page = person.page
    for _ in range(CLICKED):
        page.keyboard.press("d")
    expect(page.locator("#image-name")).to_have_text(f"village_{CLICKED:02d}.png")
    until(page, LOADED)
    page.wait_for_timeout(2000)
    recording.take(1200)
    for number, (key, x, y) in enumerate(true_clicks()[:MOST_CLICKS], start=1):
        page.keyboard.press(str(key))
        recording.point(*person.screen(x, y))
        recording.take(400)
        person.click(x, y)
        person.expect_points(number)
        recording.take(400)
        settle(page)
        recording.take(500)
    recording.take(1500)


def training(person: Annotator, recording: Recording) -> None:
    """A training, seen now and then."""
    page = person.page
    for place in ("#tab-train", "#train-advanced summary"):
        page.locator(place).click()
    recording.take(900)
    page.locator("#train-epochs").fill("60")
    page.locator("#train-size").select_option("128x128")
    button = page.get_by_role("button", name="Train", exact=True)
    box = button.bounding_box()
    assert box
    recording.point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    recording.take(900)
    button.click()
    for share in (0.15, 0.3, 0.45, 0.6, 0.75, 0.9):
        until(page, f"document.querySelector('progress[aria-label^=Progress]').value > {share}", TRAINING)
        until(page, LOADED)
        recording.take(700)
    expect(page.locator("#train-state")).to_have_text("Done", timeout=TRAINING)
    recording.take(1500)


def seeing(person: Annotator, recording: Recording) -> None:
    """What the model sees, and where it is unsure."""
    page = person.page
    page.evaluate("document.getElementById('shown-mouse').remove()")
    for mode in ("prediction", "uncertainty"):
        page.locator(f"#views input[value={mode}]").check()
        expect(page.locator("#views")).to_have_attribute("data-state", "shown", timeout=TRAINING)
        page.mouse.move(5, 5)
        page.wait_for_timeout(600)
        recording.take(2400)


if __name__ == "__main__":
    main()
