"""Who is let in: by the link, by its cookie, by the token; and how long anybody may take to ask."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from pointillist import connections
from pointillist.annotator.web import access, hub
from pointillist.annotator.web.access import Access, find_token, is_link
from pointillist.errors import ConfigError
from tests.annotator.conftest import Live, Serve
from tests.annotator.test_security import raw

TOKEN = "0123456789abcdefABCDEF"


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def asks(live: Live, **headers: str) -> int:
    return raw(live, "GET", "/api/project", headers)[0]


# The token


@pytest.mark.parametrize("short", ["short", "", "0123456789 abcdef", "0123456789abcdé", "a" * 15])
def test_a_token_that_can_be_guessed_is_refused(short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(short, encoding="utf-8")
    with pytest.raises(ConfigError, match="short") as caught:
        find_token(file)
    assert (caught.value.where, caught.value.field) == (str(file), "--token-file")
    if short:
        monkeypatch.setenv("POINTILLIST_TOKEN", short)
        with pytest.raises(ConfigError, match="short"):
            find_token(None)


def test_the_token_comes_from_the_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("POINTILLIST_TOKEN", "environment-has-this")
    assert find_token(tmp_path / "token") == TOKEN
    assert find_token(None) == "environment-has-this"
    with pytest.raises(ConfigError, match="no such file"):
        find_token(tmp_path / "nothing")


def test_without_one_each_user_has_a_token_that_nobody_else_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POINTILLIST_TOKEN", raising=False)
    first = find_token(None)
    assert find_token(None) == first  # pages that are open know a server that was started again
    file = access.cache_folder("access") / "token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # What others could have read, or written, is a secret no more.
    file.chmod(0o644)
    second = find_token(None)
    assert second != first
    file.write_text("cut")
    assert find_token(None) not in (first, second, "cut")
    # A user without a place for it has one for each start.
    monkeypatch.setattr(access, "cache_folder", lambda _: Path("/proc/nothing"))
    assert find_token(None) != find_token(None)


# Being let in


def test_nothing_is_said_to_who_was_not_let_in(data: Path, serve: Serve) -> None:
    live = serve(data, token=TOKEN)
    for path in ("/", "/static/app.js", "/api/project", "/api/events", "/?token=wrong", f"/api/project?token={TOKEN}"):
        answer = live.client.get(path)
        assert answer.status_code == 401
        assert TOKEN not in answer.text
    # A person is told in words.
    page = live.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "Open the link that &#x27;pointillist annotate&#x27; shows" in page.text
    entered = live.client.get(f"/?token={TOKEN}")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert live.client.get("/api/project").status_code == 200
    assert live.client.get("/?once=used").status_code == 200  # a link out of the browser's history
    assert asks(live, Authorization="Bearer wrong") == 401
    assert asks(live, Authorization=f"Bearer {TOKEN}") == 200


def test_a_link_opens_once() -> None:
    door = Access(TOKEN, 8765)
    first, second = door.link(), door.link()
    assert first != second
    assert door.log_in(first.encode()) is not None
    assert door.log_in(first.encode()) is None
    assert door.log_in(second.encode()) is not None
    assert door.log_in(b"once=nothing") is None
    assert door.log_in(b"once=") is None
    assert door.log_in(door.query.encode()) is not None
    assert door.log_in(door.query.encode()) is not None
    assert is_link(first.encode())
    assert not is_link(b"once=")


def test_the_cookie_is_of_one_port_and_one_token(data: Path, serve: Serve) -> None:
    """Two annotators on one machine share a browser's cookies, as ports do; a restart does not log anybody out."""
    one, other = serve(data, token=TOKEN), Access(TOKEN, 1)
    cookie = cookie_of(one.client.get(f"/?token={TOKEN}"))
    assert cookie.startswith(f"pointillist_session_{one.port}=")
    assert asks(one, Cookie=cookie) == 200
    again = Access(TOKEN, one.port).log_in(f"token={TOKEN}".encode())
    assert str(again).startswith(cookie)
    for wrong in (
        str(other.log_in(f"token={TOKEN}".encode())).partition(";")[0],
        cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        str(Access(TOKEN + "x", one.port).log_in(f"token={TOKEN}x".encode())).partition(";")[0],
        f"pointillist_session={cookie.partition('=')[2]}",
    ):
        assert asks(one, Cookie=wrong) == 401


@pytest.mark.parametrize(
    "odd", ['a="b', "bad name=1", "=", ";;", 'x={"json": [1, 2]}', "ä=ö", "novalue", "@=1", "a=b=c"]
)
def test_odd_cookies_of_others_log_nobody_out(data: Path, serve: Serve, odd: str) -> None:
    live = serve(data, token=TOKEN)
    cookie = cookie_of(live.client.get(f"/?token={TOKEN}"))
    for together in (f"{odd}; {cookie}", f"{cookie}; {odd}", f"{odd}; {cookie}; {odd}"):
        assert asks(live, Cookie=together.encode().decode("latin-1")) == 200
    assert asks(live, Cookie=odd.encode().decode("latin-1")) == 401


def test_the_command_shows_a_link_and_keeps_the_token_from_others(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "pointillist", "annotate", str(data), "--no-browser", "--port", "0", "--json"]
    command += ["--log-file", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        link = json.loads(process.stdout.readline())["address"]
        token = re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=([\w-]{22})", link)
        assert token is not None
        assert token[1].encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        with httpx.Client(follow_redirects=True, timeout=60) as browser:
            assert browser.get(link.partition("?")[0]).status_code == 401
            page = browser.get(link)
            assert (page.status_code, str(page.url)) == (200, link.partition("?")[0])
        process.terminate()
    assert f"page: {link.partition('?')[0]} " in log.read_text()
    assert token[1] not in log.read_text()


# How long and how often


def test_a_request_that_never_ends_its_head_is_ended(data: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connections.HEAD == 10
    monkeypatch.setattr(connections, "HEAD", 1.0)
    live = serve(data)
    host = f"Host: 127.0.0.1:{live.port}\r\n".encode()
    for begun in (b"", b"GET /api/pro", b"GET /api/project HTTP/1.1\r\n" + host, b"POST /api/ops HTTP/1.1\r\nX: "):
        with socket.create_connection(("127.0.0.1", live.port), timeout=30) as slow:
            slow.sendall(begun)
            started = time.monotonic()
            slow.settimeout(0.2)
            ended = False
            while not ended and time.monotonic() - started < 20:
                try:
                    if begun:
                        slow.sendall(b"x")  # a drop now and then does not help
                    ended = slow.recv(1000) == b""
                except TimeoutError:
                    continue
                except (ConnectionError, BrokenPipeError):
                    ended = True
            assert ended
            assert time.monotonic() - started > 0.9
    # Who asks in time may take long between two requests, and with the second.
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as slow:
        for _ in range(2):
            slow.sendall(b"GET /api/project HTTP/1.1\r\n")
            time.sleep(0.3)
            slow.sendall(host + b"\r\n")
            assert slow.recv(15) == b"HTTP/1.1 200 OK"
            slow.settimeout(1)
            try:
                while slow.recv(65536):
                    pass
            except TimeoutError:
                pass
            time.sleep(1.2)


def test_a_browser_with_many_windows_has_connections_left(data: Path, serve: Serve) -> None:
    live = serve(data)
    streams: list[socket.socket] = []

    def listen(agent: str) -> socket.socket:
        stream = socket.create_connection(("127.0.0.1", live.port), timeout=30)
        head = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nUser-Agent: {agent}\r\n\r\n"
        stream.sendall(head.encode())
        found = b""
        while b"event: hello" not in found:
            found += stream.recv(1000)
        streams.append(stream)
        return stream

    def ends(stream: socket.socket) -> bool:
        stream.settimeout(0.5)
        found = b""
        try:
            while b"event: rest" not in found:
                if not (more := stream.recv(1000)):
                    return False
                found += more
        except TimeoutError:
            return False
        return True

    own = [listen("one") for _ in range(hub.MOST_STREAMS)]
    listen("another")
    assert not ends(own[0])
    listen("one")
    assert ends(own[0])  # the oldest, and no other
    assert not any(map(ends, [*own[1:], *streams[-2:]]))
    for stream in streams:
        stream.close()
