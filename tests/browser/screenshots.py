"""The pictures of pages in docs/images/, made by walking through the annotator and training: `make screenshots`."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright
from scipy.spatial import cKDTree

from pointillist.classes import ClassSet, parse_color
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.synthetic import draw_scene, write_dataset
from pointillist.points.formats.native import write_csv
from pointillist.points.simulate import simulate_image
from pointillist.points.table import Point, PointTable
from tests.browser.driver import (
    ARGUMENTS,
    DESKTOP,
    PHONE,
    TABLET,
    Annotator,
    Server,
    annotator,
    installed_browser,
    served,
    until,
    write_village,
)

PICTURES = Path(__file__).parents[2] / "docs" / "images"
IMAGES, CLICKED, SCALE = 12, 9, 4
CLASSES = ClassSet.create(("ground", "road", "building", "tree", "water", "car"))
TRAINING = 900_000
LOADED = """[...document.images].every((image) => {
    const { top, bottom, height } = image.getBoundingClientRect();
    return image.complete || height === 0 || bottom < 0 || top > innerHeight;
})"""
"""Pictures that can be seen are there; those out of sight are not even asked for."""


def main() -> None:
    """Write them all."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        path = installed_browser(playwright)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        empty = write_village(Path(folder) / "empty" / "village", IMAGES, SCALE)
        with served(empty) as server, annotator(browser, server) as person:
            first_steps(person.open())
        clicked = write_clicked(Path(folder) / "clicked" / "village")
        with served(clicked) as server:
            with annotator(browser, server) as person:
                at_work(person.open())
                asked(person)
                checked(person)
            with_model(browser, server, "tablet", TABLET, "light")
            with_model(browser, server, "phone", PHONE, "light")
            with_model(browser, server, "dark", DESKTOP, "dark")
        run_report(browser, Path(folder))
        browser.close()


def write_clicked(folder: Path) -> Path:
    """The village with clicks on most images."""
    write_village(folder, IMAGES, SCALE)
    points: list[Point] = []
    for index in range(CLICKED):
        name = f"village_{index:02d}.png"
        scene = draw_scene(0, index)
        for point in simulate_image(name, scene.mask, CLASSES, seed=0):
            points.append(Point(name, point.x * SCALE, point.y * SCALE, point.label))
    write_dataset_file(folder / "dataset.yaml", CLASSES)
    write_csv(PointTable(points), folder / "points.csv")
    return folder


def first_steps(person: Annotator) -> None:
    """A new folder: the first class, the first clicks."""
    page = person.page
    expect(page.locator(".thumbnail img")).not_to_have_count(0)
    until(page, LOADED)
    save(page, "start")
    person.add_classes("building", "road")
    page.get_by_role("button", name="Add background").click()
    person.add_classes("tree", "car", "water")
    clicks = ((1, 0.13, 0.43), (2, 0.47, 0.20), (3, 0.14, 0.78), (4, 0.31, 0.51), (1, 0.78, 0.44), (5, 0.28, 0.24))
    for key, x, y in (*clicks, (6, 0.44, 0.56), (4, 0.56, 0.56), (5, 0.61, 0.79), (3, 0.56, 0.90), (2, 0.90, 0.70)):
        page.keyboard.press(str(key))
        person.click(x, y)
    person.expect_points(11)
    page.keyboard.press("1")
    page.mouse.move(*person.screen(0.13, 0.12), steps=3)
    settle(page)
    save(page, "clicks")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    save(page, "help")
    page.keyboard.press("Escape")


def asked(person: Annotator) -> None:
    """The program asks."""
    page = person.page
    page.locator("#tab-ask").click()
    page.locator("#ask-go").click()
    for key in ("1", "4", "1"):
        expect(page.locator("#ask-canvas[data-shown]")).to_be_visible()
        page.wait_for_timeout(2000)
        page.keyboard.press(key)
    page.wait_for_timeout(1000)
    save(page, "ask")
    for _ in range(3):
        page.keyboard.press("Control+z")
    page.keyboard.press("Escape")


def checked(person: Annotator) -> None:
    """How good the model is, by questions that the truth answers; and a click that contradicts all others."""
    page = person.page
    page.locator("#tab-checks").click()
    page.locator("#audit-number").fill("60")
    page.locator("#audit-go").click()
    expect(page.locator("#ask")).to_be_visible(timeout=TRAINING)
    for number in range(60):
        expect(page.locator("#ask-progress")).to_contain_text(f"{number + 1} of 60", timeout=TRAINING)
        expect(page.locator("#ask-canvas[data-shown]")).to_be_visible()
        label = page.locator("#ask-canvas").get_attribute("aria-label") or ""
        x, y, index = map(int, re.findall(r"column (\d+), row (\d+) of village_(\d+)", label)[0])
        page.wait_for_timeout(300)
        page.keyboard.press(str(1 + draw_scene(0, index).mask[y // SCALE, x // SCALE]))
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("#audit-result tbody")).to_have_count(len(CLASSES), timeout=TRAINING)
    page.locator("#checks-go").click()
    expect(page.locator("#checks-walk")).to_be_visible(timeout=TRAINING)
    page.locator("#checks-walk").click()
    settle(page)
    page.locator("#audit-result").scroll_into_view_if_needed()
    page.locator(".side").evaluate("(side) => side.scrollTo(0, side.scrollHeight - 1250)")
    save(page, "check")
    page.keyboard.press("Escape")


def at_work(person: Annotator) -> None:
    """Training, and where the model is unsure."""
    page = person.page
    page.locator("#tab-train").click()
    page.locator("#train-advanced summary").click()
    page.locator("#train-epochs").fill("60")
    page.locator("#train-size").select_option("128x128")
    page.get_by_role("button", name="Train", exact=True).click()
    until(page, "document.querySelector('progress[aria-label^=Progress]').value > 0.6", TRAINING)
    expect(page.locator(".panel-picture")).to_be_visible()
    page.locator(".panel-picture").scroll_into_view_if_needed()
    settle(page)
    save(page, "training")
    expect(page.locator("#train-state")).to_have_text("Done", timeout=TRAINING)
    page.locator(".toast button").click()
    page.locator("#tab-next").click()
    unsure = page.locator(".next-row").filter(has_text="unsure here").first
    expect(unsure).to_be_visible(timeout=TRAINING)
    unsure.click()
    expect(page.locator("#canvas")).to_have_attribute("data-region", "shown")
    page.locator(".side").evaluate("(side) => side.scrollTo(0, 0)")
    settle(page)
    save(page, "next")


def with_model(
    browser: Browser, server: Server, name: str, size: ViewportSize, scheme: Literal["light", "dark"]
) -> None:
    """The trained model's layer on another screen."""
    with annotator(browser, server, size, color_scheme=scheme) as person:
        page = person.open().page
        page.locator(".thumbnail").nth(2).click()
        expect(page.locator("#image-name")).to_have_text("village_02.png")
        page.locator("#tab-points").click()
        settle(page)
        save(page, name)


def run_report(browser: Browser, folder: Path) -> None:
    """The top of the page of a run on the embedded data set, made by the command that stands on it."""
    write_dataset(folder / "village", seed=0)
    command = ["train", "village", "--device", "cpu", "--set", "trainer.steps=700"]
    subprocess.run([sys.executable, "-m", "pointillist", *command], cwd=folder, check=True)
    page = browser.new_page(viewport={"width": 1160, "height": 1500})
    page.goto((folder / "runs" / "village" / "report.html").as_uri())
    save(page, "report", "")
    page.close()


def settle(page: Page) -> None:
    """Wait until pictures and layer are there."""
    until(page, LOADED)
    expect(page.locator("#layer-state")).to_have_text(re.compile("full size|largest size"))


def save(page: Page, name: str, of: str = "annotator-") -> None:
    """Write a picture with few enough colours to be small."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    colors = _palette(picture)
    pixels = np.asarray(picture)
    _, nearest = cKDTree(colors).query(pixels.reshape(-1, 3))
    small = Image.fromarray(nearest.astype(np.uint8).reshape(pixels.shape[:2]))
    small.putpalette(colors.astype(np.uint8).tobytes())
    file = PICTURES / f"{of}{name}.png"
    small.save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


def _palette(picture: Image.Image) -> np.ndarray:
    """256×3: the picture's own colours, and those of classes and page, which are too few pixels to be found there."""
    fixed = [
        *CLASSES.colors,
        *(parse_color(color) for color in ("#ffffff", "#f6f7f9", "#2a62a4", "#e8f0fa", "#1b2028", "#1c7c54")),
    ]
    own = picture.quantize(256 - len(fixed), dither=Image.Dither.NONE).getpalette() or []
    return np.concatenate([np.reshape(own, (-1, 3)), np.array(fixed)]).astype(np.float64)


if __name__ == "__main__":
    main()
