"""What all export targets share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from pointillist.inference.exports.parity import Parity, Probe, probes
from pointillist.training.model_folder import Model


class Validation(BaseModel):
    """What a run scored on images that it did not learn from, as its `evaluation.json` says."""

    dataset: str
    """Name of the data set's folder."""
    split: str
    """Which split."""
    miou: float | None = Field(ge=0, le=1)
    """In [0, 1]; None where it is not defined."""


@dataclass(frozen=True)
class Source:
    """What is exported.

    Args:
        name: What to call it.
        folder: The `model/` directory.
        model: The same, loaded, on the CPU.
        content: model.json as plain values.
        card: Text of the model card, Markdown.
        images: Finds images that an export is compared on with the model.
        authors: Names of people; may be empty.
        license: An SPDX identifier; None when nobody said.
        validation: None where nothing was scored, or a model came without its run.
    """

    name: str
    folder: Path
    model: Model
    content: dict[str, Any]
    card: str
    images: Callable[[], list[Path]]
    authors: tuple[str, ...] = ()
    license: str | None = None
    validation: Validation | None = None

    @cached_property
    def probes(self) -> list[Probe]:
        """What an export is compared on with the model.

        Raises:
            ConfigError, ImageError: There are no images, or one cannot be used.
        """
        return probes(self.images(), self.model.spec.bands)


class Target(ABC):
    """Writes a model as something that other programs take.

    Attributes:
        name: What the user types.
        title: One line for listings.
        suffix: What is added to the name of a model, such as `.onnx`.
        folder: Whether it is a folder, not a file.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffix: ClassVar[str]
    folder: ClassVar[bool] = False

    @abstractmethod
    def write(self, source: Source, out: Path) -> Parity | None:
        """Write a file, or fill an empty folder.

        Args:
            source: The model.
            out: A temporary path; it becomes the real one when this returns.

        Returns:
            How far it is from the model; None where it holds the model itself.

        Raises:
            RunError: The network cannot be exported, or gives other results than the model.
            ConfigError: An optional library is missing, or something that the target needs was not given.
        """
