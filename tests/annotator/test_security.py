"""One test for each known class of hole in servers on a person's own machine."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from pointillist.annotator.files.transfer import safe_name
from pointillist.annotator.folder import open_folder
from pointillist.annotator.images import pyramid
from pointillist.annotator.web.security import FILE_BYTES, JSON_BYTES
from pointillist.errors import DatasetError, PointsError
from tests.annotator.conftest import Live, Serve, write_images


@pytest.fixture
def live(serve: Serve, data: Path) -> Live:
    (data.parent / "secret.png").write_bytes((data / "images" / "i0.png").read_bytes())
    (data.parent / "secret.csv").write_text("image,x,y,class\nsecret,1.0,1.0,topsecret\n")
    return serve(data)


def raw(
    live: Live, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, bytes]:
    """A request exactly as written: no client tidies up the path or adds headers."""
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": f"127.0.0.1:{live.port}"} | (headers or {})).items():
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def first_image(live: Live) -> str:
    return str(live.client.get("/api/images").json()["images"][0]["id"])


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../../../../etc/passwd",
        "/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/session.py",
        "/static/..%5c..%5csession.py",
        "/static//etc/passwd",
        "/static/../session.py",
        "/api/images/..%2f..%2fsecret.png/thumbnail",
        "/api/images/../../secret.png/thumbnail",
        "/api/images/i0.png/thumbnail",
        "/api/training/snapshots/..%2f..%2fsecret.png",
        "/api/training/snapshots/-1",
    ],
)
def test_no_path_leads_out(live: Live, path: str) -> None:
    status, content = raw(live, "GET", path)
    assert status in (400, 404)
    assert b"root:" not in content
    assert b"class Session" not in content
    assert b"PNG" not in content


@pytest.mark.parametrize(
    "name",
    [
        *("../../evil.csv", "..\\..\\evil.csv", "/tmp/evil.csv", "a/../../evil.csv", "..", ".hidden.csv", "x\x00.csv"),
        *("C:evil.csv", "nul.csv", "a b (1).csv", "e" * 300 + ".csv"),
    ],
)
def test_no_upload_name_leads_out(live: Live, data: Path, name: str) -> None:
    before = {path for path in data.parent.rglob("*") if ".pointillist" not in path.parts}
    live.client.post("/api/import", params={"name": name}, content=b"image,x,y,class\ni0.png,1.0,1.0,soil\n")
    after = {path for path in data.parent.rglob("*") if ".pointillist" not in path.parts}
    assert after - before <= {data / "points.csv"}
    assert not list((data / ".pointillist").glob("transfer/*"))


@pytest.mark.parametrize("last", ["my image (1).csv", ".hidden.csv", "a\u0308 [%2e].csv", "e" * 251 + ".csv"], ids=len)
def test_an_upload_keeps_the_last_part_of_its_name_as_it_is(last: str) -> None:
    for before in ("", "../../", "..\\..\\", "/tmp/", "C:\\", "a/../"):
        assert safe_name(before + last) == last


@pytest.mark.parametrize(
    "names",
    [
        ["", ".", "..", "...", " ", "a/", "a\\.."],
        ["x\x00.csv", "x\n.csv", "x\x7f.csv", "x\x85.csv", "x\ud800.csv"],
        ["C:evil.csv", "x.csv:stream.csv"],
        ["nul.csv", "CON", "Aux.tar.csv", "com1 .csv", "LPT\u00b9.csv", "conin$.csv"],
        ["e" * 252 + ".csv", "ä" * 126 + ".csv"],
    ],
    ids=["empty", "control", "colon", "reserved", "long"],
)
def test_upload_names_that_could_mean_another_place_are_refused(names: list[str]) -> None:
    for name in names:
        with pytest.raises(PointsError, match="cannot be kept under this name") as caught:
            safe_name(name)
        assert caught.value.hint.startswith("Rename the file")


def test_a_refused_upload_name_is_told(live: Live) -> None:
    answer = live.client.post("/api/import", params={"name": "clicks 12:30.csv"}, content=b"image,x,y,class\n")
    assert answer.status_code == 422
    assert "'clicks 12:30.csv'" in answer.json()["error"]["found"]


def test_image_names_in_label_files_lead_nowhere(live: Live) -> None:
    rows = "image,x,y,class\n../../secret.png,1.0,1.0,soil\n/etc/passwd,1.0,1.0,soil\n"
    answer = live.client.post("/api/import", params={"name": "x.csv", "add_classes": 1}, content=rows.encode()).json()
    assert (answer["imported"], answer["rejected"]) == (0, 2)


# Links


def test_links_that_lead_out_are_not_followed(data: Path, serve: Serve) -> None:
    outside = write_images(data.parent / "outside", 1)
    (data / "images" / "link.png").symlink_to(outside / "i0.png")
    (data / "images" / "folder").symlink_to(outside)
    (data / "images" / "loop").symlink_to(data / "images")
    (data / "images" / "own.png").symlink_to(data / "images" / "i0.png")
    live = serve(data)
    names = [entry["name"] for entry in live.client.get("/api/images").json()["images"]]
    assert names == ["i0.png", "i1.png", "i2.png", "own.png"]
    assert live.client.get("/api/project").json()["images"]["left_out"] == (
        "1 file and 2 folders left out: 1 link out of the folder, 2 links to folders"
    )


def test_an_image_that_becomes_a_link_is_not_served(live: Live, data: Path) -> None:
    image = first_image(live)
    (data / "images" / "i0.png").unlink()
    (data / "images" / "i0.png").symlink_to(data.parent / "secret.png")
    for path in ("", "/thumbnail", "/tiles/0/0/0"):
        answer = live.client.get(f"/api/images/{image}{path}")
        assert answer.status_code == 422
        assert b"PNG" not in answer.content


@pytest.mark.parametrize("name", [".pointillist", "points.csv", "dataset.yaml"])
def test_own_files_that_are_links_are_refused(data: Path, name: str) -> None:
    elsewhere = data.parent / "elsewhere"
    elsewhere.mkdir()
    target = elsewhere if name == ".pointillist" else data.parent / "x.yaml"
    if name == "dataset.yaml":
        target.write_text("classes: [a, b]\n")
    if name == "points.csv":
        target.write_text("image,x,y,class\n")
    (data / name).symlink_to(target)
    with pytest.raises(DatasetError):
        open_folder(data).own  # noqa: B018
    assert not list(elsewhere.iterdir())


def test_a_training_sees_no_image_outside(data: Path) -> None:
    from pointillist.annotator.model.child_process import only_inside
    from pointillist.data.layouts import open_dataset

    (data / "images" / "link.png").symlink_to(write_images(data.parent / "outside", 1) / "i0.png")
    (data / "dataset.yaml").write_text("classes: [soil, berry]\n")
    (data / "splits").mkdir()
    (data / "splits" / "train.txt").write_text("link.png\ni0.png\n")
    dataset = open_dataset(data)
    assert "link.png" in {item.name for item in dataset.items}
    kept = only_inside(dataset, set(open_folder(data).images))
    assert {item.name for item in kept.items} == {"i0.png", "i1.png", "i2.png"}
    assert kept.splits == {"train": ("i0.png",)}


# Stored scripts

EVIL = "<img src=x onerror=alert(1)>"


def test_names_are_data_never_markup(data: Path, serve: Serve) -> None:
    Image.new("RGB", (8, 8)).save(data / "images" / f"{EVIL.replace('/', '')}.png")
    live = serve(data)
    live.client.post(
        "/api/ops",
        json={
            "client": "tab-one-0",
            "ops": [{"id": "op-00001", "kind": "class-add", "class": "class-01", "name": EVIL}],
        },
    )
    for path in ("/api/project", "/api/images", "/api/changes"):
        answer = live.client.get(path)
        assert EVIL[1:8] in answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
    exported = live.client.get("/api/export", params={"format": "csv"})
    assert exported.headers["content-type"] == "application/octet-stream"
    assert exported.headers["content-disposition"].startswith("attachment")


def test_every_answer_forbids_foreign_and_inline_scripts(live: Live) -> None:
    for path in ("/", "/api/project", "/nothing", "/static/nothing", "/api/images/x"):
        answer = live.client.get(path)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("name", ["evil.svg", "evil.html", "evil.xhtml", "page.htm"])
def test_no_page_or_drawing_of_the_folder_is_served(data: Path, serve: Serve, name: str) -> None:
    (data / "images" / name).write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    (data / "images" / "fake.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    live = serve(data)
    images = {entry["name"]: entry["id"] for entry in live.client.get("/api/images").json()["images"]}
    assert name not in images
    for part in ("", "/thumbnail", "/tiles/0/0/0"):
        answer = live.client.get(f"/api/images/{images['fake.png']}{part}")
        assert answer.status_code == 422
        assert b"<svg" not in answer.content


def test_a_postscript_file_called_png_never_reaches_its_reader(
    data: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "images" / "fake.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    live = serve(data)
    opened: list[object] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path, *rest: opened.append(path) or real(path, *rest))
    fake = next(e["id"] for e in live.client.get("/api/images").json()["images"] if e["name"] == "fake.png")
    for part in ("", "/thumbnail", "/tiles/0/0/0"):
        assert live.client.get(f"/api/images/{fake}{part}").status_code == 422
    assert opened == []


# Other pages


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/ops", {"client": "tab-one-0", "ops": [{"id": "op-00001", "kind": "background", "class": None}]}),
        ("/api/training/start", {}),
        ("/api/training/stop", {}),
        ("/api/import?name=x.csv", {}),
    ],
)
def test_another_page_changes_nothing(live: Live, path: str, body: dict[str, object]) -> None:
    content = json.dumps(body).encode()
    own = {"Content-Type": "application/json", "X-Pointillist": "1"}
    # A form of another page: no header of ours.
    assert raw(live, "POST", path, {"Content-Type": "text/plain"}, content)[0] == 403
    assert raw(live, "POST", path, {"Content-Type": "application/json"}, content)[0] == 403
    # A page that could set it, says where it comes from.
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{live.port + 1}", f"http://localhost:{live.port}"):
        assert raw(live, "POST", path, {**own, "Origin": origin}, content)[0] == 403
    for site in ("cross-site", "same-site"):
        assert raw(live, "POST", path, {**own, "Sec-Fetch-Site": site}, content)[0] == 403
    assert live.client.get("/api/project").json()["seq"] == 0


def test_another_page_reads_nothing(live: Live) -> None:
    assert raw(live, "GET", "/api/project", {"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert raw(live, "GET", f"/api/images/{first_image(live)}/thumbnail", {"Sec-Fetch-Site": "cross-site"})[0] == 403
    answer = live.client.get("/api/project")
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    # No preflight is answered either.
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert raw(live, "OPTIONS", "/api/ops", asked)[0] == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "",
        "127.0.0.1:{port}@evil.example",
        "192.168.0.7:{port}",
        "a:b:c",
        "[::1",
        "localhost/../x",
    ],
)
def test_a_name_that_was_bent_to_this_machine_is_refused(live: Live, host: str) -> None:
    for path in ("/", "/api/project", "/static/app.js"):
        status, content = raw(live, "GET", path, {"Host": host.format(port=live.port)})
        assert status in (400, 403)
        assert b"berries" not in content


def test_own_names_are_known(live: Live) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert raw(live, "GET", "/api/project", {"Host": f"{host}:{live.port}"})[0] == 200


# Requests to elsewhere


def test_nothing_that_is_sent_makes_the_server_call_out(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if not (isinstance(address, tuple) and address[1] == live.port):
            called.append(address)
            raise OSError("no")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    url = "http://169.254.169.254/latest/meta-data.png"
    tasks = [{"data": {"image": url}, "annotations": [{"result": []}]}]
    labelme = {"imagePath": url, "imageData": None, "shapes": [], "imageHeight": 4, "imageWidth": 4}
    coco = {"images": [{"id": 1, "coco_url": url, "file_name": url}], "annotations": [], "categories": []}
    for body, name in ((tasks, "ls.json"), (labelme, "lm.json"), (coco, "coco.json")):
        answer = live.client.post("/api/import", params={"name": name}, content=json.dumps(body))
        assert answer.status_code in (200, 422)
    live.client.post("/api/import", params={"name": url, "format": url}, content=b"x")
    live.client.get("/api/export", params={"format": url})
    live.client.post("/api/training/start", json={"settings": {"network.weights": url}})
    assert called == []


@pytest.mark.parametrize("name", ["network.weights", "trainer.devices", "trainer.nodes", "out", "dataset.path", "x.y"])
def test_a_training_gets_no_path_and_no_other_machine(live: Live, name: str) -> None:
    answer = live.client.post("/api/training/start", json={name: "/etc/passwd"})
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == name


# Sizes


def test_a_declared_size_is_believed_when_it_is_too_large(live: Live) -> None:
    for path, limit in (("/api/ops", JSON_BYTES), ("/api/import?name=x.csv", FILE_BYTES)):
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
        headers = {"X-Pointillist": "1", "Content-Length": str(limit + 1), "Content-Type": "application/json"}
        connection.request("POST", path, headers=headers)
        assert connection.getresponse().status == 413
        connection.close()


def test_undeclared_bytes_are_counted_as_they_come(live: Live, data: Path) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 50 * JSON_BYTES:
            sent += 65536
            yield b" " * 65536

    try:
        answer = live.client.post("/api/ops", content=endless(), headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert answer.json()["error"]["hint"]
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # the server hung up while there was more to send, which will do
    assert sent < 20 * JSON_BYTES
    assert live.client.get("/api/project").status_code == 200
    assert not list((data / ".pointillist").glob("transfer/*"))


def test_a_batch_has_an_end(live: Live) -> None:
    ops = [{"id": f"op-{i:06}", "kind": "background", "class": None} for i in range(501)]
    answer = live.client.post("/api/ops", json={"client": "tab-one-0", "ops": ops})
    assert answer.status_code == 400
    assert live.client.get("/api/project").json()["seq"] == 0


@pytest.mark.parametrize("depth", [1_000, 400_000])
def test_a_deep_body_is_refused(live: Live, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for path in ("/api/ops", "/api/training/start"):
        answer = live.client.post(path, content=nested, headers={"content-type": "application/json"})
        assert answer.status_code == 400
    settings = b'{"settings": {"network.options": ' + nested + b"}}"
    answer = live.client.post("/api/training/start", content=settings, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert live.client.get("/api/training").json()["state"] == "idle"


# Bombs


def bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of a few hundred bytes that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000, 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_image_bombs_are_refused_before_they_are_opened(
    data: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb(data / "images" / "bomb.png", 60_000, 60_000)
    live = serve(data)
    decoded: list[str] = []
    monkeypatch.setattr(pyramid, "_read", lambda path, *_: decoded.append(path))
    image = next(e["id"] for e in live.client.get("/api/images").json()["images"] if e["name"] == "bomb.png")
    for part in ("", "/thumbnail", "/tiles/0/0/0", "/tiles/7/0/0"):
        answer = live.client.get(f"/api/images/{image}{part}")
        assert answer.status_code == 422
        assert "60,000 × 60,000" in answer.json()["error"]["found"]
    assert decoded == []


# What errors tell


def test_errors_tell_nothing_about_this_machine(data: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    live = serve(data)
    images = {e["name"]: e["id"] for e in live.client.get("/api/images").json()["images"]}
    (data / "images" / "i1.png").unlink()
    monkeypatch.setattr(live.session, "points", lambda _name: 1 // 0)
    answers = [
        live.client.get(f"/api/images/{images['broken.png']}"),
        live.client.get(f"/api/images/{images['i1.png']}"),
        live.client.get(f"/api/images/{images['i0.png']}/points"),
        live.client.get("/api/images/zzz"),
        live.client.post("/api/ops", content=b"{", headers={"content-type": "application/json"}),
        live.client.post("/api/import", params={"name": "x.json", "format": "coco"}, content=b"{"),
        live.client.get("/api/export", params={"format": "none"}),
        live.client.delete("/api/project"),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 500, 404, 400, 422, 422, 405]
    for answer in answers:
        error = answer.json()["error"]
        assert set(error) == {"found", "where", "field", "hint"}
        assert error["found"]
        assert error["hint"]
        for secret in (str(data.parent), "Traceback", "ZeroDivisionError", os.path.expanduser("~/"), ".py"):  # noqa: PTH111
            assert secret not in answer.text
