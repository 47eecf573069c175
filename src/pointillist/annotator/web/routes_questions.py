"""Routes of questions: the next ones, and drawing more; answers are operations like clicks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from pointillist.annotator.labels.operations import Id, ServerId
from pointillist.annotator.model.questions import Questions
from pointillist.annotator.session import Session
from pointillist.annotator.web.lookup import image_name
from pointillist.errors import RunError
from pointillist.points.questions import Strategy
from pointillist.schema import Strict


class AskRequest(Strict):
    """More questions; the id is that of an operation. Without an image they are for all, at most `budget` in all."""

    id: Id
    folder: ServerId
    image: ServerId | None = None
    per_image: int = Field(ge=1, le=1000)
    budget: int = Field(ge=1, le=100_000)
    strategy: Strategy = "even"


def make(session: Session, questions: Questions) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")

    def named(image: str | None) -> str | None:
        return None if image is None else image_name(session, image)

    @routes.get("/questions")
    def listed(
        client: Id, image: ServerId | None = None, limit: Annotated[int, Query(ge=0, le=1000)] = 40
    ) -> dict[str, Any]:
        return questions.listed(client, named(image), limit)

    @routes.post("/questions")
    def draw(request: AskRequest) -> dict[str, Any]:
        if request.folder != session.catalogue.folder_id:
            raise RunError("another folder is served at this address now.", field="folder", hint="Reload the page.")
        budget = request.budget if request.image is None else None
        image = named(request.image)
        return {"drawn": questions.draw(request.id, image, request.per_image, budget, request.strategy)}

    return routes
