"""Labels shown over an image: what the clicks imply, or what a model predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from pointillist.classes import ClassSet
from pointillist.napari.layers import label_colors, placed_like, shown

if TYPE_CHECKING:
    from napari.viewer import Viewer

IMPLIED, PREDICTION = "what the clicks imply", "prediction"


class Overlays:
    """Two layers of labels in a viewer, of which one is seen at a time."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def show(self, name: str, labels: NDArray[np.uint8], image: Image, classes: ClassSet) -> None:
        """Show class indices (255 where undecided) above an image; the layer that is worked on stays so."""
        self.hide(PREDICTION if name == IMPLIED else IMPLIED)
        colors, there = label_colors(classes), self._find(name)
        if there is not None and there.data.ndim == labels.ndim:
            there.data, there.colormap, there.visible = shown(labels), colors, True
            return
        layers = self._viewer.layers
        active = layers.selection.active
        if there is not None:
            layers.remove(there)
        placed = placed_like(image, labels.ndim)
        made = self._viewer.add_labels(shown(labels), name=name, colormap=colors, opacity=0.5, **placed)
        layers.move(layers.index(made), layers.index(image) + 1)
        layers.selection.active = active

    def hide(self, name: str) -> None:
        """Hide one, where it is there."""
        if (there := self._find(name)) is not None:
            there.visible = False

    def _find(self, name: str) -> Labels | None:
        return next((one for one in self._viewer.layers if isinstance(one, Labels) and one.name == name), None)
