"""Who may use the page: whoever opened its link once in this browser, or shows the token itself."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from pointillist.annotator.images.cache import cache_folder
from pointillist.errors import ConfigError, SaveError
from pointillist.files import read_text

LEAST_TOKEN = 16
"""Characters of the shortest token: fewer can be guessed."""

VARIABLE = "POINTILLIST_TOKEN"
"""Environment variable that may hold the token."""

_HINT = f"Use at least {LEAST_TOKEN} letters and digits that nobody guesses."


class Access:
    """Knows the token, and the links that log a browser in once.

    Args:
        token: What everybody must show.
        port: Of the server: browsers keep one jar of cookies for all ports of a machine.
    """

    def __init__(self, token: str, port: int) -> None:
        self._token = token
        self._cookie = f"pointillist_session_{port}"
        self._links: set[str] = set()

    def link(self) -> str:
        """The query of an address that logs in the first browser that opens it, and no other.

        Programs are started with it, and every user of a machine can see how programs were started.
        """
        link = secrets.token_urlsafe(16)
        self._links.add(link)
        return f"once={link}"

    @property
    def query(self) -> str:
        """The query of the address that is shown to the user."""
        return f"token={self._token}"

    def admits(self, headers: Headers) -> bool:
        """Whether a request shows the token, or the cookie of a browser that did."""
        for value in headers.getlist("authorization"):
            kind, _, given = value.partition(" ")
            if kind.lower() == "bearer" and _same(given, self._token):
                return True
        # Read by hand: of a header with one odd cookie of somebody else, Python's own reader gives none.
        cookies = (part.strip().partition("=") for value in headers.getlist("cookie") for part in value.split(";"))
        return any(name == self._cookie and _same(given, self._session()) for name, _, given in cookies)

    def log_in(self, query: bytes) -> str | None:
        """The cookie for whoever opens a link; None where it is no good, or there is none, see `is_link`."""
        token, once = _asked(query)
        if not (_same(token, self._token) if token else once in self._links):
            return None
        self._links.discard(once)
        return f"{self._cookie}={self._session()}; HttpOnly; SameSite=Strict; Path=/; Max-Age=2592000"

    def _session(self) -> str:
        """What the cookie holds: made from the token, so that it outlives a restart, and not the token itself."""
        return hmac.new(self._token.encode(), b"pointillist annotator session", hashlib.sha256).hexdigest()


def is_link(query: bytes) -> bool:
    """Whether the query of an address asks to be let in."""
    return any(_asked(query))


def _asked(query: bytes) -> tuple[str, str]:
    """The token and the one-time link of a query, empty where there is none."""
    asked = parse_qs(query.decode("latin-1"))
    return asked.get("token", [""])[0], asked.get("once", [""])[0]


def find_token(file: Path | None) -> str:
    """The token: from a file, else from the environment, else one of this user's own, the same for all folders.

    Raises:
        ConfigError: It cannot be read, is short, or has odd characters.
    """
    if file is not None:
        return _checked(read_text(file, ConfigError, max_bytes=10_000).strip(), "--token-file", file)
    if given := os.environ.get(VARIABLE):
        return _checked(given, VARIABLE)
    return _own_token()


def _checked(token: str, field: str, where: Path | None = None) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{{LEAST_TOKEN},}}", token):
        found = "this token is short, or has other characters than letters, digits, - and _."
        raise ConfigError(found, where=where, field=field, hint=_HINT)
    return token


def _own_token() -> str:
    """A token that only this user can read, so that open pages still know a server that was started again."""
    made = secrets.token_urlsafe(16)
    with suppress(SaveError, OSError):  # a user without a cache folder has a new token at each start
        file = cache_folder("access") / "token"
        with suppress(OSError, UnicodeDecodeError):
            kept = file.read_text(encoding="ascii")
            if _is_private(file) and re.fullmatch(r"[A-Za-z0-9_-]{22}", kept):
                return kept
        handle, temporary = tempfile.mkstemp(dir=file.parent)  # which nobody else may read
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(made)
        Path(temporary).replace(file)
    return made


def _is_private(file: Path) -> bool:
    """Whether it is this user's alone; Windows has its users' folders so."""
    status = file.lstat()
    return os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o077)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())
