"""What a user says about a label file, because the file itself does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, PositiveInt

from pointillist.schema import Strict

Origin = Literal["corner", "pixel"]
"""What the numbers of a label file mean.

`corner`: continuous, measured from the top-left corner of the image, as this program has them. `pixel`: indices of
pixels, whose centres are half a pixel further, so 0.5 is added on reading and subtracted on writing.
"""


def _parse_size(value: Any) -> Any:
    if isinstance(value, str):
        parts = value.lower().replace("×", "x").split("x")
        if len(parts) != 2 or not all(part.strip().isdecimal() and len(part) < 9 for part in parts):
            raise ValueError("write HEIGHTxWIDTH, for example 1024x2048")
        return [int(part) for part in parts]
    return value


class FormatOptions(Strict):
    """What a user says about a label file that the file itself does not.

    Each option has a docstring below it: the command line and the docs show it.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    origin: Origin | None = None
    """What its coordinates count from, where the tool that wrote it departs from the format."""
    size: Annotated[tuple[PositiveInt, PositiveInt] | None, BeforeValidator(_parse_size)] = None
    """Height and width of every image whose size is not known otherwise."""
    repeated: Literal["reject", "merge"] = "reject"
    """Whether several entries for one image name are left out, or are all about the same image."""


@dataclass(frozen=True)
class OptionInfo:
    """An option of a format, for listings.

    Args:
        name: What the user types.
        values: What it may be: `yx or xy`, `number`, `HxW`, `text`.
        default: What holds where nobody says it; empty where nothing does.
        required: Whether it must be given, because no such file says it and a guess is not safe.
        description: What it means.
    """

    name: str
    values: str
    default: str
    required: bool
    description: str


def describe_options(options: type[FormatOptions], required: Iterable[str] = ()) -> list[OptionInfo]:
    """The options of a format, its own before those that all formats share."""
    shared = FormatOptions.model_fields
    return [
        OptionInfo(
            name,
            _values(field.annotation),
            "" if field.default is None else str(field.default),
            name in required,
            field.description or "",
        )
        for name, field in sorted(options.model_fields.items(), key=lambda item: item[0] in shared)
    ]


def _values(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, get_args(annotation)))
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return _values(kinds[0])
    return {int: "number", str: "text"}.get(kinds[0], "HxW" if get_origin(kinds[0]) is tuple else "text")
