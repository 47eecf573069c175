"""Killed servers, a full disk, eight people at once, nonsense, large images: on the real process."""

from __future__ import annotations

import json
import random
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.annotator.conftest import HEIGHT, WIDTH
from tests.annotator.kills import CLASSES, Tab, csv_rows, kill_server, points_of, prepare
from tests.annotator.processes import annotator, children
from tests.conftest import write_tiny

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked at through /proc"),
]


def test_a_killed_server_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    found = kill_server(tmp_path, 5, seed=11)
    assert found["failures"] == []
    assert found["tried"] == 5
    assert found["acknowledged"] > 60
    assert set(found["beside"].values()) == {1}
    assert found["points_beside"] > 40


def test_a_training_does_not_outlive_its_server(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "tiny")
    with annotator(data) as server, server.client() as client:
        begun = {"epochs": 100_000, "size": "48x64", "device": "cpu"}
        assert client.post("/api/training/start", json=begun).status_code == 200
        # Long before its first checkpoint by time.
        while client.get("/api/training").json()["epoch"] < 1:
            time.sleep(0.1)
        training = next(pid for pid, line in children(server.process.pid) if "training_process" in line)
        server.kill()
    # It is asked to stop, leaves its model, and is gone.
    while (Path("/proc") / str(training)).exists():
        time.sleep(0.1)
    with annotator(data) as server, server.client() as client:
        assert client.get("/api/training").json()["state"] == "stopped"
        project = client.get("/api/project").json()
        assert (project["images"]["points"], project["model"]["run"]) == (18, "0001")


def test_a_full_disk_loses_nothing_that_was_acknowledged(data: Path) -> None:
    with annotator(data) as server, server.client() as client:
        images = prepare(client)
        server.end()
    tab = Tab("tab-no-1", images, 1)
    with annotator(data, file_bytes=3_500_000) as server:
        with server.client() as client:
            tab.work(client, threading.Event())
            assert tab.unanswered, "the disk was never full"
            refused = client.post("/api/ops", json={"client": tab.name, "ops": tab.unanswered})
            assert refused.status_code == 507
            assert refused.json()["error"]["hint"]
            # It still shows what it has.
            assert client.get("/api/project").json()["images"]["points"] > 100
        server.kill()
    assert tab.answered > 100
    with annotator(data) as server, server.client() as client:
        # Of the refused batch nothing was kept; sent again, all of it is.
        answer = client.post("/api/ops", json={"client": tab.name, "ops": tab.unanswered})
        assert {result["status"] for result in answer.json()["results"]} == {"done"}
        assert points_of(client, images) == tab.points
        server.end()
    assert len(csv_rows(data)) == len(tab.points)


def test_eight_people_at_once(data: Path) -> None:
    """They change each other's points; in the end all see the same, and no click is lost but by a seen deletion."""
    with annotator(data) as server:
        with server.client() as first:
            images = prepare(first)
        deleted: set[str] = set()
        added: set[str] = set()
        guard = threading.Lock()
        views: list[dict[str, dict[str, Any]]] = []
        finished = threading.Barrier(8)

        def person(number: int) -> None:
            rng = random.Random(number)
            view: dict[str, dict[str, Any]] = {}
            seq = 0
            name = f"tab-no-{number}"
            with server.client() as client:

                def look() -> None:
                    nonlocal seq
                    while True:
                        told = client.get("/api/changes", params={"after": seq}).json()
                        for change in told["changes"]:
                            seq = change["seq"]
                            point = change["point"]
                            if point is not None:
                                view[point["id"]] = point
                        if not told["more"]:
                            return

                for step in range(60):
                    if rng.random() < 0.3:
                        look()
                    alive = [point for point in view.values() if not point["deleted"]]
                    op: dict[str, Any] = {"id": f"{name}-op-{step}"}
                    kind = rng.choice(("add", "add", "move", "relabel", "delete")) if alive else "add"
                    if kind == "add":
                        op |= {"point": f"{name}-{step}", "image": rng.choice(images), "class": CLASSES[step % 2]}
                    else:
                        target = rng.choice(alive)
                        op |= {"point": target["id"], "base": target["version"]}
                    if kind in ("add", "move"):
                        op |= {"x": rng.uniform(0, WIDTH - 0.01), "y": rng.uniform(0, HEIGHT - 0.01)}
                    if kind == "relabel":
                        op["class"] = rng.choice(CLASSES)
                    answer = client.post("/api/ops", json={"client": name, "ops": [{**op, "kind": kind}]}).json()
                    result = answer["results"][0]
                    assert result["status"] in ("done", "kept"), result
                    view[result["point"]["id"]] = result["point"]
                    with guard:
                        if kind == "add":
                            added.add(op["point"])
                        if kind == "delete" and result["status"] == "done":
                            deleted.add(op["point"])
                finished.wait(120)
                look()
                views.append(view)

        threads = [threading.Thread(target=person, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(200)
        assert len(views) == 8
        with server.client() as client:
            truth = points_of(client, images)
    for view in views:
        seen = {k: (p["image"], p["x"], p["y"], p["class"]) for k, p in view.items() if not p["deleted"]}
        assert seen == truth
    assert added - deleted <= set(truth) <= added
    assert len(added) > 150


def test_nonsense_is_refused_politely(data: Path) -> None:
    """Valid requests with parts exchanged for nonsense: an error in the usual shape, never a fault, and no harm."""
    rng = random.Random(5)
    nonsense: list[Any] = [
        *(None, True, -1, 0, 2**70, 1e308, "", "x", "\x00", "\ud800", "🫐" * 40, "../..", "%00", "a" * 5000),
        *([], {}, [[]], {"a": {"b": []}}, "' OR 1=1 --", "<script>", "0" * 24, float("nan"), "-1e999"),
    ]

    def spoiled(value: Any) -> Any:
        if isinstance(value, dict) and value and rng.random() < 0.8:
            key = rng.choice(list(value))
            return {**value, key: spoiled(value[key])} if rng.random() < 0.9 else {**value, "more": 1}
        if isinstance(value, list) and value and rng.random() < 0.8:
            place = rng.randrange(len(value))
            return [*value[:place], spoiled(value[place]), *value[place + 1 :]]
        return rng.choice(nonsense)

    with annotator(data) as server, server.client() as client:
        images = prepare(client)
        good = [{"id": "op-good-1", "kind": "add", "point": "point-good", "image": images[0], "x": 1.5, "y": 2.5}]
        good[0]["class"] = CLASSES[0]
        assert client.post("/api/ops", json={"client": "tab-good-1", "ops": good}).status_code == 200
        kinds = {
            "move": {"point": "point-none", "x": 1, "y": 1, "base": 1},
            "delete": {"point": "point-none"},
            "class-rename": {"class": "class-none", "name": "n"},
            "class-merge": {"class": "class-none", "into": "class-none"},
            "background": {"class": "class-none", "policy": "border"},
            "add": {"point": "point-x0", "image": images[0], "x": 1, "y": 1, "class": "class-none"},
        }
        paths = ["/api/images/{}", "/api/images/{}/tiles/0/0/0", "/api/images/{}/points", "/api/training/snapshots/{}"]
        queries = ["/api/images", "/api/changes", "/api/next", "/api/export", "/api/training/log"]
        for number in range(300):
            what = rng.randrange(6)
            if what <= 1:
                kind = rng.choice(list(kinds))
                batch = {"client": "tab-fuzz-1", "ops": [{"id": f"op-fuzz-{number}", "kind": kind, **kinds[kind]}]}
                content = json.dumps(spoiled(batch), ensure_ascii=True).encode()
                answer = client.post("/api/ops", content=content, headers={"content-type": "application/json"})
            elif what == 2:
                answer = client.post("/api/ops", content=rng.randbytes(rng.randrange(200)))
            elif what == 3:
                layer = {"client": "tab-fuzz-1", "request": 1, "quality": "fast"}
                body = json.dumps(spoiled(layer)).encode()
                path = f"/api/images/{'0' * 24}/layer"
                answer = client.post(path, content=body, headers={"content-type": "application/json"})
            elif what == 4:
                part = quote(str(rng.choice(nonsense)), safe="", errors="replace")
                answer = client.get(rng.choice(paths).format(part))
            else:
                keys = ("offset", "limit", "order", "show", "after", "format", "search")
                text = str(rng.choice(nonsense)).encode("utf-8", "replace").decode()
                answer = client.get(rng.choice(queries), params={rng.choice(keys): text})
            assert answer.status_code != 500, (number, answer.request.url, answer.request.content[:300])
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"found", "where", "field", "hint"}
        assert points_of(client, images) == {"point-good": (images[0], 1.5, 2.5, CLASSES[0])}
        names = {c["name"] for c in client.get("/api/project").json()["classes"]}
        assert names == {"soil", "berry"}
        server.end()
    assert csv_rows(data) == [("i0.png", 1.5, 2.5, "class-soil")]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_hundred_megapixels(tmp_path: Path, suffix: str) -> None:
    """Tiles of every level show the right part of the image, in less than a gigabyte of memory."""
    side = 10_000
    (tmp_path / "images").mkdir()
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    whole = np.empty((side, side, 3), np.uint8)
    whole[..., 0], whole[..., 1], whole[..., 2] = ramp[None, :], ramp[:, None], 128
    Image.fromarray(whole).save(tmp_path / "images" / f"large.{suffix}", **({"quality": 95} if suffix == "jpg" else {}))
    del whole
    with annotator(tmp_path) as server, server.client() as client:
        image = client.get("/api/images").json()["images"][0]["id"]
        about = client.get(f"/api/images/{image}").json()
        assert (about["width"], about["height"], len(about["levels"])) == (side, side, 6)
        for level in about["levels"]:
            for column, row in {(0, 0), (level["columns"] - 1, level["rows"] - 1), (level["columns"] // 2, 0)}:
                answer = client.get(f"/api/images/{image}/tiles/{level['level']}/{column}/{row}")
                assert answer.status_code == 200, answer.text
                tile = np.asarray(Image.open(BytesIO(answer.content))).astype(int)
                zoom = 2 ** level["level"]
                x = min((column * 512 + tile.shape[1] // 2) * zoom, side - 1)
                y = min((row * 512 + tile.shape[0] // 2) * zoom, side - 1)
                middle = tile[tile.shape[0] // 2, tile.shape[1] // 2]
                assert np.abs(middle - [ramp[x], ramp[y], 128]).max() <= 4
        thumbnail = Image.open(BytesIO(client.get(f"/api/images/{image}/thumbnail").content))
        assert thumbnail.size == (256, 256)
        assert server.memory() < 2**30


def test_at_the_end_only_what_happened_is_said(data: Path) -> None:
    """That every point is in points.csv, with exit code 0, or why not."""
    (data / "points.csv").write_text("image,x,y,class\n" + "".join(f"i0.png,{n},1.0,berry\n" for n in range(9)))
    with annotator(data) as running:
        assert "every point is in points.csv" in running.end()
    assert running.process.returncode == 0
    with annotator(data) as running:
        (data / "points.csv").write_text("image,x,y,class\n")
        said = running.end()
    assert "another program has taken 9 of 9 points out of it" in " ".join(said.split())
    assert "every point" not in said
    assert running.process.returncode == 2
