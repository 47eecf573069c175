"""CVAT for images 1.1: XML with one `<image>` per image and `<points label points="x0,y0;x1,y1"/>`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from pointillist.errors import PointsError
from pointillist.files import replacing
from pointillist.points.formats.attributes import attributes, table_of
from pointillist.points.formats.base import PointFormat, ReadContext, translated
from pointillist.points.formats.files import MAX_BYTES, head
from pointillist.points.formats.options import FormatOptions
from pointillist.points.formats.writable import MAX_POINTS
from pointillist.points.questions import COLUMNS
from pointillist.points.table import Point, PointTable

_MAX_DEPTH = 50
_CONTROL = re.compile(r"[\x00-\x1f]")
_SHAPES = {"box", "polygon", "polyline", "cuboid", "mask", "ellipse", "tag", "skeleton"}


class Cvat(PointFormat):
    """One XML file; continuous corner-based (x, y); one element may hold many points.

    Boxes, polygons and other shapes are counted as skipped, and so are points that CVAT marks as outside. The images of
    a project are named with their subset in front; those of several tasks may share a name, and are then ambiguous. A
    document type declaration, which XML bombs need, is refused. The columns of questions are `<attribute>` elements;
    CVAT takes those that the label has in the task. A shape has a label, so questions without a class have no place.

    Source: CVAT documentation, *CVAT for image 1.1*.
    """

    class Options(FormatOptions):
        """What the user says about the file."""

        subset: str | None = None
        """Take only the images of this subset of a project."""
        task: int | None = None
        """Take only the images of the task of this number, of a project."""

    name = "cvat"
    title = "CVAT for images 1.1 XML"
    suffixes = (".xml",)
    origin = "corner"
    images_by = "tail"
    keeps = COLUMNS
    options: Options

    def recognise(self, path: Path) -> bool:
        """XML with `<annotations>` at its beginning."""
        return "<annotations" in head(path, self.suffixes)

    def _read(self, path: Path, context: ReadContext) -> PointTable:
        if not path.is_file():
            raise PointsError("there is no such file.", where=path, hint="Check the path of the label file.")
        if path.stat().st_size > MAX_BYTES:
            raise PointsError(f"has more than {MAX_BYTES:,} bytes.", where=path, hint="Is this the right file?")
        wanted = {"subset": self.options.subset, "task": None if self.options.task is None else str(self.options.task)}
        reader = _Reader(path, {key: value for key, value in wanted.items() if value is not None})
        try:
            # All at once: fed in pieces, older versions of expat scan a long element again with each piece.
            reader.parser.Parse(path.read_bytes(), True)
        except expat.ExpatError as error:
            raise PointsError(
                f"is not valid XML: {expat.ErrorString(error.code)} at column {error.offset + 1}.",
                where=path,
                line=error.lineno,
                hint="The file may be truncated; export it again.",
            ) from error
        except (LookupError, ValueError) as error:
            # An encoding that does not exist, or one of several bytes that expat does not know.
            raise PointsError(f"has an unusable encoding ({error}).", where=path, hint="Save it as UTF-8.") from error
        except OSError as error:
            raise PointsError(f"could not be read ({error}).", where=path, hint="Check its permissions.") from error
        reader.check_choice()
        points = [translated(point, self.offset) for point in reader.points]
        return table_of(points, listed=reader.listed, skipped=reader.skipped)

    def _write(self, table: PointTable, path: Path, context: ReadContext) -> None:
        root = ElementTree.Element("annotations")
        ElementTree.SubElement(root, "version").text = "1.1"
        _add_meta(root, table)
        for index, image in enumerate(table.listed):
            entry = ElementTree.SubElement(root, "image", id=str(index), name=image)
            size = context.size(image)
            if size is not None:
                entry.attrib |= {"width": str(size[1]), "height": str(size[0])}
            for point in table.of(image):
                position = f"{point.x - self.offset!r},{point.y - self.offset!r}"
                shape = ElementTree.SubElement(
                    entry, "points", label=point.label, source="manual", occluded="0", points=position, z_order="0"
                )
                for name, value in attributes(point.extra).items():
                    ElementTree.SubElement(shape, "attribute", name=name).text = value
        ElementTree.indent(root)
        text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        with replacing(path) as temporary:
            temporary.write_bytes(text + b"\n")


def _add_meta(root: ElementTree.Element, table: PointTable) -> None:
    """Say the labels with their attributes: what CVAT's task must have, and datumaro reads nothing without."""
    there = {name for point in table for name in attributes(point.extra)}
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    labels = ElementTree.SubElement(task, "labels")
    for name in table.counts():
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        given = ElementTree.SubElement(label, "attributes")
        for column in (name for name in COLUMNS if name in there):
            about = {"name": column, "mutable": "False", "input_type": "text", "default_value": "", "values": ""}
            attribute = ElementTree.SubElement(given, "attribute")
            for key, text in about.items():
                ElementTree.SubElement(attribute, key).text = text


class _Reader:
    """Follows the elements of one file."""

    def __init__(self, path: Path, wanted: Mapping[str, str]) -> None:
        self.path = path
        self.wanted = wanted
        self._there: dict[str, set[str]] = {key: set() for key in wanted}
        self._chosen = True
        self.points: list[Point] = []
        self.listed: list[str] = []
        self.skipped: Counter[str] = Counter()
        self._open: list[str] = []
        self._image: str | None = None
        self._first = 0
        self._given: dict[str, list[str]] = {}
        self._parts: list[str] | None = None
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.buffer_text = True

    def _fail(self, found: str, hint: str = "Export the file again.") -> PointsError:
        field = "/".join(self._open) or None
        return PointsError(found, where=self.path, line=self.parser.CurrentLineNumber, field=field, hint=hint)

    def _doctype(self, *_declaration: object) -> None:
        raise self._fail("has a document type declaration, which can hide a bomb.", "Remove the <!DOCTYPE …> part.")

    def _start(self, tag: str, given: dict[str, str]) -> None:
        self._open.append(tag)
        if len(self._open) == 1 and tag != "annotations":
            raise self._fail(f"begins with <{tag[:40]}>.", "A CVAT file begins with <annotations>.")
        if len(self._open) > _MAX_DEPTH:
            raise self._fail("is nested too deeply.", "Is this the right file?")
        if tag == "track":
            raise self._fail("holds tracks of a video.", "Export it from CVAT as 'CVAT for images 1.1'.")
        if tag == "points":
            self._first, self._given = len(self.points), {}
        if tag == "image" and self._open[:-1] == ["annotations"]:
            self._begin_image(given)
        elif self._image is not None and tag in _SHAPES:
            self.skipped[tag] += 1
        elif self._image is not None and tag == "points" and not self._chosen:
            self.skipped["points of another subset or task"] += 1
        elif self._image is not None and tag == "points":
            self._add(self._image, given)
        elif tag == "attribute" and given.get("name") in COLUMNS:
            self._parts = self._given[given["name"]] = []

    def _text(self, text: str) -> None:
        if self._parts is not None:
            self._parts.append(text)

    def _end(self, tag: str) -> None:
        self._open.pop()
        self._parts = None
        if tag == "points" and (extra := attributes({name: "".join(parts) for name, parts in self._given.items()})):
            self.points[self._first :] = [replace(point, extra=extra) for point in self.points[self._first :]]
        if tag == "image":
            self._image = None

    def _begin_image(self, given: dict[str, str]) -> None:
        name, subset = self._attribute(given, "name").replace("\\", "/"), given.get("subset", "").strip()
        # Images of one name may be in several subsets; CVAT calls the one without a name 'default'.
        in_folder = subset in ("", "default") or _CONTROL.search(subset) or name.startswith(f"{subset}/")
        self._image = name if in_folder else f"{subset}/{name}"
        said = {"subset": subset, "task": given.get("task_id", "").strip()}
        self._chosen = all(said[key] == value for key, value in self.wanted.items())
        for key, there in self._there.items():
            there.add(said[key])
        if self._chosen:
            self.listed.append(self._image)

    def check_choice(self) -> None:
        """Refuse a subset or task that is not there."""
        for key, there in self._there.items():
            if self.wanted[key] not in there:
                known = ", ".join(sorted(there - {""}))[:200]
                raise PointsError(
                    f"no image is of the {key} '{self.wanted[key]}'.",
                    where=self.path,
                    field=key,
                    hint=f"There are: {known}."
                    if known
                    else f"Its images have no {key}; it is no export of a project.",
                )

    def _add(self, image: str, given: dict[str, str]) -> None:
        missing = [key for key in ("points", "label") if not given.get(key, "").strip()]
        if missing:
            self.skipped["points without a " + {"points": "position"}.get(missing[0], missing[0])] += 1
            return
        positions = self._attribute(given, "points")
        if positions.count(";") + len(self.points) >= MAX_POINTS:
            raise self._fail(f"holds more than {MAX_POINTS:,} points.", "Split the file.")
        pairs = positions.split(";")
        if given.get("outside") == "1":
            self.skipped["points marked as outside"] += len(pairs)
            return
        label = self._attribute(given, "label")
        for pair in pairs:
            try:
                x, y = (float(part) for part in pair.split(","))
            except ValueError:
                found = f"found {pair[:40]!r} in place of 'x,y'."
                raise self._fail(found, "Correct the points of this line.") from None
            self.points.append(Point(image, x, y, label, line=self.parser.CurrentLineNumber))

    def _attribute(self, given: dict[str, str], name: str) -> str:
        value = given.get(name, "").strip()
        if not value or _CONTROL.search(value):
            raise self._fail(f"the attribute '{name}' is missing or unusable.")
        return value
