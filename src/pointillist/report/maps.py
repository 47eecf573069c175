"""The picture of a map: a tile, what was found on it, and the clicks that taught it."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pointillist.classes import ClassSet
from pointillist.inference.prediction import STRIP
from pointillist.inference.writers.base import Result
from pointillist.inference.writers.overlay import overlay
from pointillist.points.table import Point
from pointillist.report.pictures import INK, PAPER, Picture, draw_points

LARGEST, SMALLEST = 1900, 600
"""Sides between which tiles are shown, in pixels; with the legend a picture has less than 2,000."""

LINE = 24
"""Height of a line of the legend."""


def map_picture(result: Result, points: list[Point]) -> Picture:
    """A tile with outlines and a tint in the colours of its classes, the clicks as rings, and a legend.

    Args:
        result: The predicted tile, of any size.
        points: Clicks in its pixels.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    height, width = result.prediction.size
    factor = min(LARGEST / max(height, width), max(1.0, SMALLEST / max(height, width)))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    step = max(1, math.floor(1 / factor))
    seen, labels = [], []
    rows = max(1, STRIP // (width * step)) * step
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        seen.append(np.asarray(Image.fromarray(result.picture(top, bottom)).reduce(step)))
        labels.append(result.prediction.labels[top:bottom:step, ::step].copy())
        result.prediction.release()
    image = np.asarray(Image.fromarray(np.concatenate(seen)).resize(size, Image.Resampling.BICUBIC))
    found = np.asarray(Image.fromarray(np.concatenate(labels)).resize(size, Image.Resampling.NEAREST))
    # Both sides of an edge, each in the colour of its class.
    line = 5 if max(found.shape) > SMALLEST else 3
    edges = minimum_filter(found, line) != maximum_filter(found, line)
    mixed = np.where(
        edges[..., None], overlay(image, found, result.classes, 1.0), overlay(image, found, result.classes, 0.2)
    )
    clicks = np.array([(p.x, p.y, result.classes.index(p.label)) for p in points], np.float64).reshape(-1, 3)
    picture = draw_points(Image.fromarray(mixed), clicks, (height, width), result.classes)
    return _with_legend(picture, result.classes)


def _with_legend(picture: Picture, classes: ClassSet) -> Picture:
    font = ImageFont.load_default(size=15)
    places, x, y = [], 8, 0
    for name in classes.names:
        wide = 26 + round(font.getlength(name))
        if x > 8 and x + wide > picture.width:
            x, y = 8, y + LINE
        places.append((x, y))
        x += wide + 16
    # However many classes there are, the picture stays one.
    lines = min(y + LINE, 4 * LINE)
    sheet = Image.new("RGB", (picture.width, picture.height + lines), PAPER)
    sheet.paste(picture)
    draw = ImageDraw.Draw(sheet)
    for (x, y), name, color in zip(places, classes.names, classes.colors, strict=True):
        if y < lines:
            y += picture.height
            draw.rectangle((x, y + 5, x + 15, y + 20), fill=color, outline=INK)
            draw.text((x + 22, y + 3), name, fill=INK, font=font)
    return sheet
