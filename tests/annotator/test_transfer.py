"""Label files through the page: everything accounted for, nothing replaced."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from pointillist.annotator.files.transfer import Transfer
from pointillist.annotator.session import Session
from pointillist.errors import PointsError
from pointillist.points.formats import formats
from tests.annotator.conftest import Hand, Serve, write_images
from tests.points.format_contract import PLACES, made


@pytest.fixture
def transfer(hand: Hand) -> Transfer:
    return hand.session.transfer


def counted(session: Session) -> int:
    return int(session.project()["images"]["points"])


ROWS = """image,x,y,class
i0.png,1.5,2.5,berry
i0.png,1.9,2.1,berry
i0.png,99.0,2.5,berry
i1.png,4.5,5.5,leaf
nowhere.png,4.5,5.5,soil
i2.png,7.5,8.5,soil
"""


@pytest.mark.parametrize("add_classes", [False, True])
def test_every_point_is_accounted_for(hand: Hand, transfer: Transfer, tmp_path: Path, add_classes: bool) -> None:
    hand.add("point-01", 7.1, 8.1, "soil", "i2.png")
    file = tmp_path / "points.csv"
    file.write_text(ROWS)
    told = transfer.take_in(file, None, {}, add_classes=add_classes)
    assert told["total"] == 6
    assert told["imported"] + told["already_there"] + told["rejected"] == 6
    assert told["imported"] == (2 if add_classes else 1)
    assert told["already_there"] == 1
    assert told["added_classes"] == (["leaf"] if add_classes else [])
    expected = {"unknown image": 1, "outside image": 1, "duplicate": 1}
    assert told["reasons"] == expected if add_classes else expected | {"unknown class": 1}
    assert all(example["found"] and example["hint"] for example in told["examples"])
    assert counted(hand.session) == 1 + told["imported"]
    # A second time everything is there.
    again = transfer.take_in(file, None, {}, add_classes=add_classes)
    assert (again["imported"], again["seq"]) == (0, told["seq"])
    assert hand.session.changes(told["seq"] - 1, 10)["changes"][0]["op"]["kind"] == "import"


OPTIONS = {
    "id-text": {"order": "yx"},
    "point-png": {"unlabelled": "255"},
    "craid": {"berry": "berry", "background": "soil"},
}
"""What files of these formats do not say themselves."""


@pytest.mark.parametrize("name", sorted(formats()))
def test_out_and_in_again(
    hand: Hand, transfer: Transfer, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each format gives back what it was given, to half a pixel at most: some know whole pixels only."""
    if name == "gis":
        made(formats()[name])  # skips without its libraries
        places = dict(zip(("i0.png", "i1.png", "i2.png"), PLACES.values(), strict=True))
        monkeypatch.setattr("pointillist.annotator.files.transfer.place_of", lambda path: places.get(path.name))
    if name == "whats-the-point":  # knows the objects of PASCAL VOC and no others
        hand.do("class-rename", class_="class-soil", name="cow")
        hand.do("class-rename", class_="class-berry", name="sheep")
    hand.add("point-01", 1.5, 2.5, "berry", "i0.png")
    hand.add("point-02", 20.5, 10.5, "soil", "i0.png")
    hand.add("point-03", 7.5, 8.5, "berry", "i1.png")
    options = OPTIONS.get(name, {})
    told_name, content = transfer.give_out(name, options)
    assert told_name.startswith(f"points-{name}")
    assert not list((hand.session.folder.own / "transfer").iterdir())
    files = {told_name: content}
    if told_name.endswith(".zip"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    for point in ("point-01", "point-02", "point-03"):
        hand.do("delete", point=point)
    for entry, data in files.items():
        file = tmp_path / entry
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        transfer.take_in(file, name, options, add_classes=False)
    found = sorted((row[1:] for row in hand.session.store.reading().all_points()), key=lambda row: row[:3])
    expected = [
        ("i0.png", 1.5, 2.5, "class-berry"),
        ("i0.png", 20.5, 10.5, "class-soil"),
        ("i1.png", 7.5, 8.5, "class-berry"),
    ]
    assert [(image, label) for image, _, _, label, _ in found] == [(image, label) for image, _, _, label in expected]
    for (_, x, y, _, _), (_, wanted_x, wanted_y, _) in zip(found, expected, strict=True):
        assert abs(x - wanted_x) <= 0.5
        assert abs(y - wanted_y) <= 0.5


@pytest.mark.parametrize("name", ["napari", "qupath", "point-png", "craid"])
def test_files_called_like_their_images_may_have_any_name(data: Path, serve: Serve, name: str) -> None:
    stems = ["my image (1)", "[b] 50% & c#", "a\u0308", "Screenshot 1.30\u202fPM", "long" * 50]
    for stem in stems:
        write_images(data / "new", 1)
        (data / "new" / "i0.png").rename(data / "images" / f"{stem}.png")
    live = serve(data)
    rows = "image,x,y,class\n" + "".join(f"{stem}.png,16.0,12.0,berry\n" for stem in stems)
    live.client.post("/api/import", params={"name": "a.csv", "add_classes": 1}, content=rows.encode())
    params = {"format": name} | {f"option.{key}": value for key, value in OPTIONS.get(name, {}).items()}
    archive = zipfile.ZipFile(io.BytesIO(live.client.get("/api/export", params=params).content))
    assert len(archive.namelist()) == len(stems)
    for entry in archive.namelist():
        told = live.client.post("/api/import", params={"name": entry} | params, content=archive.read(entry)).json()
        assert (told["already_there"], told["rejected"], told["examples"]) == (1, 0, [])


def test_a_format_that_cannot_hold_the_points_says_so(hand: Hand, transfer: Transfer) -> None:
    hand.add("point-01", label="berry")
    for name in ("whats-the-point", "id-text", "nothing"):
        with pytest.raises(PointsError):
            transfer.give_out(name, {})
    assert not list((hand.session.folder.own / "transfer").glob("*"))


def test_a_folder_without_classes_takes_them_from_the_file(data: Path, serve: Serve) -> None:
    live = serve(data)
    answer = live.client.post("/api/import", params={"name": "a.csv", "add_classes": 1}, content=ROWS.encode())
    told = answer.json()
    assert (told["imported"], sorted(told["added_classes"])) == (3, ["berry", "leaf", "soil"])
    assert {c["name"] for c in live.client.get("/api/project").json()["classes"]} == {"berry", "leaf", "soil"}


def test_a_labelme_file_by_its_name(data: Path, serve: Serve) -> None:
    live = serve(data)
    shapes = [{"label": "berry", "points": [[3.25, 4.5]], "shape_type": "point", "group_id": None, "flags": {}}]
    content = {"version": "5.0.0", "flags": {}, "shapes": shapes, "imagePath": "i1.png", "imageData": None}
    body = json.dumps({**content, "imageHeight": 24, "imageWidth": 32})
    told = live.client.post("/api/import", params={"name": "i1.json", "add_classes": 1}, content=body).json()
    assert (told["format"], told["imported"]) == ("labelme", 1)
    image = live.session.catalogue.id("i1.png")
    point = live.client.get(f"/api/images/{image}/points").json()["points"][0]
    assert (point["x"], point["y"]) == (3.25, 4.5)


@pytest.mark.parametrize(
    ("name", "format_name", "content"),
    [
        ("a.csv", "auto", b"no header\n1,2,3\n"),
        ("a.json", "auto", b"{"),
        ("a.json", "coco", b"[]"),
        ("a.exe", "auto", b"MZ"),
        ("a.csv", "nothing", b"image,x,y,class\n"),
        ("a.csv", "csv", b"\xff\xfe\x00"),
        ("a.png", "auto", b"\x89PNG\r\n\x1a\n broken"),
        ("a.xml", "auto", b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><annotations>&y;</annotations>"),
    ],
)
def test_files_that_cannot_be_read_change_nothing(
    data: Path, serve: Serve, name: str, format_name: str, content: bytes
) -> None:
    live = serve(data)
    answer = live.client.post("/api/import", params={"name": name, "format": format_name}, content=content)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["found"]
    assert error["hint"]
    assert "root:" not in answer.text
    assert live.client.get("/api/project").json()["images"]["points"] == 0
    assert not list((data / ".pointillist" / "transfer").glob("*"))
