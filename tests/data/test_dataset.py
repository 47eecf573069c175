"""Finding images, pairing masks, reading splits, and the folder with its dataset.yaml."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.dataset import Item
from pointillist.data.dataset_file import write_dataset_file
from pointillist.data.layouts import layouts, load_dataset
from pointillist.data.listing import find_images, pair_masks, read_split
from pointillist.data.simulated import simulate_dataset
from pointillist.errors import DatasetError, MaskError, PointsError

# Images.


def test_images_are_found_below_and_sorted(tmp_path: Path, save) -> None:
    for name in ("b.PNG", "a/z.jpg", "a.jpeg", ".hidden.png", ".cache/x.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert list(find_images(tmp_path).images) == ["a.jpeg", "a/z.jpg", "b.PNG"]


def test_missing_and_empty_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        find_images(tmp_path / "images")
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match="holds no images") as caught:
        find_images(tmp_path / "images")
    assert ".jpg" in caught.value.hint


def test_names_are_any_text(tmp_path: Path, save) -> None:
    names = ["Größe 1.png", "a, b.png", "日本/図.png", "x.y.z.png"]
    for name in names:
        save(tmp_path / name)
    assert sorted(find_images(tmp_path).images) == sorted(names)


# Masks.


def test_masks_pair_by_their_path_without_extension(tmp_path: Path, save) -> None:
    for name in ("a.png", "deep/b.tif", "other.png"):
        save(tmp_path / name, np.zeros((2, 2), np.uint8))
    pairs = pair_masks(tmp_path, ["a.jpg", "deep/b.jpg", "c.jpg", "deep/a.jpg"])
    assert {name: path.name for name, path in pairs.items()} == {"a.jpg": "a.png", "deep/b.jpg": "b.tif"}
    assert pair_masks(tmp_path / "none", ["a.jpg"]) == {}


def test_pairs_that_are_not_clear_are_refused(tmp_path: Path, save) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match=r"'a.jpg' and 'a.png' differ in extension only, so 'a.png' fits both"):
        pair_masks(tmp_path, ["a.jpg", "a.png"])
    with pytest.raises(DatasetError, match=r"mask 'a.png' and image 'A.jpg' differ in case"):
        pair_masks(tmp_path, ["A.jpg"])
    save(tmp_path / "a.tif")
    with pytest.raises(DatasetError, match="are both the mask of 'a'"):
        pair_masks(tmp_path, ["a.jpg"])


def test_images_that_differ_in_extension_only_are_fine_without_a_mask(tmp_path: Path, save) -> None:
    save(tmp_path / "b.png")
    assert list(pair_masks(tmp_path, ["a.jpg", "a.png", "b.jpg"])) == ["b.jpg"]


# Splits.


NAMES = ["a.jpg", "b.png", "Tile 1/c.png", "Tile 1/d.png", "Tile 2/c.png", "[x].png"]


def split(tmp_path: Path, text: str) -> tuple[str, ...]:
    (tmp_path / "train.txt").write_text(text, encoding="utf-8")
    return read_split(tmp_path / "train.txt", NAMES)


def test_split_lines_name_images_with_or_without_extension(tmp_path: Path) -> None:
    assert split(tmp_path, "b\n# comment\n\na.jpg\r\nTile 1\\d.png\nd2\n".replace("d2\n", "")) == (
        "b.png",
        "a.jpg",
        "Tile 1/d.png",
    )
    assert split(tmp_path, "\ufeffTile 1/c\nTile 2/c\n") == ("Tile 1/c.png", "Tile 2/c.png")


def test_split_lines_may_be_patterns(tmp_path: Path) -> None:
    assert split(tmp_path, "Tile 1/*\n") == ("Tile 1/c.png", "Tile 1/d.png")
    assert split(tmp_path, "Tile [12]/c*\na\n") == ("Tile 1/c.png", "Tile 2/c.png", "a.jpg")
    assert split(tmp_path, "[x].png\n") == ("[x].png",)
    with pytest.raises(DatasetError, match=r"no image fits the pattern 'Tile 3/\*'") as caught:
        split(tmp_path, "a\nTile 3/*\n")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a\nx.jpg\n", "there is no image 'x.jpg'", 2),
        ("a\nb\na.jpg\n", "'a.jpg' is listed twice", 3),
        ("Tile 1/*\nTile 1/c.png\n", "'Tile 1/c.png' is listed twice", 2),
        ("c\n", "'c' fits 2 images", 1),
        ("\n#a\n", "lists no image", None),
    ],
)
def test_wrong_split_lines_are_named(tmp_path: Path, text: str, message: str, line: int | None) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        split(tmp_path, text)
    assert caught.value.line == line
    assert caught.value.where == str(tmp_path / "train.txt")


def test_a_split_line_that_differs_in_case_or_extension_is_cured(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        split(tmp_path, "A.JPG\n")
    assert "'a.jpg'" in caught.value.hint


def test_a_split_line_that_fits_several_images_names_them(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        split(tmp_path, "c\n")
    assert "Tile 1/c.png" in caught.value.hint
    assert "Tile 2/c.png" in caught.value.hint


# The folder.


def write(root: Path, **content: object) -> Path:
    (root / "dataset.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return root


def refusal(root: Path, **content: object) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        load_dataset(write(root, **content))
    return caught.value


def test_the_folder_opens_whole(berries: Path) -> None:
    dataset = load_dataset(berries)
    assert [item.name for item in dataset.items] == ["a.jpg", "b.png", "deep/c.png"]
    assert dataset.splits == {"train": ("a.jpg", "deep/c.png"), "val": ("b.png",)}
    assert [item.name for item in dataset.split("val")] == ["b.png"]
    assert len(dataset.points) == 6
    assert dataset.classes.names == ("soil", "berry")
    assert all(item.mask is not None for item in dataset.items)
    assert dataset.layout == "folder"


def test_an_unknown_key_is_named_with_the_nearest_valid_one(berries: Path) -> None:
    error = refusal(berries, clases=["a", "b"])
    assert error.field in ("clases", "classes")
    error = refusal(berries, classes=["soil", "berry"], ignore_indx=3)
    assert error.field == "ignore_indx"
    assert "'ignore_index'" in error.hint
    assert error.where == str(berries / "dataset.yaml")
    error = refusal(berries, classes=["soil", "berry"], paths={"image": "x"})
    assert "'paths.images'" in error.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"classes": [{"name": "soil", "color": "red"}, "berry"]}, "'red' is no colour"),
        ({"classes": [{"name": "soil", "color": "#12345"}, "berry"]}, "'#12345' is no colour"),
        ({"classes": ["soil", "berry"], "ignore_colors": ["grey"], "masks": "color"}, "'grey' is no colour"),
        ({"classes": ["soil", "soil"]}, "'soil' is listed twice"),
        ({"classes": ["soil"]}, "1 class"),
        ({"classes": []}, "0 class"),
        ({"classes": ["soil", "berry"], "background": "edge"}, "edge"),
        ({"classes": ["soil", "berry"], "background": {"policy": "points", "class": "bery"}}, "'bery' is not a class"),
        ({"classes": ["soil", "berry"], "ignore_index": 1}, "ignore_index 1 is also the index of 'berry'"),
        ({"classes": ["soil", "berry"], "masks": "colour"}, "colour"),
        ({"classes": ["soil", "berry"], "ignore_colors": ["#000000"]}, "ignore_colors only go with"),
        ({"classes": [{"name": "soil", "value": 3}, {"name": "berry", "value": 3}]}, "value 3"),
        ({"classes": [{"name": "soil", "value": 0}, "berry"]}, "'berry' has no value"),
        (
            {"classes": [{"name": "soil", "color": "#000000"}, {"name": "b", "color": "#000000"}], "masks": "color"},
            "have the same colour",
        ),
    ],
)
def test_impossible_settings_name_the_file_and_the_value(berries: Path, content: dict, message: str) -> None:  # type: ignore[type-arg]
    error = refusal(berries, **content)
    assert message in error.found, error.found
    assert error.where == str(berries / "dataset.yaml")


def test_broken_yaml_names_the_line(berries: Path) -> None:
    (berries / "dataset.yaml").write_text("classes: [a, b]\nmasks: [index\n")
    with pytest.raises(DatasetError) as caught:
        load_dataset(berries)
    assert caught.value.line in (2, 3)


def test_background_in_its_long_form(berries: Path) -> None:
    dataset = load_dataset(write(berries, classes=["berry", "soil"], background={"policy": "border", "class": "soil"}))
    assert dataset.classes.background == 1
    assert dataset.classes.policy == "border"
    assert load_dataset(write(berries, classes=["berry", "soil"], background="none")).classes.background is None


def test_values_of_classes_in_masks(berries: Path, save) -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[3] = 255
    mask[4] = 7
    mask[5] = 9
    for file in (berries / "masks").rglob("*.png"):
        save(file, mask)
    write(berries, classes=[{"name": "soil", "value": [0, 7]}, {"name": "berry", "value": 255}], ignore_index=9)
    dataset = load_dataset(berries)
    labels = dataset.masks.read(dataset.items[0].mask, (10, 12))
    assert labels[:, 0].tolist() == [0, 0, 0, 1, 0, 255, 0, 0, 0, 0]


def test_a_dataset_file_elsewhere_needs_no_writing_beside_the_data(berries: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "settings" / "my berries.yaml"
    elsewhere.parent.mkdir()
    content = {
        "classes": ["soil", "berry"],
        "paths": {"images": "../berries/images", "masks": "../berries/masks", "points": str(berries / "points.csv")},
    }
    elsewhere.write_text(yaml.safe_dump(content))
    (berries / "dataset.yaml").unlink()
    dataset = load_dataset(elsewhere)
    assert len(dataset.items) == 3
    assert len(dataset.points) == 6
    assert dataset.splits == {}
    assert dataset.training_split == "all"
    assert dataset.validation_split is None


def test_folders_of_tiles_open_with_a_pattern(tmp_path: Path, save) -> None:
    data = tmp_path / "city"
    for tile in (1, 2, 10):
        for part in ("p1", "p2"):
            save(data / f"Tile {tile}/images/{part}.jpg", (4, 6))
            save(data / f"Tile {tile}/masks/{part}.png", np.full((4, 6), tile % 2, np.uint8))
    (data / "notes").mkdir()
    settings = {"classes": ["land", "water"], "paths": {"images": "city/Tile {}/images", "masks": "city/Tile {}/masks"}}
    (tmp_path / "city.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text("1/*\n2/*\n")
    dataset = load_dataset(tmp_path / "city.yaml")
    assert [item.name for item in dataset.items] == [
        "1/p1.jpg",
        "1/p2.jpg",
        "10/p1.jpg",
        "10/p2.jpg",
        "2/p1.jpg",
        "2/p2.jpg",
    ]
    assert [len(dataset.split("train")), len(dataset.split("all"))] == [4, 6]
    for item in dataset.items:
        assert int(item.name.split("/")[0]) % 2 == dataset.masks.read(item.mask, (4, 6)).max()


def test_a_pattern_that_fits_nothing_is_refused(berries: Path) -> None:
    assert "fits no folder" in refusal(berries, classes=["a", "b"], paths={"images": "Tile {}/images"}).found
    error = refusal(berries, classes=["a", "b"], paths={"images": "{}/{}/images"})
    assert "more than one" in error.found


@pytest.mark.parametrize("key", ["images", "points", "masks", "splits"])
def test_a_path_that_was_written_down_must_exist(berries: Path, key: str) -> None:
    error = refusal(berries, classes=["soil", "berry"], paths={key: "nowhere"})
    assert "nowhere" in str(error)


def test_without_masks_splits_and_points_it_opens_too(berries: Path) -> None:
    shutil.rmtree(berries / "masks")
    shutil.rmtree(berries / "splits")
    (berries / "points.csv").unlink()
    dataset = load_dataset(berries)
    assert len(dataset.points) == 0
    assert {item.mask for item in dataset.items} == {None}


@pytest.mark.parametrize("held", ["val", "test"])
def test_what_is_listed_for_scoring_alone_is_not_learnt_from(berries: Path, held: str) -> None:
    shutil.rmtree(berries / "splits")
    (berries / "splits").mkdir()
    (berries / "splits" / f"{held}.txt").write_text("b.png\n")
    dataset = load_dataset(berries)
    assert dataset.training_split == "train"
    assert [item.name for item in dataset.split("train")] == ["a.jpg", "deep/c.png"]
    assert [item.name for item in dataset.split(held)] == ["b.png"]


def test_points_that_do_not_fit_their_own_data_set_are_errors(berries: Path) -> None:
    (berries / "points.csv").write_text("image,x,y,class\na.jpg,12.0,3,berry\n")
    with pytest.raises(PointsError, match="outside"):
        load_dataset(berries)


def test_a_written_dataset_file_reads_back(tmp_path: Path, save) -> None:
    save(tmp_path / "images/a.png")
    for classes in (
        ClassSet.create(["soil", "berry, ripe: 1"], ["#010203", "#040506"]),
        ClassSet.create(["berry", "soil"], policy="border", background="soil", ignore_index=7),
        ClassSet.create(["a", "yes", "1"], policy="none"),
    ):
        write_dataset_file(tmp_path / "dataset.yaml", classes)
        assert load_dataset(tmp_path).classes == classes


def test_a_split_that_does_not_exist_names_the_nearest(berries: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset(berries).split("vall")
    assert "Did you mean 'val'?" in caught.value.hint


# Opening.


def test_what_is_no_data_set(tmp_path: Path, berries: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder or file"):
        load_dataset(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no known layout fits") as caught:
        load_dataset(tmp_path / "empty")
    assert "pointillist init" in caught.value.hint
    with pytest.raises(DatasetError, match="'fodler' is no layout") as caught:
        load_dataset(berries, layout="fodler")
    assert "Did you mean 'folder'?" in caught.value.hint


@pytest.mark.parametrize("outer", ["", "more"])
def test_the_folder_above_a_data_set_says_where_it_is(berries: Path, tmp_path: Path, outer: str) -> None:
    above = tmp_path / "above"
    (above / outer).mkdir(parents=True)
    berries.rename(above / outer / "berries")
    with pytest.raises(DatasetError) as caught:
        load_dataset(above)
    assert str(above / outer / "berries") in caught.value.hint
    assert "'folder'" in caught.value.hint


def test_a_folder_of_plain_images_without_a_dataset_file(tmp_path: Path, save) -> None:
    save(tmp_path / "images/a.png")
    with pytest.raises(DatasetError, match=r"no dataset\.yaml"):
        load_dataset(tmp_path, layout="folder")


def test_all_layouts_have_a_name_and_a_title() -> None:
    assert {"folder", "voc", "camvid", "cityscapes", "citypersons", "inria", "craid", "ade20k", "cvppp"} <= set(
        layouts()
    )
    for name, kind in layouts().items():
        assert kind.name == name
        assert len(kind.title) > 10


# Clicks from masks.


def test_simulated_clicks_land_on_their_class_under_another_ignore_index(tmp_path: Path, save) -> None:
    save(tmp_path / "images/a.png", (20, 30))
    mask = np.full((20, 30), 11, np.uint8)
    mask[2:12, 3:13] = 1
    save(tmp_path / "masks/a.png", mask)
    write(tmp_path, classes=["sky", "road"], background="none", ignore_index=11)
    points = simulate_dataset(load_dataset(tmp_path))
    assert [(point.label, mask[int(point.y), int(point.x)]) for point in points] == [("road", 1)]


def test_mask_errors_of_a_simulation_name_the_file(berries: Path, save) -> None:
    save(berries / "masks/a.png", np.full((10, 12), 77, np.uint8))
    with pytest.raises(MaskError, match=r"a\.png: value 77"):
        simulate_dataset(load_dataset(berries))


def test_an_item_is_hashable_and_small() -> None:
    assert len({Item("a", Path("a")), Item("a", Path("a"))}) == 1
    assert not hasattr(Item("a", Path("a")), "__dict__")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_linked_folders_are_followed(tmp_path: Path, save) -> None:
    save(tmp_path / "elsewhere/a.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/images").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "root/images2").mkdir()
    (tmp_path / "root/images2/sub").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert list(find_images(tmp_path / "root/images").images) == ["a.png"]
    assert list(find_images(tmp_path / "root/images2").images) == ["sub/a.png"]


def test_a_ring_of_links_ends(tmp_path: Path, save) -> None:
    save(tmp_path / "images/a.png")
    (tmp_path / "images/again").symlink_to(tmp_path / "images", target_is_directory=True)
    found = find_images(tmp_path / "images")
    assert list(found.images) == ["a.png"]
    assert found.left_out.folders == {"folder that was linked before": 1}


def test_image_files_are_not_opened(berries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (berries / "points.csv").unlink()

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(Image, "open", fail)
    assert len(load_dataset(berries).items) == 3


@pytest.mark.parametrize("enabled", [True, False])
def test_opening_leaves_the_garbage_collector_as_it_was(berries: Path, enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        load_dataset(berries)
        assert gc.isenabled() == enabled
        (berries / "points.csv").write_text("nonsense\n")
        with pytest.raises(PointsError):
            load_dataset(berries)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
