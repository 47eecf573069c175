"""A killed server, and two windows on one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

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


def test_an_open_page_keeps_its_clicks_while_another_folder_is_served(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    other_folder = write_village(tmp_path / "other", 2)
    with annotator(browser, server) as person:
        page = person.open().page
        person.add_classes("road")
        person.expect_saved()
        server.kill()
        person.add_classes("roof")
        person.class_row("road").click()
        for step in range(1, 4):
            person.click(0.2 * step, 0.5)
            person.expect_points(step)
        expect(page.locator("#connection-text")).to_have_text("Offline, 4 kept here")

        with served(other_folder, server.port) as other:
            expect(page.locator("#connection-text")).to_have_text("Other folder, 4 kept here")
            expect(page.locator(".toast.bad")).to_have_count(1)
            expect(page.locator(".toast.bad")).to_contain_text("Another folder is served at this address now.")
            expect(page.locator(".toast.bad")).to_contain_text("kept in this browser")
            # From here on it is quiet, longer than the longest wait between two tries.
            person.faults.found.clear()
            person.click(0.8, 0.5)
            person.expect_points(4)
            expect(page.locator("#connection-text")).to_have_text("Other folder, 5 kept here")
            # No image of the other folder gets in among those of this one.
            page.get_by_role("button", name="Next image", exact=True).click()
            expect(page.locator("#image-place")).to_have_text("1 of 4")
            person.expect_points(4)
            page.wait_for_timeout(6000)
            person.expect_no_fault()
            assert page.evaluate("Object.keys(localStorage).length") == 5
            # The other folder's own page has nothing of it and hears nothing of it, nor the other way round.
            stranger = Annotator(page.context.new_page(), other).open()
            expect(stranger.page.get_by_text("Add your first class")).to_be_visible()
            stranger.add_classes("tree")
            for step in range(1, 5):
                stranger.click(0.2 * step, 0.2)
            stranger.expect_points(4)
            stranger.expect_saved()
            other.expect_labels(*["tree"] * 4)
            stranger.expect_no_fault()
            stranger.page.close()
            expect(person.class_row("tree")).to_have_count(0)
            person.expect_points(4)

        server.start()
        person.expect_saved()
        server.expect_labels(*["road"] * 4)
        expect(person.class_row("roof")).to_be_visible()
        expect(page.locator(".toast")).to_have_text("The server is back, and everything is saved.")
        # What happens in its folder reaches it again, however far the other folder had counted.
        with annotator(browser, server) as someone:
            someone.open().expect_points(4)
            someone.click(0.5, 0.9)
            person.expect_points(5)


def test_a_page_that_is_told_of_another_folder_asks_once(person: Annotator) -> None:
    # The request may be there before the page has heard who is.
    page = person.page
    person.add_classes("road")
    person.expect_saved()
    asked: list[str] = []
    other = {"found": "another folder is served at this address now.", "hint": "Serve the page's own folder here."}

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=409, json={"error": other})

    page.route("**/api/ops", refuse)
    person.click(0.3, 0.5)
    expect(page.locator("#connection-text")).to_have_text("Other folder, 1 kept here")
    person.click(0.6, 0.5)
    expect(page.locator("#connection-text")).to_have_text("Other folder, 2 kept here")
    page.wait_for_timeout(6000)
    assert len(asked) == 1
    page.unroute("**/api/ops")
    person.server.kill()
    person.server.start()
    person.expect_saved()
    person.server.expect_labels("road", "road")
    person.faults.found.clear()


def click_answered_with(person: Annotator, **answer: Any) -> None:
    """Click once, where somebody answers so in place of the server."""
    person.add_classes("road")
    person.expect_saved()
    person.page.route("**/api/ops", lambda route: route.fulfill(**answer))
    person.click(0.5, 0.5)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, "<h1>Nothing here</h1>"),
        (403, '{"message": "Forbidden"}'),
        (405, '{"error": "no such method"}'),
        (200, "<h1>Welcome</h1>"),
        (200, '{"results": []}'),
    ],
)
def test_no_other_program_at_the_address_takes_a_click(person: Annotator, status: int, body: str) -> None:
    page = person.page
    click_answered_with(person, status=status, body=body)
    expect(page.locator("#connection-text")).to_have_text("Not saved, 1 kept here")
    expect(page.locator(".toast.bad")).to_contain_text(f"Something other than the annotator answers here ({status}).")
    assert page.evaluate("Object.keys(localStorage).length") == 1
    page.unroute("**/api/ops")
    person.expect_saved()
    person.expect_points(1)
    person.server.expect_labels("road")
    person.faults.found[:] = [fault for fault in person.faults.found if str(status) not in fault]


def test_a_server_that_goes_by_another_name_takes_no_click(person: Annotator) -> None:
    # Behind a tunnel another server may stand, which refuses whatever the page asks.
    page = person.page
    door = {"found": "this server does not go by that name.", "hint": "Open the address that the command line shows."}
    click_answered_with(person, status=403, json={"error": door})
    expect(page.locator("#connection-text")).to_have_text("Not saved, 1 kept here")
    expect(page.locator(".toast.bad")).to_contain_text(door["found"])
    page.unroute("**/api/ops")
    person.expect_saved()
    person.server.expect_labels("road")
    person.faults.found[:] = [fault for fault in person.faults.found if "403" not in fault]


def test_what_the_server_itself_refuses_goes(person: Annotator) -> None:
    page = person.page
    refusal = {"found": "this cannot be.", "hint": "Do something else."}
    click_answered_with(person, status=422, json={"error": refusal})
    expect(page.locator(".toast.bad")).to_contain_text("this cannot be.")
    person.expect_points(0)
    person.expect_saved()
    assert page.evaluate("Object.keys(localStorage).length") == 0
    person.faults.found[:] = [fault for fault in person.faults.found if "422" not in fault]


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
