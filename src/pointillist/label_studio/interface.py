"""The labelling interface of a Label Studio project: which of its tags can show what a model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from pointillist.errors import ConfigError

Kind = Literal["polygonlabels", "brushlabels"]

TAGS: dict[str, Kind] = {"polygonlabels": "polygonlabels", "brushlabels": "brushlabels"}
"""Tags, lower case, whose regions have any shape."""

MAX_CHARACTERS = 1_000_000
"""Of an interface; real ones have some hundred."""

_HINT = (
    'It needs <Image name="image" value="$image"/> and <PolygonLabels name="label" toName="image"> with the classes.'
)


@dataclass(frozen=True)
class Interface:
    """Where in a project the regions of a model go.

    Args:
        image: Name of the `Image` tag.
        key: Entry of a task's data that says which image it is.
        control: Name of the tag with the labels.
        kind: What regions of that tag are called.
        labels: Values of its labels, by the name that a class of the model may have: the value, or the alias.
    """

    image: str
    key: str
    control: str
    kind: Kind
    labels: dict[str, str]


def read_interface(text: str) -> Interface:
    """Read a labelling interface, of which the first tag of polygons, or else of a brush, is used.

    Source: labelstud.io, tags `Image`, `PolygonLabels`, `BrushLabels`, `Label`.

    Raises:
        ConfigError: It is no XML, or has no such tag for an image.
    """

    def refused(found: str) -> ConfigError:
        return ConfigError(found, field="label_config", hint=_HINT)

    # Entities are a way to make a short text long, and no interface has them.
    if len(text) > MAX_CHARACTERS or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise refused("is no labelling interface.")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise refused(f"is not valid XML ({error}).") from error
    images = {tag.get("name"): tag.get("value", "") for tag in root.iter() if tag.tag.lower() == "image"}
    for wanted, kind in TAGS.items():
        for tag in root.iter():
            name, image = tag.get("name"), tag.get("toName")
            if tag.tag.lower() != wanted or name is None or image not in images or image is None:
                continue
            labels: dict[str, str] = {}
            for label in tag.iter():
                value = label.get("value")
                if label.tag.lower() == "label" and value is not None:
                    labels[value] = value
                    labels.setdefault(label.get("alias", value), value)
            return Interface(image, images[image].removeprefix("$"), name, kind, labels)
    raise refused("has no tag of polygons or of a brush for an image.")
