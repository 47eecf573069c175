"""What every request must pass before anything reads it, and what every answer carries."""

from __future__ import annotations

import html
import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointillist.annotator.web.access import Access, is_link

LET_IN = "Open the link that 'pointillist annotate' shows in its terminal."
"""What to do without access."""

HEADER = "x-pointillist"
"""Must come with every request that changes something: no page of another origin can set it."""

JSON_BYTES = 1_000_000
"""Longest body of a request that is no file."""

FILE_BYTES = 64 * 2**20
"""Longest label file that is taken in."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_ANSWER_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class _TooLarge(Exception):
    """A body has more bytes than it may."""


class Security:
    """ASGI middleware: host, origin, access and size of every request are checked before the application sees it.

    The server goes by `hosts` besides the names of this machine; without `access` everybody on this machine is served.
    The bodies of requests to `file_paths` are files.
    """

    def __init__(
        self, app: ASGIApp, *, port: int, hosts: Iterable[str], access: Access | None, file_paths: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._port = port
        self._hosts = {"localhost", "127.0.0.1", "::1", *(host.lower() for host in hosts)}
        self._access = access
        self._file_paths = frozenset(file_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and hand it on or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets here; the server closes what nobody accepts
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers)
        if answer is None and self._access is not None:
            answer = self._asked_to_log_in(scope, headers, self._access)
        await (self._counted if answer is None else answer)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            # A page elsewhere can let its own name point here; the browser then still says that name.
            return _refused(
                403, "this server does not go by that name.", "Open the address that the command line shows."
            )
        origins = headers.getlist("origin")
        elsewhere = len(origins) > 1 or not all(_is_own_origin(origin, hosts[0]) for origin in origins)
        site = headers.get("sec-fetch-site", "none")
        if elsewhere or (site not in ("same-origin", "none") and scope["path"] != "/"):
            return _refused(403, "the request comes from another page.", "Use the annotator's own page.")
        if scope["method"] not in ("GET", "HEAD") and headers.getlist(HEADER) != ["1"]:
            return _refused(403, "the header X-Pointillist is missing.", "Use the annotator's own page.")
        return None

    def _is_ours(self, host: str) -> bool:
        name, port = _split_host(host)
        if port is not None and port != self._port:
            return False
        if name.lower() in self._hosts:
            return True
        # An address cannot be made to point elsewhere, as a name can; who may come by it, `access` decides.
        return self._access is not None and _is_address(name)

    def _asked_to_log_in(self, scope: Scope, headers: Headers, access: Access) -> Response | None:
        on_page = scope["path"] == "/" and scope["method"] == "GET"
        cookie = access.log_in(scope["query_string"]) if on_page else None
        if cookie is not None:
            to_page = {"location": "/", "set-cookie": cookie, "cache-control": "no-store"}
            return Response(status_code=303, headers={**to_page, **_ANSWER_HEADERS})
        if access.admits(headers):  # also with a link that it has used
            return None
        linked = on_page and is_link(scope["query_string"])
        found = "this link has been used, or is not from here." if linked else "this browser has not been let in yet."
        return _refused(401, found, LET_IN, in_browser=on_page)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = FILE_BYTES if scope["path"] in self._file_paths else JSON_BYTES
        too_large = _refused(413, f"the request has more than {limit:,} bytes.", "Send less at once.")
        declared = (Headers(scope=scope).getlist("content-length") or ["0"])[-1]
        if not declared.isdecimal() or int(declared) > limit:
            await too_large(scope, receive, send)
            return
        seen = 0
        started = False

        async def counted() -> Message:
            # The header may lie, or be absent; only what arrives counts.
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise _TooLarge
            return message

        async def dressed(message: Message) -> None:
            nonlocal started
            if seen > limit and not started:
                return  # what the application makes of the interruption is not the answer
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")
                headers.update(_ANSWER_HEADERS)
            await send(message)

        with suppress(_TooLarge):
            await self._app(scope, counted, dressed)
        if seen > limit and not started:
            await too_large(scope, receive, send)


def _is_own_origin(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _split_host(host: str) -> tuple[str, int | None]:
    """Name and port of a Host header; ('', None) for what is none."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return ("", None) if parts.username is not None or parts.path or parts.query else (name, port)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def error_answer(status: int, found: str, hint: str, field: str | None = None) -> Response:
    """An error that is no `PointillistError`, in the shape that all of them have."""
    return JSONResponse({"error": {"found": found, "where": None, "field": field, "hint": hint}}, status)


def _refused(status: int, found: str, hint: str, *, in_browser: bool = False) -> Response:
    answer = error_answer(status, found, hint)
    if in_browser:
        words = f"<h1>pointillist</h1><p>{html.escape(f'{found[:1].upper()}{found[1:]} {hint}')}</p>"
        answer = HTMLResponse(f'<!doctype html><html lang="en"><title>pointillist</title>{words}</html>', status)
    # What was not read must not be taken for the next request.
    answer.headers.update({"cache-control": "no-store", "connection": "close", **_ANSWER_HEADERS})
    return answer
