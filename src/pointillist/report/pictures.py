"""Pictures of images, clicks and label maps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pointillist.classes import IGNORE, ClassSet

Picture = Image.Image

INK = (38, 43, 51)
PAPER = (255, 255, 255)
NOTHING = (232, 234, 238)
"""Where a label map says nothing."""
WRONG = (196, 30, 30)
"""Where a prediction is wrong."""


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


def picture_of_mistakes(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], mask: NDArray[np.uint8], height: int
) -> Picture:
    """The image in pale grey, red where labels and mask differ, pale where the mask says nothing.

    Args:
        image: h×w×3, of any size.
        labels: H×W predicted classes.
        mask: H×W real classes, 255 where ignored.
        height: Of the picture.
    """
    width = max(1, round(labels.shape[1] * height / labels.shape[0]))

    def share(where: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Of each pixel of the picture, so that thin mistakes of large images do not vanish."""
        whole = Image.fromarray(where.astype(np.uint8) * 255)
        kind = Image.Resampling.BOX if height < where.shape[0] else Image.Resampling.NEAREST
        return np.asarray(whole.resize((width, height), kind), dtype=np.float32)[..., None] / np.float32(255)

    grey = picture_of_image(image, height).resize((width, height)).convert("L")
    shown = 150 + np.asarray(grey, dtype=np.float32)[..., None] * 0.4 * np.ones(3, dtype=np.float32)
    for part, color in ((share(mask == IGNORE), NOTHING), (share((labels != mask) & (mask != IGNORE)), WRONG)):
        shown += part * (np.array(color, dtype=np.float32) - shown)
    return Image.fromarray(np.rint(shown).astype(np.uint8))


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
    # Without subsampling, thin lines keep their colour.
    picture.save(stream, format=kind, **({"quality": 85, "subsampling": 0} if kind == "JPEG" else {"optimize": True}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
