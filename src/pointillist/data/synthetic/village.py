"""A village from the air: buildings, yards, cars and trees on their land, and the light of the day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pointillist.data.synthetic.scene_parameters import BUILDING, CAR, GROUND, ROAD, TREE
from pointillist.data.synthetic.scenery import Band, Canvas, Field, Window, blob, mixed, rectangle, textured, turned
from pointillist.data.synthetic.terrain import Terrain

_TRIES = 12
"""Places that are tried for a building or a car before it is given up."""

_HIDDEN = 25
"""Pixels of a car that one tree may hide."""


@dataclass(frozen=True)
class House:
    """Where a building stands.

    Args:
        x: Middle of its main part.
        y: The same.
        angle: Of its ridge, in radians.
        long: Half its length, in pixels.
        wide: Half its width, in pixels.
        wing: (along, across, half length, half width) of a second part, in the frame of the first.
        height: Length of its shadow, in pixels.
    """

    x: float
    y: float
    angle: float
    long: float
    wide: float
    wing: tuple[float, float, float, float] | None
    height: float

    @property
    def area(self) -> float:
        """Of the main part, in pixels."""
        return 4 * self.long * self.wide

    @property
    def reach(self) -> float:
        """Upper bound of the distance from (x, y) to its outline, in pixels."""
        wing = 0.0 if self.wing is None else 2 * self.wide
        return math.hypot(self.long, self.wide + wing)

    def parts(self) -> list[tuple[float, float, float, float, float]]:
        """(x, y, angle, half length, half width) of each part; the wing's ridge meets the main one."""
        found = [(self.x, self.y, self.angle, self.long, self.wide)]
        if self.wing is not None:
            along, across, half_along, half_across = self.wing
            cosine, sine = math.cos(self.angle), math.sin(self.angle)
            x, y = self.x + along * cosine - across * sine, self.y + along * sine + across * cosine
            found.insert(0, (x, y, self.angle + math.pi / 2, half_across, half_along))
        return found

    def shape(self, where: Window, dx: float = 0.0, dy: float = 0.0) -> Field:
        """Signed distance to its outline, moved by (dx, dy)."""
        shapes = [
            rectangle(*turned(where, x + dx, y + dy, angle), long, wide) for x, y, angle, long, wide in self.parts()
        ]
        return shapes[0] if len(shapes) == 1 else np.minimum(*shapes)


class Village(Terrain):
    """One scene in the making; `draw` makes it."""

    def draw(self) -> Canvas:
        """Paint everything, in the order of height."""
        self.ground()
        self.patches()
        self.water()
        roads = self.roads()
        houses = self.plan_buildings(roads)
        self.yards(houses)
        self.tarpaulins()
        self.cars(roads, houses)
        for house in houses:
            self.building(house)
        self.trees()
        self.light()
        return self.canvas

    def plan_buildings(self, roads: Sequence[Band]) -> list[House]:
        """Places for buildings: most along a road, none on road, water or one another."""
        houses: list[House] = []
        taken = self.canvas.mask != GROUND
        for _ in range(self.count(self.p.buildings) if self.chance(self.p.building_chance) else 0):
            for _ in range(_TRIES):
                house = self.house(roads)
                where = self.canvas.around(house.x, house.y, house.reach + 5)
                footprint = house.shape(where)
                if np.count_nonzero(footprint < 0) > 0.5 * house.area and not np.any(taken[where.box][footprint < 3]):
                    taken[where.box] |= footprint < 4
                    houses.append(house)
                    break
        return houses

    def house(self, roads: Sequence[Band]) -> House:
        """A building that may or may not fit."""
        long, wide = self.within(self.p.building_length), self.within(self.p.building_width)
        if roads and self.chance(0.7):
            road = roads[int(self.rng.random() * len(roads))]
            side = 1 if self.chance(0.5) else -1
            x, y, angle = road.place(self.within((-80, 80)), side * (road.half + wide + self.within((4, 14))))
            angle += 0.06 * self.rng.standard_normal()
        else:
            (x, y), angle = self.anywhere(6), self.within((0, math.pi))
        wing = None
        if self.chance(0.35):
            end = 1 if self.chance(0.5) else -1
            wing = (end * (long - 0.85 * wide), wide * (1 if self.chance(0.5) else -1), 0.85 * wide, wide)
        return House(x, y, angle, long, wide, wing, self.within(self.p.building_height))

    def yards(self, houses: Sequence[House]) -> None:
        """Gravel before some buildings, in road colour, but ground."""
        for house in houses:
            if not self.chance(self.p.yard_chance):
                continue
            where = self.canvas.around(house.x, house.y, house.long + 2 * house.wide + 8)
            along, across = turned(where, house.x, house.y, house.angle)
            side = 1 if self.chance(0.5) else -1
            along, across = along - self.within((-6, 6)), across - side * house.wide
            shape = rectangle(along, across, 0.8 * house.long, house.wide + 3, 3) + self.noise(where, 7)
            shape[self.canvas.mask[where.box] != GROUND] = 9  # outside: roads and water stay clean
            gravel = textured(self.color(self.p.yards), 0.09 * self.noise(where, 3, 1.4))
            self.canvas.paint(where, shape, gravel, None, 2)

    def building(self, house: House) -> None:
        """Its shadow, then its roofs: flat, gabled or hipped, the sides lit by how they face the sun."""
        where = self.canvas.around(house.x, house.y, house.reach + house.height + 1)
        steps = [(part * house.height * self.away[0], part * house.height * self.away[1]) for part in (0.3, 0.65, 1.0)]
        self.canvas.shade(where, np.minimum.reduce([house.shape(where, *step) for step in steps]), self.dark, 1.5)
        color = self.color(self.p.roofs)
        style = self.rng.random()
        flat, hipped, sheets = style < 0.2, style > 0.65, style > 0.75
        lay = 2 * math.pi / self.within((2.6, 3.6))
        grain = 0.05 * self.noise(where, 5, 2)
        eaves, trim = self.within(self.p.eaves), self.color(self.p.trims)
        for x, y, angle, long, wide in house.parts():
            along, across = turned(where, x, y, angle)
            shape = rectangle(along, across, long, wide)
            light = grain
            if flat:
                light = light + 0.12 * np.clip(shape + 2.5, 0, 1)
            else:
                facing_along, facing_across = -math.cos(self.sun - angle), -math.sin(self.sun - angle)
                side = 0.17 * facing_across * np.clip(across, -1, 1)
                ridge_end = long
                if hipped:
                    end = np.clip((np.abs(along) - long) - (np.abs(across) - wide) + 0.5, 0, 1)
                    side = side + end * (0.17 * facing_along * np.sign(along) - side)
                    ridge_end = long - wide
                ridge = 0.10 * np.clip(1.2 - np.abs(across), 0, 1) * (np.abs(along) < ridge_end)
                light = light + side + ridge + 0.07 * np.sin(lay * (along if sheets else across))
            border = np.clip(shape + eaves + 0.5, 0, 1)
            self.canvas.paint(where, shape, np.clip(textured(mixed(color, trim, border), light), 0, 1), BUILDING)
            if self.chance(self.p.two_roofs_chance):
                color = self.color(self.p.roofs)
        self.chimney(house, color)

    def chimney(self, house: House, roof: Field) -> None:
        """A chimney or a solar panel: small, and of another colour than the roof."""
        where = self.canvas.around(house.x, house.y, house.long + 2)
        along, across = turned(where, house.x, house.y, house.angle)
        along, across = along - self.within((-0.6, 0.6)) * house.long, across - self.within((-0.5, 0.5)) * house.wide
        if self.chance(0.3):
            panel = textured(np.array([0.16, 0.22, 0.36]), 0.25 * np.sin(2.1 * along))
            self.canvas.paint(where, np.maximum(rectangle(along, across, 5, 3), house.shape(where) + 1.5), panel)
        else:
            self.canvas.paint(where, np.maximum(rectangle(along, across, 1.4, 1.2), house.shape(where)), roof * 0.6)

    def cars(self, roads: Sequence[Band], houses: Sequence[House]) -> None:
        """Cars along the roads and some beside them, none under a roof."""
        free = self.canvas.mask <= ROAD
        for house in houses:
            where = self.canvas.around(house.x, house.y, house.reach + 2)
            free[where.box] &= house.shape(where) > 1
        for _ in range(self.count(self.p.cars) if self.chance(self.p.car_chance) else 0):
            for _ in range(_TRIES):
                (x, y), angle = self.anywhere(7), self.within((0, math.pi))
                if roads and self.chance(0.75):
                    road = roads[int(self.rng.random() * len(roads))]
                    lane = 0.45 * road.half * (1 if self.chance(0.5) else -1)
                    x, y, angle = road.place(self.within((-80, 80)), lane)
                long, wide = self.within(self.p.car_length), self.within(self.p.car_width)
                where = self.canvas.around(x, y, long + 8)
                shape = rectangle(*turned(where, x, y, angle), long, wide, 2.2)
                beneath = free[where.box][shape < 1.5]
                if beneath.size > 3 * long * wide and np.all(beneath):
                    self.car(where, x, y, angle, long, wide)
                    free[where.box] &= shape > 3
                    break

    def car(self, where: Window, x: float, y: float, angle: float, long: float, wide: float) -> None:
        """Body, windows, roof and a short shadow."""
        along, across = turned(where, x, y, angle)
        shadow = turned(where, x + 2.2 * self.away[0], y + 2.2 * self.away[1], angle)
        self.canvas.shade(where, rectangle(*shadow, long, wide, 2.2), self.dark, 1.5)
        color = self.color(self.p.paints)
        sheen = -0.10 * turned(where, x, y, self.sun)[0] / long
        body, glass, roof = (
            rectangle(along, across, long, wide, 2.2),
            rectangle(along + 0.8, across, 0.62 * long, wide - 0.8, 1.5),
            rectangle(along + 1.0, across, 0.36 * long, wide - 1.1, 1.0),
        )
        self.canvas.paint(where, body, np.clip(textured(color, sheen), 0, 1), CAR)
        self.canvas.paint(where, glass, np.array([0.14, 0.17, 0.20]))
        self.canvas.paint(where, roof, np.minimum(color * 1.08, 1))

    def trees(self) -> None:
        """Crowns, alone and in groups, over whatever is below; cars stay mostly in sight."""
        species = [self.color(self.p.leaves) for _ in range(2)]
        places: list[tuple[float, float]] = []
        for _ in range(self.count(self.p.trees) if self.chance(self.p.tree_chance) else 0):
            size = self.within(self.p.tree_size)
            x, y = self.anywhere()
            if places and self.chance(0.45):
                near, turn = places[int(self.rng.random() * len(places))], self.within((0, 2 * math.pi))
                x, y = near[0] + 1.7 * size * math.cos(turn), near[1] + 1.7 * size * math.sin(turn)
            where = self.canvas.around(x, y, 2.2 * size)
            conifer = self.chance(self.p.conifer_chance)
            waves = [(9, 0.10, self.within((0, 2 * math.pi)))] if conifer else self.waves(6, 0.10)
            crown = blob(*turned(where, x, y, 0.0), size, waves)
            if not conifer:
                crown = crown + 0.9 * self.noise(where, 3.5)
            if np.count_nonzero(self.canvas.mask[where.box][crown < 0] == CAR) <= _HIDDEN:
                places.append((x, y))
                self.tree(where, x, y, crown, size, species[int(self.rng.random() * 2)], conifer)

    def tree(self, where: Window, x: float, y: float, crown: Field, size: float, leaf: Field, conifer: bool) -> None:
        """One crown, lit from the sun's side, and its shadow."""
        height = 0.75 * size
        shadow = turned(where, x + height * self.away[0], y + height * self.away[1], 0.0)
        self.canvas.shade(where, np.minimum(blob(*shadow, size, self.waves(6, 0.08)), crown), self.dark, 2)
        color = np.clip(leaf * (1 + 0.12 * self.rng.standard_normal()), 0.03, 0.95)
        along, across = turned(where, x, y, self.sun)
        dome = np.clip(-crown / size, 0, 1)
        light = -0.22 * np.clip(along / size, -1, 1) + self.p.crown_shade * (dome - 0.4)
        if conifer:
            color = color * np.array([0.72, 0.80, 0.85])
            light += 0.10 * np.cos(9 * np.arctan2(across, along) + size) * (1 - dome)
        light += 0.28 * self.noise(where, 4.5, 2.2, 1.3)
        self.canvas.paint(where, crown, np.clip(textured(color, light), 0.02, 1), TREE)

    # Light and camera.

    def light(self) -> None:
        """The shadow of a cloud, the colour of the day, and what the camera adds."""
        if self.chance(self.p.cloud_chance):
            along, across = turned(self.whole, *self.anywhere(), self.within((0, math.pi)))
            shape = blob(along, across, self.within(self.p.cloud_size), self.waves(4, 0.2), 1.5)
            self.canvas.shade(self.whole, shape, (1 + self.dark) / 2, 14)
        tint = 1 + self.p.tint * np.array([1.0, 0.1, -1.0]) * self.within((-1, 1))
        color = self.canvas.color * self.within(self.p.brightness) * tint
        sigma = self.within(self.p.blur)
        color = ndimage.gaussian_filter(color, (sigma, sigma, 0))
        color += self.within(self.p.sensor_noise) * self.rng.standard_normal(color.shape)
        self.canvas.color = np.clip(color, 0, 1)
