"""The server from a page's point of view."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from pointillist.annotator.labels.applying import Applier
from pointillist.annotator.labels.store import Store, Tables
from pointillist.annotator.web import serving
from pointillist.annotator.web.server import STATIC
from pointillist.errors import ConfigError, SaveError
from tests.annotator.conftest import Live, Serve, write_images
from tests.conftest import Cli


def ops(live: Live, *operations: dict[str, Any], client: str = "tab-one-0") -> httpx.Response:
    return live.client.post("/api/ops", json={"client": client, "ops": list(operations)})


def first_image(live: Live) -> str:
    return str(live.client.get("/api/images").json()["images"][0]["id"])


SOIL = {"id": "op-soil-0", "kind": "class-add", "class": "class-soil", "name": "soil", "background": True}
BERRY = {"id": "op-berry-0", "kind": "class-add", "class": "class-berry", "name": "berry"}


def click(live: Live, number: int, **values: Any) -> dict[str, Any]:
    point = {"id": f"op-{number:06}", "kind": "add", "point": f"point-{number:06}", "x": 1.5, "y": 2.5}
    return {**point, "image": live.session.catalogue.id("i0.png"), "class": "class-soil", **values}


def test_the_page_and_its_parts(live: Live) -> None:
    page = live.client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    parts = sorted(path for path in STATIC.rglob("*") if path.suffix in (".js", ".css", ".svg"))
    assert len(parts) >= 3
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in parts:
        answer = live.client.get(f"/static/{path.relative_to(STATIC).as_posix()}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kinds[path.suffix])
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.text == path.read_text(encoding="utf-8")


def test_folders_and_places_are_known_again(live: Live, tmp_path: Path, serve: Serve) -> None:
    other = serve(write_images(tmp_path / "other"))
    ids = {server.client.get("/api/project").json()["id"] for server in (live, other, live)}
    assert len(ids) == 2
    images = live.client.get("/api/images").json()["images"]
    assert [entry["index"] for entry in images] == [0, 1, 2]
    about = live.client.get(f"/api/images/{images[1]['id']}").json()
    assert (about["index"], about["region"]) == (1, None)


def test_from_nothing_to_points(live: Live) -> None:
    project = live.client.get("/api/project").json()
    assert project["classes"] == []
    assert project["can_train"]["ok"] is False
    assert project["training"]["state"] == "idle"
    assert project["model"] is None
    assert {f["name"] for f in project["formats"]} >= {"csv", "labelme", "coco"}
    answer = ops(live, SOIL, BERRY, click(live, 1)).json()
    assert [result["status"] for result in answer["results"]] == ["done"] * 3
    assert answer["cost"]["clicks"] == 1
    project = live.client.get("/api/project").json()
    assert [(c["name"], c["background"], c["points"]) for c in project["classes"]] == [
        ("soil", True, 1),
        ("berry", False, 0),
    ]
    assert project["images"] == {"total": 3, "labelled": 1, "points": 1, "left_out": ""}
    assert project["can_train"]["ok"] is True


def test_lists_of_images(live: Live) -> None:
    ops(live, SOIL, click(live, 1))

    def names(**query: Any) -> list[str]:
        return [e["name"] for e in live.client.get("/api/images", params=query).json()["images"]]

    assert names() == ["i0.png", "i1.png", "i2.png"]
    assert names(offset=1, limit=1) == ["i1.png"]
    assert names(show="labelled") == ["i0.png"]
    assert names(show="unlabelled") == ["i1.png", "i2.png"]
    assert names(order="next") == ["i1.png", "i2.png", "i0.png"]
    assert names(search="I2") == ["i2.png"]
    following = live.client.get("/api/next").json()
    assert (following["image"]["name"], following["reason"]) == ("i1.png", "no-points")
    after = live.client.get("/api/next", params={"after": following["image"]["id"]}).json()
    assert after["image"]["name"] == "i2.png"


def test_a_rejected_operation_says_what_to_do(live: Live) -> None:
    results = ops(live, SOIL, click(live, 1, x=99), click(live, 2)).json()["results"]
    assert [result["status"] for result in results] == ["done", "rejected", "done"]
    error = results[1]["error"]
    assert (error["field"], error["hint"]) == ("x, y", "Click inside the image.")
    assert results[1]["seq"] is None


def listen(live: Live, query: str, changes: int, headers: dict[str, str] | None = None) -> list[tuple[str, Any]]:
    """What a stream says first, up to and with so many changes."""
    found: list[tuple[str, Any]] = []
    with live.client.stream("GET", f"/api/events{query}", headers=headers) as stream:
        kind = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            if line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
                if sum(kind == "change" for kind, _ in found) == changes:
                    break
    return found


def seqs(found: list[tuple[str, Any]]) -> list[int]:
    return [value["seq"] for kind, value in found if kind == "change"]


def test_a_stream_begins_where_a_page_stands(live: Live) -> None:
    ops(live, SOIL, BERRY, click(live, 1))
    assert seqs(listen(live, "?after=0", 3)) == [1, 2, 3]
    assert seqs(listen(live, "?after=2", 1)) == [3]
    # After a lost connection the browser says by itself what it had last.
    assert seqs(listen(live, "?after=0", 1, {"Last-Event-ID": "2"})) == [3]
    assert listen(live, "", 0)[0][1]["seq"] == 3


def test_a_stream_tells_what_others_do(live: Live) -> None:
    ops(live, SOIL)
    found: list[tuple[str, Any]] = []
    listening = threading.Thread(target=lambda: found.extend(listen(live, "?after=1", 2)))
    listening.start()
    ops(live, click(live, 1), click(live, 2), client="tab-two-0")
    listening.join(30)
    told = [value for kind, value in found if kind == "change"]
    assert [(change["seq"], change["client"]) for change in told] == [(2, "tab-two-0"), (3, "tab-two-0")]
    assert [change["point"]["id"] for change in told] == ["point-000001", "point-000002"]


def test_operations_of_another_folder_change_nothing(live: Live, tmp_path: Path, serve: Serve) -> None:
    other = serve(write_images(tmp_path / "other"))
    own, foreign = (server.client.get("/api/project").json()["id"] for server in (live, other))
    body = {"client": "tab-one-0", "ops": [SOIL, click(live, 1)]}
    refused = other.client.post("/api/ops", json={**body, "folder": own})
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert (error["found"], error["field"]) == ("another folder is served at this address now.", "folder")
    assert "kept" in error["hint"]
    assert other.client.get("/api/project").json()["seq"] == 0
    # Nothing is remembered of them either: where they belong they are new.
    taken = live.client.post("/api/ops", json={**body, "folder": own})
    assert [result["status"] for result in taken.json()["results"]] == ["done", "done"]
    # And a page hears who is there before it sends anything.
    assert [listen(server, "", 0)[0][1]["folder"] for server in (live, other)] == [own, foreign]


def test_a_full_disk_keeps_nothing_and_says_so(live: Live) -> None:
    ops(live, SOIL)
    # SQLite itself refuses to grow, as on a full disk; pages that are there could still be filled.
    live.session.store._writer.execute("PRAGMA max_page_count=1")
    many = [click(live, i) for i in range(500)]
    refused = [
        ops(live, *[{**op, "id": f"{op['id']}-{n}", "point": f"{op['point']}-{n}"} for op in many]) for n in range(5)
    ]
    assert refused[-1].status_code == 507
    assert "acknowledged" in refused[-1].json()["error"]["hint"]
    acknowledged = sum(500 for answer in refused if answer.status_code == 200)
    assert live.client.get("/api/project").json()["images"]["points"] == acknowledged
    # Room again: the same request goes through, once.
    live.session.store._writer.execute("PRAGMA max_page_count=4294967294")
    last = [{**op, "id": f"{op['id']}-4", "point": f"{op['point']}-4"} for op in many]
    assert {r["status"] for r in ops(live, *last).json()["results"]} == {"done"}
    assert {r["status"] for r in ops(live, *last).json()["results"]} == {"repeated"}


def test_what_fails_for_one_leaves_the_others_of_its_group(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    ops(live, SOIL)
    image = first_image(live)
    real = Applier.apply

    def sometimes(self: Applier, tables: Tables, client: str, operation: Any) -> Any:
        outcome = real(self, tables, client, operation)
        if operation.id == "op-000002":
            raise RuntimeError("a fault of ours, after the point was written")
        return outcome

    monkeypatch.setattr(Applier, "apply", sometimes)
    answers = [ops(live, click(live, number)) for number in (1, 2, 3)]
    assert [answer.status_code for answer in answers] == [200, 500, 200]
    points = live.client.get(f"/api/images/{image}/points").json()["points"]
    assert [point["id"] for point in points] == ["point-000001", "point-000003"]


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store._writer.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(SaveError, match="format 99"):
        Store(tmp_path / "a.sqlite")


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_text("no database, but long enough to be taken for one" * 100)
    with pytest.raises(SaveError, match="not a database"):
        Store(tmp_path / "a.sqlite")


def test_the_command_says_what_it_needs(cli: Cli, data: Path) -> None:
    refused = cli("annotate", data, "--token-file", data / "nowhere", "--no-browser")
    assert (refused.code, "no such file" in refused.err) == (2, True)
    refused = cli("annotate", data / "nowhere", "--no-browser")
    assert (refused.code, "no such folder" in refused.err) == (2, True)


def test_a_port_in_use_is_left_to_who_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving.listen("127.0.0.1", 0) as first:
        number = first.getsockname()[1]
        monkeypatch.setattr(serving, "PORT", number)
        with serving.listen("127.0.0.1", None) as second:
            assert second.getsockname()[1] != number
        with pytest.raises(ConfigError, match="--port"):
            serving.listen("127.0.0.1", number)


def test_windows_is_asked_for_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # SO_REUSEADDR there lets a second server have a port that is in use.
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", ~socket.SO_REUSEADDR, raising=False)
    assert serving.address_option("nt") == ~socket.SO_REUSEADDR
    assert serving.address_option("posix") == socket.SO_REUSEADDR


@pytest.fixture
def live(serve: Serve, data: Path) -> Live:
    return serve(data)


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, 2**63, 10**30, -1, "x"])
@pytest.mark.parametrize("path", ["/api/changes?after=", "/api/changes?limit=", "/api/events?after="])
def test_numbers_that_no_operation_has(path: str, number: object, live: Live) -> None:
    answer = live.client.get(f"{path}{number}", timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]["hint"]


def test_bodies_nested_deeply(live: Live) -> None:
    for depth in (900, 100_000):
        for inner in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
            for path, key in (("/api/ops", "ops"), ("/api/training/start", "size"), ("/api/training/start", "network")):
                body = f'{{"client": "tab-one-0", "{key}": {inner}}}'
                answer = live.client.post(path, content=body, headers={"content-type": "application/json"})
                assert 400 <= answer.status_code < 500, (path, depth)
    assert live.client.get("/api/project").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/project", {"origin": "http://[::1"}),
        ("/api/events", {"last-event-id": b"\xb2"}),
    ],
)
def test_odd_headers_are_no_failure_of_the_server(live: Live, path: str, headers: dict[str, Any]) -> None:
    with live.client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code in (200, 403)
