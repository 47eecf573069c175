"""Settings that may be written in more than one way."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field


def _size(value: Any) -> Any:
    """`144x192` as (height, width), `160` as (160, 160), `native` as None; `auto` stays."""
    if isinstance(value, str):
        if value in ("native", "auto"):
            return None if value == "native" else value
        parts = value.lower().replace("×", "x").split("x")
        if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
            raise ValueError("write HEIGHTxWIDTH, for example 144x192, or one number, or 'native', or 'auto'")
        value = [int(part) for part in parts]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    return [value[0], value[0]] if isinstance(value, list) and len(value) == 1 else value


Side = Annotated[int, Field(ge=16, le=16384)]
Size = Annotated[tuple[Side, Side] | None, BeforeValidator(_size)]
LearntSize = Annotated[tuple[Side, Side] | Literal["auto"] | None, BeforeValidator(_size)]


def _names(value: Any) -> Any:
    """`csv,wandb` as two names; `none` as no name."""
    if isinstance(value, str):
        return [] if value == "none" else [name.strip() for name in value.split(",")]
    return [] if value is None else value


Loggers = Annotated[tuple[Literal["tensorboard", "csv", "wandb", "mlflow"], ...], BeforeValidator(_names)]
