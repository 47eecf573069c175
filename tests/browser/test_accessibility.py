"""axe-core finds no serious fault in any state of the page, light or dark, at a desk or on a tablet."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.driver import DESKTOP, TABLET, Annotator, Server, annotator

pytestmark = [pytest.mark.long, pytest.mark.browser]


def check(person: Annotator, state: str) -> None:
    """No fault of weight in this state."""
    faults = [
        f"{state}: {fault['id']} ({fault['impact']}): {fault['help']}: {[node['target'] for node in fault['nodes']]}"
        for fault in Axe().run(person.page).response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (TABLET, "light")], ids=["desktop", "dark", "tablet"]
)
def test_axe_finds_no_serious_fault(browser: Browser, server: Server, size: ViewportSize, scheme: str) -> None:
    with annotator(browser, server, size, color_scheme=scheme) as person:
        page = person.open().page
        check(person, "empty folder")
        person.add_classes("road", "roof")
        page.get_by_role("button", name="Add background").click()
        for index, place in enumerate([(0.3, 0.3), (0.6, 0.6), (0.8, 0.2)]):
            page.keyboard.press(str(index + 1))
            person.click(*place)
        person.expect_points(3)
        expect(page.locator("#layer-state")).to_have_text("full size")
        expect(page.locator(".next-row")).to_have_count(4)
        person.click(0.3, 0.3)
        expect(page.locator("#point-bar")).to_be_visible()
        check(person, "with points, one chosen")
        page.mouse.move(*person.screen(0.3, 0.3))
        page.keyboard.press("w")
        expect(page.locator("#region-bar")).to_be_visible()
        check(person, "a region")
        page.keyboard.press("Escape")
        page.locator("#mask-accept").click()
        expect(page.locator("#mask-state")).to_have_text("written")
        page.keyboard.press("b")
        check(person, "a mask")
        page.keyboard.press("p")
        for tab in ("ask", "train", "points", "files"):
            page.locator(f"#tab-{tab}").click()
            check(person, tab)
        page.keyboard.press("q")
        page.keyboard.press("Enter")
        expect(page.locator("#ask-canvas[data-shown]")).to_be_visible()
        check(person, "a question")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        check(person, "help")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Change roof").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        check(person, "class dialogue")
        page.keyboard.press("Escape")
        person.expect_no_fault()
        server.kill()
        person.click(0.5, 0.5)
        expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
        expect(page.locator(".toast.bad")).to_be_visible()
        check(person, "offline")
