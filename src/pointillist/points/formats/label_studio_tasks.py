"""What is in an export of Label Studio: tasks, and in each what people said about its image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from pointillist.points.formats.jsontext import Node

_POINTS = ("keypointlabels", "keypoint")
LABELS = ("keypointlabels", "labels")
"""Where the value of a result has the class of a key point."""


@dataclass
class Annotation:
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
            if any(map(has_point, results)):
                yield results
            else:
                skipped.update(_type(result) for result in results)


@dataclass
class Task:
    """An image and what people said about it."""

    node: Node
    image: str
    annotations: list[Annotation] = field(default_factory=list)
    predictions: int = 0


def read_tasks(content: Node, image: str) -> list[Task]:
    """All tasks of an export, of either kind.

    Args:
        content: The file.
        image: Which entry names the image.

    Raises:
        PointsError: At the first thing that is not as Label Studio writes it.
    """
    tasks: list[Task] = []
    minimal: dict[object, Task] = {}
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
            Task(
                node,
                _image_name(node.get("data"), image),
                [_annotation(one) for one in annotations.each()] if annotations is not None else [],
                0 if predictions is None else len(list(predictions.each())),
            )
        )
    return tasks


def _annotation(node: Node) -> Annotation:
    def is_set(key: str) -> bool:
        return node.items().get(key) is True

    results = list(node.get("result").each())
    return Annotation(results, _people(node, "completed_by"), is_set("was_cancelled"), is_set("ground_truth"))


def _minimal(node: Node, image: str) -> Task:
    """An entry of JSON-MIN: each tag of the labelling interface has a list of what other exports call `value`."""
    results = [
        _minimal_result(value)
        for _, values in node.members()
        if isinstance(values.value, list)
        for value in values.each()
        if isinstance(value.value, dict)
        and any(key == "original_width" or key.endswith("labels") for key in value.value)
    ]
    return Task(node, _image_name(node, image), [Annotation(results, _people(node, "annotator"))])


def _minimal_result(value: Node) -> Node:
    content = value.items()
    kind = next((key for key in content if key.endswith("labels") and key not in LABELS), _POINTS[0])
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


def has_point(result: Node) -> bool:
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
    return image_path(found.text())


def image_path(url: str) -> str:
    """The path of an image from the address Label Studio knows it by; an upload keeps the hash in front of its name.

    >>> image_path("/data/local-files/?d=field%201/a.jpg"), image_path("/data/upload/3/0a1b2c3d-a.jpg")
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
