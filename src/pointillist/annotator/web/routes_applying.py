"""Routes of applying the model to the whole folder."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from pointillist.annotator.model.archive import zipped
from pointillist.annotator.model.folder_prediction import FolderPrediction
from pointillist.schema import Strict


class ApplyRequest(Strict):
    """What is to be written of all images: names of outputs; their settings are the usual ones."""

    write: list[Annotated[str, Field(pattern="^[a-z0-9_-]{1,50}$")]] = Field(min_length=1, max_length=50)


class Nothing(Strict):
    """An empty request."""


def make(applying: FolderPrediction) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")

    routes.add_api_route("/applying", applying.status)

    @routes.get("/applying/outputs")
    def outputs() -> dict[str, Any]:
        return {"outputs": applying.outputs()}

    @routes.post("/applying/start")
    def start(request: ApplyRequest) -> dict[str, Any]:
        return applying.start(request.write)

    @routes.post("/applying/pause")
    def pause(_request: Nothing) -> dict[str, Any]:
        return applying.pause()

    @routes.post("/applying/resume")
    def resume(_request: Nothing) -> dict[str, Any]:
        return applying.resume()

    @routes.post("/applying/cancel")
    def cancel(_request: Nothing) -> dict[str, Any]:
        return applying.cancel()

    @routes.get("/applying/{number}/archive")
    def archive(number: int) -> Response:
        batch = applying.done(number)
        if batch is None:
            raise HTTPException(404, "there are no such results.")
        name = f"predictions-{batch.name}"
        headers = {"content-disposition": f'attachment; filename="{name}.zip"'}
        return StreamingResponse(zipped(batch.files(), name), media_type="application/zip", headers=headers)

    return routes
