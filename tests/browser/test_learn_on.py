"""Train in minutes, stop, continue, learn on: with slow and fast presses."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driver import Server, annotator
from tests.browser.test_accessibility import check

pytestmark = [pytest.mark.long, pytest.mark.browser]

TRAINING = 300_000


def test_stop_while_it_starts_continue_and_learn_on(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as person:
        page = person.open().page
        person.add_classes("road", "roof")
        person.click(0.3, 0.3)
        page.keyboard.press("2")
        person.click(0.6, 0.6)
        person.expect_points(2)
        person.expect_saved()
        page.locator("#tab-train").click()
        expect(page.locator("#train-good")).to_be_checked()
        page.locator("#train-quick").check()
        page.locator("#train-advanced summary").click()
        page.locator("#train-epochs").fill("3")
        page.locator("#train-size").select_option("128x128")
        page.locator("#train-start").dblclick(delay=0)
        expect(page.locator("#train-stop")).to_be_visible()
        check(person, "a training starts")
        page.locator("#train-stop").click(delay=600)
        expect(page.locator("#train-state")).to_have_text("Stopped", timeout=TRAINING)
        check(person, "a training was stopped")
        page.locator("#train-continue").click()
        expect(page.locator("#train-state")).to_have_text("Training", timeout=TRAINING)
        check(person, "a training runs")
        expect(page.locator("#train-state")).to_have_text("Done", timeout=TRAINING)
        expect(page.locator("#train-continue")).to_be_hidden()
        expect(page.locator("#learn-on")).to_be_disabled()
        person.click(0.5, 0.9)
        expect(page.locator("#learn-on-note")).to_contain_text("1 new click.")
        page.locator("#learn-on-itself").check()
        page.locator("#learn-on").click(delay=600)
        expect(page.locator("#train-state")).to_have_text("Learning on from 0001", timeout=TRAINING)
        expect(page.locator("#train-state")).to_have_text("Done", timeout=TRAINING)
        expect(page.locator("#learn-on-note")).to_contain_text("No new clicks")
        person.expect_no_fault()
