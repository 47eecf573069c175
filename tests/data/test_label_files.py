"""What `pointillist points import | export | convert` does, as Python functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointillist.api import load
from pointillist.data.label_files import convert_points, export_points, import_points
from pointillist.data.layouts import open_dataset
from pointillist.data.layouts.folder import create_dataset
from pointillist.errors import ConfigError, SaveError
from pointillist.points.formats.native import NativeCsv


def test_points_go_out_and_come_back(tiny_data: Path, tmp_path: Path) -> None:
    dataset = load(tiny_data)
    file, out = tmp_path / "a.txt", tmp_path / "new.csv"
    written = export_points(dataset, file, "id-text", options={"order": "yx"})
    assert (len(written), len(written.listed)) == (len(dataset.points), len(dataset.items))
    checked, where = import_points(open_dataset(tiny_data), file, options={"order": "yx"}, out=out)
    assert (checked.total, len(checked.rejections), where) == (len(dataset.points), 0, out)
    key = lambda p: (p.image, p.label, p.x, p.y)  # noqa: E731
    assert sorted(map(key, NativeCsv().read(out))) == sorted(map(key, dataset.points))


def test_what_is_there_is_replaced_only_when_told(tiny_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    export_points(load(tiny_data), file, "coco")
    with pytest.raises(SaveError, match="already"):
        export_points(load(tiny_data), file, "coco")
    with pytest.raises(SaveError, match="already"):
        import_points(open_dataset(tiny_data), file)
    _, where = import_points(open_dataset(tiny_data), file, overwrite=True)
    assert where == tiny_data / "points.csv"


def test_one_split_alone(tiny_data: Path, tmp_path: Path) -> None:
    written = export_points(load(tiny_data), tmp_path / "a.csv", "csv", split="val")
    assert set(written.images) <= {item.name for item in load(tiny_data).split("val")}


def test_a_declared_size_serves_both_sides_of_a_conversion(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a 0,5,6 1,70,6\n")
    said = {"order": "xy", "size": "48x64"}
    to = tmp_path / "a.json"
    checked, written = convert_points(file, to, "label-studio", options=said, classes=["soil", "berry"])
    assert (checked.total, len(written)) == (2, 1)
    back = convert_points(to, tmp_path / "b.csv", "csv")[1]
    assert [(p.image, p.label) for p in back] == [("a", "soil")]
    assert [(p.x, p.y) for p in back] == [pytest.approx((5.5, 6.5))]


def test_a_data_set_is_made_of_a_folder(tiny_data: Path) -> None:
    (tiny_data / "dataset.yaml").unlink()
    with pytest.raises(ConfigError, match="no background policy"):
        create_dataset(tiny_data, ["ground", "square"], background="maybe")
    with pytest.raises(ConfigError, match="no kind of mask"):
        create_dataset(tiny_data, ["ground", "square"], masks="maybe")
    made = create_dataset(tiny_data, ["ground", "square", "disc"], background="border")
    assert made.classes.border_background == 0
    assert made.classes.clicked == ("square", "disc")
    with pytest.raises(SaveError, match="already"):
        create_dataset(tiny_data, ["ground", "square"])


def test_an_import_or_conversion_of_nothing_writes_nothing(tiny_data: Path, tmp_path: Path) -> None:
    before = (tiny_data / "points.csv").read_bytes()
    for rows in ("", "nothing.png,1,1,square\n"):
        file = tmp_path / "a.csv"
        file.write_text(f"image,x,y,class\n{rows}")
        checked, _ = import_points(open_dataset(tiny_data), file, overwrite=True)
        assert not len(checked.points)
        assert (tiny_data / "points.csv").read_bytes() == before
        import_points(open_dataset(tiny_data), file, out=tmp_path / "new.csv")
        convert_points(file, tmp_path / "new.csv", "csv", options={"size": "1x1"})
        assert not (tmp_path / "new.csv").exists()


def test_a_conversion_keeps_images_of_one_name_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    entry = {"filename": "a.png", "regions": [{"shape_attributes": {"name": "point", "cx": 1, "cy": 2}}]}
    entry["regions"][0]["region_attributes"] = {"class": "berry"}  # type: ignore[index]
    file.write_text(json.dumps({"a.png1": entry, "a.png2": entry}))
    checked, written = convert_points(file, tmp_path / "a.csv", "csv")
    assert (len(checked.rejections), len(written)) == (2, 0)
    checked, written = convert_points(file, tmp_path / "a.csv", "csv", options={"repeated": "merge"})
    assert (len(checked.rejections), len(written)) == (1, 1)
