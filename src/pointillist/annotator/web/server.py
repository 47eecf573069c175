"""The server: routes, errors, and the page itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from pointillist.annotator.session import Session, error_body
from pointillist.annotator.web import (
    routes_applying,
    routes_checks,
    routes_correct,
    routes_images,
    routes_labels,
    routes_predictions,
    routes_questions,
    routes_training,
    routes_transfer,
)
from pointillist.annotator.web.access import Access
from pointillist.annotator.web.app import App
from pointillist.annotator.web.security import Security, error_answer
from pointillist.errors import PointillistError, RunError, SaveError

STATIC = Path(__file__).parent.parent / "static"
"""The page: files that come with the package."""

_STATUS: tuple[tuple[type[PointillistError], int], ...] = ((SaveError, 507), (RunError, 409), (PointillistError, 422))

log = logging.getLogger("pointillist.annotator")


def make_app(
    session: Session, *, port: int, hosts: Iterable[str] = (), access: Access | None = None, warm: bool = True
) -> ASGIApp:
    """The whole application for an opened folder; it closes the folder when it ends.

    With `warm`, the engine starts when a page is opened, not at its first layer; the rest see `Security`.
    """

    annotator = App(session)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(annotator.start)
        yield
        # What could not be written is said once the server has ended, see `serve`.
        with suppress(PointillistError):
            await run_in_threadpool(annotator.close)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.include_router(routes_labels.make(session, annotator.hub))
    app.include_router(routes_images.make(session, annotator.following, annotator.live))
    app.include_router(routes_correct.make(session))
    app.include_router(routes_questions.make(session, annotator.questions))
    app.include_router(routes_checks.make(annotator.questions, annotator.audits, annotator.checks, annotator.work))
    app.include_router(routes_predictions.make(session, annotator.predictions, annotator.background))
    app.include_router(routes_applying.make(annotator.applying))
    app.include_router(routes_training.make(annotator.trainer, annotator.learning))
    app.include_router(routes_transfer.make(session.transfer, session.files))

    @app.get("/api/project")
    def project() -> dict[str, Any]:
        if warm:
            annotator.engine.start()
            annotator.predictions.warm()
        return annotator.project()

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/static", _Static(directory=STATIC))
    _answer_errors(app)
    return Security(app, port=port, hosts=hosts, access=access, file_paths=(routes_transfer.IMPORT,))


class _Static(StaticFiles):
    """The parts of the page; asked for again each time, so that a newer package shows its newer page."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file, or that it has not changed."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "no-cache"
        return answer


def _answer_errors(app: FastAPI) -> None:
    """Every error becomes one shape of JSON; what nobody foresaw is logged here and says nothing there."""

    @app.exception_handler(PointillistError)
    async def known(_request: Request, error: PointillistError) -> Response:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        return JSONResponse({"error": error_body(error)}, status)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return error_answer(400, f"{first['msg']}.", "Correct the request.", place or None)

    @app.exception_handler(StarletteHTTPException)
    async def refused(_request: Request, error: StarletteHTTPException) -> Response:
        found = error.detail if isinstance(error, HTTPException) else "there is nothing here."
        return error_answer(error.status_code, found, "Load the page again.")

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return error_answer(500, "something went wrong in the server.", "See the terminal it runs in.")
