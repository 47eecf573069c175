"""What every data-set layout declares and does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pointillist.data.dataset import Dataset
from pointillist.errors import DatasetError


@dataclass(frozen=True)
class Written:
    """What a layout wrote.

    Args:
        images: Number of images.
        masks: Number of masks.
        points: Number of clicks.
        left_out: Names of images that it has no place for.
    """

    images: int
    masks: int
    points: int
    left_out: tuple[str, ...] = ()


class Layout(ABC):
    """One way to lay out images, masks and splits on disk.

    Attributes:
        name: What the user types after `--layout`.
        title: One line for listings.
        folders: Folders that all must be there, for a layout that is known by them alone.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    folders: ClassVar[tuple[str, ...]] = ()

    def recognise(self, root: Path) -> bool:
        """Whether an existing path has this layout, judged by a few names, quickly."""
        return bool(self.folders) and all((root / folder).is_dir() for folder in self.folders)

    @abstractmethod
    def load(self, root: Path) -> Dataset:
        """Describe the data set without opening its images; its points are read by the caller from `points_file`.

        Raises:
            DatasetError: It does not hold together.
        """

    def write(self, dataset: Dataset, folder: Path, on_image: Callable[[str], None] | None = None) -> Written:
        """Write a data set in this layout; a layout that is read alone does not define it.

        Args:
            dataset: The data set, with its points.
            folder: An empty folder.
            on_image: Called with the name of each image that is done.

        Raises:
            DatasetError, MaskError, ImageError, SaveError: It cannot be read or written, or does not fit the layout.
        """
        raise DatasetError(f"{self.name!r} is read, and not written.", field="layout", hint="Write a native folder.")
