"""How good the model is, and clicks that are looked at again: with keys, in a real browser."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.driver import DESKTOP, TABLET, Annotator, Server, annotator, served
from tests.browser.test_accessibility import check
from tests.browser.test_ask import asked
from tests.conftest import write_tiny

pytestmark = [pytest.mark.long, pytest.mark.browser]

WORK = 300_000
"""Milliseconds that work in the background may take."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model, which has not learnt from two of the images, and two entries to look at."""
    data = write_tiny(tmp_path_factory.mktemp("checks") / "tiny")
    with served(data) as server, server.client() as client:
        wishes = {"epochs": 2, "size": "48x64", "device": "cpu"}
        client.post("/api/training/start", json=wishes, timeout=120).raise_for_status()
        while (state := client.get("/api/training").json()["state"]) != "done":
            assert state in ("starting", "running")
            time.sleep(0.3)
        yield server


def entries(data: Path) -> list[dict[str, str]]:
    """Write a list of two clicks that look wrong and a place without one; gives the clicks."""
    with (data / "points.csv").open(newline="") as stream:
        clicks = [row for row in csv.DictReader(stream) if row["image"] in ("tiny_1.png", "tiny_2.png")]
    first = next(row for row in clicks if row["class"] == "square")
    second = next(row for row in clicks if row["class"] == "ground")

    def place(row: dict[str, str]) -> dict[str, Any]:
        return {"image": row["image"], "x": float(row["x"]), "y": float(row["y"]), "class": row["class"]}

    found = {
        **{"run": "0001", "clicks": 20, "listed_expected_wrong": 1.4},
        "contradicting": [
            {**place(first), "others": "disc", "probability": 0.93},
            {**place(second), "others": "square", "probability": 0.61},
        ],
        "overlooked": [{"image": "tiny_3.png", "x": 30.5, "y": 20.5, "class": "disc", "area": 90}],
    }
    (data / ".pointillist" / "clicks.audit.json").write_text(json.dumps(found))
    return [first, second]


def rows(data: Path) -> list[tuple[str, float, float, str]]:
    with (data / "points.csv").open(newline="") as stream:
        return [(row["image"], float(row["x"]), float(row["y"]), row["class"]) for row in csv.DictReader(stream)]


def test_an_audit_from_questions_to_figures(browser: Browser, trained: Server) -> None:
    with annotator(browser, trained) as person:
        page = person.open().page
        before = rows(trained.folder)
        page.locator("#tab-checks").click()
        expect(page.locator("#audit-lead")).to_contain_text("images that the model has not learnt from")
        page.locator("#audit-number").fill("8")
        page.locator("#audit-go").click()
        expect(page.locator("#panel-checks .work:visible")).to_contain_text("Drawing questions")
        expect(page.locator("#ask")).to_be_visible(timeout=WORK)
        asked(page)
        expect(page.locator("#ask-title")).to_have_text("Audit: what is at the mark?")
        expect(page.locator("#ask-progress")).to_have_text("1 of 8")
        for key in "1231231":
            page.keyboard.press(key)
            asked(page)
        page.keyboard.press("Control+z")
        asked(page)
        page.keyboard.press("2")
        asked(page)
        page.keyboard.press("1")
        expect(page.locator("#ask-empty")).to_contain_text("All questions are answered")
        page.keyboard.press("Enter")
        figures = page.locator("#audit-result")
        expect(figures.locator(".audit-figures")).to_contain_text("Accuracy", timeout=WORK)
        expect(figures.locator("tbody")).to_have_count(3)
        expect(figures.locator("tbody").first).to_contain_text(re.compile(r"ground\s*\d+ \d+–\d+"))
        expect(figures).to_contain_text("none of which the model has learnt from")
        expect(figures).to_contain_text("more questions")
        # It is there later, too, and nothing of it is a point.
        page.reload()
        page.locator("#tab-checks").click()
        expect(figures.locator("tbody")).to_have_count(3)
        expect(page.locator("#audit-lead")).to_contain_text("8 answers, kept in audit.csv")
        assert rows(trained.folder) == before
        with (trained.folder / "audit.csv").open(newline="") as stream:
            assert {row["image"] for row in csv.DictReader(stream)} <= {"tiny_4.png", "tiny_5.png"}
        person.expect_no_fault()


def test_clicks_are_looked_at_again_with_one_key_each(browser: Browser, trained: Server) -> None:
    first, _ = entries(trained.folder)
    with annotator(browser, trained) as person:
        page = person.open().page
        before = rows(trained.folder)
        page.locator("#tab-checks").click()
        page.locator("#checks-walk").click()
        bar = page.locator("#check-bar")
        expect(bar).to_contain_text("Clicked as square; everything else says disc: wrong with a probability of 93 %")
        page.keyboard.press("c")
        expect(bar).to_contain_text("Clicked as ground; everything else says square")
        page.keyboard.press("k")
        expect(bar).to_contain_text("Looks like disc, without a click")
        expect(bar).to_contain_text("1 entry left")
        page.keyboard.press("Control+z")
        expect(bar).to_contain_text("Clicked as ground")
        page.keyboard.press("Delete")
        expect(bar).to_contain_text("Looks like disc")
        # Another window changes something, and the list comes anew while one of its entries is looked at.
        with page.expect_response("**/api/checks"), annotator(browser, trained) as other:
            other.open().click(0.5, 0.5)
            other.page.locator("#undo").click()
            other.expect_saved()
        page.keyboard.press("Enter")
        expect(bar).to_be_hidden()
        expect(page.locator("#checks-lead")).to_contain_text("Nothing is left to look at")
        person.expect_saved()

        def expect_rows(changed: bool) -> None:
            kept = [row for row in before if row[:3] != (first["image"], float(first["x"]), float(first["y"]))]
            for _ in range(300):
                if changed and len(rows(trained.folder)) == len(before):
                    found = rows(trained.folder)
                    now = (first["image"], float(first["x"]), float(first["y"]), "disc")
                    if now in found and ("tiny_3.png", 30.5, 20.5, "disc") in found and kept:
                        return
                elif not changed and sorted(rows(trained.folder)) == sorted(before):
                    return
                page.wait_for_timeout(100)
            raise AssertionError(rows(trained.folder))

        # One click less, one more, one of another class; each taken back by one undo.
        expect_rows(changed=True)
        for _ in range(3):
            page.locator("#undo").click()
        person.expect_saved()
        expect_rows(changed=False)
        page.locator("#tab-checks").click()
        expect(page.locator("#checks-walk")).to_have_text("Walk through 3 entries")
        # Made anew by the work itself, while clicks go on.
        page.locator("#checks-go").click()
        expect(page.locator("#panel-checks .work:visible")).to_contain_text("Looking at the clicks")
        person.click(0.5, 0.5)
        person.expect_saved()
        expect(page.locator("#work-stop")).to_be_hidden(timeout=WORK)
        expect(page.locator("#checks-lead")).to_contain_text("click")
        page.locator("#undo").click()
        person.expect_saved()
        person.expect_no_fault()


def test_questions_where_the_model_is_unsure(browser: Browser, trained: Server) -> None:
    with annotator(browser, trained) as person:
        page = person.open().page
        page.locator("#tab-ask").click()
        page.locator("#ask-per-image").fill("3")
        page.locator("#ask-strategy").select_option("mixed")
        page.locator("#ask-go").click()
        expect(page.locator("#ask")).to_be_visible(timeout=WORK)
        asked(page)
        expect(page.locator("#ask-progress")).to_have_text("1 of 12")
        page.keyboard.press("Escape")
        person.expect_no_fault()


def test_without_a_model_the_page_says_what_is_missing(person: Annotator) -> None:
    page = person.page
    person.add_classes("road", "roof")
    page.locator("#tab-ask").click()
    expect(page.locator("#panel-ask")).to_contain_text("Only evenly: without a model nobody knows where it is unsure.")
    page.locator("#tab-checks").click()
    expect(page.locator("#audit-lead")).to_contain_text("Train a model first.")
    expect(page.locator("#audit-go")).to_be_disabled()
    expect(page.locator("#checks-go")).to_be_disabled()


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "dark"), (TABLET, "light")], ids=["dark", "tablet"])
def test_axe_finds_no_serious_fault(browser: Browser, trained: Server, size: ViewportSize, scheme: Any) -> None:
    entries(trained.folder)
    with annotator(browser, trained, size, color_scheme=scheme) as person:
        page = person.open().page
        page.locator("#tab-checks").click()
        expect(page.locator("#audit-result tbody")).to_have_count(3)
        page.locator("#checks-walk").click()
        expect(page.locator("#check-bar")).to_be_visible()
        check(person, "checks")
        # Everything of the panel is on the screen.
        assert page.evaluate(
            "document.querySelector('.side').scrollWidth <= document.querySelector('.side').clientWidth"
        )
        page.keyboard.press("Escape")
        page.locator("#checks-go").click()
        expect(page.locator("#work-stop")).to_be_visible()
        check(person, "work goes on")
        page.locator("#work-stop").click()
        expect(page.locator("#work-stop")).to_be_hidden()
        person.expect_no_fault()
