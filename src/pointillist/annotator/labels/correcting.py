"""What a stroke does to the store: a scribble, the eraser, a mask and the brush on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pointillist.annotator.folder import DataFolder
from pointillist.annotator.labels import operations as ops
from pointillist.annotator.labels.checks import check_position, known_class, revived
from pointillist.annotator.labels.mask_tables import MaskRow, StrokeRow
from pointillist.annotator.labels.operations import Status
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.labels.shown import Shown
from pointillist.annotator.labels.tables import Tables
from pointillist.errors import DatasetError, PointsError
from pointillist.points.questions import SCRIBBLE, SOURCE

AGREED = "mask agreed "
"""Name of the fact, before that of an image: digests of the mask files that somebody agreed to replace."""


class MaskHome(Protocol):
    """Where masks are written."""

    def check(self, image: str) -> None:
        """Refuse an image that can have no mask here.

        Raises:
            PointillistError: Why.
        """

    def foreign(self, tables: Tables, image: str) -> Mapping[str, str]:
        """Digests by name of the mask files of an image that the annotator has not written."""


@dataclass(frozen=True)
class Corrected:
    """What became of a stroke; `image` is the name of its image, `points` those it is about, as they are now.

    `clicks` is how many clicks there are more than before, or, below 0, fewer.
    """

    status: Status
    image: str
    points: tuple[PointRow, ...] = ()
    clicks: int = 0


@dataclass(frozen=True)
class Corrector:
    """Applies strokes inside a transaction of the writer; see `Applier`."""

    folder: DataFolder
    image_named: Callable[[str], str | None]
    size_of: Callable[[str], tuple[int, int]]
    shown: Shown
    masks: MaskHome

    def apply(self, tables: Tables, client: str, operation: ops.Correction, seq: int) -> Corrected:
        """Apply one stroke whole.

        Raises:
            PointillistError: It cannot be applied; nothing of it was.
        """
        match operation:
            case ops.Scribble():
                return self._scribble(tables, client, operation, seq)
            case ops.Erase():
                return _erase(tables, client, operation, seq)
            case ops.Unerase():
                return _unerase(tables, client, operation.points, seq)
            case ops.AcceptMask():
                return self._accept(tables, client, operation, seq)
            case ops.Brush():
                return self._brush(tables, client, operation, seq)
            case ops.TakeBack():
                return _take(tables, client, operation.item, seq, back=True)
            case ops.BringBack():
                return _take(tables, client, operation.item, seq, back=False)
        raise AssertionError(operation)

    def _image(self, given: str) -> str:
        image = self.image_named(given)
        if image is None:
            raise PointsError(
                "the image of this stroke is not in the folder any more.",
                field="image",
                hint="Put the image back, restart, and try again.",
            )
        return image

    def _scribble(self, tables: Tables, client: str, operation: ops.Scribble, seq: int) -> Corrected:
        image = self._image(operation.image)
        for place in operation.points:
            check_position(self.folder, self.size_of, image, place.x, place.y)
        label = revived(tables, known_class(tables, operation.class_))
        tables.add_columns([SOURCE])
        rows, clicks = [], 0
        for number, place in enumerate(operation.points):
            row = tables.point(place.point)
            if row is None:
                clicks += 1
                extra = {SOURCE: SCRIBBLE}
                row = PointRow(place.point, image, place.x, place.y, label, seq, client, False, extra)
                tables.put_point(row, number=number)
            rows.append(row)
        return Corrected("done", image, tuple(rows), clicks)

    def _accept(self, tables: Tables, client: str, operation: ops.AcceptMask, seq: int) -> Corrected:
        image = self._image(operation.image)
        if tables.mask(operation.mask) is not None:
            return Corrected("repeated", image)
        self.masks.check(image)
        shown = self.shown.find(operation.layer, image)
        foreign = self.masks.foreign(tables, image)
        if foreign and not operation.replace:
            raise DatasetError(
                f"this image has a mask already, '{next(iter(foreign))}', which was made elsewhere.",
                field="replace",
                hint="Say that it may be replaced; a copy is kept.",
            )
        if foreign:
            tables.set_metadata(AGREED + image, json.dumps(sorted(foreign.values())))
        classes = tables.classes()
        if self.folder.masks is None and all(row.values is None for row in classes):
            # From now on masks have values of their own, so that 255, undecided, can be nobody's class.
            for index, row in enumerate(classes):
                tables.set_mask_values(row.id, [index])
        tables.put_mask(MaskRow(operation.mask, image, shown.png, shown.classes), seq, client)
        return Corrected("done", image)

    def _brush(self, tables: Tables, client: str, operation: ops.Brush, seq: int) -> Corrected:
        mask = tables.mask(operation.mask)
        if mask is None or (mask.deleted and tables.stroke(operation.stroke) is None):
            raise DatasetError(
                "the mask of this stroke is not there any more.", field="mask", hint="Accept the layer again."
            )
        if tables.stroke(operation.stroke) is not None:
            return Corrected("repeated", mask.image)
        label = "" if operation.class_ is None else revived(tables, known_class(tables, operation.class_))
        stroke = StrokeRow(operation.stroke, mask.id, label, operation.radius, tuple(operation.path))
        tables.put_stroke(stroke, seq, client)
        return Corrected("done", mask.image)


def _take(tables: Tables, client: str, item: str, seq: int, *, back: bool) -> Corrected:
    stroke = tables.stroke(item)
    mask = tables.mask(item if stroke is None else stroke.mask)
    if mask is None:
        raise DatasetError("there is no such mask or stroke.", field="item", hint="Load the image again.")
    if stroke is None:
        tables.delete_mask(item, seq, client, deleted=back)
    else:
        tables.delete_stroke(item, seq, client, deleted=back)
    return Corrected("done", mask.image)


def _known(tables: Tables, points: Iterable[str]) -> list[PointRow]:
    rows = [row for row in map(tables.point, points) if row is not None]
    if not rows:
        raise PointsError("there are no such points.", field="points", hint="Load the image again.")
    return rows


def _erase(tables: Tables, client: str, operation: ops.Erase, seq: int) -> Corrected:
    bases = {erased.point: erased.base for erased in operation.points}
    rows: list[PointRow] = []
    status: Status = "done"
    clicks = 0
    for row in _known(tables, bases):
        base = bases[row.id]
        unseen = base is not None and base < row.version and row.client != client
        if row.question or (unseen and not row.deleted):
            # Chance chose the pixel of a question; on the other somebody is still working.
            status = "kept"
        else:
            clicks -= not row.deleted and tables.was_clicked(row.id)
            row = replace(row, version=seq, client=client, deleted=True)
            tables.change_point(row)
        rows.append(row)
    return Corrected(status, rows[0].image, tuple(rows), clicks)


def _unerase(tables: Tables, client: str, points: Iterable[str], seq: int) -> Corrected:
    rows, clicks = [], 0
    for row in _known(tables, points):
        clicks += row.deleted and tables.was_clicked(row.id)
        # Its class may have been removed meanwhile.
        row = replace(row, version=seq, client=client, deleted=False, label=revived(tables, row.label))
        tables.change_point(row)
        rows.append(row)
    return Corrected("done", rows[0].image, tuple(rows), clicks)
