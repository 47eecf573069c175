"""Routes of training."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import StrictBool
from starlette.responses import FileResponse, Response

from pointillist.annotator.model.learning_on import LearningOn
from pointillist.annotator.model.settings import PageSettings
from pointillist.annotator.model.trainer import Trainer
from pointillist.schema import Strict

LOG_BYTES = 65536
"""Most of a log in one answer."""


class Nothing(Strict):
    """An empty request."""


class Itself(Strict):
    """Whether learning on begins by itself."""

    itself: StrictBool


def make(trainer: Trainer, learning: LearningOn) -> APIRouter:
    """Routes of the trainings of a session."""
    routes = APIRouter(prefix="/api")

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

    @routes.post("/training/continue")
    def resume(_request: Nothing) -> dict[str, Any]:
        return trainer.resume()

    @routes.post("/training/learn-on")
    def learn_on(_request: Nothing) -> dict[str, Any]:
        return learning.start()

    @routes.post("/training/by-itself")
    def by_itself(request: Itself) -> dict[str, Any]:
        return learning.switch(request.itself)

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
