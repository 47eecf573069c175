"""What every data-set layout declares and does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from pointillist.data.dataset import Dataset


class Layout(ABC):
    """One way to lay out images, masks and splits on disk.

    Attributes:
        name: What the user types after `--layout`.
        title: One line for listings.
        folders: Folders by which it is recognised, unless `recognise` is its own.
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
