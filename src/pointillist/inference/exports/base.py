"""What all export targets share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pointillist.inference.exports.parity import Parity, Probe
from pointillist.training.model_folder import Model

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""N×K×H×W values as files have them → N×C×H×W probabilities at the same size."""


@dataclass(frozen=True)
class Source:
    """What is exported.

    Args:
        folder: The `model/` directory.
        model: The same, loaded.
        card: Text of the model card, Markdown.
        content: model.json as plain values.
        probes: What the export is compared on with the model.
        name: What to call it.
        authors: Names of people; may be empty.
        license: An SPDX identifier; None when nobody said.
    """

    folder: Path
    model: Model
    card: str
    content: dict[str, Any]
    probes: Sequence[Probe]
    name: str
    authors: tuple[str, ...] = ()
    license: str | None = None


class Target(ABC):
    """Writes a model as something that other programs take.

    Attributes:
        name: What the user types.
        title: One line for listings.
        suffix: Of the file; a folder has a suffix without a dot in front.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffix: ClassVar[str]

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
