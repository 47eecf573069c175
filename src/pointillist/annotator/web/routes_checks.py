"""Routes of audits, of the check of clicks, and of the work behind both."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from pointillist.annotator.labels.operations import Id
from pointillist.annotator.model.audits import Audits
from pointillist.annotator.model.click_checks import ClickChecks
from pointillist.annotator.model.questions import Questions
from pointillist.annotator.model.work import Work
from pointillist.schema import Strict


class DrawRequest(Strict):
    """Questions of an audit; the id is that of an operation."""

    id: Id
    questions: int = Field(ge=2, le=10_000)


class Nothing(Strict):
    """An empty request."""


def make(questions: Questions, audits: Audits, checks: ClickChecks, work: Work) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")
    routes.add_api_route("/work", work.status)
    routes.add_api_route("/audit", audits.status)
    routes.add_api_route("/checks", checks.listed)

    @routes.get("/audit/questions")
    def listed(client: Id, limit: Annotated[int, Query(ge=0, le=1000)] = 40) -> dict[str, Any]:
        return questions.listed(client, None, limit, audit=True)

    @routes.post("/audit/questions")
    def draw(request: DrawRequest) -> dict[str, Any]:
        return audits.draw(request.id, request.questions)

    @routes.post("/audit")
    def judge(_request: Nothing) -> dict[str, Any]:
        return audits.judge()

    @routes.post("/checks")
    def check(_request: Nothing) -> dict[str, Any]:
        return checks.start()

    @routes.post("/work/stop")
    def stop(_request: Nothing) -> dict[str, Any]:
        return work.stop()

    return routes
