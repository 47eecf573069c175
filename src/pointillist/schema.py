"""Strict settings: a wrong key or value is named together with the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence, ValuesView
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from pointillist.errors import PointillistError
from pointillist.yamltext import MAX_DEPTH


class Strict(BaseModel):
    """Base of everything that is read from a settings file: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _is_number(value: Any) -> bool:
    """Sane ones alone: a stranger's file must not ask for terabytes."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 4096


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if isinstance(value, list | tuple):
            fits = len(value) <= 16 and all(map(_is_number, value))
        else:
            short = isinstance(value, str) and len(value) <= 32
            fits = value is None or isinstance(value, bool) or short or _is_number(value)
        if not fits:
            raise ValueError(f"{name!r} is no number up to 4096, no short word and no list of up to 16 numbers")
    # As they come back from a file.
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}


PlainOptions = Annotated[dict[str, Any], AfterValidator(_plain)]
"""Options by name that go to somebody else's code."""

Model = TypeVar("Model", bound=BaseModel)


def check_depth(values: Any, kind: type[PointillistError], where: str | Path) -> None:
    """Refuse what is nested so deep that whoever goes through it would run out of stack.

    Raises:
        kind: It is more than `MAX_DEPTH` deep.
    """
    level = [values]
    for _ in range(MAX_DEPTH + 1):
        inner = (one.values() if isinstance(one, Mapping) else one for one in level)
        level = [value for one in inner if isinstance(one, list | tuple | ValuesView) for value in one]
    if level:
        raise kind(f"is nested more than {MAX_DEPTH} deep.", where=where, hint="Is this the right file?")


def parse(
    model: type[Model], values: Mapping[str, Any], kind: type[PointillistError], where: str | Path, prefix: str = ""
) -> Model:
    """Validate settings, whose names a user writes with a prefix.

    Raises:
        kind: At the first key that does not exist or has an impossible value.
    """
    check_depth(values, kind, where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = _location(model, first["loc"])
        path = prefix + ".".join(str(part) for part in location)
        if first["type"] == "extra_forbidden":
            found, hint = "there is no such setting.", _nearest_key(model, location, prefix)
        elif first["type"] == "union_tag_invalid":
            tags = first["ctx"]["expected_tags"].replace("'", "")
            found, hint = f"there is no {first['ctx']['tag']!r} of this kind.", f"Valid: {tags}, none."
        else:
            message = first["msg"].removeprefix("Value error, ")
            found = f"found {_brief(first['input'])}: {message[:1].lower()}{message[1:]}."
            hint = "Correct this value."
            if first["type"] == "missing":
                found, hint = "this setting is missing.", "Add it."
        raise kind(found, where=where, field=path, hint=hint) from error


def _brief(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _nearest_key(model: type[BaseModel], location: Sequence[str | int], prefix: str) -> str:
    known = setting_names(model, prefix)
    wanted = prefix + ".".join(str(part) for part in location)
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    if not close:
        # People remember the name, not the section it is in.
        last = str(location[-1])
        by_name = {name.rsplit(".", 1)[-1]: name for name in known}
        close = [by_name[key] for key in difflib.get_close_matches(last, by_name, n=1, cutoff=0.6)]
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Valid: {', '.join(known)}."


def setting_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of all settings of a model, nested ones included."""
    names = []
    for name, field in model.model_fields.items():
        inner = _models(field.annotation)
        names += [] if inner else [f"{prefix}{name}"]
        for one in inner:
            names += setting_names(one, f"{prefix}{name}.")
    return list(dict.fromkeys(names))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The settings models among the choices of a field."""
    choices = get_args(annotation) or (annotation,)
    return [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]


def _location(model: type[BaseModel], path: Sequence[str | int]) -> list[str | int]:
    """Where an error is, without the names that pydantic adds for the kinds of a choice."""
    kept: list[str | int] = []
    models = [model]
    for part in path:
        if isinstance(part, str) and "[" in part:  # such as tuple[int, int]
            continue
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        if fields or isinstance(part, int) or not kept or part not in _kinds(models):
            kept.append(part)
        models = [inner for field in fields for inner in _models(field.annotation)] or models
    return kept or list(path)


def _kinds(models: Sequence[type[BaseModel]]) -> set[Any]:
    return {one.model_fields["kind"].default for one in models if "kind" in one.model_fields}
