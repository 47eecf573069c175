"""Routes of corrections: the region of what is shown on an image, and its mask."""

from __future__ import annotations

import base64
import io
from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, HTTPException
from PIL import Image
from pydantic import Field
from starlette.responses import Response

from pointillist.annotator.labels.operations import Id, ServerId
from pointillist.annotator.labels.region import region_at
from pointillist.annotator.labels.shown import ShownLabels
from pointillist.annotator.session import Session
from pointillist.annotator.web.lookup import image_name
from pointillist.errors import PointsError
from pointillist.schema import Strict


class RegionRequest(Strict):
    """The region at a place of what is shown; `layer` is its token, x and y are in pixels of the image."""

    layer: ServerId
    x: float = Field(ge=0)
    y: float = Field(ge=0)


def make(session: Session) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")
    named = partial(image_name, session)

    @routes.get("/images/{image}/mask")
    def mask(image: str) -> dict[str, Any]:
        return session.mask(named(image))

    @routes.get("/images/{image}/mask/{given}")
    def accepted(image: str, given: Id) -> Response:
        """What was accepted, in the present colours of the classes, without the strokes."""
        name, tables = named(image), session.store.reading()
        found = tables.mask(given)
        if found is None or found.image != name:
            raise HTTPException(404, "there is no such mask.")
        colors = {row.id: row.color for row in tables.classes()}
        palette, opaque = bytearray(768), bytearray(256)
        for place, label in enumerate(found.classes):
            color = colors.get(tables.class_id(label) or "")
            if color is not None:
                palette[3 * place : 3 * place + 3] = bytes.fromhex(color[1:])
                opaque[place] = 255
        labels = ShownLabels(name, found.labels, found.classes).labels()
        picture = Image.fromarray(labels)
        picture.putpalette(bytes(palette))
        return Response(_png(picture, bytes(opaque)), media_type="image/png", headers={"cache-control": "no-store"})

    @routes.post("/images/{image}/region")
    def region(image: str, request: RegionRequest) -> dict[str, Any]:
        """Class, box and middle in pixels of the image, and a picture of the box; class None where undecided."""
        name = named(image)
        shown = session.shown.find(request.layer, name)
        height, width = session.catalogue.size(name)
        if not (request.x < width and request.y < height):
            raise PointsError("this place lies outside the image.", field="x, y", hint="Point at the image.")
        labels = shown.labels()
        scale_y, scale_x = height / labels.shape[0], width / labels.shape[1]
        found = region_at(labels, int(request.y / scale_y), int(request.x / scale_x))
        label = None if found is None else session.store.reading().class_id(shown.classes[found.label])
        if found is None or label is None:
            return {"class": None}
        row, column = found.middle
        return {
            "class": label,
            "x": (column + 0.5) * scale_x,
            "y": (row + 0.5) * scale_y,
            "box": {
                "x": found.left * scale_x,
                "y": found.top * scale_y,
                "width": found.inside.shape[1] * scale_x,
                "height": found.inside.shape[0] * scale_y,
            },
            "pixels": int(found.inside.sum() * scale_x * scale_y),
            "picture": base64.b64encode(_picture(found.inside)).decode(),
        }

    return routes


def _picture(inside: np.ndarray[Any, np.dtype[np.bool_]]) -> bytes:
    """A PNG that is white in the region and transparent around it."""
    picture = Image.fromarray(np.where(inside, 1, 0).astype(np.uint8))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    return _png(picture, bytes([0, 255]))


def _png(picture: Image.Image, opacity: bytes) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG", compress_level=1, transparency=opacity)
    return stream.getvalue()
