"""`pointillist points import | export | convert | check | formats`, through the real command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pointillist.api import load
from pointillist.points.formats import formats
from pointillist.points.formats.native import NativeCsv
from tests.conftest import Cli

HEADER = "image,x,y,class\n"


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def shape(label: str, x: float, y: float) -> dict[str, object]:
    return {"label": label, "points": [[x, y]], "shape_type": "point", "flags": {}}


@pytest.fixture
def labelme(tmp_path: Path) -> Path:
    """Six points of which two fit."""
    shapes = [shape("square", 5, 5), shape("circle", 9, 9), shape("square", 500, 5), shape("[red]mist[/]", 3, 3)]
    write(tmp_path / "labels" / "tiny_0.json", json.dumps({"shapes": shapes, "imagePath": "tiny_0.png"}))
    shapes = [shape("square", 1, 1)]
    write(tmp_path / "labels" / "other.json", json.dumps({"shapes": shapes, "imagePath": "other.png"}))
    shapes = [shape("ground", 1, 1), {"label": "x", "points": [[0, 0]], "shape_type": "circle"}]
    write(tmp_path / "labels" / "tiny_1.json", json.dumps({"shapes": shapes, "imagePath": "tiny_1.png"}))
    return tmp_path / "labels"


def test_import_counts_every_point(cli: Cli, tiny_data: Path, labelme: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "new.csv", tmp_path / "report.json"
    result = cli("points", "import", tiny_data, labelme, "--rename", "circle=disc", "--out", out, "--report", report)
    assert result.code == 0, result.err
    assert "6 points: 3 imported + 3 rejected" in result.out
    assert "'[red]mist[/]'" in result.out  # shown, not taken for a colour
    assert [(p.image, p.x, p.label) for p in NativeCsv().read(out)] == [
        *(("tiny_0.png", 5.0, "square"), ("tiny_0.png", 9.0, "disc"), ("tiny_1.png", 1.0, "ground")),
    ]
    content = json.loads(report.read_text())
    assert (content["total"], content["imported"], content["rejected"]) == (6, 3, 3)
    assert content["reasons"] == {
        **{"unknown image": 1, "ambiguous image": 0, "unknown class": 1, "not finite": 0},
        **{"outside image": 1, "conflicting": 0, "duplicate": 0},
    }
    assert content["skipped"] == {"circle": 1}
    assert {entry["place"] for entry in content["rejections"]} == {
        *("tiny_0.json, shapes[2]", "tiny_0.json, shapes[3]", "other.json, shapes[0]"),
    }


def test_import_replaces_broken_clicks_only_when_told(cli: Cli, tiny_data: Path, labelme: Path) -> None:
    points = write(tiny_data / "points.csv", HEADER + "tiny_0.png,999,1,square\n")
    result = cli("points", "import", tiny_data, labelme)
    assert result.code == 2
    assert "--overwrite" in result.err
    assert "999" in points.read_text()
    assert cli("points", "import", tiny_data, labelme, "--overwrite").code == 0
    assert len(load(tiny_data).points) == 2


@pytest.mark.parametrize(
    ("rows", "words"), [("", "holds no points"), ("Tiny_0.PNG,1,1,square\n", "called 'tiny_0.png'")]
)
def test_import_of_nothing_writes_nothing(cli: Cli, tiny_data: Path, tmp_path: Path, rows: str, words: str) -> None:
    before = (tiny_data / "points.csv").read_bytes()
    path = tmp_path / "clicks.csv"
    path.write_text(f"image,x,y,class\n{rows}")
    result = cli("points", "import", tiny_data, path, "--overwrite")
    assert (result.code, words in result.err) == (2, True), result.err
    assert (tiny_data / "points.csv").read_bytes() == before
    assert cli("points", "import", tiny_data, path, "--out", tmp_path / "new.csv").code == 2
    assert cli("points", "convert", path, tmp_path / "new.csv", "--to", "csv").code == (0 if rows else 2)


def test_import_into_a_layout_without_points_needs_a_place(cli: Cli, tiny_data: Path, labelme: Path) -> None:
    result = cli("points", "import", tiny_data / "dataset.yaml", labelme, "--overwrite")
    assert result.code == 0
    (tiny_data / "points.csv").unlink()
    result = cli("points", "import", tiny_data / "dataset.yaml", labelme)
    assert result.code == 2
    assert "--out" in result.err


def test_import_by_index(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "tiny_0 0,5,6 1,7,8 9,1,2\n")
    out = tmp_path / "new.csv"
    result = cli("points", "import", tiny_data, file, "--out", out)
    assert result.code == 2
    assert "--set order=yx" in result.err
    assert cli("points", "import", tiny_data, file, "--set", "order=yx", "--rename", "9=disc", "--out", out).code == 0
    assert [(p.x, p.y, p.label) for p in NativeCsv().read(out)] == [
        *((6.5, 5.5, "ground"), (8.5, 7.5, "square"), (2.5, 1.5, "disc")),
    ]
    table = ["--classes", "disc,square,ground", "--overwrite"]
    assert cli("points", "import", tiny_data, file, "--set", "order=xy", *table, "--out", out).code == 0
    assert [(p.x, p.y, p.label) for p in NativeCsv().read(out)] == [(5.5, 6.5, "disc"), (7.5, 8.5, "square")]


@pytest.mark.parametrize(
    ("name", "target", "flags"),
    [
        ("csv", "out.csv", []),
        ("labelme", "out", []),
        ("cvat", "out.xml", []),
        ("label-studio", "out.json", []),
        ("coco", "out.json", []),
        ("qupath", "out", []),
        ("napari", "out", []),
        ("via", "out.json", []),
        ("id-text", "out.txt", ["--set", "order=yx"]),
        ("point-png", "out", ["--set", "unlabelled=255"]),
    ],
)
def test_export_then_import(
    cli: Cli, tiny_data: Path, tmp_path: Path, name: str, target: str, flags: list[str]
) -> None:
    out = tmp_path / target
    result = cli("points", "export", tiny_data, out, "--format", name, *flags)
    assert result.code == 0, result.err
    assert "18 points on 6 images" in result.out
    back = tmp_path / "back.csv"
    result = cli("points", "import", tiny_data, out, "--format", name, *flags, "--out", back)
    assert result.code == 0, result.err
    key = lambda p: (p.image, p.label, p.x, p.y)  # noqa: E731
    assert sorted(map(key, NativeCsv().read(back))) == sorted(map(key, load(tiny_data).points))
    again = cli("points", "export", tiny_data, out, "--format", name, *flags)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert cli("points", "export", tiny_data, out, "--format", name, *flags, "--overwrite").code == 0


def test_export_of_a_split(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    assert cli("points", "export", tiny_data, tmp_path / "out", "--format", "qupath", "--split", "val").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tiny_4.geojson", "tiny_5.geojson"]


WTP = {
    "a": [
        {"x": 1, "y": 2, "cls": 8, "rank": 1},
        {"x": 3, "y": 4, "cls": 8, "rank": 2},
        {"x": 700, "y": 4, "cls": 8, "rank": 1},
    ]
}


def test_convert_without_a_data_set(cli: Cli, tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.json", json.dumps(WTP)), tmp_path / "out.csv"
    result = cli("points", "convert", file, out, "--to", "csv")
    assert result.code == 0, result.err
    assert "3 points: 2 imported + 1 rejected" in result.out
    assert "outside image" in result.out
    assert out.read_text().splitlines()[1:] == ["a,1.5,2.5,cat,1", "a,3.5,4.5,cat,2"]
    assert cli("points", "convert", file, out, "--to", "csv", "--set", "rank=1", "--overwrite").code == 0
    assert out.read_text().splitlines()[1:] == ["a,1.5,2.5,cat,1"]


def test_convert_gives_options_to_the_side_that_has_them(cli: Cli, tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.json", json.dumps(WTP)), tmp_path / "out.txt"
    flags = ["--to", "id-text", "--set", "rank=1", "--set", "order=yx", "--classes", "no,no,no,cat"]
    assert cli("points", "convert", file, out, *flags).code == 0
    assert out.read_text() == "a 3,2,1\n"
    back = tmp_path / "back.txt"
    result = cli(
        *(
            "points",
            "convert",
            out,
            back,
            "--set",
            "order=yx",
            "--set",
            "size=600x800",
            "--to",
            "id-text",
            "--to-set",
            "order=xy",
        )
    )
    assert result.code == 0, result.err
    assert back.read_text() == "a 3,1,2\n"
    result = cli("points", "convert", file, tmp_path / "b.csv", "--to", "csv", "--set", "rnk=1")
    assert result.code == 2
    assert "rank" in result.err


def test_convert_finds_images_and_their_sizes(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.txt", "tiny_0 0,5,6\ntiny_1 1,63,40\n"), tmp_path / "out.json"
    flags = ["--set", "order=xy", "--images", tiny_data / "images", "--classes", "ground,square"]
    result = cli("points", "convert", file, out, "--to", "label-studio", *flags)
    assert result.code == 0, result.err
    first, second = json.loads(out.read_text())
    assert first["data"]["image"] == "tiny_0.png"
    value = second["annotations"][0]["result"][0]["value"]
    assert (value["x"], value["y"]) == pytest.approx((100 * 63.5 / 64, 100 * 40.5 / 48))
    wrong = cli("points", "convert", file, tmp_path / "b.csv", "--to", "csv", *flags, "--set", "order=yx")
    assert wrong.code == 2
    assert "--set order=xy" in wrong.err


def test_flags_of_version_0_1_are_read_and_called_by_their_new_names(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    file, out = write(tmp_path / "a.txt", "tiny_0 0,5,6\n"), tmp_path / "out.csv"
    result = cli("points", "convert", file, out, "--to", "csv", "--order=xy", "--size", "48x64")
    assert result.code == 0, result.err
    assert "--order is called --set order=xy today" in result.err
    assert "--size is called --set size=48x64 today" in result.err
    assert out.read_text().splitlines()[1:] == ["tiny_0,5.5,6.5,0"]
    wtp = write(tmp_path / "a.json", json.dumps(WTP))
    assert cli("points", "convert", wtp, tmp_path / "wtp.csv", "--to", "csv", "--rank", "1").code == 0
    assert (tmp_path / "wtp.csv").read_text().splitlines()[1:] == ["a,1.5,2.5,cat,1"]
    flags = ("--format", "point-png", "--unlabelled", "255")
    assert cli("points", "export", tiny_data, tmp_path / "png", *flags).code == 0
    assert cli("points", "check", tiny_data, "--points", tmp_path / "png", *flags).code == 0
    drawn = ("points", "simulate", tiny_data, "--out")
    result = cli(*drawn, tmp_path / "old.csv", "--k", "2", "--placement", "uniform")
    assert "--k is called --per-object 2 today" in result.err
    assert cli(*drawn, tmp_path / "new.csv", "--per-object", "2", "--placement", "uniform").code == 0
    assert (tmp_path / "old.csv").read_text() == (tmp_path / "new.csv").read_text()
    result = cli("points", "import", tiny_data, file, "--out", tmp_path / "b.csv", "--order")
    assert result.code == 2
    assert "KEY=VALUE" in result.err


def test_check_finds_what_does_not_fit_and_what_looks_wrong(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    with (tiny_data / "points.csv").open("a") as stream:
        stream.write("tiny_0.png,-5,7,square\ntiny_9.png,1,1,square\n")
        stream.write("tiny_2.png,20.5,20.5,square\ntiny_2.png,22,20.5,disc\n")
    page, report = tmp_path / "check.html", tmp_path / "check.json"
    result = cli("points", "check", tiny_data, "--out", page, "--report", report)
    assert result.code == 0, result.err
    assert "22 points: 20 imported + 2 rejected" in result.out
    assert json.loads(report.read_text())["rejected"] == 2
    text = page.read_text()
    assert "1.5 px apart" in text
    assert "lies outside" in text
    assert cli("points", "check", tiny_data, "--strict").code == 1
    assert cli("points", "check", tiny_data, "--points", report).code == 2


def test_check_without_points(cli: Cli, tiny_data: Path) -> None:
    (tiny_data / "points.csv").unlink()
    result = cli("points", "check", tiny_data)
    assert result.code == 2
    assert "no points yet" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layout", "foldr"], "Did you mean 'folder'"),
        (["--format", "labelmee"], "Did you mean 'labelme'"),
        (["--set", "rank"], "KEY=VALUE"),
        (["--points", "nothing.csv"], "no such file"),
    ],
)
def test_mistakes_are_one_message_and_code_2(cli: Cli, tiny_data: Path, arguments: list[str], words: str) -> None:
    result = cli("points", "check", tiny_data, *arguments)
    assert result.code == 2
    assert words in result.err
    assert "Traceback" not in result.err


def test_formats_lists_all(cli: Cli) -> None:
    result = cli("points", "formats")
    assert result.code == 0
    for name in formats():
        assert name in result.out
    assert "order (required)" in result.out


def test_formats_shows_the_options_of_one(cli: Cli) -> None:
    result = cli("points", "formats", "id-text")
    assert result.code == 0
    for words in ("order", "yx or xy", "required", "size", "HxW", "origin", "corner or pixel"):
        assert words in result.out
    assert "Did you mean 'labelme'" in cli("points", "formats", "labelmee").err


@pytest.mark.parametrize("command", ["import", "export", "convert", "check", "formats", "simulate"])
def test_every_help_shows_an_example(cli: Cli, command: str) -> None:
    result = cli("points", command, "--help")
    assert result.code == 0
    assert re.search(rf"Example: pointillist points {command}", result.out)
