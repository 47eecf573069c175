"""Routes of the live layer and of training."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import Field
from starlette.responses import FileResponse, Response

from pointillist.annotator.labels.operations import Id
from pointillist.annotator.model.settings import PageSettings
from pointillist.annotator.model.trainer import Trainer
from pointillist.annotator.session import Session
from pointillist.annotator.web.live import Live
from pointillist.schema import Strict

LOG_BYTES = 65536
"""Most of a log in one answer."""


class LayerRequest(Strict):
    """A layer for one tab; `request` grows with each, for the page's own use."""

    client: Id
    request: int = Field(ge=0)
    quality: Literal["fast", "full"]


class Nothing(Strict):
    """An empty request."""


def make(session: Session, live: Live, trainer: Trainer) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")

    @routes.post("/images/{image}/layer")
    async def layer(image: str, request: LayerRequest) -> Response:
        name = session.catalogue.name(image)
        if name is None:
            raise HTTPException(404, "there is no such image.")
        if not live.has_points(name):
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
        }
        return Response(made.png, media_type="image/png", headers=headers)

    routes.add_api_route("/training", trainer.status)
    routes.add_api_route("/training/curves", trainer.curves)

    @routes.get("/training/methods")
    def methods() -> dict[str, Any]:
        return {"methods": trainer.methods()}

    @routes.post("/training/start")
    def start(request: PageSettings) -> dict[str, Any]:
        return trainer.start(request)

    @routes.post("/training/stop")
    def stop(_request: Nothing) -> dict[str, Any]:
        return trainer.stop()

    @routes.get("/training/log")
    def log(after: Annotated[int, Query(ge=0)] = 0) -> dict[str, Any]:
        return trainer.log(after, LOG_BYTES)

    @routes.get("/training/snapshots")
    def snapshots() -> dict[str, Any]:
        found = trainer.snapshots()
        return {"snapshots": [{"index": i, "epoch": int(path.stem.rpartition("_")[2])} for i, path in enumerate(found)]}

    @routes.get("/training/snapshots/{index}")
    def panel(index: int) -> Response:
        found = trainer.snapshots()
        if not 0 <= index < len(found):
            raise HTTPException(404, "there is no such picture.")
        return FileResponse(found[index], media_type="image/png", headers={"cache-control": "no-cache"})

    return routes
