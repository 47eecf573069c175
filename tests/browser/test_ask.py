"""The program asks: with keys, with fingers, and without a server."""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import PATIENCE, PHONE, Annotator, Server, annotator

pytestmark = [pytest.mark.long, pytest.mark.browser]


REACTION = 250
"""Milliseconds a person needs at least to see a question; a press that comes sooner counts for nothing."""

WATCH = """() => {
    window.waits = [];
    let pressed = 0;
    addEventListener("keydown", () => (pressed = performance.now()), true);
    const seen = () => requestAnimationFrame(() => window.waits.push(performance.now() - pressed));
    const canvas = document.getElementById("ask-canvas");
    new MutationObserver(seen).observe(canvas, { attributes: true, attributeFilter: ["data-shown"] });
}"""
"""Milliseconds from each key to the frame after the one in which the next question was drawn whole."""


def asked(page: Page) -> str:
    """Wait for a question that is there whole, and give its id."""
    canvas = page.locator("#ask-canvas")
    shown = ""
    for _ in range(PATIENCE // 50):
        shown = canvas.get_attribute("data-question") or ""
        if shown and canvas.get_attribute("data-shown") == shown:
            page.wait_for_timeout(REACTION)
            return shown
        page.wait_for_timeout(50)
    raise AssertionError("no question is shown")


def answered(folder: Path) -> list[dict[str, str]]:
    """The answered questions in points.csv."""
    with (folder / "points.csv").open(newline="") as stream:
        return [
            row for row in csv.DictReader(stream) if row["source"] == "question" and (row["class"] or row["answer"])
        ]


def expect_answers(server: Server, page: Page, expected: dict[str, int]) -> list[dict[str, str]]:
    """Wait until points.csv has so many answers of each kind."""
    found: list[dict[str, str]] = []
    for _ in range(PATIENCE // 100):
        found = answered(server.folder)
        if Counter(row["class"] or row["answer"] for row in found) == Counter(expected):
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"points.csv has {found}")


BURST = """() => {
  for (const [key, repeat] of [["1", false], ["1", false], ["2", false], ["2", true]]) {
    const init = { key, repeat, bubbles: true, cancelable: true };
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", init));
  }
}"""
"""Keys as fast as no machine is too slow for."""


def test_keys_alone_answer(person: Annotator) -> None:
    page = person.page
    keys = page.keyboard
    person.add_classes("road", "roof")
    keys.press("q")
    expect(page.locator("#ask-go")).to_be_focused()
    page.locator("#ask-name").fill("Ada")
    page.locator("#ask-name").press("Tab")
    page.locator("#ask-go").focus()
    keys.press("Enter")
    first = asked(page)
    expect(page.locator("#ask-canvas")).to_be_focused()
    expect(page.locator("#ask-progress")).to_have_text("1 of 40")
    page.evaluate(WATCH)
    for key in ("1", "2", "1", "2", "1", "2"):
        keys.press(key)
        asked(page)
    expect(page.locator("#ask-progress")).to_contain_text("7 of 40 · ")
    expect(page.locator("#ask-progress")).to_contain_text("s per answer (median)")
    keys.press("u")
    asked(page)
    keys.press("b")
    skipped = asked(page)
    keys.press("s")
    assert asked(page) != skipped
    # A press in the very moment was meant for the question before, and a key that is held is one answer.
    page.evaluate(BURST)
    expect(page.locator("#ask-progress")).to_contain_text("10 of 40 · ")
    waits = page.evaluate("window.waits")
    print(f"the next question is there after {statistics.median(waits):.1f} ms, at most {max(waits):.1f} ms")

    # Undo leads back to the question, and the next answer to where it was.
    before = asked(page)
    keys.press("Control+z")
    asked(page)
    keys.press("2")
    assert asked(page) == before
    keys.press("Control+z")
    keys.press("Control+z")
    asked(page)
    keys.press("Control+y")
    keys.press("Control+y")
    assert asked(page) == before

    # All buttons are in reach, and the way leads out again.
    names = []
    for _ in range(12):
        keys.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
    said = " ".join(names)
    assert all(name in said for name in ("Closer", "road", "roof", "Unsure", "On a border", "Skip", "Undo"))
    assert not page.evaluate("document.getElementById('ask').contains(document.activeElement)")
    page.locator("#ask-canvas").focus()
    keys.press("Escape")
    expect(page.locator("#ask")).to_be_hidden()
    expect(page.locator("#ask-go")).to_be_focused()
    rows = expect_answers(person.server, page, {"road": 3, "roof": 4, "unsure": 1, "border": 1})
    assert {row["answered_by"] for row in rows} == {"Ada"}
    assert all(0.2 <= float(row["seconds"]) < 60 for row in rows)
    assert first
    expect(page.locator("#cost-answers")).to_contain_text("9 answers, ")


def test_an_answer_stays_in_its_place(person: Annotator) -> None:
    page = person.page
    person.add_classes("road")
    page.locator("#tab-ask").click()
    page.locator("#ask-scope").select_option("image")
    page.locator("#ask-per-image").fill("1")
    page.locator("#ask-go").click()
    question = asked(page)
    page.keyboard.press("1")
    expect(page.locator("#ask-empty")).to_contain_text("All questions are answered")
    expect(page.get_by_role("button", name="Close", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    person.expect_points(1)
    ((name, x, y),) = _places(page)
    width, height = person.size
    place = person.screen(x / width, y / height)
    page.mouse.move(*place)
    page.mouse.down()
    page.mouse.move(place[0] + 60, place[1] + 40, steps=5)
    page.mouse.up()
    assert name == "road"
    assert _places(page) == [("road", x, y)]
    # Taken back, and given again with its seconds.
    (row,) = expect_answers(person.server, page, {"road": 1})
    page.locator("#zoom-fit").click()
    page.mouse.click(*place)
    page.get_by_role("button", name="Take this answer back").click()
    person.expect_points(0)
    expect_answers(person.server, page, {})
    page.keyboard.press("q")
    page.keyboard.press("Enter")
    assert asked(page) == question
    page.keyboard.press("Escape")
    page.locator("#canvas").focus()
    page.keyboard.press("Control+z")
    person.expect_points(1)
    assert expect_answers(person.server, page, {"road": 1}) == [row]


def _places(page: Page) -> list[tuple[str, float, float]]:
    page.locator("#tab-points").click()
    expect(page.locator(".point-row")).to_have_count(1)
    name, kind, place = page.locator(".point-row").inner_text().strip().split("\n")
    assert kind == "answer"
    x, y = map(float, place.split(", "))
    return [(name, x, y)]


def test_fingers_answer_on_a_phone(browser: Browser, server: Server) -> None:
    phone: dict[str, Any] = {"has_touch": True, "is_mobile": True}
    with annotator(browser, server, PHONE, **phone) as person:
        page = person.open().page
        person.add_classes("road", "roof")
        page.locator("#tab-ask").tap()
        page.locator("#ask-go").tap()
        asked(page)
        for label in ("road", "Unsure", "roof"):
            page.locator("#ask").get_by_role("button", name=label).tap()
            asked(page)
        page.get_by_role("button", name="More surroundings").tap()
        page.locator("#ask-others").get_by_role("button", name="Undo").tap()
        asked(page)
        # Everything is on the screen, and large enough for a finger.
        for button in page.locator("#ask button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 38
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE["width"]
            assert box["y"] + box["height"] <= PHONE["height"]
        page.get_by_role("button", name="Stop asking").tap()
        expect_answers(server, page, {"road": 1, "unsure": 1})
        person.expect_no_fault()


def test_answers_without_a_server_are_sent_later(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as person:
        page = person.open().page
        person.add_classes("road")
        page.locator("#tab-ask").click()
        page.locator("#ask-go").click()
        asked(page)
        page.wait_for_timeout(1000)  # the pictures of the next ones come
        person.expect_no_fault()
        server.kill()
        for _ in range(3):
            page.keyboard.press("1")
            asked(page)
        expect(page.locator("#connection-text")).to_have_text("Offline, 3 kept here")
        server.start()
        person.expect_saved()
        expect_answers(server, page, {"road": 3})
        expect(page.locator("#ask-progress")).to_contain_text("4 of 40")
