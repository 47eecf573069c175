"""What every request must pass before anything reads it, and what every answer carries."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Iterable
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "pointillist_session"

HEADER = b"x-pointillist"
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

_ANSWER_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


class _TooLarge(Exception):
    """A body has more bytes than it may."""


class Security:
    """ASGI middleware: host, origin, token and size of every request are checked before the application sees it.

    Args:
        app: The application.
        port: Port that is served.
        hosts: Names this server goes by, besides those of this machine.
        token: What a user must show; None where only this machine is served.
        file_paths: Paths whose bodies are files.
    """

    def __init__(
        self, app: ASGIApp, *, port: int, hosts: Iterable[str] = (), token: str | None, file_paths: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._port = port
        self._hosts = {"localhost", "127.0.0.1", "::1", *(host.lower() for host in hosts)}
        self._token = token
        self._file_paths = frozenset(file_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and hand it on or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no web sockets here; the server closes what nobody accepts
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        if self._token is not None:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if scope["path"] == "/" and scope["method"] == "GET" and given:
                await self._log_in(send, given)
                return
            if not self._knows_token(headers):
                await _answer(send, 401, "the token is missing or wrong.", "Open the page with ?token=… once.")
                return
        await self._counted(scope, receive, send, headers)

    def _refusal(self, scope: Scope, headers: dict[bytes, list[bytes]]) -> tuple[int, str, str] | None:
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or not self._is_ours(hosts[0].decode("latin-1")):
            # A page elsewhere can let its own name point here; the browser then still says that name.
            return 403, "this server does not go by that name.", "Open the address that the command line shows."
        origin = headers.get(b"origin", [])
        if origin and (len(origin) != 1 or not self._is_own_origin(origin[0].decode("latin-1"), hosts[0])):
            return 403, "the request comes from another page.", "Use the annotator's own page."
        site = headers.get(b"sec-fetch-site", [b"none"])[0]
        if site not in (b"same-origin", b"none") and scope["path"] != "/":
            return 403, "the request comes from another page.", "Use the annotator's own page."
        if scope["method"] not in ("GET", "HEAD") and headers.get(HEADER) != [b"1"]:
            return 403, "the header X-Pointillist is missing.", "Use the annotator's own page."
        return None

    def _is_ours(self, host: str) -> bool:
        name, port = _split_host(host)
        if port is not None and port != self._port:
            return False
        if name.lower() in self._hosts:
            return True
        # An address cannot be made to point elsewhere, as a name can; who may come by it, the token decides.
        return self._token is not None and _is_address(name)

    def _is_own_origin(self, origin: str, host: bytes) -> bool:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.decode("latin-1").lower()

    # Token

    def _session(self) -> str:
        """What the cookie holds: made from the token, so that it outlives a restart, and not the token itself."""
        return hmac.new((self._token or "").encode(), b"pointillist annotator session", hashlib.sha256).hexdigest()

    def _knows_token(self, headers: dict[bytes, list[bytes]]) -> bool:
        for value in headers.get(b"authorization", []):
            kind, _, given = value.decode("latin-1").partition(" ")
            if kind.lower() == "bearer" and _same(given, self._token or ""):
                return True
        for value in headers.get(b"cookie", []):
            try:
                cookie = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                continue
            if cookie is not None and _same(cookie.value, self._session()):
                return True
        return False

    async def _log_in(self, send: Send, given: str) -> None:
        if not _same(given, self._token or ""):
            await _answer(send, 401, "the token is wrong.", "Copy the whole address that the command line shows.")
            return
        cookie = f"{COOKIE}={self._session()}; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 303, "headers": [*headers, *_ANSWER_HEADERS]})
        await send({"type": "http.response.body", "body": b""})

    # Bytes

    async def _counted(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, list[bytes]]) -> None:
        limit = FILE_BYTES if scope["path"] in self._file_paths else JSON_BYTES
        too_large = (413, f"the request has more than {limit:,} bytes.", "Send less at once.")
        declared = headers.get(b"content-length", [b"0"])[-1]
        if not declared.isdigit() or int(declared) > limit:
            await _answer(send, *too_large)
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
                names = {name.lower() for name, _ in message.get("headers", [])}
                more = [(b"cache-control", b"no-store")] if b"cache-control" not in names else []
                message = {**message, "headers": [*message.get("headers", []), *_ANSWER_HEADERS, *more]}
            await send(message)

        with suppress(_TooLarge):
            await self._app(scope, counted, dressed)
        if seen > limit and not started:
            await _answer(send, *too_large)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


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


async def _answer(send: Send, status: int, found: str, hint: str) -> None:
    body = json.dumps({"error": {"found": found, "where": None, "field": None, "hint": hint}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        # What was not read must not be taken for the next request.
        (b"connection", b"close"),
        *_ANSWER_HEADERS,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
