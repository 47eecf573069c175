"""Questions: which pixel a person is asked next, and the drawing of more."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pointillist.annotator.files.transfer import MANY
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.model.runs import Run
from pointillist.annotator.model.work import Work
from pointillist.annotator.session import Session
from pointillist.data.ask import draw_questions
from pointillist.data.gaps import pixels_with_data
from pointillist.errors import PointillistError, RunError
from pointillist.points.questions import COLUMNS, INCLUSION, QUESTION, SOURCE, Strategy
from pointillist.points.table import Point

CLIENT = "questions"
"""Who made the questions that are drawn here."""


@dataclass(frozen=True)
class Questions:
    """The questions of a folder; `image` is the name of one to stay with, None for all."""

    session: Session
    work: Work | None = None
    model: Callable[[], Run | None] = lambda: None

    def listed(self, client: str, image: str | None, limit: int, *, audit: bool = False) -> dict[str, Any]:
        """The next open questions of a tab, or those of audits, and how many there are in all.

        Every image gets its first question before any gets its second. Within an image chance decides: whoever ends
        early has answered a part of each image's questions that nobody chose. Each tab has another order, so that
        several people seldom answer the same question.
        """
        session = self.session
        tables = session.store.reading()
        answered = tables.answers_by_image(audit=audit)
        by_image: dict[str, list[tuple[int, str, float, float]]] = defaultdict(list)
        for given, name, x, y in tables.open_questions(image, audit=audit):
            if session.catalogue.find_id(name) is not None:
                by_image[name].append((_chance(client, given), given, x, y))
        turns = sorted(
            (answered.get(name, 0) + turn, _chance(client, name), name, question)
            for name, here in by_image.items()
            for turn, question in enumerate(sorted(here))
        )
        frames: dict[str, dict[str, Any] | None] = {}
        questions: list[dict[str, Any]] = []
        hidden = 0
        for _, _, name, (_, given, x, y) in turns:
            if len(questions) == limit:
                break
            if name not in frames:
                frames[name] = self._frame(name)
            frame = frames[name]
            if frame is None or not (0 <= x < frame["width"] and 0 <= y < frame["height"]):
                hidden += 1
            else:
                questions.append({"id": given, "image": frame["id"], "x": x, "y": y})
        return {
            "open": len(turns) - hidden,
            "answered": answered.get(image, 0) if image is not None else sum(answered.values()),
            "questions": questions,
            "images": {frame["id"]: frame for frame in frames.values() if frame is not None},
        }

    def _frame(self, name: str) -> dict[str, Any] | None:
        try:
            return self.session.frame(name)
        except PointillistError:
            return None  # its own page says what is wrong with it

    def draw(
        self, given: str, image: str | None, per_image: int, budget: int | None, strategy: Strategy = "even"
    ) -> int | None:
        """Draw questions, unless some are open; gives how many, 0 where the operation was applied before.

        They are those that `pointillist ask` draws from the same images with the same seed, which is the number of
        questions there are. Any strategy but `even` needs the model, and takes a while: then None is given, and `work`
        tells how it goes.

        Raises:
            RunError: There is no model, or something else is being worked out.
            PointillistError: The size of an image, or a split, cannot be read, or the store cannot be written.
        """
        session = self.session
        tables = session.store.reading()
        if tables.open_questions(image):
            return 0
        names = session.folder.learnt_from() if image is None else [image]
        seed = len(tables.questions())
        if strategy != "even":
            run = self.model()
            if run is None or self.work is None:
                raise RunError("there is no model yet that could be unsure.", hint="Train one, or ask evenly.")
            wishes = {"images": names, "per_image": per_image, "budget": budget, "strategy": strategy, "seed": seed}
            self.work.start("questions", {"run": run.number, **wishes}, lambda found: self._take(given, image, found))
            return None
        drawn = draw_questions(
            names,
            session.catalogue.size,
            per_image=per_image,
            budget=budget,
            seed=seed,
            valid_of=lambda name: pixels_with_data(session.catalogue.path(name), plane=session.folder.bands.plane),
        )
        return self._add(given, image, drawn)

    def _take(self, given: str, image: str | None, found: Sequence[tuple[str, float, float, str]]) -> None:
        drawn = [Point(name, x, y, "", {SOURCE: QUESTION, INCLUSION: chance}) for name, x, y, chance in found]
        self._add(given, image, drawn)

    def _add(self, given: str, image: str | None, drawn: Sequence[Point]) -> int:
        session = self.session
        named = list(dict.fromkeys(point.image for point in drawn))

        def add(tables: Tables) -> int:
            # Somebody else, or the same request sent twice, may have come first.
            if tables.seq_of(given) is not None or tables.open_questions(image):
                return 0
            seq = tables.seq() + 1
            for number, point in enumerate(drawn):
                row = PointRow(uuid.uuid4().hex, point.image, point.x, point.y, "", seq, CLIENT, False, point.extra)
                tables.put_point(row, number=number)
            tables.add_columns(COLUMNS)
            content = {"kind": "ask", "images": named if len(named) <= MANY else None}
            tables.log(seq, CLIENT, content, operation=given)
            return len(drawn)

        count = session.writer.submit(add).result()
        session.changed()
        return count


def _chance(*of: str) -> int:
    return int.from_bytes(hashlib.blake2b(" ".join(of).encode(errors="replace"), digest_size=8).digest())
