"""Small things that were wrong on the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.browser.driver import PHONE, Annotator, until

pytestmark = [pytest.mark.long, pytest.mark.browser]


def test_the_first_press_of_add_background_counts(person: Annotator) -> None:
    page = person.page
    held: list[Route] = []
    page.route("**/api/ops", lambda route: route.continue_() if held else held.append(route))
    page.locator("#class-name").fill("berry")
    page.locator("#class-name").press("Enter")
    expect(person.class_row("berry")).to_be_visible()
    # The line for another name is still open and empty, as a person leaves it.
    expect(page.locator("#class-name")).to_be_focused()
    button = page.get_by_role("button", name="Add background").bounding_box()
    assert button is not None
    page.mouse.move(button["x"] + button["width"] / 2, button["y"] + 5)
    page.mouse.down()
    # The first class is saved while the button is down.
    held[0].continue_()
    person.expect_saved()
    page.mouse.up()
    expect(person.class_row("background")).to_be_visible()
    expect(page.locator("#class-name")).to_be_hidden()


def test_files_messages_and_keys(person: Annotator) -> None:
    page = person.page
    person.add_classes("road", "roof")
    page.locator("#tab-files").click()
    expect(page.locator("#panel-files")).to_contain_text("points.csv in the folder is current.")
    for index in range(3):
        person.click(0.2 + 0.2 * index, 0.5)
        person.expect_points(index + 1)
        # While it is written the page says so; in the end it is current, whatever came first.
        expect(page.locator("#panel-files")).to_contain_text("points.csv in the folder is current.")

    # What was undone was no click.
    page.keyboard.press("Control+z")
    expect(page.locator("#cost-clicks")).to_have_text("2")

    page.locator("#canvas").focus()
    page.keyboard.press("7")
    toast = page.locator(".toast")
    expect(toast).to_contain_text("No class has the key 7: there are 2 classes.")
    page.wait_for_timeout(1100)
    person.click(0.7, 0.2)
    expect(toast).to_have_count(0)
    person.expect_points(3)


def test_no_text_of_a_select_is_cut_off(person: Annotator) -> None:
    page = person.page
    for tab in ("ask", "train", "files"):
        page.locator(f"#tab-{tab}").click()
        for details in page.locator(f"#panel-{tab} summary").all():
            if details.is_visible():
                details.click()
        until(page, f"!document.querySelector('#panel-{tab} select:not(:has(option))')")
        cut = page.evaluate(
            """(panel) => [...document.querySelectorAll(panel + " select")].flatMap((select) => {
                if (!select.checkVisibility()) return [];
                const style = getComputedStyle(select);
                const context = document.createElement("canvas").getContext("2d");
                context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
                const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
                return [...select.options].flatMap((option, index) => {
                    select.selectedIndex = index;
                    const fits = context.measureText(option.textContent).width <= room;
                    return fits || select.clientHeight > 40 ? [] : [option.textContent];
                });
            })""",
            f"#panel-{tab}",
        )
        assert not cut, f"{tab}: {cut}"


def test_the_place_among_the_images_is_one_line_on_a_phone(person: Annotator) -> None:
    person.page.set_viewport_size(PHONE)
    box = person.page.locator("#image-place").bounding_box()
    assert box is not None
    assert box["height"] < 20


def test_the_page_asks_where_another_program_has_taken_points_away(person: Annotator) -> None:
    page, file = person.page, person.server.folder / "points.csv"
    person.add_classes("road", "roof")
    for index in range(8):
        person.click(0.1 + 0.1 * index, 0.5)
    person.expect_points(8)
    person.expect_saved()
    person.server.expect_labels(*["roof"] * 8)
    page.locator("#tab-files").click()
    whole = file.read_text()
    file.write_text(whole.splitlines(keepends=True)[0])
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("has taken 8 of 8 points out of points.csv")
    # Put off, it can be answered later; a double press answers once.
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Points are missing in points.csv").click()
    page.locator("#removal-keep").dblclick()
    expect(dialog).to_have_count(0)
    expect(page.locator("#panel-files")).to_contain_text("points.csv in the folder is current.")
    person.expect_points(8)
    assert file.read_text() == whole
    expect(page.locator(".toast")).to_have_count(0)
