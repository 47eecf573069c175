"""Routes of images: lists, sizes, tiles, thumbnails, live layers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from pointillist.annotator.images.bands import View
from pointillist.annotator.images.pictures import Picture
from pointillist.annotator.labels.operations import Id
from pointillist.annotator.model.next_images import NextImages
from pointillist.annotator.session import Session
from pointillist.annotator.web.live import Live, Quality
from pointillist.annotator.web.lookup import image_name
from pointillist.schema import Strict

Result = TypeVar("Result")

_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
_CHECKED = {"cache-control": "private, max-age=60"}
_FIRST_LOOK = {"cache-control": "no-store", "x-picture": "first-look"}


class LayerRequest(Strict):
    """A layer for one tab; `request` grows with each, for the page's own use."""

    client: Id
    request: int = Field(ge=0)
    quality: Quality


def make(session: Session, following: NextImages, live: Live) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")
    # Decoding waits in a queue of its own, so that a large image keeps no click waiting.
    decoders = ThreadPoolExecutor(3, thread_name_prefix="annotator-decoder")

    async def decoded(work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(decoders, work)

    named = partial(image_name, session)

    def shown(picture: Picture, version: str) -> Response:
        headers = _FIRST_LOOK if not picture.exact else _FOREVER if version else _CHECKED
        return Response(picture.content, media_type=f"image/{picture.kind.lower()}", headers=headers)

    @routes.get("/images")
    def images(
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        order: Literal["name", "next"] = "name",
        show: Literal["all", "unlabelled", "labelled"] = "all",
        search: Annotated[str, Query(max_length=200)] = "",
    ) -> dict[str, Any]:
        counts = session.store.reading().counts()
        names = session.catalogue.names if order == "name" else following.ordered()
        wanted = search.casefold()
        fitting = [
            name
            for name in names
            if (show == "all" or (name in counts) == (show == "labelled")) and wanted in name.casefold()
        ]
        return {
            "total": len(fitting),
            "images": [following.entry(name, counts.get(name, 0)) for name in fitting[offset : offset + limit]],
        }

    @routes.get("/next")
    def following_image(after: str | None = None) -> dict[str, Any]:
        return following.next(None if after is None else session.catalogue.name(after))

    @routes.get("/images/{image}")
    async def one(image: str) -> dict[str, Any]:
        name = named(image)
        about = await decoded(lambda: session.image(name))
        return {**about, "region": following.region(name)}

    @routes.get("/images/{image}/points")
    def points(image: str) -> dict[str, Any]:
        return session.points(named(image))

    @routes.get("/images/{image}/thumbnail")
    async def thumbnail(image: str, v: str = "", view: str = "") -> Response:
        name, chosen = named(image), View.parse(view)
        return shown(await decoded(lambda: session.pictures.thumbnail(name, chosen)), v)

    @routes.get("/images/{image}/tiles/{level}/{column}/{row}")
    async def tile(image: str, level: int, column: int, row: int, v: str = "", view: str = "") -> Response:
        name, chosen = named(image), View.parse(view)
        return shown(await decoded(lambda: session.pictures.tile(name, level, column, row, chosen)), v)

    @routes.post("/images/{image}/layer")
    async def layer(image: str, request: LayerRequest) -> Response:
        name = named(image)
        if not session.store.reading().points_of(name):
            return Response(status_code=204, headers={"x-layer": "empty"})
        made = await asyncio.wrap_future(live.layer(name, request.client, request.quality))
        if made is None:
            return Response(status_code=204, headers={"x-layer": "superseded"})
        headers = {
            "x-layer-seq": str(made.seq),
            "x-layer-quality": request.quality,
            "x-layer-source": made.source,
            "x-layer-width": str(made.size[1]),
            "x-layer-height": str(made.size[0]),
            "x-layer-exact": str(int(made.exact)),
            "x-layer-token": made.token,
        }
        return Response(made.png, media_type="image/png", headers=headers)

    return routes
