"""nnU-Net itself checks a data set that we wrote, and reads the clicks that we meant."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.convert import convert
from pointillist.data.layouts import load_dataset
from tests.peers.packages import peer

for place in ("raw", "preprocessed", "results"):
    os.environ.setdefault(f"nnUNet_{place}", "")  # it says at length that they are missing
integrity = peer("nnunetv2.experiment_planning.verify_dataset_integrity", "nnunetv2")
natural = peer("nnunetv2.imageio.natural_image_reader_writer", "nnunetv2")
label_handling = peer("nnunetv2.utilities.label_handling.label_handling", "nnunetv2")
utilities = peer("nnunetv2.utilities.utils", "nnunetv2")
verify_dataset_integrity = integrity.verify_dataset_integrity
NaturalImage2DIO = natural.NaturalImage2DIO
LabelManager = label_handling.LabelManager
get_filenames_of_train_images_and_targets = utilities.get_filenames_of_train_images_and_targets


def test_nnunet_accepts_clicks_as_labels(tiny_data: Path, tmp_path: Path) -> None:
    data, out = load_dataset(tiny_data), tmp_path / "Dataset001_Tiny"
    convert(data, out, to="nnunet")
    verify_dataset_integrity(str(out), num_processes=1)
    cases = get_filenames_of_train_images_and_targets(str(out))
    assert len(cases) == len(data.split("train"))
    reader = NaturalImage2DIO()
    for item in data.split("train"):
        files = cases[Path(item.name).stem]
        image, _ = reader.read_images(files["images"])
        np.testing.assert_array_equal(image[:, 0].transpose(1, 2, 0), np.asarray(Image.open(item.file)))
        labels, _ = reader.read_seg(files["label"])
        expected = np.full(labels.shape[2:], len(data.classes))
        for point in data.points.of(item.name):
            expected[int(point.y), int(point.x)] = data.classes.index(point.label)
        np.testing.assert_array_equal(labels[0, 0], expected)


def test_nnunet_takes_our_numbers_for_its_own(tiny_data: Path, tmp_path: Path) -> None:
    import json

    data, out = load_dataset(tiny_data), tmp_path / "Dataset001_Tiny"
    convert(data, out, to="nnunet")
    described = json.loads((out / "dataset.json").read_text())
    manager = LabelManager(described["labels"], None)
    assert manager.has_ignore_label
    assert manager.ignore_label == len(data.classes)
    assert manager.all_labels == list(range(len(data.classes)))


@pytest.mark.parametrize("bands", [1, 5])
def test_nnunet_reads_a_file_for_each_band(bands: int, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    rng = np.random.default_rng(0)
    values = rng.integers(0, 65536, (bands, 20, 30), dtype=np.uint16)
    (tmp_path / "in/images").mkdir(parents=True)
    shape = {"height": 20, "width": 30, "count": bands, "dtype": "uint16"}
    with rasterio.open(tmp_path / "in/images/a.tif", "w", driver="GTiff", **shape) as file:
        file.write(values)
    (tmp_path / "in/dataset.yaml").write_text("classes: [soil, crop]\nbands: {range: [0, 65535]}\n")
    (tmp_path / "in/points.csv").write_text("image,x,y,class\na.tif,1.5,1.5,crop\na.tif,2.5,8.5,soil\n")
    convert(load_dataset(tmp_path / "in"), tmp_path / "Dataset002_Deep", to="nnunet")
    verify_dataset_integrity(str(tmp_path / "Dataset002_Deep"), num_processes=1)
    ((_, files),) = get_filenames_of_train_images_and_targets(str(tmp_path / "Dataset002_Deep")).items()
    image, _ = NaturalImage2DIO().read_images(sorted(files["images"]))
    np.testing.assert_array_equal(image[:, 0], values)
