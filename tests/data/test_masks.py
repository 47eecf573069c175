from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pointillist.classes import IGNORE, ClassSet
from pointillist.data.masks import MaskReader, read_instances
from pointillist.errors import DatasetError, MaskError

CLASSES = ClassSet.create(["soil", "leaf", "berry"], ["#000000", "#00ff00", "#c81e3c"])
LABELS = np.array([[0, 1, 2], [2, 1, 255]], dtype=np.uint8)


def save(path: Path, values: np.ndarray, palette: bool = False) -> Path:
    image = Image.fromarray(values)
    if palette:
        # With a shorter palette Pillow would write fewer bits per pixel, and cut 255 off.
        image.putpalette([part for color in CLASSES.colors for part in color] + [0] * (768 - 3 * len(CLASSES)))
    image.save(path)
    return path


def colored(labels: np.ndarray, ignore: tuple[int, int, int] = (155, 155, 155)) -> np.ndarray:
    table = np.full((256, 3), ignore, dtype=np.uint8)
    table[: len(CLASSES)] = CLASSES.colors
    return table[labels]


def test_index_masks(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", LABELS)
    labels = MaskReader(CLASSES, "index").read(path, (2, 3))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS)


def test_palette_masks_and_what_is_none(tmp_path: Path) -> None:
    reader = MaskReader(CLASSES, "palette")
    np.testing.assert_array_equal(reader.read(save(tmp_path / "p.png", LABELS, palette=True), (2, 3)), LABELS)
    with pytest.raises(MaskError, match="kind 'L'") as caught:
        reader.read(save(tmp_path / "m.png", LABELS), (2, 3))
    assert "masks: color, index or palette" in caught.value.hint
    np.testing.assert_array_equal(MaskReader(CLASSES, "index").read(tmp_path / "p.png", (2, 3)), LABELS)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_color_masks(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"m.{suffix}", colored(LABELS))
    np.testing.assert_array_equal(MaskReader(CLASSES, "color", [(155, 155, 155)]).read(path, (2, 3)), LABELS)


def test_color_masks_with_a_palette_are_the_same(tmp_path: Path) -> None:
    image = Image.fromarray(colored(LABELS)).quantize(8)
    image.save(tmp_path / "m.png")
    labels = MaskReader(CLASSES, "color", [(155, 155, 155)]).read(tmp_path / "m.png", (2, 3))
    np.testing.assert_array_equal(labels, LABELS)


def test_sixteen_bit_masks(tmp_path: Path) -> None:
    values = LABELS.astype(np.uint16)
    values[values == 255] = 65535
    reader = MaskReader(ClassSet.create(list(CLASSES), ignore_index=65535), "index")
    for suffix in ("png", "tif"):
        np.testing.assert_array_equal(reader.read(save(tmp_path / f"m.{suffix}", values), (2, 3)), LABELS)
    with pytest.raises(MaskError, match="value 300 on 1 pixels"):
        reader.read(save(tmp_path / "n.png", np.array([[300]], dtype=np.uint16)), (1, 1))


def test_one_bit_masks(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1").save(tmp_path / "m.png")
    assert MaskReader(CLASSES, "index").read(tmp_path / "m.png", (1, 2)).tolist() == [[0, 1]]


@pytest.mark.parametrize("ignore", [11, 200, -1, 1000])
def test_another_ignore_index_becomes_255_and_255_is_then_unlisted(tmp_path: Path, ignore: int) -> None:
    reader = MaskReader(ClassSet.create(list(CLASSES), ignore_index=ignore), "index")
    if 0 <= ignore < 256:
        values = np.where(LABELS == 255, ignore, LABELS).astype(np.uint8)
        np.testing.assert_array_equal(reader.read(save(tmp_path / "m.png", values), (2, 3)), LABELS)
    with pytest.raises(MaskError, match="value 255 on 1 pixels, which no class has"):
        reader.read(save(tmp_path / "n.png", LABELS), (2, 3))


def test_unlisted_values_are_named_with_their_count(tmp_path: Path) -> None:
    values = np.array([[0, 7, 7, 9]], dtype=np.uint8)
    with pytest.raises(MaskError) as caught:
        MaskReader(CLASSES, "index").read(save(tmp_path / "m.png", values), (1, 4))
    error = caught.value
    assert error.found == "value 7 on 2 pixels and 1 more unlisted value(s), which no class has (listed: 0 to 2)."
    assert error.where == str(tmp_path / "m.png")
    assert "ignore_index" in error.hint


def test_unlisted_colours_are_named(tmp_path: Path) -> None:
    with pytest.raises(MaskError) as caught:
        MaskReader(CLASSES, "color").read(save(tmp_path / "m.png", colored(LABELS)), (2, 3))
    assert "value #9b9b9b on 1 pixels" in caught.value.found
    assert "#c81e3c" in caught.value.found
    assert "ignore_colors" in caught.value.hint


def test_a_mask_of_another_size_is_refused_and_both_sizes_are_named(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="is 3×2, but its image is 2×3"):
        MaskReader(CLASSES, "index").read(save(tmp_path / "m.png", LABELS), (3, 2))


def test_colour_masks_declared_as_index_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"kind 'RGB'.*declared as 'index'"):
        MaskReader(CLASSES, "index").read(save(tmp_path / "m.png", colored(LABELS)), (2, 3))


def test_unreadable_masks_are_mask_errors(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(b"nonsense")
    with pytest.raises(MaskError, match="no readable image"):
        MaskReader(CLASSES, "index").read(tmp_path / "m.png", (2, 3))
    with pytest.raises(MaskError, match="no such file"):
        MaskReader(CLASSES, "index").read(tmp_path / "none.png", (2, 3))


def test_declared_values_take_the_place_of_indices(tmp_path: Path) -> None:
    # Inria: 255 is the building, not "ignore".
    reader = MaskReader(ClassSet.create(["ground", "building"]), "index", values={0: 0, 255: 1})
    values = np.array([[0, 255]], dtype=np.uint8)
    assert reader.read(save(tmp_path / "m.png", values), (1, 2)).tolist() == [[0, 1]]
    with pytest.raises(MaskError, match=r"value 1 on 1 pixels, which no class has \(listed: 0, 255\)"):
        reader.read(save(tmp_path / "n.png", np.array([[0, 1]], dtype=np.uint8)), (1, 2))
    several = MaskReader(CLASSES, "index", values={0: IGNORE, 7: 0, 8: 0, 26: 2})
    values = np.array([[0, 7, 8, 26]], dtype=np.uint16)
    assert several.read(save(tmp_path / "o.png", values), (1, 4)).tolist() == [[255, 0, 0, 2]]


def test_two_classes_of_one_colour_cannot_be_told_apart() -> None:
    twice = ClassSet.create(["a", "b"], ["#000000", "#000000"])
    MaskReader(twice, "index")
    with pytest.raises(DatasetError, match="'a' and 'b' have the same colour #000000"):
        MaskReader(twice, "color")
    with pytest.raises(DatasetError, match=r"#00ff00.*'leaf'"):
        MaskReader(CLASSES, "color", [(0, 255, 0)])


@settings(max_examples=60, deadline=None)
@given(
    labels=hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0, 1, 2, 255])
    )
)
def test_every_encoding_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray
) -> None:
    folder = tmp_path_factory.mktemp("masks")
    files = {
        "index": save(folder / "i.png", labels),
        "palette": save(folder / "p.png", labels, palette=True),
        "color": save(folder / "c.png", colored(labels)),
    }
    for encoding, path in files.items():
        reader = MaskReader(CLASSES, encoding, [(155, 155, 155)] if encoding == "color" else ())  # type: ignore[arg-type]
        np.testing.assert_array_equal(reader.read(path, labels.shape), labels)


# Instance maps.


def test_instance_maps_of_every_kind(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 24_001], [24_002, 1, 0]], dtype=np.uint16)
    assert read_instances(save(tmp_path / "a.png", ids), (2, 3)).tolist() == ids.tolist()
    low = (ids % 250).astype(np.uint8)
    assert read_instances(save(tmp_path / "b.png", low, palette=True), (2, 3)).tolist() == low.tolist()
    colors = np.zeros((2, 3, 3), np.uint8)
    colors[0, 1] = (1, 2, 3)
    assert read_instances(save(tmp_path / "c.png", colors), (2, 3)).tolist() == [[0, 0x010203, 0], [0, 0, 0]]


def test_instances_below_the_first_are_none(tmp_path: Path) -> None:
    # Cityscapes writes the class id where there is no single object.
    ids = np.array([[7, 26, 26_000, 26_001]], dtype=np.uint16)
    assert read_instances(save(tmp_path / "a.png", ids), (1, 4), first=1000).tolist() == [[0, 0, 26_000, 26_001]]


def test_an_instance_map_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="3×2"):
        read_instances(save(tmp_path / "a.png", LABELS), (3, 2))
