"""SBD's MATLAB masks against SciPy, which writes and reads such files by itself."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pointillist.classes import VOC_CLASSES, ClassSet
from pointillist.data import matlab
from pointillist.data.layouts import load_dataset
from pointillist.data.masks import MaskReader, read_instances
from pointillist.errors import MaskError

READER = MaskReader(ClassSet.create(VOC_CLASSES), "index")


def boundaries(random: np.random.Generator) -> np.ndarray:
    """What stands beside a segmentation: a cell for each class."""
    cells = np.empty((3, 1), object)
    for index in range(3):
        cells[index, 0] = (random.random((5, 4)) > 0.5).astype(np.uint8)
    return cells


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i2", "u4", "f4", "f8"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (13, 7)])
def test_a_segmentation_is_what_scipy_reads(tmp_path: Path, compressed: bool, kind: str, size: tuple[int, int]) -> None:
    random = np.random.default_rng(size[0])
    values = random.integers(0, len(VOC_CLASSES), size).astype(kind)
    fields = {"Boundaries": boundaries(random), "Segmentation": values, "CategoriesPresent": np.unique(values)}
    path = tmp_path / "a.mat"
    savemat(path, {"other": np.ones((3, 3)), "GTcls": fields, "GTinst": fields}, do_compression=compressed)
    theirs = loadmat(path, struct_as_record=False, squeeze_me=False)["GTcls"][0, 0].Segmentation
    labels = READER.read(path, size)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, theirs)
    assert np.array_equal(read_instances(path, size), theirs)


SOUND = np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"mask": SOUND}, "there is no GTcls in it, but mask"),
        ({"GTcls": SOUND}, "GTcls is no single struct"),
        ({"GTcls": {"Boundaries": SOUND}}, "no Segmentation"),
        ({"GTcls": {"Segmentation": "soil"}}, "no table of numbers"),
        ({"GTcls": {"Segmentation": {"deeper": SOUND}}}, "no table of numbers"),
        ({"GTcls": {"Segmentation": np.zeros((2, 2, 2))}}, "no table of numbers"),
        ({"GTcls": {"Segmentation": np.full((4, 6), 0.5)}}, "no whole numbers"),
        ({"GTcls": {"Segmentation": np.full((4, 6), np.nan)}}, "no whole numbers"),
        ({"GTcls": {"Segmentation": np.full((4, 6), 21)}}, "value 21 on 24 pixels"),
        ({"GTcls": {"Segmentation": SOUND.T}}, "is 4×6, but its image is 6×4"),
    ],
)
def test_what_is_no_mask_is_named(tmp_path: Path, content: dict, found: str) -> None:  # type: ignore[type-arg]
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(MaskError, match=found):
        READER.read(tmp_path / "a.mat", (4, 6))


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_is_a_mask_error_or_harmless(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"GTcls": {"Segmentation": SOUND}}, do_compression=compressed)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        damaged = bytearray(content)
        for place in random.integers(0 if trial % 2 else 128, len(content), 3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged[: random.integers(len(content)) if trial % 5 == 0 else None])
        try:
            assert READER.read(path, (4, 6)).shape == (4, 6)
        except MaskError as error:
            refused += 1
            assert error.where == str(path)
    assert refused > 50


def test_what_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"GTcls": {"Segmentation": np.zeros((300, 300), np.uint8)}}, do_compression=True)
    monkeypatch.setattr(matlab, "MAX_BYTES", 2000)
    assert path.stat().st_size < 2000
    with pytest.raises(MaskError, match="more than 2,000 bytes unpacked"):
        READER.read(path, (300, 300))
    path.write_bytes(bytes(2001))
    with pytest.raises(MaskError, match="at most 2,000 are read"):
        READER.read(path, (300, 300))


@pytest.mark.parametrize(("content", "found"), [(b"", "begin like one"), (b"MATLAB 7.3 MAT-file".ljust(512), "7.3")])
def test_other_files_of_this_name(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(MaskError, match=found):
        READER.read(tmp_path / "a.mat", (4, 6))
    with pytest.raises(MaskError, match="no such file"):
        READER.read(tmp_path / "b.mat", (4, 6))


def test_nothing_is_unpickled_and_nesting_has_no_depth(tmp_path: Path) -> None:
    """A hundred thousand cells in one another would end a reader that follows them."""
    path = tmp_path / "a.mat"
    savemat(path, {"GTcls": {"Boundaries": np.zeros((1, 1)), "Segmentation": SOUND}})
    content = path.read_bytes()
    cell = b""
    flags = bytes.fromhex("0600000008000000 0100000000000000 0500000008000000 0100000001000000 0100000000000000")
    for _ in range(3000):
        cell = b"\x0e\0\0\0" + (len(flags) + len(cell)).to_bytes(4, "little") + flags + cell
    packed = zlib.compress(cell)
    path.write_bytes(content[:128] + b"\x0f\0\0\0" + len(packed).to_bytes(4, "little") + packed + content[128:])
    assert np.array_equal(READER.read(path, (4, 6)), SOUND)


def test_the_layout_of_sbd(tmp_path: Path, save) -> None:
    random = np.random.default_rng(0)
    for name in "abc":
        save(tmp_path / f"img/{name}.jpg", (9, 11))
        for folder, variable in (("cls", "GTcls"), ("inst", "GTinst")):
            (tmp_path / folder).mkdir(exist_ok=True)
            values = random.integers(0, 5, (9, 11)).astype(np.uint8)
            savemat(tmp_path / folder / f"{name}.mat", {variable: {"Segmentation": values}}, do_compression=True)
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "val.txt").write_text("c\n")
    dataset = load_dataset(tmp_path)
    assert dataset.layout == "sbd"
    assert dataset.splits == {"train": ("a.jpg", "b.jpg"), "val": ("c.jpg",)}
    for item in dataset.items:
        theirs = loadmat(item.mask)["GTcls"]["Segmentation"][0, 0]
        assert np.array_equal(dataset.masks.read(item.mask, (9, 11)), theirs)
        assert np.array_equal(read_instances(item.instances, (9, 11)), loadmat(item.instances)["GTinst"][0, 0][0])
