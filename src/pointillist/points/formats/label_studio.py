"""Label Studio: JSON and JSON-MIN exports with key points, coordinates in percent of the image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pointillist.errors import PointsError
from pointillist.points.formats.attributes import attributes, label_or_question, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, Size, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.label_studio_tasks import LABELS, Annotation, Task, has_point, read_tasks
from pointillist.points.formats.options import FormatOptions
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable

ALL = "all"
"""Stands for every annotator."""


class LabelStudio(PointFormat):
    """One JSON file, a list of tasks; x and y in percent of width and height, continuous and corner-based.

    **Classes.** A key point has its class in itself (`KeyPointLabels`), or in a result that shares its id (`KeyPoint`
    with `Labels`).

    **Who.** Where several people annotated an image, the annotation that is marked as ground truth counts; where none
    is, the user says whose. Cancelled annotations, predictions and other shapes are counted as skipped.

    **Rotation.** When an annotator turns the image, `image_rotation` says by how many degrees clockwise. Since 2021
    this concerns the display alone: coordinates and `original_width` stay those of the unturned image. Earlier
    versions stored both as turned. The image's true size, where it is at hand, tells which: points are turned back
    only if `original_width` and `original_height` are swapped.

    **Questions.** Their columns are the `meta` of a result, which the front end keeps (and JSON-MIN leaves out); one
    without a class is a `keypoint` without a label.

    Source: Label Studio, *Export annotations*, units of image annotations; the front end's `KeyPointRegion`, `Image`,
    `Result`.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        image: str = "image"
        """Which entry of a task's `data` names the image."""
        annotator: str | None = None
        """Whose annotations count, by number or e-mail address; all for everybody's."""
        label: str | None = None
        """Class of key points that have none."""

    name = "label-studio"
    title = "Label Studio JSON or JSON-MIN (key points, in percent)"
    suffixes = (".json",)
    origin = "corner"
    tolerance = 1e-9
    images_by = "tail"
    keeps = COLUMNS
    keeps_unnamed = True
    options: Options

    def recognise(self, path: Path) -> bool:
        """A JSON list of tasks, or of what JSON-MIN makes of them."""
        start = head(path, self.suffixes)
        known = ('"annotations"', '"completions"', '"predictions"', '"keypointlabels"')
        tasks = '"data"' in start and any(name in start for name in known)
        minimal = '"annotation_id"' in start or '"keypointlabels"' in start
        return start.lstrip().startswith("[") and (tasks or minimal)

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        skipped: Counter[str] = Counter()
        tasks = read_tasks(read_json(path), self.options.image)
        self._check_annotator(tasks, path)
        for task in tasks:
            skipped["prediction"] += task.predictions
            for annotation in self._chosen(task, skipped):
                for results in annotation.regions(skipped):
                    points += self._points(results, task.image, context.size(task.image), skipped)
        return table_of(points, listed=[task.image for task in tasks], skipped=+skipped)

    def _check_annotator(self, tasks: list[Task], path: Path) -> None:
        people = {name for task in tasks for annotation in task.annotations for name in annotation.by}
        if self.options.annotator not in (None, ALL, *people):
            raise PointsError(
                f"nobody called '{self.options.annotator}' annotated it.",
                where=path,
                field="annotator",
                hint=f"There are: {', '.join(sorted(people))[:200] or 'nobody with a name'}; or write {ALL}.",
            )

    def _chosen(self, task: Task, skipped: Counter[str]) -> list[Annotation]:
        """The annotations of a task that count."""
        made = [annotation for annotation in task.annotations if not annotation.cancelled]
        skipped["cancelled annotation"] += len(task.annotations) - len(made)
        who = self.options.annotator
        if who == ALL:
            return made
        if who is not None:
            chosen = [annotation for annotation in made if who in annotation.by]
            skipped["annotation of another annotator"] += len(made) - len(chosen)
            return chosen
        chosen = [annotation for annotation in made if annotation.is_true] or made
        skipped["annotation beside the ground truth"] += len(made) - len(chosen)
        people = sorted({annotation.by[-1] for annotation in chosen if annotation.by})
        unnamed = sum(not annotation.by for annotation in chosen)
        if len(people) + unnamed > 1:
            named = ", ".join([*people, *["somebody"] * unnamed])[:200]
            raise task.node.fail(
                f"'{task.image}' was annotated by several people: {named}.",
                f"Say whose annotations count: --set annotator=NAME with one of these, or {ALL} for everybody's.",
            )
        return chosen

    def _points(self, results: list[Node], image: str, true: Size | None, skipped: Counter[str]) -> list[Point]:
        """The points of one region: a position, and the labels of all results that share its id."""
        place = next(result for result in results if has_point(result))
        labels = [
            label.text()
            for result in results
            if (value := result.maybe("value")) is not None
            for key in LABELS
            if (found := value.maybe(key)) is not None
            for label in found.each()
        ]
        extra = attributes({key: text for result in results for key, text in _meta(result).items()})
        labels = list(dict.fromkeys(labels))
        if not labels:
            # An answer that names no class is none, whatever the class of other key points.
            label = label_or_question(None, extra)
            label = self.options.label if label is None else label
            if label is None:
                skipped["key point without a label"] += 1
                return []
            labels = [label]
        height, width = _size(place, true)
        value = place.get("value")
        x, y = value.get("x").number() * width / 100, value.get("y").number() * height / 100
        rotation = place.maybe("image_rotation")
        degrees = 0 if rotation is None else rotation.integer() % 360
        if rotation is not None and degrees % 90:
            raise rotation.fail(f"{degrees}° is no quarter turn.")
        if true is not None and width != height and true == (width, height):
            # Stored as turned, so the width of the turned view is the image's height.
            x, y = {90: (y, width - x), 270: (height - y, x)}.get(degrees, (x, y))
        return [translated(Point(image, x, y, label, extra, place=place.field), self.offset) for label in labels]

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        tasks = []
        for image in table.listed:
            here = table.rows.of(image)
            size = context.need_size(image, path) if here else (1, 1)
            results = [self._result(index, point, size) for index, point in enumerate(here)]
            tasks.append({"data": {self.options.image: image}, "annotations": [{"result": results}]})
        write_json(path, tasks)

    def _result(self, index: int, point: Point, size: Size) -> dict[str, Any]:
        height, width = size
        extra = attributes(point.extra)
        return {
            "id": f"point{index}",
            "type": "keypointlabels" if point.label else "keypoint",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "x": (point.x - self.offset) * 100 / width,
                "y": (point.y - self.offset) * 100 / height,
                "width": 0.5,
                **({"keypointlabels": [point.label]} if point.label else {}),
            },
            **({"meta": extra} if extra else {}),
        }


def _size(place: Node, true: Size | None) -> Size:
    """The size that percents are of: what the result says, else the image's own; who sends results may omit it."""
    keys = "original_width", "original_height"
    if not any(place.maybe(key) for key in keys):
        if true is None:
            hint = "Name the data set or the folder of its images, or say --set size=HxW."
            raise place.fail("'original_width' is missing, and the size of the image is not known.", hint)
        return true
    width, height = (place.get(key).integer() for key in keys)
    if width <= 0 or height <= 0:
        raise place.fail(f"{width}×{height} is no size of an image.")
    return height, width


def _meta(result: Node) -> dict[str, Any]:
    found = result.items().get("meta")
    return found if isinstance(found, dict) else {}
