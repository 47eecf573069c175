"""Points under mouse, keys and fingers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.driver import TABLET, Annotator, Server, annotator

pytestmark = [pytest.mark.long, pytest.mark.browser]


def test_click_drag_delete_undo_redo(person: Annotator) -> None:
    page = person.page
    person.add_classes("road", "roof")
    width, height = person.size

    # A click is a point of the current class, where it was clicked.
    page.keyboard.press("1")
    person.click(0.25, 0.5)
    person.expect_points(1)
    page.keyboard.press("2")
    person.click(0.75, 0.25)
    person.expect_points(2)
    listed = person.listed()
    assert [name for name, _, _ in listed] == ["roof", "road"]
    assert listed[1][1:] == pytest.approx((0.25 * width, 0.5 * height), abs=1)

    # Drag moves; the click in between chooses nothing else.
    page.mouse.move(*person.screen(0.75, 0.25))
    page.mouse.down()
    page.mouse.move(*person.screen(0.6, 0.6), steps=5)
    page.mouse.up()
    person.expect_listed("roof", 0.6 * width, 0.6 * height)

    # The right button removes.
    page.mouse.click(*person.screen(0.25, 0.5), button="right")
    person.expect_points(1)
    # Undo: the removal, then the move; redo: both again.
    page.keyboard.press("Control+z")
    person.expect_points(2)
    page.keyboard.press("Control+z")
    person.expect_listed("roof", 0.75 * width, 0.25 * height)
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+y")
    person.expect_points(1)

    # Delete removes the chosen point.
    person.click(0.6, 0.6)
    expect(page.locator("#point-bar")).to_be_visible()
    page.keyboard.press("Delete")
    person.expect_points(0)
    page.get_by_role("button", name="Undo").click()
    person.expect_points(1)
    person.expect_saved()
    person.server.expect_labels("roof")


def test_undo_leads_across_images(person: Annotator) -> None:
    page = person.page
    person.add_classes("road")
    person.click(0.5, 0.5)
    person.expect_points(1)
    page.keyboard.press("d")
    expect(page.locator("#image-name")).to_have_text("village_01.png")
    person.expect_points(0)
    person.click(0.3, 0.3)
    person.expect_points(1)
    page.keyboard.press("d")
    expect(page.locator("#image-name")).to_have_text("village_02.png")
    page.keyboard.press("Control+z")
    expect(page.locator("#image-name")).to_have_text("village_01.png")
    person.expect_points(0)
    page.keyboard.press("Control+z")
    expect(page.locator("#image-name")).to_have_text("village_00.png")
    person.expect_points(0)
    page.keyboard.press("Control+Shift+z")
    person.expect_points(1)
    # What is shown is what is kept, also after the page is loaded again.
    person.expect_saved()
    page.reload()
    expect(page.locator("#image-name")).to_have_text("village_00.png")
    person.expect_points(1)


def test_the_keyboard_suffices(person: Annotator) -> None:
    page = person.page
    keys = page.keyboard
    # The page begins in the field for the first class.
    expect(page.locator("#class-name")).to_be_focused()
    keys.type("road")
    keys.press("Enter")
    keys.type("roof")
    keys.press("Enter")
    expect(person.class_row("roof")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("button", name="Add class")).to_be_focused()
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == "canvas":
            break
        keys.press("Shift+Tab")
    expect(page.locator("#canvas")).to_be_focused()

    width, height = person.size
    keys.press("1")
    keys.press("ArrowRight")  # the cursor appears in the middle
    keys.press("Enter")
    person.expect_points(1)
    keys.press("2")
    for _ in range(3):
        keys.press("ArrowDown")
    keys.press("Shift+ArrowRight")
    keys.press(" ")
    person.expect_points(2)
    expect(page.locator("#live")).to_contain_text("roof at")
    keys.press("j")
    expect(page.locator("#live")).to_contain_text("road at")
    keys.press("j")
    expect(page.locator("#point-bar")).to_contain_text("roof")
    # Move the chosen point, give it another class, remove the other one.
    keys.press("ArrowLeft")
    keys.press("m")
    keys.press("1")
    keys.press("r")
    expect(page.locator("#point-bar")).to_contain_text("road")
    keys.press("k")
    keys.press("Delete")
    person.expect_points(1)
    keys.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Place a point at the cursor")
    keys.press("Escape")
    keys.press("PageDown")
    expect(page.locator("#image-name")).to_have_text("village_01.png")
    keys.press("PageUp")
    expect(page.locator("#image-name")).to_have_text("village_00.png")
    (name, x, y), *rest = person.listed()
    assert (name, rest) == ("road", [])
    # A key places points on centres of pixels.
    assert x % 1 == 0.5
    assert y % 1 == 0.5
    assert 0 < x < width / 2 + 1 < width
    assert height / 2 < y < height


def test_fingers_place_move_pan_and_pinch(browser: Browser, server: Server) -> None:
    with annotator(browser, server, TABLET, has_touch=True) as person:
        page = person.open().page
        person.add_classes("road")
        page.touchscreen.tap(*person.screen(0.5, 0.5))
        person.expect_points(1)
        touch = page.context.new_cdp_session(page)

        def fingers(kind: str, *places: tuple[float, float]) -> None:
            points = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(places)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        # A finger beside the point still grasps it.
        x, y = person.screen(0.5, 0.5)
        fingers("touchStart", (x + 12, y + 8))
        for step in range(1, 6):
            fingers("touchMove", (x + 12 - step * 15, y + 8))
        fingers("touchEnd")
        person.expect_saved()
        width, _ = person.size
        box = page.locator("#canvas").bounding_box()
        assert box is not None
        scale = (box["width"] - 40) / width
        assert person.listed()[0][1] == pytest.approx(width / 2 - 75 / scale, abs=3)

        # Two fingers zoom and leave no point behind.
        before = page.locator("#zoom-text").inner_text()
        fingers("touchStart", (x - 30, y))
        fingers("touchStart", (x - 30, y), (x + 30, y))
        for step in range(1, 6):
            fingers("touchMove", (x - 30 - step * 12, y), (x + 30 + step * 12, y))
        fingers("touchEnd")
        expect(page.locator("#zoom-text")).not_to_have_text(before)
        person.expect_points(1)

        # A chosen point can be removed without keys and without a right button.
        page.get_by_role("button", name="Whole image").tap()
        page.touchscreen.tap(*person.screen(0.5 - 75 / scale / width, 0.5))
        page.get_by_role("button", name="Remove this point").tap()
        person.expect_points(0)
        person.expect_no_fault()


def test_a_pen_places_and_moves(person: Annotator) -> None:
    person.add_classes("road")
    pen = person.page.context.new_cdp_session(person.page)

    def move(kind: str, place: tuple[float, float], pressed: bool) -> None:
        x, y = person.screen(*place)
        button = (
            {"button": "left", "buttons": 1 if pressed else 0, "clickCount": 1}
            if kind != "mouseMoved" or pressed
            else {}
        )
        pen.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, "pointerType": "pen", **button})

    move("mousePressed", (0.3, 0.3), True)
    move("mouseReleased", (0.3, 0.3), False)
    person.expect_points(1)
    move("mousePressed", (0.3, 0.3), True)
    for step in range(1, 5):
        move("mouseMoved", (0.3 + 0.1 * step, 0.3), True)
    move("mouseReleased", (0.7, 0.3), False)
    person.expect_points(1)
    width, height = person.size
    expect(person.page.locator("#live")).to_contain_text("Moved to")
    assert person.listed()[0][1:] == pytest.approx((0.7 * width, 0.3 * height), abs=1.5)


def test_zoom_to_the_pixel_and_back(person: Annotator) -> None:
    page = person.page
    zoom = page.locator("#zoom-text")
    person.add_classes("road")
    page.mouse.move(*person.screen(0.5, 0.5))
    for _ in range(60):
        page.mouse.wheel(0, -120)
    expect(zoom).to_have_text("6400 %")
    for _ in range(3):
        page.keyboard.press("-")
    expect(zoom).not_to_have_text("6400 %")
    page.get_by_role("button", name="Actual size").click()
    expect(zoom).to_have_text("100 %")
    # A press that moves pans and places nothing.
    page.mouse.move(700, 450)
    page.mouse.down()
    page.mouse.move(600, 400, steps=4)
    page.mouse.up()
    person.expect_points(0)
    page.get_by_role("button", name="Whole image").click()
    person.click(0.5, 0.5)
    person.expect_points(1)
