"""Routes of classes, points and operations."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from pointillist.annotator.labels.operations import OperationBatch
from pointillist.annotator.session import Session
from pointillist.annotator.web.hub import Hub
from pointillist.errors import RunError

BEAT = 15.0
"""Seconds after which a silent event stream says that it is alive."""

_CHUNK = 200

LARGEST = 2**53
"""Number of an operation that a page can ask for: the largest whole number of JavaScript, which SQLite knows, too."""

SERVER = secrets.token_hex(8)
"""Tells a page that it talks to another start of the server."""


def make(session: Session, hub: Hub) -> APIRouter:
    """Routes of a session."""
    routes = APIRouter(prefix="/api")

    @routes.post("/ops")
    async def apply(batch: OperationBatch) -> dict[str, Any]:
        if batch.folder not in (None, session.catalogue.folder_id):
            raise RunError(
                "another folder is served at this address now.",
                field="folder",
                hint="Serve the page's own folder here again: its clicks are kept in the browser until then.",
            )
        seq, outcomes = await asyncio.wrap_future(session.submit(batch))
        return {"seq": seq, "results": [session.outcome(o) for o in outcomes], "cost": session.cost()}

    @routes.get("/changes")
    def changes(
        after: Annotated[int, Query(ge=0, le=LARGEST)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
    ) -> dict[str, Any]:
        return session.changes(after, limit)

    @routes.get("/events")
    async def events(
        request: Request, after: Annotated[int | None, Query(ge=0, le=LARGEST)] = None
    ) -> StreamingResponse:
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isascii() and last.isdigit() and len(last) < 18 else after
        address = "" if request.client is None else request.client.host
        browser = f"{address} {request.headers.get('user-agent', '')}"
        return StreamingResponse(_stream(session, hub, start, browser), media_type="text/event-stream")

    return routes


async def _stream(session: Session, hub: Hub, after: int | None, browser: str) -> AsyncIterator[str]:
    """Everything new, as server-sent events; each stream looks up what it has not sent yet.

    It ends with `rest` where the browser has opened so many more that no connection would be left for anything else.
    """
    stream = hub.join(browser)
    sent: dict[str, str] = {}
    try:
        seq = (await run_in_threadpool(session.store.reading)).seq() if after is None else after
        yield _event("hello", json.dumps({"seq": seq, "server": SERVER, "folder": session.catalogue.folder_id}))
        while not stream.ended:
            stream.news.clear()
            more = True
            while more:
                found = await run_in_threadpool(session.changes, seq, _CHUNK)
                for change in found["changes"]:
                    seq = change["seq"]
                    yield _event("change", json.dumps(change, ensure_ascii=False), seq)
                more = found["more"]
            for topic, text in hub.topics().items():
                if sent.get(topic) != text:
                    sent[topic] = text
                    yield _event(topic, text)
            try:
                await asyncio.wait_for(stream.news.wait(), BEAT)
            except TimeoutError:
                yield ": alive\n\n"
        yield _event("rest", "{}")
    finally:
        hub.leave(stream)


def _event(kind: str, data: str, given: int | None = None) -> str:
    # JSON has no line ends of its own, so one data line is enough.
    identity = "" if given is None else f"id: {given}\n"
    return f"{identity}event: {kind}\ndata: {data}\n\n"
