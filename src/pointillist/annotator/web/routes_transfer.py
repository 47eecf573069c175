"""Routes of label files, in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pointillist.annotator.files.label_files import LabelFiles
from pointillist.annotator.files.transfer import Transfer, check_upload_name
from pointillist.errors import SaveError
from pointillist.schema import Strict

IMPORT = "/api/import"


class Decision(Strict):
    """Whether points go that others have taken out of points.csv, whose content has this SHA-256."""

    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    remove: bool


def make(transfer: Transfer, files: LabelFiles) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter()

    @routes.post(IMPORT)
    async def take_in(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=1000)],
        format: Annotated[str, Query(max_length=50)] = "auto",
        add_classes: bool = False,
    ) -> dict[str, Any]:
        options = _options(request)
        kept = check_upload_name(name)
        async with contextmanager_in_threadpool(transfer.temporary()) as home:
            file = home / kept
            await _receive(request, file)
            chosen = None if format == "auto" else format
            return await run_in_threadpool(lambda: transfer.take_in(file, chosen, options, add_classes=add_classes))

    @routes.get("/api/export")
    def give_out(request: Request, format: Annotated[str, Query(max_length=50)]) -> Response:
        name, content = transfer.give_out(format, _options(request))
        # Never shown, always kept: whatever a label file holds, no browser takes it for a page.
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @routes.post("/api/files/removal", status_code=204)
    def decide(decision: Decision) -> None:
        files.decide(decision.digest, remove=decision.remove)

    return routes


def _options(request: Request) -> dict[str, str]:
    """What the query says about a format: `option.order=xy`."""
    return {
        key.removeprefix("option."): value for key, value in request.query_params.items() if key.startswith("option.")
    }


async def _receive(request: Request, file: Path) -> None:
    """Write a body to a file as it comes; its bytes are counted before they reach this."""
    try:
        with file.open("xb") as stream:
            async for part in request.stream():
                stream.write(part)
    except OSError as error:
        raise SaveError(
            f"the file could not be kept ({error.strerror or error}).", hint="Free space on this disk."
        ) from error
