"""Audits: questions by which the model is judged, apart from all that is learnt from, and what their answers say."""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pointillist.annotator.labels.rows import AUDIT, DRAW, PointRow
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.model.runs import Run
from pointillist.annotator.model.work import Work
from pointillist.annotator.session import Session, error_body
from pointillist.errors import PointillistError, PointsError, RunError
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.points.questions import COLUMNS, INCLUSION, QUESTION, SOURCE
from pointillist.points.table import Point, PointTable
from pointillist.sealed import read_sealed, write_sealed

CLIENT = "audit"
"""Who made the questions."""

PAUSE = 1.0
"""Seconds after an answer until the files are written."""

log = logging.getLogger("pointillist.annotator")


class Audits:
    """The questions of `audit.csv`, `audit-2.csv`, …, a file for each draw, as `pointillist audit` has them.

    In the store they are rows that no training and no layer sees. `model` gives the run of the present model.
    """

    def __init__(self, session: Session, work: Work, model: Callable[[], Run | None]) -> None:
        self._session = session
        self._work = work
        self._model = model
        self._writing = threading.Lock()
        self._planning = threading.Lock()
        self._written = -1
        self._timer: threading.Timer | None = None
        self.problem: PointillistError | None = None

    def open(self) -> None:
        """Take in what the files say."""
        self._write_or_tell()

    def close(self) -> None:
        """Write the files."""
        if self._timer is not None:
            self._timer.cancel()
        self._write_or_tell()

    def changed(self) -> None:
        """Say that there may be new answers; the files are written soon."""
        if self._written == self._session.store.reading().audit_version():
            return
        # Called by the thread that writes the store, which nothing that waits for it may keep waiting.
        with self._planning:
            if self._timer is None:
                self._timer = threading.Timer(PAUSE, self._write_soon)
                self._timer.daemon = True
                self._timer.start()

    def status(self) -> dict[str, Any]:
        """How many questions there are, and what the present model was last found to be worth."""
        tables = self._session.store.reading()
        rows = tables.questions(audit=True)
        run = self._model()
        result = None if run is None else _result(run)
        return {
            "open": sum(not row.answered for row in rows),
            "answered": sum(row.answered for row in rows),
            "model": None if run is None else run.name,
            "result": result,
            "stale": result is not None and result["version"] != tables.audit_version(),
            "problem": None if self.problem is None else error_body(self.problem),
        }

    def draw(self, given: str, questions: int) -> dict[str, Any]:
        """Draw questions on images that the model has not learnt from; `given` is the id of the operation.

        Raises:
            RunError: There is no model, or something else is being worked out.
            PointillistError: The label files cannot be written.
        """
        rows = self._session.store.reading().questions(audit=True)
        number = 1 + max((int(row.extra.get(DRAW, "1")) for row in rows), default=0)

        def finish(result: Any) -> None:
            drawn = (
                PointRow("", image, x, y, "", 0, CLIENT, False, _columns(number, inclusion))
                for image, x, y, inclusion in result["questions"]
            )
            self._session.writer.submit(lambda tables: _add(tables, drawn, given)).result()
            self._session.changed()

        wishes = {"run": self._run().number, "questions": questions, "seed": number - 1}
        return self._work.start("audit-questions", wishes, finish)

    def judge(self) -> dict[str, Any]:
        """Find out what the answers say about the present model.

        Raises:
            RunError: There is no model, or something else is being worked out.
            PointillistError: The files cannot be read or written.
        """
        run = self._run()
        files = self.write()
        if not files:
            raise PointsError("there are no questions to judge by.", field="audit", hint="Have some drawn first.")
        version = self._session.store.reading().audit_version()

        def finish(result: Any) -> None:
            write_sealed(_kept(run), {**result, "version": version})

        return self._work.start("audit", {"run": run.number, "files": [str(file) for file in files]}, finish)

    def write(self) -> list[Path]:
        """Take in what others wrote into the files, then write them; gives those there are.

        Raises:
            PointillistError: One cannot be read or written.
        """
        session = self._session
        with self._writing:
            tables = session.store.reading()
            theirs = [
                (number, NativeCsv().read(path).rows)
                for number, path in self._files()
                if _digest(path) != tables.metadata(f"audit {number}")
            ]
            if session.writer.submit(lambda tables: _take_in(tables, theirs)).result():
                session.changed()
            tables = session.store.reading()
            version = tables.audit_version()
            names = {row.id: row.name for row in tables.classes()}
            draws: dict[int, list[Point]] = {}
            for row in tables.questions(audit=True):
                extra = {key: value for key, value in row.extra.items() if not key.startswith("\0")}
                label = names.get(tables.class_id(row.extra[AUDIT]) or "", "")
                draws.setdefault(int(row.extra[DRAW]), []).append(Point(row.image, row.x, row.y, label, extra))
            files = {number: self._file(number) for number in sorted(draws)}
            for number, file in files.items():
                named, unnamed = (
                    [point for point in draws[number] if bool(point.label) == has] for has in (True, False)
                )
                columns = dict.fromkeys((*COLUMNS, *(key for point in draws[number] for key in point.extra)))
                write_csv(PointTable(named, tuple(columns), unnamed=unnamed), file)
            digests = {f"audit {number}": _digest(file) for number, file in files.items()}
            session.writer.submit(lambda tables: _note(tables, digests)).result()
            self._written = version
            self.problem = None
            return list(files.values())

    def _write_soon(self) -> None:
        with self._planning:
            self._timer = None  # what comes while this is written, is written next
        self._write_or_tell()

    def _write_or_tell(self) -> None:
        try:
            self.write()
        except PointillistError as error:
            log.error("the questions of audits: %s", error)
            self.problem = error

    def _run(self) -> Run:
        run = self._model()
        if run is None:
            raise RunError("there is no model to judge.", hint="Train one first.")
        return run

    def _file(self, number: int) -> Path:
        return self._session.folder.root / ("audit.csv" if number == 1 else f"audit-{number}.csv")

    def _files(self) -> Iterable[tuple[int, Path]]:
        for number in range(1, 1000):
            path = self._file(number)
            if path.is_symlink() or not path.is_file():
                return
            yield number, path


def _columns(draw: int, inclusion: str) -> dict[str, str]:
    return {SOURCE: QUESTION, INCLUSION: inclusion, AUDIT: "", DRAW: str(draw)}


def _add(tables: Tables, rows: Iterable[PointRow], given: str | None) -> int:
    """Add questions that are not there yet; `given` is applied once."""
    if given is not None and tables.seq_of(given) is not None:
        return 0
    there = {(row.image, row.x, row.y) for row in tables.questions(audit=True)}
    seq = tables.seq() + 1
    new = [row for row in rows if (row.image, row.x, row.y) not in there]
    for number, row in enumerate(new):
        tables.put_point(replace(row, id=uuid.uuid4().hex, version=seq), number=number)
    if new:
        tables.log(seq, CLIENT, {"kind": "audit", "images": []}, operation=given)
    return len(new)


def _take_in(tables: Tables, draws: Sequence[tuple[int, Iterable[Point]]]) -> int:
    """Take in questions and answers that are not known here; an answer that was given here stays."""
    ids = {row.name: row.id for row in tables.classes()}
    known = {(row.image, row.x, row.y): row for row in tables.questions(audit=True)}
    new = []
    seq = tables.seq() + 1
    changed = 0
    for draw, points in draws:
        for point in points:
            if point.extra.get(SOURCE) != QUESTION:
                continue
            if point.label and point.label not in ids:
                found = f"answers a question with the class '{point.label}', which is not there."
                raise PointsError(found, where=f"audit.csv, draw {draw}", hint="Add the class, or correct the file.")
            extra = {**point.extra, AUDIT: ids.get(point.label, ""), DRAW: str(draw)}
            row = PointRow("", point.image, point.x, point.y, "", seq, CLIENT, False, extra)
            there = known.get((point.image, point.x, point.y))
            if there is None:
                new.append(row)
            elif row.answered and not there.answered and there.client == CLIENT:
                tables.change_point(replace(there, extra={**there.extra, **extra}, version=seq))
                changed += 1
    if changed:
        tables.log(seq, CLIENT, {"kind": "audit", "images": []})
    return changed + _add(tables, new, None)


def _note(tables: Tables, digests: Mapping[str, str]) -> None:
    """Remember the files as they were written, to tell what others change."""
    for name, digest in digests.items():
        tables.set_metadata(name, digest)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _kept(run: Run) -> Path:
    return run.home / f"{run.name}.audit.json"


def _result(run: Run) -> dict[str, Any] | None:
    """What was last found about a run."""
    if not _kept(run).is_file():
        return None
    return read_sealed(_kept(run), RunError, "Remove it, and judge the model again.")
