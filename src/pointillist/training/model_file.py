"""model.json: what stands beside the weights of a model, in whatever file; read without torch."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, ValidationInfo, field_validator, model_validator

from pointillist.classes import BackgroundPolicy, ClassSet
from pointillist.data.bands import RGB, Bands
from pointillist.data.inputs import MOST_FACTOR, InputSpec, Scale
from pointillist.errors import DatasetError, RunError
from pointillist.schema import Strict, parse
from pointillist.sealed import CHECKSUM, checksum
from pointillist.training.network_settings import NetworkSettings

FORMAT = 3
"""Version of the files of a run; a newer program reads all older ones. 1: until version 0.1. 2: without
bands and bounds of the scale."""

LARGEST = 2**22
"""Bytes of a model.json; one with 255 classes has 20,000."""

Byte = Annotated[StrictInt, Field(ge=0, le=255)]
Count = Annotated[StrictInt, Field(ge=0)]
Side = Annotated[StrictInt, Field(ge=16, le=16384)]
Factor = Annotated[StrictFloat, Field(ge=0, le=MOST_FACTOR)]
Number = Annotated[StrictInt, Field(ge=1, le=65535)]
Share = Annotated[StrictFloat, Field(ge=0, le=1.001)]


class _Class(Strict, extra="ignore"):
    name: str
    color: tuple[Byte, Byte, Byte]


class _Method(Strict, extra="ignore"):
    name: str
    shift: Annotated[StrictFloat, Field(ge=0.001)] | None = None


class _Protocol(Strict, extra="ignore"):
    """What is computed with or printed as a number; the rest is a record."""

    method: _Method
    clicks: Count
    images: Count
    clicks_per_image: StrictFloat
    steps: Count
    batch_size: Count
    lr: StrictFloat
    seed: Count


class _Bands(Strict, extra="ignore"):
    names: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=1, max_length=1024)]
    type: Literal["uint8", "uint16", "int16", "int32", "float32"]
    range: tuple[tuple[StrictFloat, StrictFloat], ...]
    display: tuple[Number, Number, Number]
    select: tuple[Number, ...] | None = None
    plane: dict[str, Number] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fit(self) -> _Bands:
        count = len(self.names)
        selected = count if self.select is None else len(self.select)
        if len(self.range) != count or selected != count or max(self.display) > count:
            raise ValueError(f"range, display and select do not fit {count} names")
        if any(low >= high for low, high in self.range):
            raise ValueError("a range does not rise")
        return self

    def bands(self) -> Bands:
        red, green, blue = (band - 1 for band in self.display)
        return Bands(self.names, self.type, self.range, (red, green, blue), self.select, self.plane)


class ModelFile(Strict, extra="ignore"):
    """The content of a model.json."""

    classes: tuple[_Class, ...]
    background_policy: BackgroundPolicy
    background: Count | None
    network: NetworkSettings
    size: tuple[Side, Side] | None
    scale: tuple[Factor, Factor | None] | None = None
    """Least and largest factor; versions before 3 had no bounds."""
    bands: _Bands | None = None
    """Versions before 3 knew photographs only."""
    protocol: _Protocol
    class_prior: tuple[Share, ...] | None = None
    expected: tuple[Share, ...] | None = None
    """Version 0.1 wrote the prior to the power of its correction."""
    sha256: str

    @field_validator("background", "class_prior", "expected")
    @classmethod
    def _fit_the_classes(cls, value: Any, info: ValidationInfo) -> Any:
        count = len(info.data.get("classes", ()))
        if (isinstance(value, tuple) and len(value) != count) or (isinstance(value, int) and value >= count):
            raise ValueError(f"there are {count} classes")
        return value

    def class_set(self, where: str | Path) -> ClassSet:
        """The classes, in the order of the logits.

        Raises:
            RunError: They cannot be.
        """
        names, colors = tuple(one.name for one in self.classes), tuple(one.color for one in self.classes)
        try:
            return ClassSet(names, colors, self.background_policy, self.background)
        except DatasetError as error:
            raise RunError(error.found, where=where, field=error.field, hint=error.hint) from error

    def spec(self) -> InputSpec:
        """What the network sees of an image."""
        bands = RGB if self.bands is None else self.bands.bands()
        if self.scale is None:
            return InputSpec(bands, Scale.of(1.0) if self.size is None else Scale(self.size))
        least, most = self.scale
        return InputSpec(bands, Scale(self.size, least, math.inf if most is None else most))

    def prior(self) -> tuple[float, ...] | None:
        """How much of each class the network was taught."""
        strength = self.protocol.method.shift
        if self.class_prior is not None or self.expected is None or strength is None:
            return self.class_prior
        return tuple(share ** (1 / strength) for share in self.expected)


def read_model_file(text: str, where: str | Path) -> tuple[ModelFile, dict[str, Any]]:
    """A model.json, and the same as plain values.

    Args:
        text: Its content.
        where: The file that holds it, for messages.

    Raises:
        RunError: It is damaged or changed, or from a newer version.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunError(f"is damaged ({error}).", where=where, hint="Train again, or restore the file.") from error
    check_format(content.get("format") if isinstance(content, dict) else None, where)
    found = parse(ModelFile, content, RunError, where)
    # Versions before 0.2 wrote none.
    if content.get(CHECKSUM, checksum(content)) != checksum(content):
        problem = "is not what was written: something in it has changed."
        raise RunError(problem, where=where, field=CHECKSUM, hint="Copy the model again from its source.")
    return found, content


def check_format(version: Any, where: str | Path) -> int:
    """The version of a file of a run; a RunError when it has none, or one of the future."""
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT:
        found = f"has format {version!r}; this version reads up to {FORMAT}."
        raise RunError(found, where=where, field="format", hint="Update pointillist.")
    return version


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
