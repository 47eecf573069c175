"""What a page can ask for: small operations that can be sent again without harm."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pointillist.schema import Strict

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z-]{8,40}$")]
"""Made by the page, so that an operation has its name before the server has heard of it."""

ServerId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
"""Of an image or a folder; made by the server."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""Of a class; `class_name_problem` says more."""

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

    `seconds` is how long it took, None where that was not measured; `answered_by` whoever the page says it was.
    """

    kind: Literal["answer"]
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

    kind: Literal["reopen"]
    base: Base = None


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

Operation = Annotated[_OnPoints | _OnClasses, Field(discriminator="kind")]

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


def class_name_problem(name: str) -> str | None:
    """What is wrong with a class name, None when nothing is."""
    if name != name.strip():
        return f"{name!r} begins or ends with a blank."
    if not name or not name.isprintable():
        return f"{name!r} has characters that cannot be seen."
    return None
