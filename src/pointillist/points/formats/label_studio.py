"""Label Studio: JSON and JSON-MIN exports with key points, coordinates in percent of the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pointillist.errors import PointsError
from pointillist.points.formats.base import PointFormat, ReadContext, Size, translated
from pointillist.points.formats.files import head
from pointillist.points.formats.jsontext import Node, read_json, write_json
from pointillist.points.formats.options import FormatOptions
from pointillist.points.table import Point, PointTable

ALL = "all"

_POINTS = ("keypointlabels", "keypoint")
_LABELS = ("keypointlabels", "labels")


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

    Source: Label Studio, *Export annotations*, units of image annotations; the front end's `KeyPointRegion`, `Image`.
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
    options: Options

    def recognise(self, path: Path) -> bool:
        """A JSON list of tasks, or of what JSON-MIN makes of them."""
        start = head(path, self.suffixes)
        known = ('"annotations"', '"completions"', '"predictions"', '"keypointlabels"')
        tasks = '"data"' in start and any(name in start for name in known)
        minimal = '"annotation_id"' in start or ('"keypointlabels"' in start and '"original_width"' in start)
        return start.lstrip().startswith("[") and (tasks or minimal)

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        points: list[Point] = []
        skipped: Counter[str] = Counter()
        tasks = _tasks(read_json(path), self.options.image)
        self._check_annotator(tasks, path)
        for task in tasks:
            skipped["prediction"] += task.predictions
            for annotation in self._chosen(task, skipped):
                for results in annotation.regions(skipped):
                    points += self._points(results, task.image, context.size(task.image), skipped)
        return PointTable(points, listed=[task.image for task in tasks], skipped=+skipped)

    def _check_annotator(self, tasks: list[_Task], path: Path) -> None:
        people = {name for task in tasks for annotation in task.annotations for name in annotation.by}
        if self.options.annotator not in (None, ALL, *people):
            raise PointsError(
                f"nobody called '{self.options.annotator}' annotated it.",
                where=path,
                field="annotator",
                hint=f"There are: {', '.join(sorted(people))[:200] or 'nobody with a name'}; or write {ALL}.",
            )

    def _chosen(self, task: _Task, skipped: Counter[str]) -> list[_Annotation]:
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
        place = next(result for result in results if _has_point(result))
        labels = [
            label.text()
            for result in results
            if (value := result.maybe("value")) is not None
            for key in _LABELS
            if (found := value.maybe(key)) is not None
            for label in found.each()
        ]
        labels = list(dict.fromkeys(labels)) or ([] if self.options.label is None else [self.options.label])
        if not labels:
            skipped["key point without a label"] += 1
            return []
        width, height = place.get("original_width").integer(), place.get("original_height").integer()
        if width <= 0 or height <= 0:
            raise place.fail(f"{width}×{height} is no size of an image.")
        value = place.get("value")
        x, y = value.get("x").number() * width / 100, value.get("y").number() * height / 100
        rotation = place.maybe("image_rotation")
        degrees = 0 if rotation is None else rotation.integer() % 360
        if rotation is not None and degrees % 90:
            raise rotation.fail(f"{degrees}° is no quarter turn.")
        if true is not None and width != height and true == (width, height):
            # Stored as turned, so the width of the turned view is the image's height.
            x, y = {90: (y, width - x), 270: (height - y, x)}.get(degrees, (x, y))
        return [translated(Point(image, x, y, label, place=place.field), self.offset) for label in labels]

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        tasks = []
        for image in table.listed:
            here = table.of(image)
            size = context.need_size(image, path) if here else (1, 1)
            results = [self._result(index, point, size) for index, point in enumerate(here)]
            tasks.append({"data": {self.options.image: image}, "annotations": [{"result": results}]})
        write_json(path, tasks)

    def _result(self, index: int, point: Point, size: Size) -> dict[str, Any]:
        height, width = size
        return {
            "id": f"point{index}",
            "type": "keypointlabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "x": (point.x - self.offset) * 100 / width,
                "y": (point.y - self.offset) * 100 / height,
                "width": 0.5,
                "keypointlabels": [point.label],
            },
        }


@dataclass
class _Annotation:
    """What one person said about an image; `by` names that person, perhaps in several ways."""

    results: list[Node]
    by: tuple[str, ...]
    cancelled: bool = False
    is_true: bool = False

    def regions(self, skipped: Counter[str]) -> Iterator[list[Node]]:
        """The results of each region that is a key point; others are counted."""
        regions: dict[object, list[Node]] = {}
        for number, result in enumerate(self.results):
            identity = result.maybe("id")
            regions.setdefault(number if identity is None else identity.text(), []).append(result)
        for results in regions.values():
            if any(map(_has_point, results)):
                yield results
            else:
                skipped.update(_type(result) for result in results)


@dataclass
class _Task:
    """An image and what people said about it."""

    node: Node
    image: str
    annotations: list[_Annotation] = field(default_factory=list)
    predictions: int = 0


def _tasks(content: Node, image: str) -> list[_Task]:
    tasks: list[_Task] = []
    minimal: dict[object, _Task] = {}
    for node in content.each():
        if node.maybe("data") is None:
            # JSON-MIN has one entry per annotation; those of one task share its id.
            entry = _minimal(node, image)
            identity = node.maybe("id")
            task = entry if identity is None else minimal.setdefault(identity.integer(), entry)
            if task is entry:
                tasks.append(task)
            else:
                task.annotations += entry.annotations
            continue
        predictions = node.maybe("predictions")
        annotations = node.maybe("annotations") or node.maybe("completions")
        tasks.append(
            _Task(
                node,
                _image_name(node.get("data"), image),
                [_annotation(one) for one in annotations.each()] if annotations is not None else [],
                0 if predictions is None else len(list(predictions.each())),
            )
        )
    return tasks


def _annotation(node: Node) -> _Annotation:
    def is_set(key: str) -> bool:
        return node.items().get(key) is True

    results = list(node.get("result").each())
    return _Annotation(results, _people(node, "completed_by"), is_set("was_cancelled"), is_set("ground_truth"))


def _minimal(node: Node, image: str) -> _Task:
    """An entry of JSON-MIN: each tag of the labelling interface has a list of what other exports call `value`."""
    results = [
        _minimal_result(value)
        for _, values in node.members()
        if isinstance(values.value, list)
        for value in values.each()
        if isinstance(value.value, dict) and value.maybe("original_width") is not None
    ]
    return _Task(node, _image_name(node, image), [_Annotation(results, _people(node, "annotator"))])


def _minimal_result(value: Node) -> Node:
    content = value.items()
    kind = next((key for key in content if key.endswith("labels") and key not in _LABELS), _POINTS[0])
    # There are no ids; what belongs together is at the same place.
    identity = f"{content.get('x')} {content.get('y')}"
    return Node({**content, "id": identity, "type": kind, "value": content}, value.file, value.field)


def _people(node: Node, key: str) -> tuple[str, ...]:
    """What a person is called: e-mail address and number, the latter last."""
    found = node.maybe(key)
    if found is None:
        return ()
    if isinstance(found.value, dict):
        return tuple(name for part in ("email", "id") for name in _people(found, part))
    return (str(found.integer()) if isinstance(found.value, int | float) else found.text(),)


def _has_point(result: Node) -> bool:
    """Whether a result says where a key point is; other shapes have a position and an extent."""
    value = result.maybe("value")
    if value is None or _type(result) not in _POINTS:
        return False
    extent = {"height", "radiusX", "points", "rle"} & value.items().keys()
    return not extent and value.maybe("x") is not None and value.maybe("y") is not None


def _type(result: Node) -> str:
    return result.get("type").text()


def _image_name(data: Node, key: str) -> str:
    found = data.maybe(key)
    if found is None:
        there = ", ".join(data.items())[:200] or "none"
        raise data.fail(f"no entry '{key}' names the image; there are: {there}.", "Name it: --set image=NAME.")
    return _path(found.text())


def _path(url: str) -> str:
    """The path of an image from the address Label Studio knows it by; an upload keeps the hash in front of its name.

    >>> _path("/data/local-files/?d=field%201/a.jpg"), _path("/data/upload/3/0a1b2c3d-a.jpg")
    ('field 1/a.jpg', '0a1b2c3d-a.jpg')
    """
    if "://" not in url and not url.startswith("/data/"):
        return url.replace("\\", "/")
    try:
        parts = urlsplit(url)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        return url
    if local:
        return local[0].replace("\\", "/")
    path = unquote(parts.path)
    return path.rsplit("/", 1)[-1] if "/upload/" in path else path.lstrip("/")
