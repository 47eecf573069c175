"""One folder being annotated: everything the server asks for, without a word of HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any

from pointillist.annotator.files.label_files import LabelFiles
from pointillist.annotator.files.mask_files import MaskFiles
from pointillist.annotator.files.transfer import Transfer
from pointillist.annotator.files.wording import without_flags
from pointillist.annotator.folder import DataFolder
from pointillist.annotator.images.bands import FolderBands
from pointillist.annotator.images.cache import THUMBNAILS, cache_folder, trim
from pointillist.annotator.images.catalogue import Catalogue
from pointillist.annotator.images.files import DISK
from pointillist.annotator.images.levels import TILE, levels_of
from pointillist.annotator.images.pictures import Pictures
from pointillist.annotator.images.pyramid import Pyramids
from pointillist.annotator.labels.applying import PALETTE, Applied, Applier
from pointillist.annotator.labels.correcting import Corrector
from pointillist.annotator.labels.cost import cost
from pointillist.annotator.labels.operations import LARGEST_BATCH, OperationBatch
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.labels.shown import Shown
from pointillist.annotator.labels.store import Store
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.labels.writer import Writer
from pointillist.errors import PointillistError
from pointillist.locks import in_use
from pointillist.points.questions import ANSWERED_BY, SECONDS
from pointillist.version import __version__

LARGEST_CLASS_NAME = 100


class Session:
    """An opened folder.

    Attributes:
        publish: Tells the pages that something is new, see `Hub.publish`; nobody listens until an `App` does.
        after_change: Called after each change of the labels.
        shown: What pages were shown last; whoever makes labels for them keeps them there.

    Raises:
        RunError: Another annotator has the folder open.
        PointillistError: The label files or the store cannot be read or written.
    """

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self._opened = ExitStack()
        self._guard = ExitStack()
        hint = "Use that one (several people and tabs can work in it at once), or end it first."
        self._guard.enter_context(in_use(folder.own, "annotating", where=folder.root, hint=hint))
        self._opened.callback(self._guard.close)
        # What a killed server left of uploads is nobody's.
        shutil.rmtree(folder.own / "transfer", ignore_errors=True)
        # Earlier versions kept theirs here.
        for kind in ("images", "thumbnails"):
            shutil.rmtree(folder.own / "cache" / kind, ignore_errors=True)
        with suppress(OSError):  # predictions stay
            (folder.own / "cache").rmdir()
        self.store = Store(folder.own / "annotator.sqlite")
        self._opened.callback(self.store.close)
        self.catalogue = Catalogue(folder, self.store.metadata("secret"))
        self.writer = Writer(self.store)
        self._opened.callback(self.writer.close)
        self.shown = Shown()
        self.publish: Callable[..., None] = lambda *_: None
        self.masks = MaskFiles(folder, self.catalogue.size, self.writer)
        self.files = LabelFiles(folder, self.store, self.writer, self.masks, self._files_written)
        self.pyramids = Pyramids(self.catalogue, cache_folder("images"), folder.bands.plane)
        self.pyramids.windows.on_made = self._levels_made
        self._opened.callback(self.pyramids.windows.close)
        self.bands = FolderBands(folder, self.catalogue)
        thumbnails = cache_folder("thumbnails")
        trim(thumbnails.iterdir(), THUMBNAILS)
        self.pictures = Pictures(self.catalogue, self.pyramids, self.bands, thumbnails)
        self.transfer = Transfer(folder, self.catalogue, self.store, self.writer, self.changed)
        self.after_change: Callable[[], None] = lambda: None
        corrector = Corrector(folder, self.catalogue.name, self.catalogue.size, self.shown, self.masks)
        self._applier = Applier(folder, self.catalogue.name, self.catalogue.size, corrector)
        try:
            self.files.open()
        except BaseException:
            self._opened.close()
            raise
        self._opened.callback(self.files.close)

    def close(self) -> None:
        """Write the label files, and let go of the folder; a second time does nothing.

        Raises:
            PointillistError: The label files could not be written; the store has everything.
        """
        self._opened.close()

    def submit(self, batch: OperationBatch) -> Future[tuple[int, list[Applied]]]:
        """Have operations applied; the future has the last one's number and all outcomes once they are on the disk."""

        def work(tables: Tables) -> tuple[int, list[Applied]]:
            # One that cannot be applied does not stop the others.
            outcomes = [self._applier.apply(tables, batch.client, operation) for operation in batch.ops]
            return tables.seq(), outcomes

        future = self.writer.submit(work)
        future.add_done_callback(lambda done: None if done.exception() else self.changed())
        return future

    def changed(self) -> None:
        """Tell the pages and the label files that there are new operations."""
        self.files.changed()
        self.publish()
        self.after_change()

    def _files_written(self) -> None:
        self.publish("csv", self.csv_state())
        troubled = {self.catalogue.find_id(name): error for name, error in list(self.masks.problems.items())}
        self.publish("masks", {given: error_body(error) for given, error in troubled.items() if given is not None})
        self.publish()  # others' edits of the files are changes, too

    def _levels_made(self) -> None:
        made = self.pyramids.windows.made
        self.publish("levels", {self.catalogue.id(name): stamp for name, stamp in list(made.items())})

    def csv_state(self) -> dict[str, Any]:
        """Whether points.csv is current, up to which operation it was written, and if it cannot be, why."""
        files = self.files
        problem = None if files.problem is None else error_body(files.problem)
        asked = files.removal
        removal = None if asked is None else {"digest": asked.digest, "removed": asked.removed, "of": asked.of}
        return {"current": files.current, "written": files.written, "problem": problem, "removal": removal}

    def project(self) -> dict[str, Any]:
        """Classes, counts and costs."""
        tables = self.store.reading()
        seq = tables.seq()  # first: what follows may be newer, never older
        by_class = tables.points_by_class()
        background, policy = tables.background()
        counts = tables.counts()
        labelled = sum(1 for name in counts if self.catalogue.find_id(name) is not None)
        strays = sum(count for name, count in counts.items() if self.catalogue.find_id(name) is None)
        classes = tables.classes()
        why = None
        if len(classes) < 2:
            why = "Training needs at least two classes."
        elif labelled == 0:
            why = "Training needs points on at least one image."
        return {
            "id": self.catalogue.folder_id,
            "name": self.folder.root.name,
            "version": __version__,
            "seq": seq,
            "classes": [
                {
                    **{"id": row.id, "name": row.name, "color": row.color},
                    **{"background": row.id == background, "points": by_class.get(row.id, 0)},
                }
                for row in classes
            ],
            "policy": policy,
            "suggested_colors": list(PALETTE[:24]),
            "images": {
                "total": len(self.catalogue),
                "labelled": labelled,
                "points": sum(counts.values()) - strays,
                "left_out": str(self.folder.left_out),
            },
            "strays": strays,
            "cache": {"bytes": self.pyramids.files.bytes, "most": DISK},
            "cost": cost(tables),
            "csv": self.csv_state(),
            "can_train": {"ok": why is None, "why": why},
            "limits": {"ops": LARGEST_BATCH, "class_name": LARGEST_CLASS_NAME},
        }

    def image(self, name: str) -> dict[str, Any]:
        """Size, bands, levels and points of an image."""
        return {**self.frame(name), "bands": self.bands.about(name), **self.points(name)}

    def frame(self, name: str) -> dict[str, Any]:
        """Size and levels of an image: what is needed to show it."""
        height, width = self.catalogue.size(name)
        return {
            **self.catalogue.about(name),
            "width": width,
            "height": height,
            "stamp": self.pictures.version(name),
            "tile": TILE,
            "levels": [
                {"level": i, "width": s.width, "height": s.height, "columns": s.columns, "rows": s.rows}
                for i, s in enumerate(levels_of((height, width)))
            ],
        }

    def points(self, name: str) -> dict[str, Any]:
        """Points of an image, and the number of the last operation they know of."""
        tables = self.store.reading()
        seq = tables.seq()
        return {"seq": seq, "points": [point_body(self.catalogue, row) for row in tables.points_of(name)]}

    def mask(self, name: str) -> dict[str, Any]:
        """The mask of an image and the strokes on it; `mask` is None where it has none that was accepted here."""
        tables = self.store.reading()
        with tables.snapshot():
            seq, mask = tables.seq(), tables.mask_of(name)
            strokes = [] if mask is None else tables.strokes_of(mask.id)
            about = self.masks.about(tables, name)
        problem = self.masks.problems.get(name)
        return {
            "seq": seq,
            "mask": None if mask is None else mask.id,
            "strokes": [
                {
                    "id": stroke.id,
                    "class": tables.class_id(stroke.label) if stroke.label else None,
                    "radius": stroke.radius,
                    "path": stroke.path,
                }
                for stroke in strokes
            ],
            **about,
            "problem": None if problem is None else error_body(problem),
        }

    def changes(self, after: int, limit: int) -> dict[str, Any]:
        """Operations after a number, each with the present state of its point."""
        tables = self.store.reading()
        found = tables.operations_after(after, limit + 1)
        entries = []
        for seq, client, content in found[:limit]:
            row = tables.point(content["point"]) if "point" in content else None
            if "image" in content:
                content["image"] = self.catalogue.find_id(content["image"])
            if content.get("images") is not None:
                content["images"] = [self.catalogue.find_id(name) for name in content["images"]]
            point = None if row is None else point_body(self.catalogue, row, whole=True)
            about = [tables.point(given) for given in content.get("points", ())]
            points = [point_body(self.catalogue, row, whole=True) for row in about if row is not None]
            entries.append({"seq": seq, "client": client, "op": content, "point": point, "points": points})
        return {"seq": tables.seq(), "changes": entries, "more": len(found) > limit}

    def outcome(self, applied: Applied) -> dict[str, Any]:
        """What became of an operation, as the page reads it."""
        return {
            "id": applied.id,
            "status": applied.status,
            "seq": applied.seq,
            "point": None if applied.point is None else point_body(self.catalogue, applied.point, whole=True),
            "points": [point_body(self.catalogue, row, whole=True) for row in applied.points],
            "error": None if applied.error is None else error_body(applied.error),
        }

    def cost(self) -> dict[str, Any]:
        """What the labels have cost so far."""
        return cost(self.store.reading())


def point_body(catalogue: Catalogue, row: PointRow, *, whole: bool = False) -> dict[str, Any]:
    """A point as the page reads it; `whole` adds its image and whether it is deleted, or is a question without class.

    `question` has the further columns about an answer, and is None for a click.
    """
    body: dict[str, Any] = {"id": row.id, "x": row.x, "y": row.y, "class": row.label, "version": row.version}
    told = {key: row.extra.get(key, "") for key in (SECONDS, ANSWERED_BY)}
    body["question"] = told if row.question else None
    return {**body, "image": catalogue.find_id(row.image), "deleted": row.deleted or not row.label} if whole else body


def error_body(error: PointillistError) -> dict[str, Any]:
    """An error as the page reads it; of a path only the last part, which tells nothing about this machine."""
    where = None if error.where is None else error.where.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if where is not None and error.line is not None:
        where = f"{where}, line {error.line}"
    field = None if error.field is None else without_flags(error.field)
    return {"found": without_flags(error.found), "where": where, "field": field, "hint": without_flags(error.hint)}
