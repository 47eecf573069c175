"""The list of classes in the panel."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from pointillist.classes import default_palette, hex_color
from pointillist.naming import class_name_problem

NAME = Qt.ItemDataRole.UserRole
"""Where an item keeps its name; its text has the number of clicks as well."""

SWATCH = 12
"""Pixels of a colour beside a name."""


class ClassList(QListWidget):
    """Names of classes, each with its colour and its number of clicks; the chosen one is that of the next click."""

    chosen = Signal()
    renamed = Signal(str, str)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("The class of the next click. Double-click a name to change it. Keys: , and .")
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.currentRowChanged.connect(lambda _: self.chosen.emit())
        self.itemChanged.connect(self._edited)

    @property
    def names(self) -> list[str]:
        """In their order."""
        return [self.item(row).data(NAME) for row in range(self.count())]

    @property
    def current(self) -> str | None:
        """The chosen one."""
        return None if self.currentRow() < 0 else self.names[self.currentRow()]

    def add(self, name: str) -> bool:
        """Add a class at the end; says whether its name will do."""
        if (wrong := self._wrong(name)) is not None:
            self.refused.emit(wrong)
            return False
        item = QListWidgetItem(name)
        item.setData(NAME, name)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        self.addItem(item)
        return True

    def step(self, by: int) -> None:
        """Choose the next one, or the one before."""
        if self.count():
            self.setCurrentRow((self.currentRow() + by) % self.count())

    def show_counts(self, counts: Mapping[str, int]) -> None:
        """Say how many clicks each class has, and show its colour."""
        self.blockSignals(True)
        for row, (name, color) in enumerate(zip(self.names, default_palette(self.count()), strict=True)):
            swatch = QPixmap(SWATCH, SWATCH)
            swatch.fill(QColor(hex_color(color)))
            self.item(row).setIcon(QIcon(swatch))
            self.item(row).setText(_text(name, counts.get(name, 0)))
        self.blockSignals(False)

    def _edited(self, item: QListWidgetItem) -> None:
        old, new = item.data(NAME), item.text().strip()
        if new == old or new.startswith(f"{old}  ("):  # the number of its clicks was left behind the name
            return
        if (wrong := self._wrong(new)) is not None:
            self.refused.emit(wrong)
        else:
            item.setData(NAME, new)
            self.renamed.emit(old, new)

    def _wrong(self, name: str) -> str | None:
        return class_name_problem(name) or (f"there is a class '{name}' already." if name in self.names else None)


def _text(name: str, clicks: int) -> str:
    return f"{name}  ({clicks})" if clicks else name
