"""What a page can ask for: small operations that can be sent again without harm."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pointillist.naming import LONGEST_CLASS_NAME
from pointillist.schema import Strict

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z-]{8,40}$")]
"""Made by the page, so that an operation has its name before the server has heard of it."""

ServerId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
"""Of an image or a folder; made by the server."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CLASS_NAME)]
"""Of a class; `naming.class_name_problem` says more."""

HexColor = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]

Base = Annotated[int, Field(ge=0)] | None
"""Version of the point that the page last saw."""

Status = Literal["done", "repeated", "kept", "rejected"]


class _Operation(Strict):
    id: Id


class Change(_Operation):
    """What is done to a point that is there."""

    point: Id


class _OfClass(_Operation):
    class_: Id = Field(alias="class")


class Add(_Operation):
    """A click. Coordinates are continuous pixels of the upright image, the centre of pixel (c, r) at +0.5."""

    kind: Literal["add"]
    point: Id
    image: ServerId
    x: float
    y: float
    class_: Id = Field(alias="class")


class Move(Change):
    """A dragged point."""

    kind: Literal["move"]
    x: float
    y: float
    base: Base = None


class Relabel(Change):
    """A point of another class."""

    kind: Literal["relabel"]
    class_: Id = Field(alias="class")
    base: Base = None


class Delete(Change):
    """A removed point; it can be restored."""

    kind: Literal["delete"]
    base: Base = None


class Restore(Change):
    """A removed point comes back."""

    kind: Literal["restore"]


class Answer(Change):
    """A question answered, by a class or by why there is none.

    `seconds` is how long it took, None where that was not measured; `answered_by` whoever the page says it was. Those
    of an audit are of a kind of their own, so that no page takes them for points.
    """

    kind: Literal["answer", "audit-answer"]
    class_: Id | None = Field(None, alias="class")
    answer: Literal["unsure", "border"] | None = None
    seconds: Annotated[float, Field(ge=0, le=3600)] | None = None
    answered_by: Annotated[str, StringConstraints(max_length=100)] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.class_ is None) == (self.answer is None):
            raise ValueError("an answer is a class, or says why there is none")
        if not self.answered_by.isprintable():
            raise ValueError("a name has characters that cannot be seen")
        return self


class Reopen(Change):
    """An answer taken back; the question is open again."""

    kind: Literal["reopen", "audit-reopen"]
    base: Base = None


LARGEST_SCRIBBLE = 40
"""Points of one scribble: enough to follow any object, too few to outweigh the clicks of an image."""

LARGEST_ERASURE = 2000
"""Points that one stroke of the eraser removes."""


class ScribblePoint(Strict):
    """One point of a scribble; coordinates as in `Add`."""

    point: Id
    x: float
    y: float


class ErasedPoint(Strict):
    """A point under the eraser, as the page last saw it."""

    point: Id
    base: Base = None


class Correction(_Operation):
    """What is done with one stroke; all of it happens, or nothing does."""


class Scribble(Correction):
    """Points of one class along one stroke over one object."""

    kind: Literal["scribble"]
    image: ServerId
    class_: Id = Field(alias="class")
    points: Annotated[list[ScribblePoint], Field(min_length=1, max_length=LARGEST_SCRIBBLE)]


class Erase(Correction):
    """Points under a stroke of the eraser; they can be restored. Answers to questions and unknown points stay out."""

    kind: Literal["erase"]
    points: Annotated[list[ErasedPoint], Field(min_length=1, max_length=LARGEST_ERASURE)]


class Unerase(Correction):
    """Erased points come back."""

    kind: Literal["unerase"]
    points: Annotated[list[Id], Field(min_length=1, max_length=LARGEST_ERASURE)]


LARGEST_PATH = 4000
"""Numbers in the path of one stroke of the brush."""


class AcceptMask(Correction):
    """What was shown on an image under the token `layer` becomes its mask; with `replace` also where one is there."""

    kind: Literal["mask"]
    mask: Id
    image: ServerId
    layer: ServerId
    replace: bool = False


class Brush(Correction):
    """A stroke on a mask: of a class, or undecided. `path` is x, y, x, y, …, coordinates as in `Add`."""

    kind: Literal["stroke"]
    stroke: Id
    mask: Id
    class_: Id | None = Field(alias="class")
    # A pixel's centre is at most 0.71 from any place in it: no stroke paints nothing.
    radius: float = Field(ge=0.75, le=2000)
    path: Annotated[list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=2, max_length=LARGEST_PATH)]

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.path) % 2:
            raise ValueError("a path has as many x as y")
        return self


class TakeBack(Correction):
    """A mask or a stroke on one goes; it can be brought back."""

    kind: Literal["take-back"]
    item: Id


class BringBack(Correction):
    """A mask or a stroke comes back."""

    kind: Literal["bring-back"]
    item: Id


class Verdict(_Operation):
    """An entry of the list of clicks to be looked at is settled, or open again."""

    kind: Literal["verdict"]
    entry: ServerId
    settled: bool


class ClassAdd(_OfClass):
    """A new class."""

    kind: Literal["class-add"]
    name: Name
    color: HexColor | None = None
    background: bool = False


class ClassRename(_OfClass):
    """Another name for a class, everywhere."""

    kind: Literal["class-rename"]
    name: Name


class ClassColor(_OfClass):
    """Another colour for a class."""

    kind: Literal["class-color"]
    color: HexColor


class ClassMerge(_OfClass):
    """The points of a class become those of another one."""

    kind: Literal["class-merge"]
    into: Id


class ClassRemove(_OfClass):
    """A class without points goes."""

    kind: Literal["class-remove"]


class Background(_Operation):
    """Which class is the background, and how it is told from the rest."""

    kind: Literal["background"]
    class_: Id | None = Field(alias="class")
    policy: Literal["points", "border"] = "points"


_OnClasses = ClassAdd | ClassRename | ClassColor | ClassMerge | ClassRemove | Background

_OnPoints = Add | Move | Relabel | Delete | Restore | Answer | Reopen

_Corrections = Scribble | Erase | Unerase | AcceptMask | Brush | TakeBack | BringBack

Operation = Annotated[_OnPoints | _OnClasses | _Corrections | Verdict, Field(discriminator="kind")]


def of_audit(operation: object) -> bool:
    """Whether an operation is about a question of an audit."""
    return isinstance(operation, Answer | Reopen) and operation.kind.startswith("audit")


LARGEST_BATCH = 500
"""Operations in one request."""


class OperationBatch(Strict):
    """Operations of one tab, in the order they were made.

    Attributes:
        folder: The folder they are meant for: an open page may find another one at its address. A program that has
            just looked which one it is need not say.
    """

    folder: ServerId | None = None
    client: Id
    ops: Annotated[list[Operation], Field(min_length=1, max_length=LARGEST_BATCH)]
