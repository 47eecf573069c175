"""Routes of predictions: of the image on show, of all images, and of what is written for the whole folder."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pointillist.annotator.labels.operations import Id
from pointillist.annotator.model.background import Background
from pointillist.annotator.model.gallery import Gallery, Order, Wish
from pointillist.annotator.model.predictions import Predictions
from pointillist.annotator.session import Session
from pointillist.annotator.web.lookup import image_name
from pointillist.schema import Strict


class Window(Strict):
    """One window of a large image, by its place among all of them."""

    row: int = Field(ge=0)
    column: int = Field(ge=0)


class PredictionRequest(Strict):
    """The prediction of an image, or of a window of it, for one tab; `ahead` of the image being opened."""

    client: Id
    window: Window | None = None
    ahead: bool = False


def make(session: Session, predictions: Predictions, background: Background) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")
    gallery = Gallery(session, background)
    named = partial(image_name, session)

    @routes.post("/images/{image}/prediction")
    async def one(image: str, request: PredictionRequest) -> Response:
        name, key = named(image), predictions.key
        window = None if request.window is None else (request.window.row, request.window.column)
        client = "" if request.ahead else request.client
        content = await asyncio.wrap_future(await run_in_threadpool(predictions.of, name, client, window))
        headers = {"x-prediction-model": key}
        if content is None:
            return Response(status_code=204, headers=headers)
        if window is None:
            headers["x-layer-token"] = await run_in_threadpool(predictions.shown, name, content)
        # Numbers that no browser takes for anything else; it unpacks them by itself.
        headers["content-encoding"] = "gzip"
        return Response(content, media_type="application/octet-stream", headers=headers)

    @routes.get("/images/{image}/prediction/thumbnail")
    def thumbnail(image: str) -> Response:
        # The address that a page asks for names the model and the colours.
        headers = {"cache-control": "private, max-age=3600"}
        return Response(predictions.thumbnail(named(image)), media_type="image/png", headers=headers)

    @routes.get("/predictions")
    def listed(
        by: Order = "name",
        label: Id | None = None,
        shown: bool = False,
        split: Annotated[str | None, Query(max_length=200)] = None,
        reverse: bool = False,
        order: Annotated[str, Query(pattern="^[0-9a-f]{0,32}$")] = "",
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 60,
    ) -> dict[str, Any]:
        return gallery.listed(Wish(by, label, shown, split, reverse), order, offset, limit)

    return routes
