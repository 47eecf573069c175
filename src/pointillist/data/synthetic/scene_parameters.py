"""What villages are like: the numbers and colours that the scenes of the embedded data set are drawn from.

Three things make the scenes hard for who has only clicks, and none of them is hidden in a mask. Distractors: ground in
the colour of another class. Rims: shallow water, dusty road edges, eaves and dark outer leaves look unlike the middle
of their object, where clicks fall. Absence: most classes are missing from some scenes.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUND, ROAD, BUILDING, TREE, WATER, CAR = range(6)
"""Class indices of the scenes."""

Range = tuple[float, float]
Count = tuple[int, int]
Palette = tuple[str, ...]


@dataclass(frozen=True)
class SceneParameters:
    """Frozen before methods are compared. Ranges are inclusive; lengths in pixels, colours `#rrggbb`.

    Widths and lengths of buildings, cars and trees are half of theirs; heights are the length of the shadow. What the
    drawing itself fixes, for example the strength of a texture, is covered by `synthetic.VERSION`.
    """

    height: int = 128
    width: int = 160

    # Light and camera.
    brightness: Range = (0.85, 1.08)
    tint: float = 0.04
    shadow: Range = (0.48, 0.62)
    blur: Range = (0.35, 0.60)
    sensor_noise: Range = (0.005, 0.014)
    cloud_chance: float = 0.25
    cloud_size: Range = (22, 40)

    # Ground: two colours per scene, mixed in blotches; in some places a ploughed field.
    meadows: Palette = ("#7f9a4e", "#8ea65a", "#6f8c49", "#a3a765", "#99945a")
    soils: Palette = ("#b59a6c", "#c4ac80", "#a58a62", "#9c8a5a", "#b8a878")
    field_chance: float = 0.25
    furrow: Range = (4.0, 6.5)

    # Distractors: patches of ground in the colours of roofs, roads, trees and water; bright tarpaulins.
    patches: Count = (1, 2)
    patch_size: Range = (6, 13)
    patch_edge: Range = (1.5, 4.0)
    patch_colors: Palette = (
        *("#a85c44", "#b5573f", "#b86a4a", "#8c8b8a", "#999896", "#7d7d7e"),
        *("#4a7038", "#3f6b35", "#5c8440", "#4d6660", "#53696a"),
    )
    tarpaulins: Count = (0, 1)
    tarpaulin_size: Range = (5, 9)
    tarpaulin_colors: Palette = ("#4a6394", "#e8e6df", "#c4714f", "#5f7f52", "#b3322c", "#2f5f9e", "#dcb53a", "#34373c")

    pond_chance: float = 0.30
    stream_chance: float = 0.28
    pond_size: Range = (15, 30)
    stream_width: Range = (15, 24)
    algae: Range = (0.0, 0.15)
    shallows: Range = (5, 9)
    sand: Range = (0.30, 0.60)
    waters: Palette = ("#3d6878", "#47737f", "#3b5f74", "#4f7a7c", "#55705f")

    dust: Range = (0.15, 0.50)
    road_chance: float = 0.95
    roads: Count = (1, 2)
    road_width: Range = (16, 22)
    bend_size: Range = (2, 12)
    bend_length: Range = (120, 280)
    repair: Range = (0.92, 1.08)
    roads_paved: Palette = ("#8c8b8a", "#7d7d7e", "#999896", "#737374")
    roads_dirt: Palette = ("#c2ab84", "#b49a76", "#cdbb98")
    dirt_chance: float = 0.20

    building_chance: float = 0.95
    buildings: Count = (2, 5)
    eaves: Range = (1.0, 2.5)
    trims: Palette = ("#8f8a82", "#d9d4c8", "#5a4a40", "#b8a888")
    building_length: Range = (14, 21)
    building_width: Range = (10, 14)
    two_roofs_chance: float = 0.1
    building_height: Range = (5, 11)
    roofs: Palette = (
        *("#b5573f", "#a3472f", "#c4714f", "#b86a4a", "#8a4f3c"),
        *("#9c5f47", "#dad7cf", "#5f7f52", "#4a6394"),
    )
    yard_chance: float = 0.55
    yards: Palette = ("#b3aa9c", "#a29c92", "#c0b296", "#948f88")

    tree_chance: float = 0.95
    trees: Count = (5, 11)
    tree_size: Range = (8, 14.5)
    crown_shade: float = 0.30
    leaves: Palette = ("#3f6b35", "#4d7a3a", "#5c8440", "#2f5a35", "#73904a", "#3c5f45", "#8a8a3e", "#a9713a")
    conifer_chance: float = 0.25

    car_chance: float = 0.9
    cars: Count = (3, 6)
    car_length: Range = (8.6, 10.2)
    car_width: Range = (4.6, 5.3)
    paints: Palette = (
        *("#f0efec", "#c9ccd0", "#34373c", "#b3322c", "#2f5f9e"),
        *("#3f7f5a", "#dcb53a", "#7d848c", "#8a4b32"),
    )

    hue: float = 0.04
    """Standard deviation of what is added to each channel of a palette colour."""
