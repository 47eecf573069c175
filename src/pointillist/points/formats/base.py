"""What every label format declares and does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Literal

from pointillist.points.table import PointTable


class PointFormat(ABC):
    """One kind of label file.

    Attributes:
        name: What the user types.
        title: One line for listings.
        suffixes: File name endings it may have, lower case.
        images_by: Whether the file names images by their `path` below the image folder, or by `stem` only.
        strict: Whether a point that does not fit the data set is an error. True for the data set's own file, which its
            owner can mend; False for files made elsewhere, whose misfits are counted and reported.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    images_by: ClassVar[Literal["path", "stem"]] = "path"
    strict: ClassVar[bool] = False

    @abstractmethod
    def recognise(self, path: Path) -> bool:
        """Whether an existing file is of this format, judged by its suffix and first bytes."""

    @abstractmethod
    def read(self, path: Path) -> PointTable:
        """Read all points, as continuous corner-based coordinates.

        Raises:
            PointsError: With the line or key path of the first thing that cannot be read.
        """
