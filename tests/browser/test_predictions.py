"""See, sort, apply, take home: every button of it, pressed slowly and fast, in a real browser."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from pointillist.classes import ClassSet
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.synthetic import draw_scene
from pointillist.points.formats.native import write_csv
from pointillist.points.simulate import simulate_image
from pointillist.points.table import Point, PointTable
from tests.annotator.models import add_model
from tests.browser.driver import TABLET, Annotator, Server, annotator, served, write_village

pytestmark = [pytest.mark.long, pytest.mark.browser]

CLASSES = ClassSet.create(("ground", "road", "building", "tree", "water", "car"))
MODES = ("clicks", "prediction", "uncertainty", "compare")

LONG = 180_000
"""Milliseconds that 154 images may take; beside other tests some 40 s."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A village with clicks on three of four images, and a model of two epochs; tests copy it."""
    folder = write_village(tmp_path_factory.mktemp("trained") / "village", 4, scale=3)
    points = [
        Point(name, 3 * point.x, 3 * point.y, point.label)
        for index, name in enumerate(f"village_{index:02d}.png" for index in range(3))
        for point in simulate_image(name, draw_scene(0, index).mask, CLASSES, seed=0)
    ]
    write_dataset_file(folder / "dataset.yaml", CLASSES)
    write_csv(PointTable(points), folder / "points.csv")
    add_model(folder)
    return folder


@pytest.fixture
def seen(trained: Path, tmp_path: Path, browser: Browser) -> Iterator[Annotator]:
    """Somebody at the page of a folder with a model, who in the end has seen no fault."""
    folder = Path(shutil.copytree(trained, tmp_path / "village"))
    with served(folder) as server, annotator(browser, server, accept_downloads=True) as person:
        yield person.open()
        person.expect_no_fault()


def choose(page: Page, mode: str) -> None:
    page.locator(f"#views input[value={mode}]").check()
    if mode != "clicks":
        expect(page.locator("#views")).to_have_attribute("data-state", "shown")


def test_without_a_model_the_choices_say_why(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as person:
        page = person.open().page
        for mode in MODES[1:]:
            expect(page.locator(f"#views input[value={mode}]")).to_be_disabled()
        expect(page.locator("#views-status")).to_be_hidden()
        page.locator("#views label").filter(has_text="Compare").click(force=True)
        expect(page.locator(".toast")).to_contain_text("There is no model yet")
        for key in "vVo":
            page.keyboard.press(key)
        expect(page.locator("#views input[value=clicks]")).to_be_checked()
        expect(page.locator("#gallery")).to_be_hidden()
        page.locator("#tab-predict").click()
        expect(page.locator("#gallery-open")).to_be_disabled()
        expect(page.locator("#predict-why")).to_contain_text("There is no model yet")
        expect(page.locator("#apply-go")).to_be_hidden()
        expect(page.get_by_role("heading", name="Apply the model to the folder")).to_be_hidden()
        person.expect_no_fault()


def test_the_switch(seen: Annotator) -> None:
    page = seen.page
    expect(page.locator("#layer-state")).to_have_text("full size")
    looks = set()
    for mode in MODES:
        choose(page, mode)
        page.mouse.move(5, 5)
        page.wait_for_timeout(600)
        looks.add(page.locator("#canvas").screenshot())
    assert len(looks) == 4
    expect(page.locator("#views-status")).to_contain_text("contradicted")
    choose(page, "uncertainty")
    expect(page.locator("#views-status")).to_contain_text("mean 0.")
    # The keys go around, and the layer's own switch hides whatever is shown.
    shown = page.locator("#canvas").screenshot()
    page.keyboard.press("l")
    assert page.locator("#canvas").screenshot() != shown
    page.keyboard.press("Shift+V")
    expect(page.locator("#views input[value=prediction]")).to_be_checked()
    expect(page.locator("#toggle-layer")).to_have_attribute("aria-pressed", "true")
    for _ in range(8):
        page.keyboard.press("v")
    expect(page.locator("#views input[value=prediction]")).to_be_checked()
    # Images fly by while they are loaded; what stands in the end is of the one on show.
    for key in "dddad":
        page.keyboard.press(key)
    expect(page.locator("#image-name")).to_have_text("village_03.png")
    expect(page.locator("#views")).to_have_attribute("data-state", "shown")
    expect(page.locator("#views-status")).to_be_hidden()
    seen.expect_points(0)
    choose(page, "compare")
    expect(page.locator("#views-status")).to_contain_text("No clicks here")
    # A click on another class than the one that is predicted there is contradicted, at once.
    wrong = 0
    for index, name in enumerate(CLASSES.names[:2]):
        x = 0.4 + 0.2 * index
        page.mouse.move(*seen.screen(x, 0.5))
        expect(page.locator("#position")).to_contain_text("predicted: ")
        wrong += not str(page.locator("#position").inner_text()).endswith(f"predicted: {name}")
        page.keyboard.press(str(index + 1))
        seen.click(x, 0.5)
        seen.expect_points(index + 1)
    expect(page.locator("#views-status")).to_contain_text(f"{wrong} of 2 clicks contradicted")
    if wrong:
        page.locator("#views-next").dblclick()
        expect(page.locator("#point-bar")).to_be_visible()
    seen.expect_saved()


def test_a_prediction_stays_until_the_next_model_has_spoken(seen: Annotator) -> None:
    """While a model learns there is another one every few seconds, and the image would be bare in between."""
    page = seen.page
    choose(page, "prediction")

    def click_and_undo() -> str:
        """After a change the page asks what has become of the project."""
        seen.click(0.5, 0.5)
        seen.expect_points(21)
        page.keyboard.press("Control+z")
        seen.expect_points(20)
        seen.expect_saved()
        page.mouse.move(5, 5)
        page.wait_for_timeout(1000)
        return str(page.evaluate("document.querySelector('#canvas').toDataURL()"))

    before = click_and_undo()
    held: list[Route] = []

    def renamed(route: Route) -> None:
        project = route.fetch().json()
        project["predictions"]["key"] = "another"
        route.fulfill(json=project)

    page.route("**/api/images/*/prediction", lambda route: held.append(route))
    page.route("**/api/project", renamed)
    after = click_and_undo()
    expect(page.locator("#views")).to_have_attribute("data-state", "busy")
    assert held
    assert after == before
    # Its answers are those of the model before, which nobody waits for.
    for route in held:
        route.continue_()
    page.unroute_all()


def test_the_gallery(seen: Annotator) -> None:
    page = seen.page
    for key in ("o", "Escape", "o"):
        page.keyboard.press(key)
    expect(page.locator("#gallery-count")).to_contain_text("4 of 4 images predicted")
    expect(page.locator(".gallery-item .overlay[src]")).to_have_count(4)
    names = page.locator(".gallery-item .caption")
    assert names.all_inner_texts() == [f"village_0{index}.png" for index in range(4)]
    # Keys of the image under it rest.
    page.keyboard.press("d")
    page.locator("#gallery-by").select_option("uncertainty")
    expect(page.locator(".gallery-item").first).to_contain_text("unsure")
    page.wait_for_timeout(500)
    unsure = [float(text.split()[1]) for text in page.locator(".gallery-item .facts").all_inner_texts()]
    assert unsure == sorted(unsure, reverse=True)
    first = names.all_inner_texts()
    page.locator("#gallery-reverse").click()
    expect(names.first).to_have_text(first[-1])
    page.locator("#gallery-reverse").dblclick()
    expect(names.first).to_have_text(first[-1])
    page.locator("#gallery-by").select_option("share")
    expect(page.locator("#gallery-class")).not_to_have_value("")
    # A class that was chosen for the order alone goes with it.
    page.locator("#gallery-by").select_option("name")
    expect(page.locator("#gallery-class")).to_have_value("")
    page.locator("#gallery-by").select_option("share")
    page.locator("#gallery-class").select_option(label="road")
    # What is sorted by comes first, as the end may be cut off.
    expect(page.locator(".gallery-item .facts").first).to_contain_text(re.compile(r"^road .* · unsure "))
    page.locator("#gallery-by").select_option("against")
    page.locator("#gallery-class").select_option(label="any")
    against = page.locator(".gallery-item .facts", has_text=re.compile(r"^\d+ of \d+ contradicted · unsure "))
    expect(against).not_to_have_count(0)
    page.locator("#gallery-again").dblclick()
    expect(page.locator(".gallery-item .overlay[src]")).to_have_count(4)
    # With keys alone: to the last one, and open it.
    page.locator(".gallery-list").focus()
    page.keyboard.press("End")
    last = names.last.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#gallery")).to_be_hidden()
    expect(page.locator("#image-name")).to_have_text(last)
    expect(page.locator("#canvas")).to_be_focused()
    expect(page.locator("#views input[value=compare]")).to_be_checked()
    # With the mouse, twice.
    page.locator("#tab-predict").click()
    page.locator("#gallery-open").click()
    expect(page.locator(".gallery-item .overlay[src]")).to_have_count(4)
    item = page.locator(".gallery-item").nth(1)
    name = item.locator(".caption").inner_text()
    item.dblclick()
    expect(page.locator("#gallery")).to_be_hidden()
    expect(page.locator("#image-name")).to_have_text(name)
    # The second press does not fall through to what is under the gallery.
    page.wait_for_timeout(700)
    expect(page.locator("#image-name")).to_have_text(name)
    expect(page.locator("#undo")).to_be_disabled()
    page.locator("#gallery-open").click()
    page.locator("#gallery-close").click()
    expect(page.locator("#gallery")).to_be_hidden()
    expect(page.locator("#gallery-open")).to_be_focused()


def test_a_server_that_comes_back_is_asked_again_what_can_be_written(
    trained: Path, tmp_path: Path, browser: Browser
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "village"))
    with served(folder) as server, annotator(browser, server) as person:
        page = person.open().page
        page.route("**/api/applying/outputs", lambda route: route.abort())
        page.locator("#tab-predict").click()
        expect(page.locator("#output-png")).to_have_count(0)
        server.kill()
        expect(page.locator("#connection-text")).to_have_text("Offline")
        page.unroute("**/api/applying/outputs")
        server.start()
        expect(page.locator("#output-png")).to_be_checked()


def test_apply_to_the_folder(trained: Path, tmp_path: Path, browser: Browser) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "village"))
    for index in range(150):
        shutil.copy(folder / "images" / f"village_0{index % 4}.png", folder / "images" / f"more_{index:03d}.png")
    with served(folder) as server, annotator(browser, server, accept_downloads=True) as person:
        page = person.open().page
        page.locator("#tab-predict").click()
        expect(page.locator("#output-png")).to_be_checked()
        page.locator("#panel-predict summary").click()
        for name in ("areas", "geojson"):
            page.locator(f"#output-{name}").check()
        page.locator("#output-overlay").uncheck()
        expect(page.locator("#output-cityscapes")).to_be_disabled()
        expect(page.locator("#apply-go")).to_have_text("Apply to 154 images")
        page.locator("#apply-go").dblclick()
        state, figures = page.locator("#apply-state"), page.locator("#apply-figures")
        expect(state).to_have_text("Predicting")
        expect(figures).to_contain_text("a second")
        # It goes on while the page is loaded again, and can be clicked on.
        page.reload()
        page.locator("#tab-predict").click()
        expect(state).to_be_visible()
        page.locator("#apply-pause").dblclick()
        expect(state).to_have_text("Paused")
        server.kill()
        server.start()
        expect(page.locator("#connection-text")).to_have_text("Saved")
        expect(state).to_have_text("Paused")
        person.faults.found.clear()  # the server was away
        page.locator("#apply-resume").dblclick()
        result = page.locator("#apply-results .result")
        expect(result).to_contain_text("154 images, model 0001: png, areas, geojson", timeout=LONG)
        expect(page.locator(".toast")).to_contain_text("The files are in predictions/0001 of the folder")
        assert not list((folder / "predictions").glob("0002"))
        with page.expect_download() as saving:
            page.locator("#apply-download-1").click()
        assert saving.value.suggested_filename == "predictions-0001.zip"
        with zipfile.ZipFile(str(saving.value.path())) as archive:
            assert archive.testzip() is None
            inside = archive.namelist()
        assert {f"predictions-0001/{name}" for name in ("areas.csv", "more_149.png", "village_00.geojson")} < set(
            inside
        )
        # Another one, given up.
        expect(page.locator("#output-png")).to_be_checked()
        page.locator("#apply-go").click()
        page.locator("#apply-cancel").dblclick()
        expect(page.locator("#apply-go")).to_be_visible()
        expect(page.locator("#apply-results .result")).to_have_count(1)
        assert not (folder / "predictions" / "0002").exists()
        person.expect_no_fault()


def test_axe_finds_no_serious_fault(trained: Path, tmp_path: Path, browser: Browser) -> None:
    def check(state: str) -> None:
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            found = [
                f"{state}, {scheme}: {fault['id']}: {[node['target'] for node in fault['nodes']]}"
                for fault in Axe().run(page).response["violations"]
                if fault["impact"] in ("serious", "critical")
            ]
            assert found == []

    folder = Path(shutil.copytree(trained, tmp_path / "village"))
    with served(folder) as server, annotator(browser, server, TABLET) as person:
        page = person.open().page
        for mode in MODES:
            choose(page, mode)
            check(mode)
        page.locator("#tab-predict").click()
        expect(page.locator("#output-png")).to_be_checked()
        page.locator("#panel-predict summary").click()
        check("the tab Predict")
        page.locator("#apply-go").click()
        check("applying")
        page.locator("#gallery-open").click()
        expect(page.locator("#gallery-count")).to_contain_text("4 of 4")
        check("the gallery")
        page.keyboard.press("Escape")
        expect(page.locator("#apply-results .result")).to_be_visible()
        check("results")
        person.expect_no_fault()
