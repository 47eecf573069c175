"""The whole story: an empty folder, clicks, the live layer, a training, where the model is unsure, clicks there."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from playwright.sync_api import Browser, expect

from pointillist.data.synthetic import draw_scene
from tests.annotator.test_bands import NAMES, write_raster
from tests.browser.driver import Annotator, Server, annotator, served

pytestmark = [pytest.mark.long, pytest.mark.browser]

TRAINING = 300_000
"""Milliseconds that a training of two epochs may take, start and all."""


def taken_home(person: Annotator, folder: Path, images: int) -> Path:
    """Apply the first model to all images, download what comes of it as one archive, and unpack that."""
    page = person.page
    page.locator("#tab-predict").click()
    page.locator("#panel-predict summary").click()
    for name in ("geopackage", "areas", "objects"):
        page.locator(f"#output-{name}").check()
    page.locator("#apply-go").click()
    expect(page.locator("#apply-results .result")).to_contain_text(f"{images} images, model 0001", timeout=TRAINING)
    with page.expect_download() as saving:
        page.locator("#apply-download-1").click()
    person.expect_no_fault()
    with zipfile.ZipFile(str(saving.value.path())) as archive:
        archive.extractall(folder / "home")
    return folder / "home" / "predictions-0001"


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_an_empty_folder_to_polygons_and_tables(browser: Browser, server: Server, tmp_path: Path) -> None:
    with annotator(browser, server, accept_downloads=True) as person:
        page = person.open().page

        # Nothing is there yet, and the page says what to do.
        expect(page.get_by_text("Add your first class")).to_be_visible()
        expect(page.locator("#progress-text")).to_have_text("0 of 4 clicked")
        page.locator("#tab-train").click()
        expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
        expect(page.locator("#train-why")).not_to_be_empty()
        page.locator("#tab-next").click()

        # Classes, clicks, and at once what they mean.
        person.add_classes("building", "road", "tree")
        page.get_by_role("button", name="Add background").click()
        layer = page.locator("#layer-state")
        before = page.locator("#canvas").screenshot()
        for index, place in enumerate([(0.2, 0.6), (0.6, 0.35), (0.45, 0.5), (0.85, 0.8)]):
            page.keyboard.press(str(index + 1))
            person.click(*place)
            person.expect_points(index + 1)
        expect(layer).to_have_text("full size")
        page.mouse.move(5, 5)
        with_layer = page.locator("#canvas").screenshot()
        assert with_layer != before
        page.keyboard.press("l")
        expect(layer).to_be_hidden()
        assert page.locator("#canvas").screenshot() != with_layer
        page.keyboard.press("l")
        expect(layer).to_have_text("full size")

        # The other images, as the page suggests them.
        for number in range(1, 4):
            page.locator("#next-go").click()
            expect(page.locator("#image-place")).not_to_have_text(f"{number} of 4")
            person.expect_points(0)
            for index, place in enumerate([(0.3, 0.3), (0.7, 0.7), (0.3, 0.8), (0.7, 0.2)]):
                page.keyboard.press(str(index + 1))
                person.click(*place)
            person.expect_points(4)
            person.expect_saved()
        expect(page.locator("#progress-text")).to_have_text("4 of 4 clicked")
        expect(page.locator("#cost-clicks")).to_have_text("16")
        server.expect_labels(*["building", "road", "tree", "background"] * 4)

        # Train, watch, and see the model's own layer.
        page.locator("#tab-train").click()
        # The methods are those that the engine knows.
        page.locator("#train-advanced summary").click()
        page.locator("#train-epochs").fill("2")
        page.locator("#train-size").select_option("128x128")
        expect(page.locator("#train-method")).to_have_value("single-stage", timeout=TRAINING)
        assert page.locator("#train-method option").count() > 2
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.locator("#train-stop")).to_be_visible()
        # Labelling goes on meanwhile.
        person.click(0.5, 0.95)
        person.expect_points(5)
        expect(page.locator("#train-state")).to_have_text("Done", timeout=TRAINING)
        expect(page.get_by_role("img", name="Loss after epoch 2")).to_be_visible()
        expect(page.locator(".panel-picture")).to_be_visible()
        page.locator("#train-log summary").click()
        expect(page.locator(".log")).not_to_be_empty()
        expect(page.locator("#layer")).to_contain_text("From the model's prediction", timeout=TRAINING)

        # Where it is unsure, and a click there.
        page.locator("#tab-next").click()
        row = page.locator(".next-row").filter(has_text="unsure here").first
        expect(row).to_be_visible(timeout=TRAINING)
        row.click()
        expect(page.locator("#canvas")).to_have_attribute("data-region", "shown")
        person.page.keyboard.press("Escape")
        expect(page.locator("#canvas")).to_have_attribute("data-region", "")

        # Labels out, and in again: nothing is new.
        person.expect_saved()
        page.locator("#tab-files").click()
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save").click()
        saved = Path(str(saving.value.path()))
        page.locator("#import-file").set_input_files(
            {"name": saving.value.suggested_filename, "mimeType": "text/csv", "buffer": saved.read_bytes()}
        )
        expect(page.locator(".result")).to_contain_text("17 already here")
        # A format that needs to be told something says so on the page.
        page.locator("#export-format").select_option("id-text")
        person.expect_no_fault()
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".toast.bad")).to_contain_text("order")
        person.faults.found.clear()
        page.get_by_label("order, if needed").fill("xy")
        with page.expect_download():
            page.get_by_role("button", name="Save").click()
        person.expect_no_fault()

        # The model on all images, taken home: polygons in pixels, as photographs lie nowhere, and a table of objects.
        home = taken_home(person, tmp_path, 4)
    areas = rows_of(home / "areas.csv")
    assert len({row["image"] for row in areas}) == 4
    for image in {row["image"] for row in areas}:
        info = pyogrio.read_info((home / image).with_suffix(".gpkg"))
        west, south, east, north = info["total_bounds"]
        assert (west, south, east, north) == (0, 0, 640, 512)
        of_image = [row for row in areas if row["image"] == image]
        assert sum(int(row["pixels"]) for row in of_image) == 640 * 512
        assert all(row["area_m2"] == "" for row in of_image)
    assert {row["class"] for row in rows_of(home / "objects.csv")} <= {"building", "road", "tree"}


def test_from_bands_of_a_satellite_to_polygons_and_tables(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "fields"
    for index in range(3):
        rgb = draw_scene(0, index).image.astype(np.float64) / 255
        bands = np.stack([rgb[..., 2], rgb[..., 1], rgb[..., 0], 1 - rgb[..., 1], rgb.mean(2) ** 2], axis=2)
        place = rasterio.Affine(10, 0, 500_000 + 5_000 * index, 0, -10, 5_000_000)
        values = (bands * 6000 + 500).astype("uint16")
        write_raster(folder / "images" / f"field_{index}.tif", values, names=NAMES, crs="EPSG:32632", transform=place)
    with served(folder) as server, annotator(browser, server, accept_downloads=True) as person:
        page = person.open().page
        expect(page.locator("#bands-panel")).to_be_visible()
        person.add_classes("soil", "crop")
        for number in range(3):
            if number:
                page.get_by_role("button", name="Next image", exact=True).click()
            expect(page.locator("#image-place")).to_have_text(f"{number + 1} of 3")
            for key, place in (("1", (0.3, 0.3)), ("2", (0.7, 0.7)), ("1", (0.7, 0.2)), ("2", (0.2, 0.8))):
                page.keyboard.press(key)
                person.click(*place)
            person.expect_points(4)
        person.expect_saved()

        page.locator("#tab-train").click()
        page.locator("#train-advanced summary").click()
        page.locator("#train-epochs").fill("2")
        page.locator("#train-size").select_option("128x128")
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.locator("#train-state")).to_have_text("Done", timeout=TRAINING)

        home = taken_home(person, tmp_path, 3)
    areas = rows_of(home / "areas.csv")
    assert {row["image"] for row in areas} == {f"field_{index}.tif" for index in range(3)}
    for index in range(3):
        west, south, east, north = pyogrio.read_info(home / f"field_{index}.gpkg")["total_bounds"]
        assert 500_000 + 5_000 * index <= west < east <= 505_000 + 5_000 * index
        assert south < north <= 5_000_000
        ground = sum(float(row["area_m2"]) for row in areas if row["image"] == f"field_{index}.tif")
        assert ground == pytest.approx(160 * 128 * 100, rel=0.01)


def test_labels_of_another_tool_come_in_and_rejected_points_are_told(browser: Browser, server: Server) -> None:
    with annotator(browser, server) as person:
        page = person.open().page
        page.locator("#tab-files").click()
        table = "image,x,y,class\nvillage_00.png,20,30,road\nvillage_00.png,40,50,roof\nnowhere.png,1,1,road\n"
        page.locator("#import-file").set_input_files(
            {"name": "clicks.csv", "mimeType": "text/csv", "buffer": table.encode()}
        )
        result = page.locator(".result")
        expect(result).to_contain_text("2 imported")
        expect(result).to_contain_text("1 rejected")
        person.expect_points(2)
        expect(person.class_row("roof")).to_be_visible()
        person.expect_no_fault()


def test_a_broken_image_is_told_and_the_next_one_opens(browser: Browser, village: Path) -> None:
    (village / "images" / "village_01.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with served(village) as server, annotator(browser, server) as person:
        page = person.open().page
        page.get_by_role("button", name="Next image", exact=True).click()
        expect(page.get_by_role("heading", name="This image cannot be shown")).to_be_visible()
        page.get_by_role("button", name="Next image", exact=True).click()
        expect(page.locator("#image-name")).to_have_text("village_02.png")
        expect(page.locator("#stage-empty")).to_be_hidden()
