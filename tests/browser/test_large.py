"""Many images, and one large image."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.driver import PATIENCE, annotator, served

pytestmark = [pytest.mark.long, pytest.mark.browser]


def test_a_list_of_20000_images_keeps_few_in_the_document(browser: Browser, tmp_path: Path) -> None:
    images = tmp_path / "many" / "images"
    images.mkdir(parents=True)
    Image.new("RGB", (48, 36), "#668855").save(images / "image_00000.png")
    for index in range(1, 20_000):
        os.link(images / "image_00000.png", images / f"image_{index:05d}.png")
    with served(tmp_path / "many") as server, annotator(browser, server) as person:
        page = person.open().page
        expect(page.locator("#image-place")).to_have_text("1 of 20,000")
        page.locator(".thumbnail-list").focus()
        page.keyboard.press("End")
        expect(page.locator("#image-name")).to_have_text("image_19999.png")
        expect(page.locator("#image-place")).to_have_text("20,000 of 20,000")
        expect(page.locator(".thumbnail[aria-selected=true]")).to_be_in_viewport()
        assert page.locator(".thumbnail").count() < 40
        page.reload()
        expect(page.locator("#image-place")).to_have_text("20,000 of 20,000")
        expect(page.locator(".thumbnail[aria-selected=true]")).to_be_in_viewport()
        page.locator(".thumbnail-list").focus()
        page.keyboard.press("Home")
        expect(page.locator("#image-name")).to_have_text("image_00000.png")
        # A jump from elsewhere brings the list along.
        person.add_classes("road")
        person.click(0.5, 0.5)
        person.expect_points(1)
        person.expect_saved()
        page.locator("#filter").select_option("unlabelled")
        expect(page.locator("#image-place")).to_have_text("")
        page.keyboard.press("n")
        expect(page.locator("#image-name")).not_to_have_text("image_00000.png")
        person.expect_no_fault()


@pytest.mark.parametrize("name", ["board.png", "board.tif"])
def test_a_large_image_comes_in_tiles(browser: Browser, tmp_path: Path, name: str) -> None:
    images = tmp_path / "large" / "images"
    images.mkdir(parents=True)
    # A checkerboard of squares of 8 pixels: at full zoom the middle of the screen has its colours exactly.
    rows, columns = np.mgrid[:5000, :7000] // 8
    board = np.where((rows + columns) % 2, 230, 30).astype(np.uint8)
    Image.fromarray(np.stack([board, board // 2, 255 - board], axis=-1)).save(images / name)
    tiles: list[str] = []
    with served(tmp_path / "large") as server, annotator(browser, server) as person:
        person.page.on("response", lambda answer: tiles.append(answer.url) if "/tiles/" in answer.url else None)
        page = person.open().page
        expect(page.locator("#canvas")).to_have_attribute("aria-label", f"{name}, 7000 by 5000 pixels, 0 points")
        page.mouse.move(*person.screen(0.5, 0.5))
        with page.expect_response(lambda answer: "/tiles/0/" in answer.url):
            for _ in range(40):
                page.mouse.wheel(0, -120)
        expect(page.locator("#zoom-text")).not_to_have_text("10 %")
        for _ in range(PATIENCE // 100):
            picture = Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB")
            if picture.getpixel((picture.width // 2 + 3, picture.height // 2 + 3)) in {(230, 115, 25), (30, 15, 225)}:
                break
            page.wait_for_timeout(100)
        else:
            raise AssertionError("The image's own pixels never appeared.")
        # A raster that is read in windows is first looked at, and then seen as it is.
        expect(page.locator("#first-look")).to_be_hidden()
        # Only what is seen was fetched: this image has 140 tiles at full size.
        assert len(tiles) < 60
        person.expect_no_fault()
