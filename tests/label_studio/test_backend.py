"""The backend answers what Label Studio asks: requests as its server sends them, regions as its page draws them."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pointillist.classes import IGNORE
from pointillist.errors import ConfigError
from pointillist.inference.prediction import Prediction
from pointillist.inference.predictor import Predictor
from pointillist.label_studio.interface import MAX_CHARACTERS, Interface, read_interface
from pointillist.label_studio.regions import regions_of, run_lengths
from tests.inference.blobs import CLASSES, blobs, confidence_of

starlette = pytest.importorskip("starlette.testclient", reason="the extra 'annotate' is not installed")
from pointillist.label_studio import server  # noqa: E402

FIXTURE = Path(__file__).parents[1] / "fixtures" / "version_0_1_0"

POLYGONS = """<View>
  <!-- as its template "Semantic Segmentation with Polygons" has it -->
  <Header value="Mark the berries"/>
  <Image name="image" value="$image" zoom="true"/>
  <PolygonLabels name="label" toName="image" strokeWidth="3">
    <Label value="Berry" alias="berry" background="red"/>
    <Label value="leaf, green" background="blue"/>
  </PolygonLabels>
</View>"""
BRUSH = """<View><Image name="photo" value="$picture"/><BrushLabels name="tag" toName="photo">
  <Label value="soil"/><Label value="berry"/><Label value="leaf, green"/></BrushLabels></View>"""


def interface(text: str) -> Interface:
    return read_interface(text)


# The labelling interface


def test_polygons_are_found_with_their_labels() -> None:
    assert interface(POLYGONS) == Interface(
        "image", "image", "label", "polygonlabels", {"Berry": "Berry", "berry": "Berry", "leaf, green": "leaf, green"}
    )


def test_a_brush_is_used_where_there_are_no_polygons() -> None:
    found = interface(BRUSH)
    assert (found.image, found.key, found.control, found.kind) == ("photo", "picture", "tag", "brushlabels")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<View><Image", "not valid XML"),
        ("", "not valid XML"),
        ("<View/>", "no tag of polygons"),
        (POLYGONS.replace('toName="image"', 'toName="text"'), "no tag of polygons"),
        (POLYGONS.replace('toName="image"', ""), "no tag of polygons"),
        ("<View><Image name='image' value='$image'/></View>", "no tag of polygons"),
        ('<!DOCTYPE View [<!ENTITY a "aaaa">]>' + POLYGONS, "no labelling interface"),
        (" " * (MAX_CHARACTERS + 1), "no labelling interface"),
        ("<View>\x00</View>", "not valid XML"),
    ],
)
def test_an_interface_that_cannot_show_regions_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        interface(text)


# Regions


def predicted(labels: NDArray[np.uint8]) -> Prediction:
    return Prediction(labels, confidence_of(labels))


def painted(region: dict[str, Any]) -> NDArray[np.bool_]:
    """What the run lengths of a region paint, read bit by bit as its decoder does."""
    bits = "".join(f"{byte:08b}" for byte in region["value"]["rle"])
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, width = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated, size = read(1), sizes[read(2)]
        count = read(size) + 1
        values += [read(width)] * count if repeated else [read(width) for _ in range(count)]
    pixels = np.array(values).reshape(region["original_height"], region["original_width"], 4)
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 0] > 0


@pytest.mark.parametrize("seed", range(12))
def test_a_brush_paints_the_pixels_of_each_class(seed: int) -> None:
    labels = blobs(seed)
    regions = regions_of(predicted(labels), CLASSES, interface(BRUSH))
    drawn = np.full_like(labels, IGNORE)
    for region in regions:
        (name,) = region["value"]["brushlabels"]
        drawn[painted(region)] = CLASSES.index(name)
        assert (region["type"], region["from_name"], region["to_name"]) == ("brushlabels", "tag", "photo")
        assert 0 <= region["score"] <= 1
    np.testing.assert_array_equal(drawn, labels)
    assert len({region["id"] for region in regions}) == len(regions)


def test_runs_of_any_length_are_told() -> None:
    for count in (1, 2, 3, 4, 63, 64, 65, 16_384, 16_385, 70_000):
        mask = np.zeros((1, count + 3), bool)
        mask[0, 1 : 1 + count] = True
        region = {"value": {"rle": run_lengths(mask)}, "original_height": 1, "original_width": count + 3}
        np.testing.assert_array_equal(painted(region), mask)


def test_polygons_cover_the_objects_within_a_pixel() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:25, 8:30] = 1
    labels[20:38, 40:56] = 2
    labels[0:3, 0:4] = 1
    regions = regions_of(predicted(labels), CLASSES, interface(POLYGONS))
    assert [region["value"]["polygonlabels"] for region in regions] == [["Berry"], ["Berry"], ["leaf, green"]]
    canvas = Image.new("L", (60, 40))
    for region in regions:
        points = [(x * 0.6, y * 0.4) for x, y in region["value"]["points"]]
        assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in region["value"]["points"])
        left, top = np.min(points, axis=0)
        right, bottom = np.max(points, axis=0)
        assert labels[round(top) : round(bottom), round(left) : round(right)].all()
        ImageDraw.Draw(canvas).polygon(points, fill=1)
    assert (np.asarray(canvas) != (labels > 0)).mean() < 0.06


def test_classes_without_a_label_make_no_region() -> None:
    labels = np.full((9, 9), 2, np.uint8)
    text = POLYGONS.replace('<Label value="leaf, green" background="blue"/>', "")
    assert regions_of(predicted(labels), CLASSES, interface(text)) == []


def test_an_image_without_data_has_no_region() -> None:
    labels = np.full((9, 9), IGNORE, np.uint8)
    for text in (POLYGONS, BRUSH):
        assert regions_of(predicted(labels), CLASSES, interface(text)) == []


# The conversation


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def backend(said: list[str]) -> server.Backend:
    return server.Backend(FIXTURE / "run", [FIXTURE / "data" / "images"], "cpu", say=said.append)


@pytest.fixture
def client(backend: server.Backend) -> Any:
    return starlette.TestClient(server.make_app(backend), base_url="http://localhost:9090")


def names(backend: server.Backend) -> list[str]:
    return list(backend._files)


def interface_of(backend: server.Backend, kind: str = "PolygonLabels") -> str:
    labels = "".join(f'<Label value="{name}"/>' for name in backend._predictor.classes)
    return f'<View><Image name="image" value="$image"/><{kind} name="label" toName="image">{labels}</{kind}></View>'


def asked(backend: server.Backend, *images: str, **more: Any) -> dict[str, Any]:
    """As label_studio/ml/api_connector.py asks for predictions."""
    return {
        "tasks": [{"id": number, "data": {"image": image}, "annotations": []} for number, image in enumerate(images)],
        "model_version": backend.version,
        "project": "7.1732000000",
        "label_config": interface_of(backend),
        "params": {"login": None, "password": None, "context": None},
        **more,
    }


def test_it_is_up(client: Any) -> None:
    for path in ("/", "/health"):
        assert client.get(path).json()["status"] == "UP"


def test_a_project_is_set_up(client: Any, backend: server.Backend) -> None:
    body = {
        "project": "7.1732000000",
        "schema": interface_of(backend),
        "hostname": "http://localhost:8080",
        "access_token": "abc",
        "extra_params": None,
    }
    answer = client.post("/setup", json=body)
    assert (answer.status_code, answer.json()) == (200, {"model_version": backend.version})
    refused = client.post("/setup", json={**body, "schema": POLYGONS.replace("erry", "loud").replace("leaf", "sky")})
    assert refused.status_code == 400
    assert "none of the model's classes" in refused.json()["detail"]


def test_a_label_that_is_missing_is_said(client: Any, backend: server.Backend, said: list[str]) -> None:
    first = backend._predictor.classes.names[1]
    schema = interface_of(backend).replace(f'<Label value="{first}"/>', "")
    assert client.post("/setup", json={"project": "7.1", "schema": schema}).status_code == 200
    assert said == [f"the project has no label for {first}, which is left out"]


@pytest.mark.parametrize("kind", ["PolygonLabels", "BrushLabels"])
def test_images_are_predicted_as_by_the_command(client: Any, backend: server.Backend, kind: str) -> None:
    image = names(backend)[0]
    addresses = [f"/data/local-files/?d=berries/{image}", f"/data/upload/7/0a1b2c3d-{Path(image).name}"]
    body = asked(backend, *addresses, label_config=interface_of(backend, kind))
    results = client.post("/predict", json=body).json()["results"]
    expected = Predictor(FIXTURE / "run", "cpu").predict(FIXTURE / "data" / "images" / image, confidence=True)
    wanted = regions_of(expected, backend._predictor.classes, interface(body["label_config"]))
    assert [result["result"] for result in results] == [json.loads(json.dumps(wanted))] * 2
    assert wanted
    assert {result["model_version"] for result in results} == {backend.version}


def test_a_missing_image_has_no_regions_and_is_said(client: Any, backend: server.Backend, said: list[str]) -> None:
    image = names(backend)[0]
    results = client.post("/predict", json=asked(backend, "/data/upload/7/none.jpg", image)).json()["results"]
    assert (results[0]["result"], results[0]["score"]) == ([], 0.0)
    assert said[0] == "left out: there is no image 'none.jpg'."
    nothing = client.post("/predict", json=asked(backend, "/data/upload/7/none.jpg"))
    assert nothing.status_code == 404
    assert "there is no image 'none.jpg'" in nothing.json()["detail"]


@pytest.mark.parametrize(
    "address", ["../../run/model/model.json", "/etc/passwd", "http://10.0.0.1/secret.png", "file:///etc/passwd"]
)
def test_nothing_but_images_of_the_folder_is_opened(
    client: Any, backend: server.Backend, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(Predictor, "predict", never)
    assert client.post("/predict", json=asked(backend, address)).status_code == 404


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"3", "in place of an object"),
        (b"{}", "'label_config' is missing"),
        (json.dumps({"label_config": 3, "tasks": []}).encode(), "is no text"),
        (json.dumps({"label_config": POLYGONS, "tasks": 3}).encode(), "in place of a list"),
        (json.dumps({"label_config": POLYGONS, "tasks": [{"data": {}}]}).encode(), "'image' is missing"),
        (json.dumps({"label_config": POLYGONS, "tasks": [{"data": {"image": 3}}]}).encode(), "in place of text"),
    ],
)
def test_a_request_of_another_form_is_refused(client: Any, content: bytes, message: str) -> None:
    answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert message in answer.json()["detail"]


def test_pages_of_others_and_long_bodies_are_refused(
    client: Any, backend: server.Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(asked(backend, names(backend)[0]))
    assert client.post("/predict", content=body, headers={"content-type": "text/plain"}).status_code == 415
    monkeypatch.setattr(server, "MAX_BYTES", 100)
    assert client.post("/predict", json=asked(backend, "a.jpg" * 100)).status_code == 413


def test_a_name_of_somebody_else_is_refused(client: Any, backend: server.Backend) -> None:
    for host in ("evil.example", "evil.example:9090", "localhost.evil.example", ""):
        assert client.get("/health", headers={"host": host}).status_code == 403
        assert client.post("/predict", json=asked(backend, "a.jpg"), headers={"host": host}).status_code == 403
    for host in ("127.0.0.1:9090", "localhost", "[::1]:9090"):
        assert client.get("/health", headers={"host": host}).status_code == 200


def test_annotations_are_acknowledged(client: Any) -> None:
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 7}, "annotation": {"result": []}}
    assert client.post("/webhook", json=body).json() == {"status": "ok"}


def test_a_password_is_asked_for(backend: server.Backend) -> None:
    client = starlette.TestClient(server.make_app(backend, "correct horse battery"))
    right = base64.b64encode(b"anybody:correct horse battery").decode()
    wrong = base64.b64encode(b"anybody:correct horse").decode()
    for headers in ({}, {"authorization": f"Basic {wrong}"}, {"authorization": "Basic ?"}, {"authorization": right}):
        answer = client.get("/health", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "Basic")
        assert client.post("/predict", json={}, headers=headers).status_code == 401
    assert client.get("/health", headers={"authorization": f"Basic {right}"}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "label-studio.local"])
def test_other_machines_need_a_password(backend: server.Backend, host: str, tmp_path: Path) -> None:
    def never(_: str) -> None:
        raise AssertionError("listens")

    with pytest.raises(ConfigError, match="there is no password"):
        server.serve(backend, host=host, port=0, password_file=None, ready=never)
    (tmp_path / "password").write_text("short")
    with pytest.raises(ConfigError, match="password is short"):
        server.serve(backend, host=host, port=0, password_file=tmp_path / "password", ready=never)


def test_the_command_answers_and_ends() -> None:
    command = [
        sys.executable,
        "-m",
        "pointillist",
        "label-studio",
        str(FIXTURE / "run"),
        str(FIXTURE / "data" / "images"),
    ]
    with subprocess.Popen([*command, "--port", "0", "--device", "cpu"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        assert httpx.get(f"{found[0]}/health").json()["status"] == "UP"
        process.send_signal(signal.SIGINT)
        assert "done" in process.stdout.read()
        assert process.wait(60) == 0
