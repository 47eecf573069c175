"""The page of a run in a browser: the slider, a phone, paper, and no serious fault that axe-core finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from pointillist.api import load, train_config
from pointillist.training.config import make_config
from tests.browser.driver import DESKTOP
from tests.conftest import TINY, write_tiny

pytestmark = [pytest.mark.long, pytest.mark.browser]

PHONE = {"width": 390, "height": 844}
EPOCHS = ["2", "4", "6"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with three snapshots."""
    folder = tmp_path_factory.mktemp("report")
    config = make_config(None, {**TINY, "trainer.epochs": 6, "trainer.snapshots": 3, "trainer.validations": 3})
    return train_config(config, load(write_tiny(folder / "tiny", val=6)), folder / "run", command="x" * 300).report


@contextmanager
def opened(browser: Browser, report: Path, **options: object) -> Iterator[Page]:
    """The page in a window of its own, which in the end has reported no fault and asked for nothing."""
    context = browser.new_context(**options)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    page.goto(report.as_uri())
    yield page
    context.close()
    assert faults == []


def seen(page: Page) -> list[str]:
    """Epochs of the snapshots that can be seen; each has the very picture of its epoch."""
    sheets = page.locator("[data-epoch]").all()
    for sheet in sheets:
        expect(sheet.locator("img")).to_have_attribute("alt", f"{_ALT} {sheet.get_attribute('data-epoch')}")
    return [sheet.get_attribute("data-epoch") or "" for sheet in sheets if sheet.is_visible()]


_ALT = "Training images with clicks, pseudo-masks and predictions after epoch"


def test_the_slider_shows_the_snapshot_of_its_epoch_and_no_other(browser: Browser, report: Path) -> None:
    with opened(browser, report, viewport=DESKTOP) as page:
        slider = page.get_by_role("slider")
        assert seen(page) == ["6"]
        slider.focus()
        for key, epoch in (("ArrowLeft", "4"), ("ArrowLeft", "2"), ("ArrowLeft", "2"), ("End", "6"), ("Home", "2")):
            page.keyboard.press(key)
            assert seen(page) == [epoch]
            expect(page.locator("#when")).to_have_text(epoch)
            expect(slider).to_have_attribute("aria-valuetext", f"epoch {epoch}")
        box = slider.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert seen(page) == ["4"]
        page.reload()
        assert seen(page) == [page.locator("#when").inner_text()]
        page.emulate_media(media="print")
        assert seen(page) == EPOCHS
        assert not slider.is_visible()


def test_without_scripts_every_snapshot_is_there(browser: Browser, report: Path) -> None:
    with opened(browser, report, viewport=DESKTOP, java_script_enabled=False) as page:
        assert seen(page) == EPOCHS
        assert not page.get_by_role("slider").is_visible()
        for epoch in EPOCHS:
            assert page.get_by_text(f"after epoch {epoch}", exact=True).is_visible()


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, report: Path) -> None:
    with opened(browser, report, viewport=PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")], ids=["desktop", "dark", "phone"]
)
def test_axe_finds_no_serious_fault(browser: Browser, report: Path, size: dict[str, int], scheme: str) -> None:
    with opened(browser, report, viewport=size, color_scheme=scheme, bypass_csp=True) as page:
        faults = [
            f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']]}"
            for fault in Axe().run(page).response["violations"]
        ]
        assert faults == []
