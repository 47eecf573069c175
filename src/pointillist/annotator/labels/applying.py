"""What an operation does to the store, and how the operations of several people become one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pointillist.annotator.folder import DataFolder
from pointillist.annotator.labels import operations as ops
from pointillist.annotator.labels.checks import check_position, known_class, revived
from pointillist.annotator.labels.correcting import Corrected, Corrector
from pointillist.annotator.labels.cost import count
from pointillist.annotator.labels.operations import Operation, Status
from pointillist.annotator.labels.rows import AUDIT, ClassRow, PointRow
from pointillist.annotator.labels.tables import Tables
from pointillist.classes import IGNORE, default_palette, hex_color
from pointillist.errors import DatasetError, PointillistError, PointsError
from pointillist.naming import class_key, class_name_problem
from pointillist.points.questions import ANSWER, ANSWERED_BY, COLUMNS, SECONDS

PALETTE = tuple(hex_color(color) for color in default_palette(IGNORE))
"""Colours that colour-blind eyes tell apart, as far as they reach."""


@dataclass(frozen=True)
class Applied:
    """What became of an operation: `seq` is its number when it was applied, `error` why it was rejected.

    Where it is about a point, that is `point` as it is now, and `points` those of a stroke; for `status`, see the
    documentation of operations.
    """

    id: str
    status: Status
    seq: int | None
    point: PointRow | None = None
    error: PointillistError | None = None
    points: tuple[PointRow, ...] = ()


@dataclass(frozen=True)
class Applier:
    """Applies operations, one after another, inside a transaction of the writer."""

    folder: DataFolder
    image_named: Callable[[str], str | None]
    size_of: Callable[[str], tuple[int, int]]
    corrector: Corrector

    def apply(self, tables: Tables, client: str, operation: Operation) -> Applied:
        """Apply an operation; a second time it changes nothing."""
        before = tables.seq_of(operation.id)
        known = tables.point(operation.point) if isinstance(operation, ops.Add | ops.Change) else None
        if before is not None:
            return Applied(operation.id, "repeated", before, known)
        seq = tables.seq() + 1
        corrected: Corrected | None = None
        try:
            if isinstance(operation, ops.Correction):
                # Of a stroke that cannot be applied whole, nothing is.
                with tables.savepoint():
                    corrected = self.corrector.apply(tables, client, operation, seq)
                status: Status = corrected.status
                point = None
            elif isinstance(operation, ops.Add | ops.Change | ops.Verdict):
                status, point = self._apply(tables, client, operation, seq)
            else:
                with tables.savepoint():
                    status, point = self._apply(tables, client, operation, seq)
                    if tables.strays():
                        found = "points would be left without a class."
                        raise DatasetError(found, field="class", hint="Load the page again.")
        except PointillistError as error:
            return Applied(operation.id, "rejected", None, known, error)
        content = operation.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if point is not None:
            content["image"] = point.image
        if corrected is not None:
            content["image"] = corrected.image
            if corrected.points:
                content["points"] = [row.id for row in corrected.points]
        tables.log(seq, client, content, operation=operation.id)
        if corrected is not None:
            count(tables, client, operation, corrected.clicks)
            return Applied(operation.id, status, seq, points=corrected.points)
        there, here = (row is not None and not row.deleted for row in (known, point))
        clicked = isinstance(operation, ops.Add | ops.Change) and tables.was_clicked(operation.point)
        count(tables, client, operation, (here - there) * clicked)
        return Applied(operation.id, status, seq, point)

    def _apply(self, tables: Tables, client: str, operation: Operation, seq: int) -> tuple[Status, PointRow | None]:
        if self.folder.masks == "coco" and isinstance(operation, ops.ClassRename | ops.ClassMerge | ops.ClassRemove):
            raise _coded("The name of a class", "the names of their categories")
        match operation:
            case ops.Add():
                return self._add(tables, client, operation, seq)
            case ops.Change():
                return self._change(tables, client, operation, seq)
            case ops.ClassAdd():
                self._class_add(tables, operation)
            case ops.ClassRename():
                self._rename(tables, operation)
            case ops.ClassColor():
                if self.folder.masks == "color":
                    raise _coded("The colour of a class", "their colours")
                tables.change_class(known_class(tables, operation.class_), color=operation.color.lower())
            case ops.ClassMerge():
                self._merge(tables, client, operation, seq)
            case ops.ClassRemove():
                self._remove(tables, operation)
            case ops.Verdict():
                tables.set_metadata(f"verdict {operation.entry}", str(operation.settled or ""))
            case ops.Background():
                chosen = "" if operation.class_ is None else known_class(tables, operation.class_)
                tables.set_background(chosen, operation.policy)
        return "done", None

    def _add(self, tables: Tables, client: str, operation: ops.Add, seq: int) -> tuple[Status, PointRow]:
        there = tables.point(operation.point)
        if there is not None:
            # The same click under another operation id: a page that lost count, not another point.
            return "repeated", there
        image = self.image_named(operation.image)
        if image is None:
            raise PointsError(
                "the image of this point is not in the folder any more.",
                field="image",
                hint="Put the image back, restart, and try again.",
            )
        check_position(self.folder, self.size_of, image, operation.x, operation.y)
        label = revived(tables, known_class(tables, operation.class_))
        row = PointRow(operation.point, image, operation.x, operation.y, label, seq, client, False)
        tables.put_point(row)
        return "done", row

    def _change(self, tables: Tables, client: str, operation: ops.Change, seq: int) -> tuple[Status, PointRow]:
        row = tables.point(operation.point)
        if row is None:
            raise PointsError("there is no such point.", field="point", hint="Load the image again.")
        changed = replace(row, version=seq, client=client, deleted=False)
        _check_question(row, operation)
        if isinstance(operation, ops.Delete | ops.Reopen):
            unseen = operation.base is not None and operation.base < row.version and row.client != client
            if unseen and not row.deleted:
                # Somebody is still working on this point; who deletes it has not seen that yet.
                return "kept", row
            if isinstance(operation, ops.Delete):
                changed = replace(changed, deleted=True)
            else:
                changed = replace(changed, label="", extra=_unanswered(row))
        elif isinstance(operation, ops.Move):
            check_position(self.folder, self.size_of, row.image, operation.x, operation.y)
            changed = replace(changed, x=operation.x, y=operation.y)
        elif isinstance(operation, ops.Relabel):
            extra = {key: value for key, value in row.extra.items() if not row.question or key != ANSWER}
            changed = replace(changed, label=known_class(tables, operation.class_), extra=extra)
        elif isinstance(operation, ops.Answer):
            tables.add_columns(COLUMNS)
            label = "" if operation.class_ is None else known_class(tables, operation.class_)
            told = {
                ANSWER: operation.answer or "",
                ANSWERED_BY: operation.answered_by,
                SECONDS: "" if operation.seconds is None else f"{operation.seconds:.2f}",
            }
            extra = _unanswered(row) | {key: value for key, value in told.items() if value}
            changed = replace(
                changed, label="" if row.audit else label, extra=extra | ({AUDIT: label} if row.audit else {})
            )
        if changed.label and not changed.deleted:
            # Its class may have been removed while it was deleted.
            changed = replace(changed, label=revived(tables, changed.label))
        tables.change_point(changed)
        return "done", changed

    def _class_add(self, tables: Tables, operation: ops.ClassAdd) -> None:
        check_class_name(operation.name)
        classes = tables.classes()
        same = next((row for row in classes if class_key(row.name) == class_key(operation.name)), None)
        own = next((row for row in classes if row.id == tables.class_id(operation.class_)), None)
        if own is not None and own != same:
            raise DatasetError(
                "this class is there already under another name.", field="class", hint="Rename it in place of adding."
            )
        if same is not None:
            # Two people added the same class: one class, both ids.
            if same.id != operation.class_:
                tables.alias_class(operation.class_, same.id)
        else:
            check_class_count(len(classes) + 1)
            # A page may not know yet that somebody, or its own last click, took the colour it wishes for.
            wished = (operation.color or "").lower()
            taken = not wished or any(row.color == wished for row in classes)
            color = free_color(tables, background=operation.background) if taken else wished
            tables.add_class(ClassRow(operation.class_, operation.name, color))
        if operation.background:
            tables.set_background(same.id if same else operation.class_, "points")

    def _rename(self, tables: Tables, operation: ops.ClassRename) -> None:
        check_class_name(operation.name)
        label = known_class(tables, operation.class_)
        if any(class_key(row.name) == class_key(operation.name) and row.id != label for row in tables.classes()):
            raise DatasetError(
                f"another class is called '{operation.name}'.", field="name", hint="Merge the two, or choose another."
            )
        tables.change_class(label, name=operation.name)

    def _merge(self, tables: Tables, client: str, operation: ops.ClassMerge, seq: int) -> None:
        source = known_class(tables, operation.class_)
        # Somebody else may have removed it meanwhile.
        target = revived(tables, known_class(tables, operation.into))
        if source == target:
            return
        rows = {row.id: row for row in tables.classes()}
        if self.folder.masks == "color":
            raise _coded("What is one class", "their colours")
        if self._has_masks(tables) and source in rows and target in rows:
            # Masks keep their values; from now on two of them mean this class.
            if all(row.values is None for row in rows.values()):
                for index, row in enumerate(rows.values()):
                    tables.set_mask_values(row.id, [index])
                    rows[row.id] = replace(row, values=(index,))
            tables.set_mask_values(target, sorted({*(rows[source].values or ()), *(rows[target].values or ())}))
        tables.touch_points(source, seq, client)
        tables.merge_class(source, target)
        if tables.background()[0] == source:
            tables.set_background(target, tables.background()[1])

    def _has_masks(self, tables: Tables) -> bool:
        return self.folder.masks is not None or bool(tables.masked())

    def _remove(self, tables: Tables, operation: ops.ClassRemove) -> None:
        label = known_class(tables, operation.class_)
        if tables.points_by_class().get(label):
            raise DatasetError("this class has points.", field="class", hint="Merge it into another class.")
        if self._has_masks(tables):
            raise DatasetError("masks know this class.", field="class", hint="Merge it into another class.")
        tables.change_class(label, removed=True)
        if tables.background()[0] == label:
            tables.set_background("", "none")


def free_color(tables: Tables, *, background: bool) -> str:
    """The first colour of the palette that no class has."""
    taken = {row.color for row in tables.classes()}
    # The first one is a dark grey, made for the background.
    palette = PALETTE if background else (*PALETTE[1:], PALETTE[0])
    return next((color for color in palette if color not in taken), PALETTE[-1])


def _check_question(row: PointRow, operation: ops.Change) -> None:
    if ops.of_audit(operation) != row.audit:
        found = f"this is {'a' if row.audit else 'no'} question of an audit."
        raise PointsError(found, field="point", hint="Answer it where it is asked.")
    if isinstance(operation, ops.Answer | ops.Reopen) and not row.question:
        raise PointsError("this point is no question.", field="point", hint="Load the image again.")
    if isinstance(operation, ops.Move | ops.Delete) and row.question:
        raise PointsError(
            "chance chose the pixel of this question; it is neither moved nor removed.",
            field="point",
            hint="Take its answer back, or give it another class.",
        )


def _unanswered(row: PointRow) -> dict[str, str]:
    """Further columns of a question, without those about its answer."""
    extra = {key: value for key, value in row.extra.items() if key not in (ANSWER, ANSWERED_BY, SECONDS)}
    return extra | ({AUDIT: ""} if row.audit else {})


def check_class_name(name: str) -> None:
    """Refuse a name that no class can have.

    Raises:
        DatasetError: It is such a name.
    """
    if (found := class_name_problem(name)) is not None:
        raise DatasetError(found, field="name", hint="Use a name of visible characters, without blanks at its ends.")


def check_class_count(count: int) -> None:
    """Refuse more classes than label maps can hold.

    Raises:
        DatasetError: There are more.
    """
    if count > IGNORE:
        found = f"this would make {count} classes; label maps hold at most {IGNORE}."
        raise DatasetError(found, field="class", hint="Merge some.")


def _coded(what: str, by: str) -> DatasetError:
    return DatasetError(
        f"{what} cannot be changed: the masks of this data set tell classes by {by}.",
        field="masks",
        hint="Convert the masks first, on the command line: pointillist data convert.",
    )
