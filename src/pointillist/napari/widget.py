"""The panel beside the view: layers, classes, and the button that learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Image, Points
from napari.qt.threading import create_worker
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QApplication

from pointillist.annotator.engine.loaded_model import LoadedModel
from pointillist.classes import ClassSet
from pointillist.errors import PointillistError, PointsError
from pointillist.napari import layers, work
from pointillist.napari.overlays import IMPLIED, PREDICTION, Overlays
from pointillist.napari.panel import Panel
from pointillist.training.run_directory import RunDirectory

if TYPE_CHECKING:
    from napari.viewer import Viewer

NEW = "new layer"
HOME = Path.home() / "pointillist"
"""Where runs go: a program with windows is started from anywhere."""

SETTLED = 150
"""Milliseconds without another click before the pseudo-mask is made anew."""


class LearnFromClicks(Panel):
    """Click classes on an image layer, see what the clicks imply, and learn from them.

    Args:
        napari_viewer: The viewer, which napari hands over.
        home: Folder of the run directories.
        settings: Further settings of trainings, as in `pointillist.train`.
    """

    progressed = Signal(float)

    def __init__(self, napari_viewer: Viewer, *, home: Path = HOME, settings: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.viewer, self._home, self._settings = napari_viewer, home, settings
        self._overlays = Overlays(napari_viewer)
        self._model: LoadedModel | None = None
        self._last_run: Path | None = None
        self._learning = self._stopped = False
        self._asked = 0
        self._bands: tuple[Image, Any] | None = None
        self._watched: Points | None = None
        self._timer = QTimer(self, singleShot=True, interval=SETTLED)
        self._timer.timeout.connect(self._imply)
        self.progressed.connect(lambda share: self.bar.setValue(round(1000 * share)))
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._list_layers)
        self.viewer.dims.events.current_step.connect(self._changed)
        self._connect()
        self._list_layers()

    def _connect(self) -> None:
        self.image.currentIndexChanged.connect(self._image_chosen)
        self.points.currentIndexChanged.connect(self._points_chosen)
        self.classes.chosen.connect(self._class_chosen)
        self.classes.renamed.connect(self._renamed)
        self.classes.refused.connect(self._say)
        self.new_class.returnPressed.connect(self._add)
        self.add.clicked.connect(self._add)
        self.click.clicked.connect(self._click)
        self.live.toggled.connect(self._live_toggled)
        self.background.toggled.connect(self._changed)
        self.learn.clicked.connect(self._learn)
        if (program := QApplication.instance()) is not None:
            program.aboutToQuit.connect(self._stop)  # which waits for what runs

    def class_set(self) -> ClassSet:
        """The classes.

        Raises:
            DatasetError: There are fewer than two.
        """
        return ClassSet.create(self.classes.names, policy="points" if self.background.isChecked() else "none")

    def _add(self) -> None:
        if self.classes.add(self.new_class.text().strip()):
            self.new_class.clear()
            self.classes.setCurrentRow(self.classes.count() - 1)
            self._changed()

    def _renamed(self, old: str, new: str) -> None:
        self._relabel(lambda labels: labels.replace(old, new))
        self._class_chosen()

    def _class_chosen(self) -> None:
        """The class of the next click, and of the clicks that are selected."""
        points, name = self._points(), self.classes.current
        column = None if points is None else layers.column_of(points)
        if points is None or column is None or name is None:
            return
        points.feature_defaults = points.feature_defaults.assign(**{column: pd.Series([name], dtype=object)})
        # A click that was just made is selected, too; only what was selected by hand is meant.
        if points.mode == "select" and (selected := sorted(points.selected_data)):
            self._relabel(lambda labels: labels.where(~labels.index.isin(selected), name))

    def _relabel(self, change: Callable[[Any], Any]) -> None:
        points = self._points()
        column = None if points is None else layers.column_of(points)
        if points is not None and column is not None:
            features = points.features.copy()
            features[column] = change(features[column].astype(object))
            points.features = features
        self._changed()

    # Layers

    def _list_layers(self, *_: Any) -> None:
        image = self._image()
        for combo, kind, more in ((self.image, Image, ()), (self.points, Points, (NEW,))):
            before = combo.currentData()
            combo.blockSignals(True)
            combo.clear()
            for layer in self.viewer.layers:
                if isinstance(layer, kind):
                    combo.addItem(layer.name, layer)
            for text in more:
                combo.addItem(text, None)
            there = [combo.itemData(row) is before for row in range(combo.count())]
            combo.setCurrentIndex(there.index(True) if True in there else 0)
            combo.blockSignals(False)
        if self._image() is not image:
            self._image_chosen()
        self._points_chosen()

    def _image(self) -> Image | None:
        found: Image | None = self.image.currentData()
        return found

    def _points(self) -> Points | None:
        found: Points | None = self.points.currentData()
        return found

    def _image_chosen(self, *_: Any) -> None:
        self._bands = None
        self._changed()

    def _points_chosen(self, *_: Any) -> None:
        points, before = self._points(), self._watched
        if points is before:
            return
        if before is not None:
            before.events.data.disconnect(self._changed)
        self._watched = points
        if points is not None:
            points.events.data.connect(self._changed)
            points.bind_key(".", lambda _: self.classes.step(1), overwrite=True)
            points.bind_key(",", lambda _: self.classes.step(-1), overwrite=True)
            for name in dict.fromkeys(layers.labels_of(points) or ()):
                if isinstance(name, str) and name not in self.classes.names:
                    self.classes.add(name)
            self._class_chosen()
        self._changed()

    def _click(self) -> None:
        """Make a layer for clicks where there is none, and begin."""
        image = self._image()
        if image is None:
            return self._say("Open an image first.")
        if not self.classes.count():
            return self._say("Name the classes first; whatever is not of interest is one, too.")
        if self.classes.current is None:
            self.classes.setCurrentRow(0)
        points = self._points()
        if points is None:
            axes = len(layers.stack_of(image)) + 2
            empty = pd.DataFrame({layers.COLUMN: pd.Series([], dtype=object)})
            placed = layers.placed_like(image, axes)
            points = self.viewer.add_points(
                ndim=axes, name="clicks", features=empty, size=layers.click_size(image), **placed
            )
            self.points.setCurrentIndex(self.points.findData(points))
        self.viewer.layers.selection.active = points
        points.mode = "add"
        return self._say("Click where the chosen class is: a click for each object, and as many on the background.")

    # What the clicks imply

    def _live_toggled(self, on: bool) -> None:
        if not on:
            self._overlays.hide(IMPLIED)
        self._changed()

    def _changed(self, *_: Any) -> None:
        """Count the clicks anew, and make the pseudo-mask anew once no other click comes."""
        points = self._points()
        labels = () if points is None else layers.labels_of(points) or ()
        self.classes.show_counts(Counter(label for label in labels if isinstance(label, str)))
        self._asked += 1
        self._timer.start()

    def _imply(self) -> None:
        image, points, number = self._image(), self._points(), self._asked
        if image is None or points is None or not len(points.data) or not self.live.isChecked():
            return self._overlays.hide(IMPLIED)
        try:
            classes = self.class_set()
            layers.color_clicks(points, classes)
            place = layers.place_shown(image, self.viewer.dims.point)
            clicks = layers.clicks_of(points, image).get(place, [])
            pixels = layers.image_at(image, place)
        except PointillistError as error:
            return self._say(str(error))
        if not clicks:
            return self._overlays.hide(IMPLIED)

        def make() -> NDArray[np.uint8] | None:
            if self._bands is None or self._bands[0] is not image:
                self._bands = image, work.bands_of(pixels, classes)
            bands = self._bands[1]
            return work.implied(pixels, bands, clicks, classes, self._model, lambda: number == self._asked)

        def show(labels: NDArray[np.uint8] | None) -> None:
            if labels is not None and number == self._asked:
                self._overlays.show(IMPLIED, labels, image, classes)

        return self._in_background(make, show)

    # Learning

    def _learn(self) -> None:
        if self._learning:
            self._stop()
            return self._say("Ends after its present step.")
        image, points = self._image(), self._points()
        try:
            if image is None or points is None:
                raise PointsError("there are no clicks.", hint="Open an image, and click on it first.")
            classes = self.class_set()
            clicks = layers.clicks_of(points, image)
            images = [layers.image_at(image, place) for place in clicks]
            names = ["-".join(map(str, (image.name, *place))) for place in clicks]
            data = work.dataset(images, list(clicks.values()), names, classes)
        except PointillistError as error:
            return self._say(str(error))
        out = work.free_run(self._home, image.name)
        base = self._last_run if self.learn_on.isChecked() else None
        minutes, places = self.minutes.value(), layers.places_of(image)

        def learn() -> tuple[RunDirectory, NDArray[np.uint8]]:
            watch = work.Watch(self.progressed.emit, lambda: not self._stopped)
            run = work.learn(data, out, minutes, watch, base=base, settings=self._settings)
            labels = np.stack(work.predicted(run, (layers.image_at(image, place) for place in places)))
            return run, labels.reshape(*layers.stack_of(image), *labels.shape[1:])

        def done(result: tuple[RunDirectory, NDArray[np.uint8]]) -> None:
            run, labels = result
            self._model, self._last_run = LoadedModel(run.root), run.root
            self.learn_on.setEnabled(True)
            self._overlays.show(PREDICTION, labels, image, classes)
            self._say(f"{'Stopped' if self._stopped else 'Done'}: the model is in {run.root}")

        self._learning, self._stopped = True, False
        self._set_learning()
        self._say(f"Learns from {sum(map(len, clicks.values()))} clicks for {minutes:g} min, then labels all images.")
        return self._in_background(learn, done, self._learnt)

    def _stop(self) -> None:
        self._stopped = True

    def _learnt(self) -> None:
        self._learning = False
        self._set_learning()

    def _set_learning(self) -> None:
        self.learn.setText("Stop" if self._learning else "Learn")
        self.bar.setValue(0)
        self.bar.setVisible(self._learning)

    # The rest

    def _in_background(
        self, do: Callable[[], Any], then: Callable[[Any], None], last: Callable[[], None] = lambda: None
    ) -> None:
        connect: dict[str, Any] = {"returned": then, "errored": self._failed, "finished": last}
        create_worker(do, _connect=connect, _ignore_errors=True)

    def _failed(self, error: BaseException) -> None:
        self._say(str(error) if isinstance(error, PointillistError) else f"{type(error).__name__}: {error}")

    def _say(self, text: str) -> None:
        self.said.setText(text)
