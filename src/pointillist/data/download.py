"""Fetching a file over HTTP: resumed where it broke off, checked, whole or not at all under its name."""

from __future__ import annotations

import hashlib
import http
import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pointillist.errors import DatasetError, SaveError
from pointillist.files import saving

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be, None while that is not known."""

CHUNK = 2**18
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as dropped."""

LIMIT = 2**38
"""No data set is larger; a server that sends more is broken."""

_NO_SPACE = "Free some space or choose another --out, then run the command again: it goes on from here."


def download(
    url: str,
    path: Path,
    *,
    checksum: str | None = None,
    on_progress: Progress | None = None,
    attempts: int = 5,
    patience: float = 2.0,
) -> str:
    """Fetch a file.

    What has come is kept beside it as `….part`; the next attempt, also that of another day, asks the server for the
    rest only, unless the file has changed there. A complete file is not fetched again, unless its checksum is wrong.

    Args:
        url: `http://` or `https://`.
        path: Where the file shall be.
        checksum: `md5:…`, `sha1:…` or `sha256:…` in hexadecimal digits; None where its source publishes none.
        on_progress: Told how far it is.
        attempts: Consecutive attempts without a single new byte before it is given up.
        patience: Seconds before the second attempt; twice that before the third, and so on.

    Returns:
        The SHA-256 of the file, in hexadecimal digits.

    Raises:
        DatasetError: The server cannot be reached or refuses, or what it sends has another checksum.
        SaveError: The disk is full, or the folder cannot be written to.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise DatasetError(f"'{url}' is no web address.", field="url", hint="Use one that begins with https://.")
    # A file gets its name only when it is complete, so one without a published checksum is taken as it stands.
    if not (path.is_file() and (checksum is None or digest(path, checksum.split(":")[0]) == checksum)):
        _fetch(url, path, checksum, on_progress, attempts, patience)
    return digest(path, "sha256").removeprefix("sha256:")


def _fetch(
    url: str, path: Path, checksum: str | None, on_progress: Progress | None, attempts: int, patience: float
) -> None:
    part = _Part(path)
    failures = 0
    while True:
        before = part.size
        try:
            part.fetch(url, on_progress)
            break
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                part.discard()  # what is there is no beginning of the file
            elif error.code < 500 and error.code not in (408, 429):
                raise DatasetError(
                    f"the server answers {error.code} {error.reason}.",
                    where=url,
                    hint="The file may have moved; see the home page of the data set, or name another --mirror.",
                ) from error
            problem: Exception = error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            problem = error
        failures = 1 if part.size > before else failures + 1
        if failures >= attempts:
            reason = getattr(problem, "reason", None) or problem
            raise DatasetError(
                f"the connection failed {attempts} times ({reason}); {part.size:,} bytes are there.",
                where=url,
                hint="Run the same command again later: it goes on where it stopped.",
            ) from problem
        time.sleep(patience * 2 ** (failures - 1))
    if checksum is not None and (found := digest(part.path, checksum.split(":")[0])) != checksum:
        part.discard()
        raise DatasetError(
            f"has the checksum {found}, but {checksum} is expected; what was fetched has been removed.",
            where=url,
            hint="Fetch it again; if it stays so, the file has changed at its source or somebody meddles with it.",
        )
    part.path.replace(path)
    part.notes.unlink(missing_ok=True)


def digest(path: Path, algorithm: str) -> str:
    """`algorithm:hexadecimal digits` of a file.

    Raises:
        DatasetError: There is no such algorithm.
    """
    if algorithm not in ("md5", "sha1", "sha256"):
        raise DatasetError(f"{algorithm!r} is no checksum.", field="checksum", hint="Use md5, sha1 or sha256.")
    with path.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


class _Part:
    """A file that is not complete yet, with what the server said about the version it belongs to."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.notes = target.with_name(target.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def fetch(self, url: str, on_progress: Progress | None) -> None:
        """Get the rest; returns when all of it is there, raises what the network raises when it breaks off."""
        known = self._read_notes(url)
        start = self.size if known else 0
        if known and start and start == known.get("total"):
            return
        request = urllib.request.Request(url, headers={"User-Agent": "pointillist", "Accept-Encoding": "identity"})
        if start:
            request.add_header("Range", f"bytes={start}-")
            request.add_header("If-Range", known["version"])
        with _OPENER.open(request, timeout=TIMEOUT) as response:
            if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                start = 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length is not None and length.isdigit() else None
            self._write(response, start, total, url, on_progress)
        if total is not None and self.size < total:
            raise http.client.IncompleteRead(b"", total - self.size)

    def _write(self, response: Any, start: int, total: int | None, url: str, on_progress: Progress | None) -> None:
        with saving(self.path, _NO_SPACE):
            free = shutil.disk_usage(self.target.parent).free
            if total is not None and total - start > free:
                raise SaveError(
                    f"needs {total - start:,} bytes more, but {free:,} are free.",
                    where=self.target.parent,
                    hint=_NO_SPACE,
                )
            if start == 0:
                self._write_notes(response, url, total)
            with self.path.open("r+b" if start else "wb") as stream:
                stream.seek(start)
                done = start
                while block := _receive(response):
                    stream.write(block)
                    done += len(block)
                    if done > (total if total is not None else LIMIT):
                        raise DatasetError("the server sends too much.", where=url, hint="Name another --mirror.")
                    if on_progress is not None:
                        on_progress(done, total)

    def _write_notes(self, response: Any, url: str, total: int | None) -> None:
        headers = response.headers
        # A weak ETag does not promise the same bytes, so it cannot continue a file.
        etag = headers.get("ETag", "")
        version = etag if etag.startswith('"') else headers.get("Last-Modified")
        self.notes.write_text(json.dumps({"url": url, "version": version, "total": total}), encoding="utf-8")

    def _read_notes(self, url: str) -> dict[str, Any]:
        """Empty when the part belongs to nothing that could be continued."""
        with suppress(OSError, ValueError, RecursionError):
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            if isinstance(notes, dict) and notes.get("url") == url and isinstance(notes.get("version"), str):
                return notes
        return {}

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def _receive(response: Any) -> bytes:
    try:
        block: bytes = response.read(CHUNK)
    except OSError as error:
        # Resets and time-outs; left as they are, they would pass for errors of the disk, which are of the same class.
        raise http.client.HTTPException(str(error) or type(error).__name__) from error
    return block


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted connection to a plain one."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise DatasetError(
                f"the server sends us from https to '{newurl}'.", where=req.full_url, hint="Name another --mirror."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoDowngrade)
