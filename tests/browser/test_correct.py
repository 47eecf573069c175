"""Correcting with more than points: strokes under slow and fast hands, keys and fingers."""

from __future__ import annotations

import io
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.annotator.models import write_trained
from tests.browser.driver import PATIENCE, TABLET, Annotator, Server, annotator, served

pytestmark = [pytest.mark.long, pytest.mark.browser]


def stroke(person: Annotator, *places: tuple[float, float], steps: int, pause: int = 0) -> None:
    """Draw through places of the image; a fast hand is seen at few places, a slow one at many, with rests."""
    mouse = person.page.mouse
    mouse.move(*person.screen(*places[0]))
    mouse.down()
    for place in places[1:]:
        for _ in range(max(1, pause and 3)):
            mouse.move(*person.screen(*place), steps=steps)
            person.page.wait_for_timeout(pause)
    mouse.up()


def count(person: Annotator) -> int:
    label = person.page.locator("#canvas").get_attribute("aria-label") or ""
    return int(label.rpartition(", ")[2].split()[0])


@pytest.mark.parametrize(("steps", "pause"), [(1, 0), (60, 40)], ids=["fast", "slow"])
def test_a_scribble_is_drawn_erased_and_undone_as_one(person: Annotator, steps: int, pause: int) -> None:
    page = person.page
    person.add_classes("road")
    asked: list[Any] = []
    page.on("request", lambda request: asked.append(request) if request.url.endswith("/api/ops") else None)
    page.keyboard.press("s")
    expect(page.locator("#hand-scribble")).to_have_attribute("aria-pressed", "true")
    stroke(person, (0.2, 0.5), (0.5, 0.5), (0.8, 0.5), steps=steps, pause=pause)
    person.expect_saved()
    first = count(person)
    # Evenly spread, as many for a fast hand as for a slow one, and not too many.
    assert 12 <= first <= 40
    xs = sorted(x for _, x, _ in person.listed())
    gaps = [b - a for a, b in pairwise(xs)]
    assert max(gaps) < 1.1 * min(gaps) + 0.3
    assert [xs[0], xs[-1]] == pytest.approx([0.2 * person.size[0], 0.8 * person.size[0]], abs=1.5)
    scribbles = [request for request in asked if "scribble" in (request.post_data or "")]
    assert [len(request.post_data_json["ops"]) for request in scribbles] == [1]

    # The eraser takes the middle away.
    page.keyboard.press("e")
    stroke(person, (0.4, 0.5), (0.6, 0.5), steps=steps, pause=pause)
    person.expect_saved()
    left = count(person)
    assert 0 < left < first
    assert not [x for _, x, _ in person.listed() if 0.41 < x / person.size[0] < 0.59]
    page.locator("#canvas").focus()
    page.keyboard.press("Control+z")
    person.expect_points(first)
    page.keyboard.press("Control+z")
    person.expect_points(0)
    page.keyboard.press("Control+y")
    person.expect_points(first)
    page.keyboard.press("Control+y")
    person.expect_points(left)
    person.expect_saved()
    person.server.expect_labels(*["road"] * left)
    # Escape and P: single points again, and drags pan.
    page.keyboard.press("p")
    stroke(person, (0.2, 0.2), (0.3, 0.3), steps=4)
    person.expect_points(left)


def test_strokes_with_keys_and_escape(person: Annotator) -> None:
    page, keys = person.page, person.page.keyboard
    person.add_classes("road")
    keys.press("s")
    keys.press("ArrowRight")
    keys.press("Enter")
    expect(page.locator("#live")).to_contain_text("Pen down")
    for _ in range(12):
        keys.press("ArrowRight")
    keys.press("Escape")
    expect(page.locator("#live")).to_contain_text("dropped")
    person.expect_points(0)
    keys.press("Enter")
    for _ in range(12):
        keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#live")).to_contain_text("scribble of")
    assert count(person) >= 2
    keys.press("e")
    keys.press("Enter")
    for _ in range(12):
        keys.press("ArrowUp")
    keys.press("Enter")
    person.expect_points(0)
    keys.press("Control+z")
    assert count(person) >= 2
    person.expect_saved()


def test_fingers_draw_and_pinch(browser: Browser, server: Server) -> None:
    with annotator(browser, server, TABLET, has_touch=True) as person:
        person.open()
        person.add_classes("road")
        page = person.page
        page.locator("#hand-scribble").tap()
        send = page.context.new_cdp_session(page).send

        def touch(kind: str, *places: tuple[float, float]) -> None:
            points = [dict(zip("xy", person.screen(*place), strict=True), id=i) for i, place in enumerate(places)]
            send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", (0.2, 0.5))
        for x in (0.3, 0.5, 0.7):
            touch("touchMove", (x, 0.5))
        touch("touchEnd")
        expect(page.locator("#live")).to_contain_text("scribble of")
        drawn = count(person)
        # A second finger makes a pinch of it, not a stroke.
        zoom = page.locator("#zoom-text").inner_text()
        touch("touchStart", (0.4, 0.3))
        touch("touchStart", (0.4, 0.3), (0.6, 0.3))
        touch("touchMove", (0.3, 0.3), (0.7, 0.3))
        touch("touchEnd")
        expect(page.locator("#zoom-text")).not_to_have_text(zoom)
        person.expect_points(drawn)
        person.expect_saved()
        person.expect_no_fault()


def test_two_pages_scribble_and_each_takes_back_its_own(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as one, annotator(browser, server) as two:
        one.open()
        one.add_classes("road")
        two.open()
        expect(two.class_row("road")).to_be_visible()
        for person, y in ((one, 0.3), (two, 0.7)):
            person.page.locator("#canvas").focus()
            person.page.keyboard.press("s")
            stroke(person, (0.2, y), (0.8, y), steps=3)
        one.expect_saved()
        two.expect_saved()
        for _ in range(100):
            # Both strokes are of the same length.
            if count(one) == count(two) >= 24:
                break
            one.page.wait_for_timeout(100)
        both = count(one)
        assert both == count(two)
        one.page.keyboard.press("Control+z")
        one.expect_points(both // 2)
        two.expect_points(both // 2)
        ys = {round(y / two.size[1], 1) for _, _, y in two.listed()}
        assert ys == {0.7}
        one.expect_no_fault()
        two.expect_no_fault()


def test_a_scribble_outlives_a_killed_server(person: Annotator) -> None:
    outage, page, server = person, person.page, person.server
    person.add_classes("road")
    person.expect_saved()
    server.kill()
    page.keyboard.press("s")
    stroke(person, (0.2, 0.4), (0.8, 0.4), steps=3)
    drawn = count(person)
    expect(page.locator("#connection")).to_have_attribute("data-state", "offline")
    page.close()
    outage.faults.found.clear()  # requests to a server that is not there fail
    server.start()
    again = page.context.new_page()
    person = Annotator(again, server).open()
    person.expect_points(drawn)
    person.expect_saved()
    server.expect_labels(*["road"] * drawn)
    person.expect_no_fault()


def road_and_roof(person: Annotator) -> None:
    """Two classes, and a click of each: a road below, a roof above."""
    person.add_classes("road", "roof")
    person.page.keyboard.press("1")
    person.click(0.5, 0.8)
    person.page.keyboard.press("2")
    person.click(0.5, 0.2)
    person.expect_saved()


def region_of(person: Annotator, x: float, y: float) -> None:
    """Point at a place and ask for its region with W, as soon as the full layer is there."""
    expect(person.page.locator("#layer-state")).to_have_text("full size")
    person.page.mouse.move(*person.screen(x, y))
    person.page.keyboard.press("w")
    expect(person.page.locator("#region-bar")).to_be_visible()


def test_wrong_and_right_give_one_click_each(person: Annotator) -> None:
    page = person.page
    road_and_roof(person)
    region_of(person, 0.5, 0.8)
    expect(page.locator("#region-bar")).to_contain_text("road?")
    page.keyboard.press("Escape")
    expect(page.locator("#region-bar")).to_be_hidden()
    region_of(person, 0.5, 0.8)
    page.keyboard.press("2")
    person.expect_points(3)
    assert [name for name, _, _ in person.listed()] == ["roof", "roof", "road"]
    # The digit answered; the class in the hand is as it was before.
    expect(person.class_row("roof")).to_have_class("class-row chosen")
    page.locator("#canvas").focus()
    page.keyboard.press("Control+z")
    person.expect_points(2)
    person.expect_saved()
    expect(page.locator("#layer-state")).to_have_text("full size")
    page.mouse.move(*person.screen(0.5, 0.2))
    page.keyboard.press("y")
    person.expect_points(3)
    person.server.expect_labels("road", "roof", "roof")
    # The same by hand alone.
    page.locator("#hand-region").click()
    expect(page.locator("#layer-state")).to_have_text("full size")
    person.click(0.5, 0.8)
    page.locator("#region-right").click()
    person.expect_points(4)
    person.expect_saved()
    person.server.expect_labels("road", "road", "roof", "roof")


def accepted(person: Annotator) -> Path:
    """Two clicks, and their layer as the mask; gives its file."""
    page = person.page
    road_and_roof(person)
    expect(page.locator("#layer-state")).to_have_text("full size")
    page.locator("#mask-accept").click()
    expect(page.locator("#mask-state")).to_have_text("written")
    page.locator("#canvas").focus()
    return person.server.folder / "masks" / "village_00.png"


def pixel(person: Annotator, x: float, y: float) -> list[int]:
    """Red, green and blue of a place on the screen."""
    at = person.screen(x, y)
    clip = {"x": at[0], "y": at[1], "width": 1, "height": 1}
    with Image.open(io.BytesIO(person.page.screenshot(clip=clip))) as picture:
        return list(picture.convert("RGB").getpixel((0, 0)))  # type: ignore[arg-type]


def expect_mask(file: Path, places: dict[tuple[float, float], int]) -> None:
    """Wait until a mask has these values at shares of its width and height."""
    found: dict[tuple[float, float], Any] = {}
    for _ in range(PATIENCE // 100):
        if file.is_file():
            with Image.open(file) as picture:
                found = {at: picture.getpixel((at[0] * picture.width, at[1] * picture.height)) for at in places}
            if found == places:
                return
        time.sleep(0.1)
    raise AssertionError(f"{file.name} has {found}, not {places}")


@pytest.mark.parametrize(("steps", "pause"), [(1, 0), (40, 20)], ids=["fast", "slow"])
def test_a_layer_becomes_a_mask_and_the_brush_edits_it(person: Annotator, steps: int, pause: int) -> None:
    page = person.page
    file = accepted(person)
    expect_mask(file, {(0.5, 0.8): 0, (0.5, 0.2): 1})
    page.keyboard.press("b")
    stroke(person, (0.1, 0.5), (0.9, 0.5), steps=steps, pause=pause)
    person.expect_saved()
    expect_mask(file, {(0.11, 0.5): 1, (0.5, 0.5): 1, (0.89, 0.5): 1, (0.5, 0.8): 0})
    painted = pixel(person, 0.3, 0.5)
    # Undecided, with a larger brush.
    page.keyboard.press("u")
    page.keyboard.press("]")
    stroke(person, (0.5, 0.1), (0.5, 0.9), steps=steps, pause=pause)
    person.expect_saved()
    expect_mask(file, {(0.5, 0.5): 255, (0.5, 0.2): 255, (0.3, 0.5): 1})
    page.keyboard.press("Control+z")
    expect_mask(file, {(0.5, 0.5): 1, (0.5, 0.2): 1})
    page.keyboard.press("Control+z")
    expect_mask(file, {(0.11, 0.5): 255, (0.5, 0.8): 0})
    page.keyboard.press("Control+y")
    expect_mask(file, {(0.11, 0.5): 1})
    page.keyboard.press("p")
    page.mouse.move(*person.screen(0.05, 0.05))
    assert pixel(person, 0.3, 0.5) == pytest.approx(painted, abs=12)
    # The whole mask: back, and here again.
    page.locator("#mask-take-back").click()
    person.expect_saved()
    expect(page.locator("#mask-state")).to_be_hidden()
    for _ in range(PATIENCE // 100):
        if not file.exists():
            break
        page.wait_for_timeout(100)
    assert not file.exists()
    page.locator("#canvas").focus()
    page.keyboard.press("Control+z")
    expect_mask(file, {(0.11, 0.5): 1})
    # What is on the disk is what a page shows that is opened anew.
    page.reload()
    expect(page.locator("#mask-state")).to_have_text("written")
    page.wait_for_timeout(1000)
    assert pixel(person, 0.3, 0.5) == pytest.approx(painted, abs=12)


def test_a_mask_of_others_is_asked_about(person: Annotator) -> None:
    page = person.page
    file = person.server.folder / "masks" / "village_00.png"
    file.parent.mkdir()
    Image.new("L", person.size, 1).save(file)
    theirs = file.read_bytes()
    person.open()
    expect(page.locator("#class-name")).to_be_visible()
    person.add_classes("road", "roof")
    page.keyboard.press("1")
    person.click(0.5, 0.8)
    page.keyboard.press("2")
    person.click(0.5, 0.2)
    expect(page.locator("#layer-state")).to_have_text("full size")
    expect(page.locator("#mask")).to_contain_text("made elsewhere")
    page.locator("#mask-accept").click()
    expect(page.locator("dialog[open]")).to_contain_text("village_00.png")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert file.read_bytes() == theirs
    page.locator("#mask-accept").click()
    page.get_by_role("button", name="Replace it").click()
    expect_mask(file, {(0.5, 0.8): 0, (0.5, 0.2): 1})
    page.locator("#canvas").focus()
    page.keyboard.press("Control+z")
    expect_mask(file, {(0.5, 0.8): 1, (0.1, 0.1): 1})
    assert file.read_bytes() == theirs


def test_two_pages_paint_one_mask(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as one, annotator(browser, server) as two:
        one.open()
        file = accepted(one)
        two.open()
        expect(two.page.locator("#mask-state")).to_have_text("written")
        two.page.locator("#canvas").focus()
        for person, y in ((one, 0.4), (two, 0.6)):
            person.page.keyboard.press("2")
            person.page.keyboard.press("b")
            stroke(person, (0.1, y), (0.9, y), steps=2)
            person.expect_saved()
        expect_mask(file, {(0.2, 0.4): 1, (0.2, 0.6): 1})
        seen = pixel(one, 0.2, 0.6)
        assert seen == pytest.approx(pixel(two, 0.2, 0.6), abs=12)
        one.page.keyboard.press("Control+z")
        expect_mask(file, {(0.2, 0.4): 255, (0.2, 0.6): 1})
        one.expect_no_fault()
        two.expect_no_fault()


def test_a_prediction_is_corrected_and_accepted(browser: Browser, tmp_path: Path) -> None:
    write_trained(tmp_path / "tiny")
    with served(tmp_path / "tiny") as server, annotator(browser, server) as person:
        page = person.open().page
        before = count(person)
        page.locator("#canvas").focus()
        page.keyboard.press("v")
        expect(page.locator("#mask-accept")).to_have_text("Accept prediction as mask")
        expect(page.locator("#mask-accept")).to_be_enabled()
        page.mouse.move(*person.screen(0.5, 0.5))
        page.keyboard.press("w")
        expect(page.locator("#region-bar")).to_be_visible()
        page.keyboard.press("2")
        person.expect_points(before + 1)
        person.expect_saved()
        page.locator("#mask-accept").click()
        if page.locator("dialog[open]").count():
            page.get_by_role("button", name="Replace it").click()
        expect(page.locator("#mask-state")).to_have_text("written")
        person.expect_saved()
        person.expect_no_fault()
