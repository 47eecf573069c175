"""What the panel looks like."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from pointillist.napari.class_list import ClassList


class Panel(QWidget):
    """The widgets, from the top down."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.points, self.classes = QComboBox(), QComboBox(), ClassList()
        self.new_class, self.add = QLineEdit(placeholderText="name of a class"), QPushButton("Add")
        self.background = QCheckBox("The first class is the background", checked=True)
        self.click = QPushButton("Click")
        self.live = QCheckBox("Show what the clicks imply", checked=True)
        self.learn_on = QCheckBox("Go on from the last model", enabled=False)
        self.minutes = QDoubleSpinBox(minimum=0.1, maximum=10_000, value=3, decimals=1, suffix=" min")
        self.learn = QPushButton("Learn")
        self.bar = QProgressBar(maximum=1000, visible=False)
        self.said = QLabel(wordWrap=True, textInteractionFlags=Qt.TextInteractionFlag.TextSelectableByMouse)
        chosen, adding, learning, column = QFormLayout(), QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        chosen.addRow("Image", self.image)
        chosen.addRow("Clicks", self.points)
        adding.addWidget(self.new_class)
        adding.addWidget(self.add)
        learning.addWidget(self.minutes)
        learning.addWidget(self.learn)
        column.addLayout(chosen)
        column.addWidget(QLabel("Classes"))
        column.addWidget(self.classes)
        column.addLayout(adding)
        for widget in (self.background, self.click, self.live, self.learn_on):
            column.addWidget(widget)
        column.addLayout(learning)
        column.addWidget(self.bar)
        column.addWidget(self.said)
        column.addStretch()
