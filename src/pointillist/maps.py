"""From clicks on one image to a map of it: learn from the clicks, predict the image, write what is where."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pointillist.api import Predictor, train_config
from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset
from pointillist.data.dataset_file import FILE, write_dataset_file
from pointillist.data.images import image_size
from pointillist.data.layouts import load_dataset
from pointillist.data.places import place_of
from pointillist.data.views import open_view
from pointillist.errors import ConfigError, ImageError, PointsError, RunError, nearest
from pointillist.files import new_folder, refuse_existing
from pointillist.inference.shapes.ground import ground_of
from pointillist.inference.writers import get_writer
from pointillist.inference.writers.base import Result, Writer, save
from pointillist.locks import MARKER
from pointillist.points.check import Checked
from pointillist.points.formats import choose_format
from pointillist.points.formats.native import write_csv
from pointillist.points.matching import read_matched
from pointillist.report.maps import map_picture
from pointillist.training.config import make_config
from pointillist.training.run_directory import RunDirectory

OUTPUTS = ("geopackage", "geojson", "flatgeobuf", "geotiff")
"""Outputs that a map is written as, by the ending of its file."""


@dataclass(frozen=True)
class Map:
    """A map that was made.

    Args:
        file: Polygons or pixels with a class.
        picture: The image with outlines, clicks and a legend.
        run: The model.
        classes: Its classes.
        clicks: Clicks used, by class.
        unit: m², or px for an image that does not say where it lies.
        areas: Of the classes, in their order.
    """

    file: Path
    picture: Path
    run: RunDirectory
    classes: ClassSet
    clicks: Mapping[str, int]
    unit: str
    areas: NDArray[np.float64]


@dataclass(frozen=True)
class MapMaker:
    """Makes a map of one image; what can be wrong with the files is found when it is made with `of`.

    Args:
        image: The image.
        out: The map to be written; the picture lies beside it, as JPEG.
        run: The run directory to be made; its `data` folder gets the data set.
        writer: Of the map.
        checked: The clicks in pixels of the image, and those that do not fit.
        classes: Those of the clicks.
        overwrite: Whether to replace what is there.
    """

    image: Path
    out: Path
    run: RunDirectory
    writer: Writer
    checked: Checked
    classes: ClassSet
    overwrite: bool = False

    @classmethod
    def of(
        cls,
        image: Path,
        points: Path,
        out: Path,
        run: Path,
        *,
        format_options: Mapping[str, Any] | None = None,
        classes: Sequence[str] | None = None,
        background: str | None = None,
        overwrite: bool = False,
    ) -> MapMaker:
        """Look at the image and its clicks.

        Args:
            image: A file of any kind that is read.
            points: A label file of any format, on the earth or in pixels of the image.
            out: Its ending says what is written, see `OUTPUTS`.
            run: The run directory to be made.
            format_options: What the user says about the label file.
            classes: Classes to be learnt, in this order, others are left out; all that were clicked, by name, when not
                given.
            background: The one of them that lies around all others, if there is such a one.
            overwrite: Whether to replace a map and a run that are there.

        Raises:
            ConfigError: No map has this ending, a library is missing, or the background was not clicked.
            ImageError: There is no such image.
            PointsError: The clicks cannot be read, none fits, or all are of one class.
            SaveError: The map or its picture is there already.
        """
        writer = writer_of(out)
        for file in (out, picture_of(out)):
            refuse_existing(file, overwrite)
        if not image.is_file():
            hint = "Name one image; several are learnt with 'train' and predicted with 'predict'."
            raise ImageError("is no file.", where=image, hint=hint)
        kind = choose_format(points, None, format_options)
        checked = read_matched(
            points,
            kind,
            images=[image.name],
            size_of=lambda _: image_size(image),
            place_of=lambda _: place_of(image),
            classes=classes or (),
            may_add_class=None if classes else lambda _: True,
        )
        if kind.strict:
            checked.raise_first(points)
        checked.raise_if_none_fits(points)
        names = classes or sorted(checked.points.counts())
        if len(names) == 1:
            raise PointsError(
                f"'{names[0]}' is the only class of its clicks, and a map needs at least two.",
                where=points,
                hint=f"Click also on what is not '{names[0]}', as a class of its own, such as 'other'.",
            )
        if background is not None:
            if background not in names:
                raise ConfigError(
                    f"{background!r} was not clicked.", field="--background", hint=nearest(background, names)
                )
            names = [background, *(name for name in names if name != background)]
        # No background is made up: each pixel is of a class that was clicked.
        known = ClassSet.create(names, policy="none" if background is None else "points")
        return cls(image, out, RunDirectory(run), writer, checked, known, overwrite)

    def make(
        self, settings: Mapping[str, Any], overrides: Sequence[str], *, resume: bool = False, console: Console
    ) -> Map:
        """Train, predict and write.

        Args:
            settings: Of the training, by dotted name.
            overrides: More of them, as `key=value`.
            resume: Continue a training that was interrupted.
            console: Where progress is shown.

        Raises:
            RunError: The run directory is taken, or is of other clicks.
            KeyboardInterrupt: The user stopped it; the training can be resumed.
            PointillistError: What training and prediction raise.
        """
        resume = resume and self.run.config_file.is_file()
        dataset = self._data(resume)
        # Maps have no upside down.
        config = make_config(
            self.run.config_file if resume else None,
            settings if resume else {"data.vertical_flip": True, **settings},
            overrides,
            resume=resume,
        )
        run = train_config(config, dataset, self.run.root, resume=resume, overwrite=self.overwrite, console=console)
        predictor = Predictor(run, "cpu" if config.trainer.device == "cpu" else "auto")
        with open_view(predictor.spec, self.image) as view:
            prediction = predictor.predict_view(view, self.writer.needs, self.out.parent)
            result = Result(self.image.name, prediction, self.classes, place_of(self.image), view.picture)
            self.writer.write(result, self.out)
            save(map_picture(result, list(dataset.points)), picture_of(self.out), "JPEG", quality=90)
        clicks = dataset.points.counts()
        return Map(self.out, picture_of(self.out), run, self.classes, clicks, *areas(result))

    def _data(self, resume: bool) -> Dataset:
        """The data set of the run, written into it: whatever works with data sets works with this one."""
        run = self.run
        others = set(run.root.iterdir()) - {run.data, run.root / MARKER} if run.root.is_dir() else []
        if run.root.exists() and (not run.root.is_dir() or (others and not run.config_file.is_file())):
            raise RunError("exists and is no run.", where=run.root, hint="Name another with --run.")
        if resume:
            dataset = load_dataset(run.data)
            if dataset.points != self.checked.points or dataset.classes.names != self.classes.names:
                hint = "Begin again with --overwrite, or name another run with --run."
                raise RunError("the clicks have changed since this run began.", where=run.root, hint=hint)
            return dataset
        if not self.overwrite and (run.checkpoint.exists() or run.model.exists()):
            hint = "Go on with --resume, replace it with --overwrite, or name another with --run."
            raise RunError("holds a run already.", where=run.root, hint=hint)
        if (run.data / FILE).is_file():
            shutil.rmtree(run.data)
        with new_folder(run.data) as folder:
            images = folder / "images"
            images.mkdir()
            try:
                # The same bytes under a second name: a large image is not there twice.
                os.link(self.image.resolve(), images / self.image.name)
            except OSError:
                shutil.copyfile(self.image, images / self.image.name)
            write_csv(self.checked.points, folder / "points.csv")
            write_dataset_file(folder / FILE, self.classes)
        return load_dataset(run.data)


def writer_of(out: Path) -> Writer:
    """What writes a map of this ending.

    Raises:
        ConfigError: There is none.
    """
    found = {writer.suffix: writer for writer in map(get_writer, OUTPUTS)}
    suffix = out.suffix.lower()
    if suffix not in found:
        hint = f"Choose one of {', '.join(found)}."
        raise ConfigError(f"no map has the ending {suffix!r}.", where=out, field="--out", hint=hint)
    return found[suffix]


def picture_of(out: Path) -> Path:
    """Where the picture of a map is written."""
    return out.with_suffix(".jpg")


def areas(result: Result) -> tuple[str, NDArray[np.float64]]:
    """Unit (see `Map`) and areas of the classes."""
    ground = ground_of(result.place, result.prediction.size).areas
    total = np.zeros(len(result.classes))
    for top, strip in result.prediction.strips():
        for index in range(len(total)):
            rows = (strip.labels == index).sum(1)
            total[index] += rows.sum() if ground is None else rows @ ground[top : top + len(rows)]
    return "px" if ground is None else "m²", total
