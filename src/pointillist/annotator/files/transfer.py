"""Label files of other tools, in and out."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pointillist.annotator.files.merging import class_ids
from pointillist.annotator.files.rendering import point_table
from pointillist.annotator.files.wording import without_flags
from pointillist.annotator.folder import DataFolder
from pointillist.annotator.images.catalogue import Catalogue
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.labels.store import Store
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.labels.writer import Writer
from pointillist.data.places import place_of
from pointillist.errors import PointsError
from pointillist.files import folder_for_now, saving
from pointillist.naming import class_name_problem, has_controls
from pointillist.points.check import Checked
from pointillist.points.formats import ReadContext, choose_format, formats, get_format
from pointillist.points.matching import read_matched
from pointillist.points.table import PointTable

CLIENT = "import"
"""Who made the points that come from files."""

EXAMPLES = 20
"""Rejected points that are named one by one."""

MANY = 200
"""Images a change names one by one; with more, pages load everything again."""

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
"""Names that mean a device on Windows, whatever their ending."""


def describe_formats() -> list[dict[str, Any]]:
    """The known label formats, as the page reads them."""
    return [
        {
            "name": name,
            "title": kind.title,
            "suffixes": list(kind.suffixes),
            "one_per_image": kind.one_per_image,
            "options": kind.own_options(),
        }
        for name, kind in formats().items()
    ]


def safe_name(given: str) -> str:
    """The last part of a file name, as it is: some formats know their image by it alone.

    >>> safe_name("../../etc/my image (1).json")
    'my image (1).json'

    Raises:
        PointsError: It could mean another place than a new file in the upload's own folder.
    """
    last = given.replace("\\", "/").rpartition("/")[2]
    # Windows leaves out dots and blanks at the end, so a name of nothing else is the folder itself or the one above.
    nothing = not last.strip(". ")
    if nothing or has_controls(last) or ":" in last or _RESERVED.fullmatch(last) or len(last.encode()) > 255:
        raise PointsError(
            f"{last[:80]!r} cannot be kept under this name.",
            field="name",
            hint="Rename the file: at most 255 bytes, no colon or control character, and no name of a Windows device.",
        )
    return last


@dataclass(frozen=True)
class Transfer:
    """Takes label files in and gives them out; `changed` is called after points were taken in."""

    folder: DataFolder
    catalogue: Catalogue
    store: Store
    writer: Writer
    changed: Callable[[], None]

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """A new folder for a file on its way, there for the block."""
        with saving(above := self.folder.below("transfer")), folder_for_now(above, "transfer-") as home:
            yield home

    def take_in(
        self, file: Path, format_name: str | None, options: Mapping[str, str], *, add_classes: bool
    ) -> dict[str, Any]:
        """Add the points of a label file; nothing that is there changes. Total = imported + already there + rejected.

        The file is inside the folder's own temporary place, its format is recognised when None, and `options` is what
        the user says about it. Unless `add_classes`, points of classes that are not there yet are rejected.

        Raises:
            PointsError: The file cannot be read.
            SaveError: The store cannot be written.
        """
        kind = choose_format(file, format_name, options)
        catalogue = self.catalogue
        checked = read_matched(
            file,
            kind,
            images=catalogue.names,
            size_of=catalogue.size,
            place_of=lambda name: place_of(self.folder.image(name)),
            classes=[row.name for row in self.store.reading().classes()],
            may_add_class=lambda label: add_classes and class_name_problem(label) is None,
        )
        seq, imported, added = self.writer.submit(lambda tables: _add(tables, checked)).result()
        self.changed()
        return {
            "seq": seq,
            "format": kind.name,
            "total": checked.total,
            "imported": imported,
            "already_there": len(checked.points.rows) - imported,
            "rejected": len(checked.rejections),
            "reasons": {reason.value: count for reason, count in checked.reasons().items()},
            "unknown_classes": dict(checked.unknown_classes()),
            "added_classes": added,
            "examples": [
                {"found": without_flags(r.found), "hint": without_flags(r.hint)} for r in checked.rejections[:EXAMPLES]
            ],
        }

    def give_out(self, format_name: str, options: Mapping[str, str]) -> tuple[str, bytes]:
        """Name and content of a label file of all points; a zip of them where the format has one per image.

        Raises:
            PointsError: There is no such format or option, or it cannot hold these points.
        """
        kind = get_format(format_name, options)
        tables = self.store.reading()
        classes = {row.id: row.name for row in tables.classes()}
        names = set(self.catalogue.names)
        everything = point_table(tables)
        points, unnamed = (
            [point for point in some if point.image in names] for some in (everything, everything.unnamed)
        )
        listed = list(dict.fromkeys(point.image for point in points))
        context = ReadContext(
            dict(enumerate(classes.values())),
            lambda name: self.catalogue.size(name) if name in names else None,
            lambda name: self.folder.image(name) if name in names else None,
            place_of=lambda name: place_of(self.folder.image(name)) if name in names else None,
        )
        with self.temporary() as home:
            suffix = kind.suffixes[0] if kind.suffixes else ""
            target = home / "labels" if kind.one_per_image else home / f"points{suffix}"
            if kind.one_per_image:
                target.mkdir()
            kind.write(PointTable(points, everything.columns, listed=listed, unnamed=unnamed), target, context)
            if target.is_file():
                return f"points-{kind.name}{suffix}", target.read_bytes()
            return f"points-{kind.name}.zip", _zipped(target)


def _add(tables: Tables, checked: Checked) -> tuple[int, int, list[str]]:
    """Add points that are not there yet; gives the operation's number, how many, and the classes they brought.

    An answer to a question that is open here answers it.
    """
    ids, added = class_ids(tables, checked.points)
    there: dict[str, set[tuple[int, int, str]]] = defaultdict(set)
    for image in checked.points.images:
        there[image] = {(int(row.x), int(row.y), row.label) for row in tables.points_of(image) if not row.question}
    asked = {(row.image, int(row.x), int(row.y)): row for row in tables.questions()}
    seq = tables.seq() + 1
    images: dict[str, None] = {}
    count = 0
    for point in (*checked.points, *checked.points.unnamed):
        label = ids.get(point.label, "")
        row = PointRow(uuid.uuid4().hex, point.image, point.x, point.y, label, seq, CLIENT, False, point.extra)
        pixel = int(point.x), int(point.y)
        if not row.question:
            # Clicks on the same pixel are the same click.
            if (*pixel, label) in there[point.image]:
                continue
            tables.put_point(row, number=count)
        elif (known := asked.get((point.image, *pixel))) is None:
            tables.put_point(row, number=count)
            asked[point.image, *pixel] = row
        elif row.answered and not known.answered:
            extra = {**known.extra, **{key: value for key, value in point.extra.items() if value}}
            tables.change_point(replace(known, label=label, extra=extra, version=seq, client=CLIENT))
        else:
            continue
        images[point.image] = None
        count += 1
    if not count and not added:
        return tables.seq(), 0, []
    tables.add_columns(checked.points.columns)
    named = list(images) if len(images) <= MANY else None
    tables.log(seq, CLIENT, {"kind": "import", "images": named})
    return seq, count, added


def _zipped(folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return stream.getvalue()


def check_upload_name(name: str) -> str:
    """A name to keep an upload under.

    Raises:
        PointsError: Its ending is that of no label format, or it could mean another place.
    """
    kept = safe_name(name)
    suffixes = {".zip", *(suffix for kind in formats().values() for suffix in kind.suffixes)}
    if Path(kept).suffix.lower() not in suffixes:
        raise PointsError(
            "this is no kind of label file.", field="name", hint=f"Files end in {', '.join(sorted(suffixes))}."
        )
    return kept
