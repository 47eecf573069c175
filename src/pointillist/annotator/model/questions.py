"""Questions: which pixel a person is asked next, and the drawing of more."""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from pointillist.annotator.files.transfer import MANY
from pointillist.annotator.labels.rows import PointRow
from pointillist.annotator.labels.tables import Tables
from pointillist.annotator.session import Session
from pointillist.data.ask import draw_questions
from pointillist.errors import PointillistError
from pointillist.points.questions import COLUMNS

CLIENT = "questions"
"""Who made the questions that are drawn here."""


@dataclass(frozen=True)
class Questions:
    """The questions of a folder; `image` is the name of one to stay with, None for all."""

    session: Session

    def listed(self, client: str, image: str | None, limit: int) -> dict[str, Any]:
        """The next open questions of a tab, and how many there are in all.

        Every image gets its first question before any gets its second. Within an image chance decides: whoever ends
        early has answered a part of each image's questions that nobody chose. Each tab has another order, so that
        several people seldom answer the same question.
        """
        session = self.session
        tables = session.store.reading()
        answered = tables.answers_by_image()
        by_image: dict[str, list[tuple[int, str, float, float]]] = defaultdict(list)
        for given, name, x, y in tables.open_questions(image):
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

    def draw(self, given: str, image: str | None, per_image: int, budget: int | None) -> int:
        """Draw questions evenly, unless some are open; gives how many, 0 where the operation was applied before.

        They are those that `pointillist ask` draws from the same images with the same seed, which is the number of
        questions there are.

        Raises:
            PointillistError: The size of an image, or a split, cannot be read, or the store cannot be written.
        """
        session = self.session
        tables = session.store.reading()
        if tables.open_questions(image):
            return 0
        names = session.folder.learnt_from() if image is None else [image]
        seed = len(tables.questions())
        drawn = draw_questions(names, session.catalogue.size, per_image=per_image, budget=budget, seed=seed)
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
