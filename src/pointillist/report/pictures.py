"""Pictures of images, clicks and label maps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pointillist.classes import ClassSet

Picture = Image.Image

INK = (38, 43, 51)
PAPER = (255, 255, 255)
NOTHING = (232, 234, 238)
"""Where a label map says nothing."""


def picture_of_image(image: NDArray[np.uint8], height: int) -> Picture:
    """An H×W×3 image, brought to a height."""
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)


def picture_of_labels(labels: NDArray[np.uint8], classes: ClassSet, height: int) -> Picture:
    """H×W class indices in their colours; ignored pixels are pale."""
    table = np.full((256, 3), NOTHING, dtype=np.uint8)
    table[: len(classes)] = classes.colors
    width = max(1, round(labels.shape[1] * height / labels.shape[0]))
    return Image.fromarray(table[labels]).resize((width, height), Image.Resampling.NEAREST)


def draw_points(
    picture: Picture, points: NDArray[np.floating], size: tuple[int, int], classes: ClassSet, radius: float = 4.5
) -> Picture:
    """Draw clicks as rings of their class's colour that leave the clicked pixel visible.

    Args:
        picture: Drawn upon in place, and returned.
        points: N×3 (x, y, class) in pixels of the image.
        size: (height, width) of the image the points belong to.
        classes: Their colours.
        radius: Of the rings, in pixels of the picture.
    """
    draw = ImageDraw.Draw(picture)
    fx, fy = picture.width / size[1], picture.height / size[0]
    for x, y, index in points.tolist():
        cx, cy = x * fx, y * fy
        for r, color, width in ((radius + 1.5, PAPER, 2), (radius, classes.colors[int(index)], 3)):
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=color, width=width)
    return picture


def grid(
    rows: Sequence[Sequence[Picture]], titles: Sequence[str], *, gap: int = 8, labels: Sequence[str] = ()
) -> Picture:
    """Pictures in rows and columns under column titles.

    Args:
        rows: Pictures; all rows have as many as there are titles.
        titles: One per column.
        gap: Between pictures, in pixels.
        labels: One per row, written below it.
    """
    font = ImageFont.load_default(size=15)
    small = ImageFont.load_default(size=12)
    widths = [max(row[i].width for row in rows) for i in range(len(titles))]
    heights = [max(picture.height for picture in row) for row in rows]
    below = 18 if labels else 0
    sheet = Image.new(
        "RGB", (sum(widths) + gap * (len(titles) + 1), sum(heights) + (gap + below) * len(rows) + gap + 26), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    x = gap
    for title, width in zip(titles, widths, strict=True):
        draw.text((x, 5), title, fill=INK, font=font)
        x += width + gap
    y = 26
    for index, (row, height) in enumerate(zip(rows, heights, strict=True)):
        x = gap
        for picture, width in zip(row, widths, strict=True):
            sheet.paste(picture, (x, y))
            x += width + gap
        if labels:
            draw.text((gap, y + height + 1), labels[index], fill=INK, font=small)
        y += height + gap + below
    return sheet


def data_url(picture: Picture, kind: str = "PNG") -> str:
    """A picture as text that a page can hold."""
    stream = io.BytesIO()
    picture.save(stream, format=kind, **({"quality": 88} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
