"""Classes: added, renamed, merged, removed; and names that are an attack."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import APIResponse, Browser, Route, expect

from tests.browser.driver import Annotator, annotator, served

pytestmark = [pytest.mark.long, pytest.mark.browser]

ATTACK = "<img src=x onerror=\"document.title='owned'\">"


def test_rename_recolour_merge_and_undo(person: Annotator) -> None:
    page = person.page
    person.add_classes("road", "path", "roof")
    page.get_by_role("button", name="Add background").click()
    expect(person.class_row("background")).to_be_visible()
    for index, place in enumerate([(0.2, 0.2), (0.4, 0.4), (0.6, 0.6), (0.8, 0.8)]):
        page.keyboard.press(str(index + 1))
        person.click(*place)
        person.expect_points(index + 1)
    person.expect_saved()

    page.get_by_role("button", name="Change road").click()
    page.get_by_label("Name, everywhere").fill("street")
    page.get_by_role("button", name="Colour #0072b2").click()
    page.get_by_role("button", name="Done").click()
    expect(person.class_row("street")).to_be_visible()
    person.expect_saved()
    person.server.expect_labels("street", "path", "roof", "background")

    page.get_by_role("button", name="Undo").click()
    expect(person.class_row("road")).to_be_visible()
    page.get_by_role("button", name="Redo").click()
    expect(person.class_row("street")).to_be_visible()

    page.get_by_role("button", name="Change path").click()
    page.get_by_label("Merge").select_option(label="street")
    page.get_by_role("button", name="Merge").click()
    expect(person.class_row("path")).to_have_count(0)
    person.expect_points(4)
    person.expect_saved()
    expect(person.class_row("street").locator(".class-count")).to_have_text("2")
    assert sorted(name for name, _, _ in person.listed()) == ["background", "roof", "street", "street"]

    # A class with clicks cannot be removed by mistake; one without can, and comes back.
    page.get_by_role("button", name="Change roof").click()
    expect(page.get_by_role("button", name="Remove class")).to_be_disabled()
    page.keyboard.press("Escape")
    person.add_classes("spare")
    page.get_by_role("button", name="Change spare").click()
    page.get_by_role("button", name="Remove class").click()
    expect(person.class_row("spare")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(person.class_row("spare")).to_be_visible()


def test_a_click_without_a_class_asks_for_one(person: Annotator) -> None:
    person.click(0.5, 0.5)
    expect(person.page.locator(".toast")).to_contain_text("Add a class first")
    expect(person.page.locator("#class-name")).to_be_focused()
    person.expect_points(0)


def test_names_are_text_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "data" / "images").mkdir(parents=True)
    # No slash fits into a file's name; everything else of markup does.
    file = "<img src=x onerror=document.title='owned'>.png"
    Image.new("RGB", (64, 48), "#557744").save(tmp_path / "data" / "images" / file)
    with served(tmp_path / "data") as server, annotator(browser, server) as person:
        page = person.open().page
        expect(page.locator("#image-name")).to_have_text(file)
        person.add_classes(ATTACK, "'\"><script>document.title='owned'</script>")
        person.click(0.5, 0.5)
        person.expect_points(1)
        person.click(0.5, 0.5)
        expect(page.locator("#point-bar .name")).to_be_visible()
        assert [name for name, _, _ in person.listed()] == ["'\"><script>document.title='owned'</script>"]
        page.get_by_role("button", name=f"Change {ATTACK}").click()
        expect(page.get_by_role("heading", name=f"Class {ATTACK}")).to_be_visible()
        page.get_by_label("Merge").select_option(index=1)
        page.get_by_role("button", name="Merge").click()
        expect(page.locator(".toast")).to_contain_text(ATTACK)
        page.locator("#tab-next").click()
        expect(page.locator(".next-row .name")).to_have_text(file)
        person.expect_saved()
        page.reload()
        expect(page.locator("#image-name")).to_have_text(file)
        assert "owned" not in page.title()
        assert page.locator("img[src='x'], script:not([src])").count() == 0
        person.expect_no_fault()


def test_an_old_answer_takes_no_class_away(person: Annotator) -> None:
    page = person.page
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/api/project", lambda route: route.continue_() if held else held.append((route, route.fetch())))
    person.add_classes("road")
    while not held:
        page.wait_for_timeout(50)
    route, answer = held[0]
    assert [one["name"] for one in answer.json()["classes"]] == ["road"]
    person.add_classes("roof")
    page.keyboard.press("2")
    person.expect_saved()
    with page.expect_response("**/api/project"):
        route.fulfill(response=answer)
    page.wait_for_timeout(100)
    expect(person.class_row("roof")).to_have_class("class-row chosen")
    person.click(0.5, 0.5)
    person.expect_points(1)
    assert [name for name, _, _ in person.listed()] == ["roof"]
