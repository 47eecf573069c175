"""Five bands of 16 bits: a person chooses what is seen; what is saved stays the same."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from pointillist.data.synthetic import draw_scene
from tests.annotator.test_bands import NAMES, write_raster
from tests.browser.driver import PATIENCE, Annotator, annotator, served

pytestmark = [pytest.mark.long, pytest.mark.browser]

COLOURS = ("red", "green", "blue")


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """Three villages in five bands."""
    for index in range(3):
        rgb = draw_scene(0, index).image.repeat(4, 0).repeat(4, 1).astype(np.float64) / 255
        bands = np.stack([rgb[..., 2], rgb[..., 1], rgb[..., 0], 1 - rgb[..., 1], rgb.mean(2) ** 2], axis=2)
        path = tmp_path / "sentinel" / "images" / f"s{index}.tif"
        write_raster(path, (bands * 6000 + 500).astype("uint16"), names=NAMES)
    text = "classes: [soil, berry]\nbands: {display: [B04, B03, B02]}\n"
    (tmp_path / "sentinel" / "dataset.yaml").write_text(text)
    return tmp_path / "sentinel"


Colour = tuple[int, ...]


def seen(person: Annotator) -> Colour:
    """The colour at a place of the image without clicks."""
    picture = Image.open(io.BytesIO(person.page.screenshot())).convert("RGB")
    x, y = person.screen(0.25, 0.75)
    return tuple(picture.getpixel((round(x), round(y))))  # type: ignore[arg-type]


def expect_seen(person: Annotator, other: Colour, *, same: bool) -> None:
    """Wait until the place has another colour, or the same one again."""
    for _ in range(PATIENCE // 100):
        if (max(abs(a - b) for a, b in zip(seen(person), other, strict=True)) < 9) == same:
            return
        person.page.wait_for_timeout(100)
    raise AssertionError(f"{seen(person)} and {other} should {'' if same else 'not '}be the same")


def test_bands_are_chosen_for_the_eye_alone(browser: Browser, sentinel: Path) -> None:
    with served(sentinel) as server, annotator(browser, server) as person:
        page = person.open().page
        expect(page.locator("#bands-panel")).to_be_visible()
        expect(page.locator("#bands-usual")).to_be_disabled()
        assert [page.locator(f"#band-{name}").input_value() for name in COLOURS] == ["3", "2", "1"]
        page.locator("#toggle-layer").click()
        person.click(0.5, 0.5)
        person.expect_points(1)
        person.expect_saved()
        server.expect_labels("soil")
        saved = [(sentinel / name).read_bytes() for name in ("points.csv", "dataset.yaml")]
        page.wait_for_timeout(1000)
        usual = seen(person)
        page.locator("#band-red").select_option("B08")
        expect_seen(person, usual, same=False)
        page.locator("#stretch").select_option("Range of this image")
        first = page.locator(".thumbnail img").first
        expect(first).to_have_attribute("src", re.compile(r"view=5-4\.2\.1-image$"))
        # A fast hand: only the last choice counts.
        for turn in range(30):
            page.locator(f"#band-{COLOURS[turn % 3]}").select_option(str(turn % 5 + 1))
        expect(first).to_have_attribute("src", re.compile(r"view=5-3\.4\.5-image$"))
        page.locator("#next").click()
        expect(page.locator("#image-name")).to_have_text("s1.tif")
        assert [page.locator(f"#band-{name}").input_value() for name in COLOURS] == ["3", "4", "5"]
        page.reload()
        expect(page.locator("#image-name")).to_have_text("s1.tif")
        expect(page.locator("#stretch")).to_have_value("image")
        page.locator("#previous").click()
        expect(page.locator("#image-name")).to_have_text("s0.tif")
        expect_seen(person, usual, same=False)
        page.locator("#bands-usual").click()
        page.locator("#toggle-layer").click()
        expect_seen(person, usual, same=True)
        expect(first).to_have_attribute("src", re.compile(r"thumbnail$"))
        assert [(sentinel / name).read_bytes() for name in ("points.csv", "dataset.yaml")] == saved
        person.expect_no_fault()


def test_photographs_have_nothing_to_choose(person: Annotator) -> None:
    expect(person.page.locator("#image-place")).to_have_text("1 of 4")
    expect(person.page.locator("#bands-panel")).to_be_hidden()
