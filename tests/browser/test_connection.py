"""A killed server, and two windows on one folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driver import Annotator, Server, annotator, served, write_village

pytestmark = [pytest.mark.long, pytest.mark.browser]


def test_clicks_outlive_a_killed_server_and_a_closed_page(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as person:
        page = person.open().page
        person.add_classes("road", "roof")
        person.click(0.2, 0.2)
        person.expect_points(1)
        person.expect_saved()
        person.expect_no_fault()

        server.kill()
        for step in range(1, 4):
            person.click(0.2 + 0.2 * step, 0.5)
            person.expect_points(1 + step)
        # Taking back works without a server too.
        page.keyboard.press("Control+z")
        person.expect_points(3)
        page.keyboard.press("Control+Shift+z")
        person.expect_points(4)
        expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
        expect(page.locator("#connection-text")).to_contain_text("kept here")
        expect(page.locator(".toast")).to_contain_text("kept in this browser")

        # The page closes before the server is back. Another one of the same browser sends what it left.
        page.close()
        server.start()
        again = Annotator(page.context.new_page(), server).open()
        again.expect_points(4)
        again.expect_saved()
        server.expect_labels(*["roof"] * 4)
        again.expect_no_fault()


def test_the_page_finds_back_by_itself(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as person:
        person.open()
        person.add_classes("road")
        person.expect_saved()
        server.kill()
        person.click(0.5, 0.5)
        person.click(0.7, 0.7)
        person.expect_points(2)
        # An image that cannot be fetched now does not take the one on show away.
        person.page.get_by_role("button", name="Next image", exact=True).click()
        expect(person.page.locator(".toast.bad")).to_be_visible()
        expect(person.page.locator("#image-place")).to_have_text("1 of 4")
        person.expect_points(2)
        expect(person.page.locator("#connection")).to_have_attribute("data-state", "offline")
        server.start()
        person.expect_saved()
        expect(person.page.locator(".toast")).to_have_text("The server is back, and everything is saved.")
        server.expect_labels("road", "road")
        # And it hears of others again.
        with annotator(browser, server) as other:
            other.open().expect_points(2)
            other.click(0.3, 0.3)
            person.expect_points(3)


def test_another_folder_at_the_same_address_gets_nothing(browser: Browser, server: Server, tmp_path: Path) -> None:
    other_folder = write_village(tmp_path / "other", 1)
    with annotator(browser, server) as person:
        person.open()
        person.add_classes("road")
        person.expect_saved()
        server.kill()
        person.click(0.5, 0.5)
        person.expect_points(1)
        person.page.close()
        with served(other_folder, server.port) as other:
            page = Annotator(person.page.context.new_page(), other)
            page.page.goto(other.url)
            expect(page.page.get_by_text("Add your first class")).to_be_visible()
            page.expect_points(0)
            page.expect_saved()
            page.expect_no_fault()
            page.page.close()
        server.start()
        back = Annotator(person.page.context.new_page(), server).open()
        back.expect_points(1)
        back.expect_saved()
        server.expect_labels("road")


def test_two_windows_see_each_other_and_lose_nothing(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as one, annotator(browser, server) as two:
        one.open()
        two.open()
        one.add_classes("road")
        expect(two.class_row("road")).to_be_visible()
        one.click(0.3, 0.3)
        two.expect_points(1)
        two.click(0.7, 0.7)
        one.expect_points(2)
        for step in range(5):
            one.click(0.1 + 0.15 * step, 0.9)
            two.click(0.1 + 0.15 * step, 0.1)
        one.expect_points(12)
        two.expect_points(12)
        # One renames the class while the other clicks.
        one.page.get_by_role("button", name="Change road").click()
        one.page.get_by_label("Name, everywhere").fill("street")
        one.page.get_by_role("button", name="Done").click()
        two.click(0.5, 0.5)
        one.expect_points(13)
        expect(two.class_row("street")).to_be_visible()
        # What one removes goes from the other; what one brings back comes back there too.
        two.page.mouse.click(*two.screen(0.3, 0.3), button="right")
        one.expect_points(12)
        two.page.keyboard.press("Control+z")
        one.expect_points(13)
        one.expect_saved()
        two.expect_saved()
        server.expect_labels(*["street"] * 13)
        one.expect_no_fault()
        two.expect_no_fault()
