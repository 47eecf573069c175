"""napari itself, without a window: it finds the plug-in, and the panel clicks, shows, learns and stops."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointillist.api import Predictor
from pointillist.classes import ClassSet
from pointillist.data.synthetic import draw_scene
from pointillist.errors import ImageError, PointsError
from pointillist.points.formats import recognise_format
from pointillist.points.formats.base import ReadContext
from pointillist.training.run_directory import RunDirectory
from pointillist.training.start import read_history
from tests.conftest import TINY
from tests.peers.packages import peer

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
peer("PyQt5.QtWidgets", "labelme")
peer("napari", "napari")
components = peer("napari.components", "napari")
npe2 = peer("npe2", "napari")
qtpy = peer("qtpy.QtWidgets", "napari")
pandas = peer("pandas", "napari")
threading = peer("napari.qt.threading", "napari")
panel = peer("pointillist.napari.widget", "napari")
layers = peer("pointillist.napari.layers", "napari")
work = peer("pointillist.napari.work", "napari")

SHORT = {"method": "points", **{name: TINY[name] for name in ("data.size", "trainer.device", "network.options")}}
IMPLIED, PREDICTION = "what the clicks imply", "prediction"


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    yield qtpy.QApplication.instance() or qtpy.QApplication(["napari"])
    threading.WorkerBase.await_workers(120_000)  # as napari does when it is closed


@pytest.fixture
def until(app: Any) -> Callable[[Callable[[], Any]], None]:
    def wait(done: Callable[[], Any], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it never came"
            app.processEvents()
            time.sleep(0.01)

    return wait


@pytest.fixture
def opened(app: Any, tmp_path: Path) -> Callable[..., tuple[Any, Any]]:
    """A viewer with an image layer, and the panel with three classes."""

    def open_(data: Any, **how: Any) -> tuple[Any, Any]:
        app.processEvents()
        viewer = components.ViewerModel()
        viewer.add_image(data, name="a village", **how)
        found = panel.LearnFromClicks(viewer, home=tmp_path / "runs", settings=SHORT)
        for name in ("ground", "building", "tree"):
            found.new_class.setText(name)
            found.add.click()
        return viewer, found

    return open_


SCENE = draw_scene(0, 0)


def click(found: Any, label: str, *at: float) -> None:
    """At (…, row, column) of the layer."""
    found.classes.setCurrentRow(found.classes.names.index(label))
    found.points.currentData().add([at])


def click_scene(found: Any, *place: int, names: tuple[str, ...] = ("ground", "building", "tree")) -> None:
    for label in names:
        rows, columns = np.nonzero(SCENE.mask == {"ground": 0, "building": 2, "tree": 3}[label])
        for number in (len(rows) // 3, len(rows) // 2):
            click(found, label, *place, float(rows[number]), float(columns[number]))


def labels(viewer: Any, name: str) -> Any:
    return next((layer for layer in viewer.layers if layer.name == name), None)


def test_napari_finds_the_panel() -> None:
    manager = npe2.PluginManager()
    manager.discover()
    manifest = manager.get_manifest("pointillist")
    assert [widget.display_name for widget in manifest.contributions.widgets] == ["Learn from clicks"]
    (command,) = manifest.contributions.commands
    assert peer("npe2.manifest.utils", "napari").import_python_name(command.python_name) is panel.LearnFromClicks


def test_a_click_is_where_the_eye_sees_it(opened: Any) -> None:
    # The image is scaled and moved, the clicks' layer is not: napari's pixel (2, 3) has its centre at world (14, 26).
    viewer, found = opened(SCENE.image, scale=(2, 2), translate=(10, 20))
    empty = pandas.DataFrame({"class": pandas.Series([], dtype=object)})
    points = viewer.add_points(ndim=2, features=empty, name="mine")
    found.points.setCurrentIndex(found.points.findText("mine"))
    click(found, "tree", 14.0, 26.0)
    assert layers.clicks_of(points, viewer.layers["a village"]) == {(): [(3.5, 2.5, "tree")]}


def test_clicks_of_a_stack_are_on_the_image_that_was_shown(opened: Any) -> None:
    viewer, found = opened(np.stack([SCENE.image[:, :, 0]] * 3))
    found.click.click()
    assert found.points.currentText() == "clicks"
    viewer.dims.set_current_step(0, 2)
    click(found, "tree", 2.0, 5.0, 7.0)
    image, points = viewer.layers["a village"], viewer.layers["clicks"]
    assert layers.place_shown(image, viewer.dims.point) == (2,)
    assert layers.clicks_of(points, image) == {(2,): [(7.5, 5.5, "tree")]}
    points.add([[7.0, 5.0, 7.0]])
    with pytest.raises(PointsError, match="beyond the 3 images"):
        layers.clicks_of(points, image)


def test_what_clicks_imply_is_shown_at_the_size_of_the_image(opened: Any, until: Any) -> None:
    viewer, found = opened(SCENE.image)
    found.click.click()
    click_scene(found)
    until(lambda: labels(viewer, IMPLIED) is not None)
    shown = labels(viewer, IMPLIED)
    assert shown.data.shape == SCENE.mask.shape
    for column, row, label in layers.clicks_of(viewer.layers["clicks"], viewer.layers["a village"])[()]:
        assert shown.data[int(row), int(column)] == 1 + ["ground", "building", "tree"].index(label)
    assert "building  (2)" in [found.classes.item(row).text() for row in range(3)]
    assert viewer.layers.selection.active is viewer.layers["clicks"], "the next click would go elsewhere"
    found.live.setChecked(False)
    assert not shown.visible


def test_a_large_image_is_shrunk_for_it_and_the_answer_is_not() -> None:
    large = layers.Pixels(SCENE.image.repeat(20, 0).repeat(20, 1)[:-3, :-5])
    classes = ClassSet.create(["ground", "tree"])
    rows, columns = np.nonzero(SCENE.mask == 3)
    at = (columns[len(columns) // 2] * 20 + 10.0, rows[len(rows) // 2] * 20 + 10.0)
    found = work.implied(large, work.bands_of(large, classes), [(*at, "tree"), (5.5, 5.5, "ground")], classes)
    assert found is not None
    assert found.shape == large.size
    assert found[int(at[1]), int(at[0])] == 1
    assert found[5, 5] == 0


def test_the_model_is_asked_about_the_image_at_hand(tmp_path: Path) -> None:
    """Its predictions are kept between clicks, and two images may have lived at one place of the memory."""
    classes = ClassSet.create(["ground", "building", "tree"])
    pixels = [layers.Pixels(draw_scene(0, index).image) for index in (0, 1)]
    clicks = [[(5.5, 5.5, "ground"), (20.5, 20.5, "tree")]] * 2
    data = work.dataset(pixels, clicks, ["a", "b"], classes)
    watch = work.Watch(lambda _: None, lambda: True)
    run = work.learn(data, tmp_path / "run", 0.05, watch, None, SHORT)
    bands, model = work.bands_of(pixels[0], classes), panel.LoadedModel(run.root)
    asked = [work.implied(one, bands, clicks[0], classes, model) for one in pixels]
    fresh = [work.implied(one, bands, clicks[0], classes, panel.LoadedModel(run.root)) for one in pixels]
    for number in (0, 1):
        np.testing.assert_array_equal(asked[number], fresh[number])
    assert len(model._kept) == 2


def test_it_learns_labels_every_image_and_goes_on_from_there(opened: Any, until: Any, tmp_path: Path) -> None:
    viewer, found = opened(np.stack([SCENE.image] * 2), rgb=True)
    found.click.click()
    click_scene(found, 0)
    found.minutes.setValue(0.1)
    found.learn.click()
    assert found.learn.text() == "Stop"
    until(lambda: found.learn.text() == "Learn")
    assert "Done" in found.said.text(), found.said.text()
    run = tmp_path / "runs" / "a_village"
    assert str(run) in found.said.text()
    predicted = labels(viewer, PREDICTION).data
    assert predicted.shape == (2, *SCENE.mask.shape)
    np.testing.assert_array_equal(predicted[1], Predictor(run)(SCENE.image) + 1)
    implied = labels(viewer, IMPLIED)
    assert implied is None or not implied.visible, "one above the other"
    found.learn_on.setChecked(True)
    found.learn.click()
    until(lambda: found.learn.text() == "Learn")
    assert str(run) + "-2" in found.said.text()
    assert len(read_history(RunDirectory.open(run.with_name("a_village-2")))) == 1


def test_a_training_that_is_stopped_leaves_its_model(opened: Any, until: Any) -> None:
    viewer, found = opened(SCENE.image)
    found.click.click()
    click_scene(found)
    found.minutes.setValue(30)
    found.learn.click()
    until(lambda: found.bar.value() > 0)
    found.learn.click()
    until(lambda: found.learn.text() == "Learn")
    assert found.said.text().startswith("Stopped: the model is in"), found.said.text()
    assert labels(viewer, PREDICTION) is not None


def test_what_is_wrong_is_said(opened: Any) -> None:
    viewer, found = opened(SCENE.image)
    found.learn.click()
    assert "there are no clicks" in found.said.text()
    found.new_class.setText("tree")
    found.add.click()
    assert found.said.text() == "there is a class 'tree' already."
    found.click.click()
    click(found, "tree", -40.0, 3.0)
    found.learn.click()
    assert "outside" in found.said.text() or "lies" in found.said.text(), found.said.text()
    viewer.layers["clicks"].features = pandas.DataFrame({"class": [None]})
    found.learn.click()
    assert "points[0]" in found.said.text()
    assert "has no class" in found.said.text()


def test_choosing_another_class_leaves_the_click_that_was_just_made(opened: Any) -> None:
    viewer, found = opened(SCENE.image)
    found.click.click()
    for label in ("tree", "ground", "building", "tree"):
        click(found, label, 4.0, 5.0)
    assert viewer.layers["clicks"].selected_data == {3}, "napari selects what was added last"
    assert list(viewer.layers["clicks"].features["class"]) == ["tree", "ground", "building", "tree"]
    found.classes.step(1)
    found.classes.step(1)
    click(found, found.classes.current, 5.0, 5.0)
    assert list(viewer.layers["clicks"].features["class"])[3:] == ["tree", "building"]


def test_a_class_that_is_renamed_keeps_its_clicks(opened: Any) -> None:
    viewer, found = opened(SCENE.image)
    found.click.click()
    click(found, "tree", 4.0, 5.0)
    found.classes.item(2).setText("shrub")
    assert found.classes.names == ["ground", "building", "shrub"]
    assert list(viewer.layers["clicks"].features["class"]) == ["shrub"]
    click(found, "shrub", 5.0, 5.0)
    assert list(viewer.layers["clicks"].features["class"]) == ["shrub", "shrub"]
    # A class that is chosen while clicks are selected becomes theirs.
    viewer.layers["clicks"].mode = "select"
    viewer.layers["clicks"].selected_data = {0}
    found.classes.setCurrentRow(1)
    assert list(viewer.layers["clicks"].features["class"]) == ["building", "shrub"]


def test_layers_that_are_no_images_are_refused(opened: Any) -> None:
    viewer, _ = opened(np.zeros((32, 32), np.uint64))
    with pytest.raises(ImageError, match="values of uint64"):
        layers.image_at(viewer.layers["a village"], ())
    turned = viewer.add_image(np.zeros((32, 32)), rotate=30)
    assert layers.image_at(turned, ()).values.dtype == np.float32
    with pytest.raises(ImageError, match="turned"):
        layers.check_upright(turned)


def test_clear_pixels_of_an_image_with_alpha_do_not_count(opened: Any) -> None:
    clear = np.full((32, 32, 1), 255, np.uint8)
    clear[:8] = 0
    viewer, _ = opened(np.concatenate([SCENE.image[:32, :32], clear], 2))
    pixels = layers.image_at(viewer.layers["a village"], ())
    assert pixels.values.shape == (32, 32, 3)
    assert not pixels.valid[:8].any()
    assert pixels.valid[8:].all()


def test_clicks_that_napari_saves_are_a_label_file(opened: Any, tmp_path: Path) -> None:
    viewer, found = opened(SCENE.image)
    found.click.click()
    click(found, "tree", 4.0, 5.25)
    click(found, "ground", 9.0, 30.0)
    path = tmp_path / "a village.csv"
    data, meta, _ = viewer.layers["clicks"].as_layer_data_tuple()
    assert peer("napari_builtins.io", "napari").napari_write_points(str(path), data, meta)
    read = recognise_format(path).read(path, ReadContext(images=["a village.png"]))
    assert [(point.x, point.y, point.label) for point in read] == [(5.75, 4.5, "tree"), (30.5, 9.5, "ground")]
