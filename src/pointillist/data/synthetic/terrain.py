"""The land a village stands on: ground, patches, water, roads; and what all its scenes have in common.

Everything is painted from the ground up, so what stands higher covers what lies below. Shadows and patches are paint
only and never reach the mask; they and the overlapping ranges of colour are what makes colour alone misleading.
"""

from __future__ import annotations

import math

import numpy as np

from pointillist.classes import parse_color
from pointillist.data.synthetic.scene_parameters import GROUND, ROAD, WATER, Count, Palette, Range, SceneParameters
from pointillist.data.synthetic.scenery import (
    Band,
    Canvas,
    Field,
    Window,
    blob,
    mixed,
    noise,
    rectangle,
    textured,
    turned,
)


class Terrain:
    """One scene in the making, up to what lies on the ground.

    Args:
        parameters: Of the data set.
        rng: Source of all randomness of this scene.
    """

    def __init__(self, parameters: SceneParameters, rng: np.random.Generator) -> None:
        self.p = parameters
        self.rng = rng
        self.canvas = Canvas(parameters.height, parameters.width)
        self.whole = self.canvas.whole
        self.sun = self.within((0, 2 * math.pi))  # direction in which shadows fall
        self.away = (math.cos(self.sun), math.sin(self.sun))
        darkness = self.within(parameters.shadow)
        self.dark = darkness * np.array([0.94, 0.98, 1.10])  # lit by the blue sky alone

    # Chance.

    def within(self, bounds: Range) -> float:
        """Evenly from a range."""
        return bounds[0] + self.rng.random() * (bounds[1] - bounds[0])

    def count(self, bounds: Count) -> int:
        """A whole number, evenly, both ends included."""
        return bounds[0] + int(self.rng.random() * (bounds[1] - bounds[0] + 1))

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def color(self, palette: Palette) -> Field:
        """One colour of a palette, lighter or darker and a little off."""
        base = np.array(parse_color(palette[int(self.rng.random() * len(palette))])) / 255
        light = self.p.hue * self.rng.standard_normal()
        return np.clip(base * (1 + 1.5 * light) + 0.35 * self.p.hue * self.rng.standard_normal(3), 0.03, 0.98)

    def anywhere(self, margin: float = 0.0) -> tuple[float, float]:
        """A place at least `margin` pixels inside the image."""
        return self.within((margin, self.p.width - margin)), self.within((margin, self.p.height - margin))

    def waves(self, count: int, size: float) -> list[tuple[int, float, float]]:
        """Irregularity of a blob: `count` waves, the quicker the smaller."""
        return [
            (k, size / k**0.5 * (0.4 + 0.6 * self.rng.random()), self.within((0, 6.3))) for k in range(2, 2 + count)
        ]

    def noise(self, where: Window, *cells: float) -> Field:
        """Smooth noise for a window."""
        return noise(self.rng, (where.y.size, where.x.size), cells)

    # The ground and what lies on it.

    def ground(self) -> None:
        """Grass and dry earth in blotches of every size, perhaps a ploughed field."""
        meadow, soil = self.color(self.p.meadows), self.color(self.p.soils)
        share = np.clip(self.within((0.15, 0.85)) + 0.9 * self.noise(self.whole, 48, 22, 10, 5), 0, 1)
        grain = 0.10 * self.noise(self.whole, 3, 1.6) + 0.08 * self.noise(self.whole, 30, 12)
        self.canvas.color[:] = textured(mixed(meadow, soil, share), grain)
        if self.chance(self.p.field_chance):
            along, across = turned(self.whole, *self.anywhere(), self.within((0, math.pi)))
            shape = rectangle(along, across, self.within((28, 55)), self.within((20, 36)), 3)
            rows = np.sin(across * (2 * math.pi / self.within(self.p.furrow)) + 1.2 * self.noise(self.whole, 20))
            color = self.color(self.p.soils if self.chance(0.6) else self.p.meadows) * 0.92
            self.canvas.paint(
                self.whole, shape, textured(color, 0.13 * rows + 0.06 * self.noise(self.whole, 3)), None, 2
            )

    def patches(self) -> None:
        """Bare earth like tiles, dry mud like asphalt, tall grass like trees, wet ground like water."""
        for _ in range(self.count(self.p.patches)):
            x, y = self.anywhere()
            size = self.within(self.p.patch_size)
            where = self.canvas.around(x, y, 3.2 * size)
            along, across = turned(where, x, y, self.within((0, math.pi)))
            shape = blob(along, across, size, self.waves(6, 0.22), self.within((1, 1.7))) + 2.5 * self.noise(
                where, 5, 2
            )
            color = textured(
                self.color(self.p.patch_colors), 0.12 * self.noise(where, 6) + 0.24 * self.noise(where, 2.2, 1.3)
            )
            self.canvas.paint(where, shape, color, None, self.within(self.p.patch_edge))

    def water(self) -> None:
        """A pond, a stream, or none."""
        deep = self.color(self.p.waters)
        shapes = []
        if self.chance(self.p.stream_chance):
            half = self.within(self.p.stream_width) / 2
            band = self.band(half, (8, 16), (90, 170))
            shapes.append(np.abs(band.across(self.whole)[1]) - half + 1.2 * self.noise(self.whole, 14))
        elif self.chance(self.p.pond_chance / (1 - self.p.stream_chance)):
            x, y = self.anywhere(8)
            along, across = turned(self.whole, x, y, self.within((0, math.pi)))
            shapes.append(
                blob(along, across, self.within(self.p.pond_size), self.waves(3, 0.16), self.within((1, 1.6)))
            )
        for shape in shapes:
            self.canvas.paint(self.whole, shape - 1.5, self.color(self.p.soils) * 0.6, None, 2)
            ripples = 0.05 * self.noise(self.whole, 9, 4) + 0.03 * self.noise(self.whole, 2)
            shallow = np.clip(1 + shape / self.within(self.p.shallows), 0, 1) * self.within(self.p.sand)
            color = mixed(deep, self.color(self.p.soils) * 0.9, shallow)
            green = np.clip(self.within(self.p.algae) - 0.3 + 0.8 * self.noise(self.whole, 16, 6), 0, 0.75)
            color = mixed(color, self.color(self.p.leaves), green)
            self.canvas.paint(self.whole, shape, textured(color, ripples), WATER)

    def band(self, half: float, swing: Range, length: Range) -> Band:
        """A winding strip through the middle part of the image."""
        x, y = self.anywhere(0.22 * self.p.height)
        angle = self.within((0, math.pi))
        return Band(
            x, y, angle, self.within(swing), 2 * math.pi / self.within(length), self.within((0, 2 * math.pi)), half
        )

    def roads(self) -> list[Band]:
        """Paved or dirt roads; a second one crosses the first."""
        roads: list[Band] = []
        dirt = self.chance(self.p.dirt_chance)
        color = self.color(self.p.roads_dirt if dirt else self.p.roads_paved)
        for _ in range(self.count(self.p.roads) if self.chance(self.p.road_chance) else 0):
            half = self.within(self.p.road_width) / 2
            road = self.band(half, self.p.bend_size, self.p.bend_length)
            if roads:
                x, y, direction = roads[0].place(self.within((-30, 30)))
                angle = direction + math.pi / 2 + self.within((-0.4, 0.4))
                road = Band(x, y, angle, road.swing / 2, road.bend, 0.0, half)
            roads.append(road)
        courses = [road.across(self.whole) for road in roads]
        shapes = [np.abs(across) - road.half for road, (_, across) in zip(roads, courses, strict=True)]
        ragged = self.noise(self.whole, 6, 3)
        soil, dust = self.color(self.p.soils), self.within(self.p.dust)
        outline = np.minimum.reduce([*shapes, np.full_like(ragged, np.inf)])  # of all roads, so that crossings are open
        for shape in shapes:
            self.canvas.paint(self.whole, shape - 1 + ragged, soil * 0.62, None, 2)
        worn = self.noise(self.whole, 18, 9) - 0.25
        rough = 0.05 * self.noise(self.whole, 14, 5) + 0.05 * self.noise(self.whole, 1.5)
        for road, shape, (_, across) in zip(roads, shapes, courses, strict=True):
            tracks = 0.05 * np.cos(across * (4 * math.pi / road.half))  # wheels polish two per lane
            edge = shape + 0.7 * ragged if dirt else shape
            surface = mixed(color, color * self.within(self.p.repair), 0.5 + 4 * np.clip(worn, -0.125, 0.125))
            dusty = np.clip(1 + outline / (0.55 * road.half), 0, 1) * dust
            surface = textured(mixed(surface, soil, dusty), rough + tracks)
            self.canvas.paint(self.whole, edge, surface, ROAD)
        if not dirt:
            # Dashes along the middle, which end before a crossing.
            crossing = np.full_like(ragged, np.inf)
            for shape in shapes[1:]:
                crossing = np.minimum(crossing, np.maximum(shapes[0], shape))
            for along, across in courses:
                dash = rectangle(along % 12 - 6, across, 3.0, 0.5)
                self.canvas.paint(self.whole, np.maximum(dash, 6 - crossing), np.minimum(color * 1.45, 0.95))
        return roads

    def tarpaulins(self) -> None:
        """Bright sheets on the ground: as colourful as roofs and cars, but flat and wrinkled."""
        for _ in range(self.count(self.p.tarpaulins)):
            x, y = self.anywhere(6)
            long, wide = self.within(self.p.tarpaulin_size), self.within(self.p.tarpaulin_size) * 0.7
            where = self.canvas.around(x, y, 2 * long)
            if np.any(self.canvas.mask[where.box] != GROUND):
                continue
            along, across = turned(where, x, y, self.within((0, math.pi)))
            shape = rectangle(along, across, long, wide, 1.5) + 0.9 * self.noise(where, 6)
            sheet = textured(self.color(self.p.tarpaulin_colors), 0.16 * self.noise(where, 4, 2))
            self.canvas.paint(where, shape, sheet)
