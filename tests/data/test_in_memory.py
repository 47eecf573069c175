"""Data sets of arrays and of torch data sets: the same as files, checked at once, and lazy where they should be."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import pointillist as pt
from pointillist.api import data_of
from pointillist.data import pieces
from pointillist.data.arrays import pixels_of
from pointillist.data.check import check
from pointillist.data.convert import convert
from pointillist.data.inputs import Scale
from pointillist.data.pieces import cut_into_pieces, read_piece
from pointillist.data.pixels import Pixels
from pointillist.data.samples import read_sample
from pointillist.errors import DatasetError, ImageError, MaskError, PointsError, RunError
from pointillist.report.points_page import write_points_page
from pointillist.training.config import make_config
from pointillist.training.run import fit
from tests.conftest import CLASSES, TINY, Cli, draw_tiny

IMAGES, MASKS, POINTS = (list(column) for column in zip(*(draw_tiny(index) for index in range(6)), strict=True))
NAMES = [f"tiny_{index}.png" for index in range(6)]
SPLITS = {"train": [0, 1, 2, 3], "val": ["tiny_4.png", "tiny_5.png"]}


def unchanged(_: int, example: tuple[Any, ...]) -> Any:
    return example


class Torch(torch.utils.data.Dataset):
    """The same images as K×H×W, with N×3 and H×W; `change` gets the number of the read, from 1, and the example."""

    def __init__(self, change: Callable[[int, tuple[Any, ...]], Any] = unchanged) -> None:
        self.reads: list[int] = []
        self.change = change

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> Any:
        self.reads.append(index)
        image = torch.from_numpy(IMAGES[index]).permute(2, 0, 1)
        example = (image, torch.tensor(POINTS[index]), torch.from_numpy(MASKS[index]).long())
        return self.change(len(self.reads), example)


def arrays(**changes: Any) -> pt.Dataset:
    given = {"images": IMAGES, "points": POINTS, "masks": MASKS, "names": NAMES, "splits": SPLITS, "classes": CLASSES}
    return pt.Dataset.from_arrays(**{**given, **changes})


def from_torch(**changes: Any) -> pt.Dataset:
    return pt.Dataset.from_torch(Torch(), CLASSES, **{"names": NAMES, "splits": SPLITS, **changes})


def read(dataset: pt.Dataset) -> list[Any]:
    return [read_sample(dataset, item, Scale(), with_mask=True) for item in dataset.items]


def assert_same(dataset: pt.Dataset, other: pt.Dataset) -> None:
    for one, two in zip(read(dataset), read(other), strict=True):
        for field in ("image", "points", "mask", "valid"):
            assert torch.equal(getattr(one, field), getattr(two, field)), field


@pytest.mark.parametrize("made", [arrays, from_torch])
def test_the_same_as_files_the_whole_way(made: Callable[..., pt.Dataset], tiny_data: Path, tmp_path: Path) -> None:
    files, held = pt.load(tiny_data), made()
    assert held.splits == files.splits
    assert_same(held, files)
    settings = {**TINY, "trainer.epochs": 1}
    runs = [pt.train(data, out=tmp_path / name, settings=settings) for name, data in (("files", files), ("held", held))]
    first, second = (load_file(run.model / "model.safetensors") for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    records = [run.read()[1] for run in runs]
    assert records[0].fingerprint == records[1].fingerprint
    assert (records[1].path, records[1].points) == ("in memory", None)
    assert pt.evaluate(runs[1], held).scores == pt.evaluate(runs[0], files).scores
    assert len(list(runs[1].snapshots.glob("*.png"))) == 1
    assert "mIoU" in runs[1].report.read_text(encoding="utf-8")
    write_points_page(held, tmp_path / "points.html")
    assert "tiny_5.png" in (tmp_path / "points.html").read_text(encoding="utf-8")
    assert check(held).to_dict() == check(files).to_dict()


FORMS: dict[str, Callable[[], dict[str, Any]]] = {
    "one array each": lambda: {"images": np.stack(IMAGES), "masks": np.stack(MASKS), "points": np.stack(POINTS)},
    "one tensor each": lambda: {
        "images": torch.from_numpy(np.stack(IMAGES)).permute(0, 3, 1, 2),
        "masks": torch.from_numpy(np.stack(MASKS)).int(),
        "points": torch.tensor(POINTS, dtype=torch.float64),
    },
    "PIL": lambda: {"images": [Image.fromarray(one) for one in IMAGES], "masks": list(map(Image.fromarray, MASKS))},
    "Pixels": lambda: {"images": [Pixels(image) for image in IMAGES]},
    "tuples": lambda: {"images": tuple(IMAGES), "points": tuple(map(tuple, POINTS)), "masks": tuple(MASKS)},
    "class names": lambda: {"points": [[(x, y, CLASSES.names[c]) for x, y, c in rows] for rows in POINTS]},
    "rows of NumPy": lambda: {"points": [[np.array(row) for row in rows] for rows in POINTS]},
    "names of classes alone": lambda: {"classes": list(CLASSES.names)},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_taken(form: str) -> None:
    assert_same(arrays(**FORMS[form]()), arrays())


@pytest.mark.parametrize(
    ("image", "kind", "bands"),
    [
        (np.full((8, 9), 200, np.uint8), "uint8", 3),
        (torch.full((8, 9), 200, dtype=torch.uint8), "uint8", 3),
        (np.zeros((8, 9), np.uint16), "uint16", 1),
        (torch.zeros(5, 8, 9), "float32", 5),
        (np.zeros((8, 9, 13), np.int16), "int16", 13),
    ],
)
def test_bands_and_types(image: Any, kind: str, bands: int) -> None:
    dataset = pt.Dataset.from_arrays([image, image], [[(1, 1, 0)], []], ["a", "b"]).with_bands()
    assert (dataset.known_bands.dtype, len(dataset.known_bands)) == (kind, bands)
    assert read(dataset)[0].image.shape == (bands, 8, 9)


def test_grey_and_coloured_photographs_together() -> None:
    assert read(arrays(images=[IMAGES[0][:, :, 0], *IMAGES[1:]]))[0].image.shape == (3, 48, 64)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_images_that_are_no_photographs_are_learnt(dtype: type, tmp_path: Path) -> None:
    images = [np.concatenate([image, image[:, :, :2]], axis=2).astype(dtype) for image in IMAGES]
    run = pt.train(arrays(images=images), out=tmp_path / "run", settings={**TINY, "trainer.epochs": 1})
    assert pt.Predictor(run)(images[0]).shape == (48, 64)


def test_large_images_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGEST", 40)
    for dataset in (arrays().with_bands(), from_torch().with_bands()):
        cut = cut_into_pieces(dataset.items[:1], Scale(), 8)
        assert len(cut) > 2
        for piece in cut:
            stored = read_piece(dataset, piece, with_mask=True)
            rows = slice(piece.top, piece.top + piece.height)
            columns = slice(piece.left, piece.left + piece.width)
            assert np.array_equal(stored.image.transpose(1, 2, 0), IMAGES[0][rows, columns])
            assert np.array_equal(stored.mask, MASKS[0][rows, columns])


def test_arrays_are_neither_copied_nor_changed() -> None:
    images = [image.copy() for image in IMAGES]
    valid = np.arange(64) >= np.full((48, 1), 20)
    dataset = arrays(images=[Pixels(image, valid) for image in images])
    assert np.array_equal(read(dataset)[0].valid, valid)
    assert all(np.array_equal(image, before) for image, before in zip(images, IMAGES, strict=True))
    source: Any = dataset.items[0].image
    assert np.shares_memory(source.read().values, images[0])


def test_a_torch_data_set_is_read_when_it_is_needed() -> None:
    given = Torch()
    dataset = pt.Dataset.from_torch(given, CLASSES)
    assert given.reads == [0, 1, 2, 3, 4, 5]
    dataset = dataset.with_bands()
    read(dataset)
    before = len(given.reads)
    read(dataset)
    read(dataset)
    assert given.reads[before:] == [0, 1, 2, 3, 4, 5] * 2, "image and mask of an example are read at once"


def test_loader_workers_can_receive_it() -> None:
    for dataset in (arrays(), from_torch()):
        assert_same(pickle.loads(pickle.dumps(dataset)), arrays())


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (
            lambda read, example: (example[0][:, :, read:], []),
            DatasetError,
            "than when it was read first.*Leave random",
        ),
        (lambda read, example: (example[0], [(read, 1, 0)]), DatasetError, "than when it was read first.*Leave random"),
        (lambda read, example: example[: 3 if read < 7 else 2], MaskError, "has no mask any more"),
    ],
    ids=["a random crop", "a random flip", "no mask"],
)
def test_another_example_the_second_time_is_noticed(
    change: Callable[..., Any], kind: type[Exception], says: str
) -> None:
    dataset = pt.Dataset.from_torch(Torch(change), CLASSES, names=NAMES)
    with pytest.raises(kind, match=rf"tiny_0.png, field 'dataset\[0\].*{says}"):
        read(dataset)


def test_masks_may_be_missing() -> None:
    some = [None, *MASKS[1:]]
    for dataset in (
        arrays(masks=some),
        pt.Dataset.from_torch(Torch(lambda read, example: example[: 2 if read == 1 else 3]), CLASSES),
        pt.Dataset.from_torch(Torch(lambda read, example: (*example[:2], None if read == 1 else example[2])), CLASSES),
    ):
        assert [item.mask is None for item in dataset.items] == [True] + [False] * 5
    assert all(item.mask is None for item in arrays(masks=None).items)


def test_ignored_and_binary_masks() -> None:
    unknown = MASKS[0].astype(np.int64)
    unknown[0] = 255
    labels = read(arrays(masks=[unknown, MASKS[1] > 0, *MASKS[2:]]))
    assert (labels[0].mask[0] == 255).all()
    assert torch.equal(labels[1].mask, torch.from_numpy((MASKS[1] > 0).astype(np.int64)))


def test_masks_of_0_and_255_are_in_doubt(tmp_path: Path) -> None:
    masks = [(mask > 0).astype(np.uint8) * 255 for mask in MASKS]
    with pytest.raises(DatasetError, match=r"255 is ignored.*If 255 is a class, give its index in its place"):
        pt.train(arrays(masks=masks), out=tmp_path / "run", settings=TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("splits", "found"),
    [
        (None, {}),
        ({"val": [4, 5]}, {"val": (4, 5), "train": (0, 1, 2, 3)}),
        ({"train": range(2), "test": np.array([5])}, {"train": (0, 1), "test": (5,)}),
        ({"val": torch.tensor([3])}, {"val": (3,), "train": (0, 1, 2, 4, 5)}),
    ],
)
def test_splits(splits: Any, found: dict[str, Sequence[int]]) -> None:
    assert arrays(splits=splits).splits == {name: tuple(NAMES[i] for i in found[name]) for name in found}


def test_names_are_numbers_from_one() -> None:
    assert [item.name for item in arrays(names=None, splits=None).items][::5] == ["image-0001", "image-0006"]


def test_background() -> None:
    assert arrays().classes.policy == "points"
    assert arrays(background="border").classes.border_background == 0
    assert arrays(classes=CLASSES.with_policy("none")).classes.policy == "none"
    with pytest.raises(DatasetError, match=r"'borders' is no background policy\. Did you mean 'border'"):
        arrays(background="borders")


def test_doubles_are_counted_and_do_no_harm() -> None:
    x, y, label = POINTS[0][0]
    dataset = arrays(points=[[*POINTS[0], (x, y, label)], [*POINTS[1], (*POINTS[1][0][:2], 2)], *POINTS[2:]])
    assert {str(reason): count for reason, count in dataset.rejected.reasons().items()} == {
        "duplicate": 1,
        "conflicting": 2,
    }
    assert len(dataset.points) == 17


def with_image(image: Any) -> dict[str, Any]:
    return {"images": [*IMAGES[:2], image, *IMAGES[3:]]}


def with_points(rows: Any) -> dict[str, Any]:
    return {"points": [*POINTS[:2], rows, *POINTS[3:]]}


def with_mask(mask: Any) -> dict[str, Any]:
    return {"masks": [*MASKS[:2], mask, *MASKS[3:]]}


WRONG = MASKS[2].copy()
WRONG[3, 4] = 7


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        (with_image(IMAGES[2] / 255), ImageError, r"tiny_2.png, field 'images\[2\]': .*float64 is no image"),
        (with_image(IMAGES[2].tolist()), ImageError, r"images\[2\].*something of type list"),
        (with_image(IMAGES[2].transpose(2, 0, 1)), ImageError, r"images\[2\].*would be 48 wide, 3 high"),
        (with_image("photo.jpg"), ImageError, r"images\[2\].*something of type str"),
        (with_points([(64, 3, 1)]), PointsError, r"tiny_2.png, field 'points\[2\]\[0\]': \(64, 3\) lies outside"),
        (with_points([(1, 1, 0), (-0.1, 3, 1)]), PointsError, r"points\[2\]\[1\].*lies outside"),
        (with_points([(float("nan"), 3, 1)]), PointsError, r"points\[2\]\[0\]': \(nan, 3.0\) is no position"),
        (with_points([(np.inf, 3, 1)]), PointsError, r"points\[2\]\[0\]': \(inf, 3.0\) is no position"),
        (with_points([("5", 3, 1)]), PointsError, r"points\[2\]\[0\]': \('5', 3\) is no position"),
        (with_points([(5, True, 1)]), PointsError, r"points\[2\]\[0\]': \(5, True\) is no position"),
        (with_points([(5, 3, "dics")]), PointsError, r"points\[2\]\[0\]': 'dics' is not a class.*mean 'disc'"),
        (with_points([(5, 3, 3)]), PointsError, r"points\[2\]\[0\]': 3 is no class.*ground, square, disc"),
        (with_points([(5, 3, -1)]), PointsError, "-1 is no class"),
        (with_points([(5, 3, 0.5)]), PointsError, "0.5 is no class"),
        (with_points([(5, 3, float("nan"))]), PointsError, "nan is no class"),
        (with_points([(5, 3, None)]), PointsError, "None is no class"),
        (with_points(np.zeros((4, 2))), PointsError, r"points\[2\]\[0\]': \[0.0, 0.0\] is no point"),
        (with_points([5, 3, 1]), PointsError, r"points\[2\]\[0\]': 5 is no point"),
        (with_points(None), PointsError, r"points\[2\]': something of type NoneType is no list.*empty list"),
        (with_points("5,3,1"), PointsError, r"points\[2\]': something of type str"),
        (with_mask(MASKS[2][:-1]), MaskError, r"tiny_2.png, field 'masks\[2\]': is 64×47, but its image is 64×48"),
        (with_mask(WRONG), MaskError, r"masks\[2\]': value 7 on 1 pixels.*values 0 to 2 or 255"),
        (with_mask(MASKS[2].astype(int) - 1), MaskError, r"masks\[2\]': value -1 on"),
        (with_mask(MASKS[2] / 1), MaskError, r"masks\[2\]': .*float64 is no mask"),
        (with_mask(MASKS[2][None]), MaskError, r"masks\[2\]': .*\(1, 48, 64\).* is no mask"),
        ({"points": POINTS[:5]}, DatasetError, "field 'points': there are 5, and 6 images"),
        ({"masks": MASKS[:5]}, DatasetError, "field 'masks': there are 5, and 6 images"),
        ({"names": NAMES[:5]}, DatasetError, "field 'names': there are 5, and 6 images"),
        ({"names": [*NAMES[:5], NAMES[0]]}, DatasetError, r"names\[5\]': 'tiny_0.png' is no name, or is given twice"),
        ({"names": [*NAMES[:5], 5]}, DatasetError, r"names\[5\]': 5 is no name"),
        ({"images": IMAGES[0]}, DatasetError, r"field 'images': an array of shape \(48, 64, 3\) .* is no list"),
        ({"images": iter(IMAGES)}, DatasetError, "field 'images': something of type list_iterator is no list"),
        ({"points": None}, DatasetError, "field 'points': something of type NoneType is no list"),
        ({"points": {0: []}}, DatasetError, "field 'points': something of type dict is no list"),
        ({"images": [], "points": [], "masks": None, "names": None}, DatasetError, "there are no images"),
        ({"classes": "soil,berry"}, DatasetError, "'soil,berry' is no list of classes"),
        ({"classes": [1, 2]}, DatasetError, "is no list of classes"),
        ({"splits": {"val": [6]}}, DatasetError, r"splits\['val'\]': 6 is no image"),
        ({"splits": {"val": [-1]}}, DatasetError, "-1 is no image"),
        ({"splits": {"val": [True]}}, DatasetError, "True is no image"),
        ({"splits": {"val": [0, "tiny_0.png"]}}, DatasetError, "'tiny_0.png' is no image, or is listed twice"),
        ({"splits": {"val": ["tiny_9.png"]}}, DatasetError, "'tiny_9.png' is no image.*Did you mean 'tiny_"),
        ({"splits": {"val": []}}, DatasetError, "lists no image"),
        ({"splits": {"val": 3}}, DatasetError, "something of type int is no list"),
        ({"splits": {"all": [1]}}, DatasetError, "'all' cannot be the name of a split"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        arrays(**changes)


def test_all_images_with_problems_are_counted() -> None:
    changes = {**with_mask(WRONG), "points": [*POINTS[:4], [(99, 1, 0), (98, 1, 0)], "x"]}
    with pytest.raises(MaskError, match=r"masks\[2\].*\(Images with problems: 3 of 6\.\)"):
        arrays(**changes)


@pytest.mark.parametrize(
    ("example", "kind", "says"),
    [
        ({"image": 1}, DatasetError, r"dataset\[0\]': something of type dict is no example.*\(image, points\)"),
        ((1, 2, 3, 4), DatasetError, r"dataset\[0\]': something of type tuple is no example"),
        ((IMAGES[0].tolist(), []), ImageError, r"tiny_0.png, field 'dataset\[0\]\[0\]'"),
        ((IMAGES[0], [(1, 1, 9)]), PointsError, r"field 'dataset\[0\]\[1\]\[0\]': 9 is no class"),
        ((IMAGES[0], [(99, 1, 0)]), PointsError, r"field 'dataset\[0\]\[1\]\[0\]': \(99, 1\) lies outside"),
        ((IMAGES[0], [], MASKS[0][:9]), MaskError, r"field 'dataset\[0\]\[2\]': is 64×9"),
    ],
)
def test_wrong_examples_are_named(example: Any, kind: type[Exception], says: str) -> None:
    given = Torch(lambda n, right: example if n == 1 else right)
    with pytest.raises(kind, match=says):
        pt.Dataset.from_torch(given, CLASSES, names=NAMES)


def test_no_map_style_data_set() -> None:
    with pytest.raises(DatasetError, match="something of type list_iterator is no such data set"):
        pt.Dataset.from_torch(iter([]), CLASSES)  # type: ignore[arg-type]


class Stop(L.Callback):
    def on_train_epoch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.current_epoch == 0:
            raise RuntimeError("stopped on purpose")


def test_a_stopped_run_goes_on_with_the_same_data(tmp_path: Path, cli: Cli) -> None:
    settings = {**TINY, "method": "points", "trainer.snapshots": 0}
    whole = pt.train(arrays(), out=tmp_path / "whole", settings=settings)
    with pytest.raises(RuntimeError, match="on purpose"):
        fit(make_config(None, settings), arrays(), tmp_path / "run", callbacks=[Stop()])
    with pytest.raises(RunError, match=r"memory of a program.*pt\.train\(data, out=…, resume=True\)"):
        data_of(tmp_path / "run")
    result = cli("train", "--resume", "--out", tmp_path / "run")
    assert result.code == 2
    assert "resume=True" in result.err
    with pytest.raises(RunError, match="have changed since"):
        pt.train(arrays(points=[POINTS[0][:1], *POINTS[1:]]), out=tmp_path / "run", resume=True)
    run = pt.train(arrays(), out=tmp_path / "run", resume=True)
    first, second = (load_file(one.model / "model.safetensors") for one in (whole, run))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_resuming_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run directory"):
        pt.train(arrays(), out=tmp_path / "nothing", resume=True)


def test_it_has_no_files_to_convert(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no files to copy"):
        convert(arrays(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_axes_of_a_small_image_from_a_file_are_not_in_doubt() -> None:
    read = Pixels(np.zeros((2, 9, 13), np.uint16), np.ones((2, 9), bool), shrunk_from=(4, 18))
    assert pixels_of(read, field="image").shrunk_from == (4, 18)
    with pytest.raises(ImageError, match="have 13 bands"):
        pixels_of(read.values, field="image")
