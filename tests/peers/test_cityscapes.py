"""Cityscapes' own scripts: labels drawn by them train here, and they score what is predicted here as we do.

datumaro and torchvision, which know the layout as well, find the same labels in it.
"""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.api import load, train
from pointillist.data.dataset import Dataset
from pointillist.data.layouts.cityscapes import CLASSES
from pointillist.inference.writers.cityscapes import LABEL_IDS
from tests.conftest import TINY, Cli
from tests.peers.packages import peer

evaluation = peer("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling", "cityscapesScripts")
labels = peer("cityscapesscripts.helpers.labels", "cityscapesScripts")
label_images = peer("cityscapesscripts.preparation.json2labelImg", "cityscapesScripts")
instance_images = peer("cityscapesscripts.preparation.json2instanceImg", "cityscapesScripts")

IMAGES = {"train": ("aachen", "bochum"), "val": ("frankfurt", "lindau")}
"""A city has one image."""
DRAWN = ("road", "sky", "building", "cargroup", "person", "license plate", "ego vehicle", "static", "bicycle")
"""Single objects, groups, what is not scored, and what is not drawn."""


def write_city(root: Path) -> Path:
    """A tree as one unpacks it, its label images drawn from polygons by Cityscapes' own tools."""
    random = np.random.default_rng(3)
    for split, cities in IMAGES.items():
        for city in cities:
            name = f"{city}_000001_000019"
            gt, photo = root / "gtFine" / split / city, root / "leftImg8bit" / split / city
            gt.mkdir(parents=True)
            photo.mkdir(parents=True)
            objects = [{"label": "road", "polygon": [[0, 0], [63, 0], [63, 47], [0, 47]]}]
            for label in DRAWN:
                left, top = int(random.integers(0, 44)), int(random.integers(0, 32))
                corners = [[left, top], [left + 18, top], [left + 18, top + 14], [left, top + 12]]
                objects.append({"label": label, "polygon": corners})
            polygons = gt / f"{name}_gtFine_polygons.json"
            polygons.write_text(json.dumps({"imgHeight": 48, "imgWidth": 64, "objects": objects}))
            for encoding, ending in (("ids", "labelIds"), ("trainIds", "labelTrainIds"), ("color", "color")):
                label_images.json2labelImg(str(polygons), str(gt / f"{name}_gtFine_{ending}.png"), encoding)
            instance_images.json2instanceImg(str(polygons), str(gt / f"{name}_gtFine_instanceIds.png"), "ids")
            with Image.open(gt / f"{name}_gtFine_color.png") as color:
                noise = random.normal(0, 20, (48, 64, 3))
                image = np.clip(np.asarray(color.convert("RGB")) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(image).save(photo / f"{name}_leftImg8bit.png")
    return root


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_city(tmp_path_factory.mktemp("cityscapes"))


def masks(data: Dataset) -> dict[str, Any]:
    return {item.name: data.masks.read(item.mask, (48, 64)) for item in data.items if item.mask is not None}


def test_classes_ids_and_colours_are_those_of_its_table() -> None:
    scored = [label for label in labels.labels if 0 <= label.trainId < 255]
    ours = {name: (number, color) for name, (number, color) in CLASSES.items()}
    assert ours == {label.name: (label.id, "#{:02x}{:02x}{:02x}".format(*label.color)) for label in scored}
    assert [label.trainId for label in scored] == list(range(len(CLASSES)))
    assert {label.name: label.id for label in labels.labels if label.id >= 0} == LABEL_IDS


def test_label_ids_and_train_ids_that_it_has_drawn_are_the_same_masks(city: Path, tmp_path: Path) -> None:
    data = load(city)
    assert (data.layout, {name: len(images) for name, images in data.splits.items()}) == (
        "cityscapes",
        {"train": 2, "val": 2},
    )
    found = masks(data)
    shutil.copytree(city, tmp_path / "other", ignore=shutil.ignore_patterns("*_labelIds.png"))
    from_train_ids = masks(load(tmp_path / "other"))
    assert found.keys() == from_train_ids.keys()
    for name, mask in found.items():
        np.testing.assert_array_equal(mask, from_train_ids[name])
        assert {0, 255} < set(np.unique(mask).tolist()), "road, what is not scored, and more"


def test_its_evaluation_of_our_predictions_is_our_evaluation(city: Path, tmp_path: Path, cli: Cli) -> None:
    settings = {**TINY, "trainer.epochs": 30, "trainer.snapshots": 0, "data.background": "none"}
    run = train(city, out=tmp_path / "run", method="full", settings=settings)
    photos = city / "leftImg8bit" / "val"
    told = cli("predict", run.root, photos, "--out", tmp_path / "results", "--write", "cityscapes", "--device", "cpu")
    assert told.code == 0, told.err
    ours = json.loads(run.evaluation.read_text())
    real = sorted(map(str, (city / "gtFine" / "val").rglob("*_gtFine_labelIds.png")))
    assert len(real) == ours["images"] == 2
    args = copy.copy(evaluation.args)
    # As its main function does it; scores of instances are not ours to give.
    args.predictionPath, args.predictionWalk = str(tmp_path / "results"), None
    args.evalInstLevelScore, args.JSONOutput, args.quiet = False, False, True
    predicted = [evaluation.getPrediction(args, path) for path in real]
    theirs = evaluation.evaluateImgLists(predicted, real, args)
    known = {name: score for name, score in theirs["classScores"].items() if not np.isnan(score)}
    assert known == pytest.approx({name: score for name, score in ours["per_class"].items() if score is not None})
    assert len(known) >= 5
    assert theirs["averageScoreClasses"] == pytest.approx(ours["miou"])
    assert 0.05 < ours["miou"] < 0.95


def test_torchvision_finds_the_same_images_and_labels(city: Path) -> None:
    torchvision = peer("torchvision.datasets", "torchvision")
    data = load(city)
    found = masks(data)
    for split, ours in data.splits.items():
        theirs = torchvision.Cityscapes(str(city), split=split, mode="fine", target_type="semantic")
        assert [Path(path).relative_to(city / "leftImg8bit").as_posix() for path in theirs.images] == sorted(ours)
        train_id = np.array([255 if label.train_id in (-1, 255) else label.train_id for label in theirs.classes])
        for name, (_, target) in zip(sorted(ours), theirs, strict=True):
            np.testing.assert_array_equal(found[name], train_id[np.asarray(target)])


def test_datumaro_writes_it_as_we_read_it(tmp_path: Path) -> None:
    dm = peer("datumaro", "datumaro")
    media, annotation = (
        peer("datumaro.components.media", "datumaro"),
        peer("datumaro.components.annotation", "datumaro"),
    )
    categories = peer("datumaro.plugins.data_formats.cityscapes", "datumaro").make_cityscapes_categories()
    ids = np.zeros((48, 64), np.uint8)
    ids[5:20, 5:30], ids[22:40, 10:50], ids[0] = 26, 7, 5  # a car, the road, and the dynamic things that are not scored
    image = media.Image.from_numpy(np.zeros((48, 64, 3), np.uint8))
    drawn = [annotation.Mask(ids == value, label=int(value), id=1) for value in np.unique(ids)]
    item = dm.DatasetItem("ulm/ulm_000000_000019", subset="val", media=image, annotations=drawn)
    dm.Dataset.from_iterable([item], categories=categories).export(str(tmp_path), "cityscapes", save_media=True)
    data = load(tmp_path)
    assert data.splits == {"val": ("val/ulm/ulm_000000_000019_leftImg8bit.png",)}
    (mask,) = masks(data).values()
    train_id = {label.id: label.trainId for label in labels.labels}
    np.testing.assert_array_equal(mask, np.vectorize(train_id.get)(ids))
