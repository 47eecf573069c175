from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from pointillist.api import load, train_config
from pointillist.classes import IGNORE
from pointillist.data.bands import RGB
from pointillist.data.images import read_pixels
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.outputs import LOG, MANIFEST, manifest_lines
from pointillist.data.pixels import Pixels
from pointillist.data.views import WholeView
from pointillist.errors import ConfigError, DatasetError, ImageError, RunError
from pointillist.inference.batch import collect_images, predict_files
from pointillist.inference.boundary import boundary_f_scores
from pointillist.inference.calibration import CalibrationCounter
from pointillist.inference.engines.torch import pick_device
from pointillist.inference.evaluate import evaluate
from pointillist.inference.predictor import Predictor
from pointillist.inference.writers.overlay import overlay
from pointillist.training import tiling
from pointillist.training.config import make_config
from tests.conftest import TINY, Cli, draw_tiny, write_tiny
from tests.rasters import draw, write_raster

EVERYTHING = ("png", "overlay", "confidence", "uncertainty")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    data = load(write_tiny(folder / "data"))
    train_config(make_config(None, {**TINY, "method": "full", "trainer.epochs": 20}), data, folder / "run")
    return folder / "run"


def test_labels_have_the_images_own_size(run: Path) -> None:
    labels = Predictor(run)(np.zeros((37, 91, 3), np.uint8))
    assert labels.shape == (37, 91)
    assert labels.dtype == np.uint8
    assert labels.max() < 3


def test_a_model_folder_will_do(run: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    assert np.array_equal(Predictor(run)(image), Predictor(run / "model")(image))


def test_maps_agree_with_the_probabilities(run: Path) -> None:
    predictor = Predictor(run)
    image = np.random.default_rng(1).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    result = predictor.predict(image, confidence=True, uncertainty=True)
    (block,) = predictor.blocks(WholeView(predictor.spec, Pixels(image)))
    probabilities = torch.from_numpy(block.logits).double().softmax(0).numpy()
    assert np.array_equal(result.labels, probabilities.argmax(0))
    assert np.allclose(result.confidence, probabilities.max(0), atol=1e-6)
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-30))).sum(0) / math.log(3)
    assert np.allclose(result.uncertainty, entropy, atol=1e-5)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_large_images_are_tiled_at_every_scale(run: Path, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(run)
    predictor.spec = InputSpec(RGB, Scale.of(factor))
    image = np.asarray(Image.fromarray(draw_tiny(0, 96, 130)[0]).resize((round(130 / factor), round(96 / factor))))
    whole = predictor(image)
    passes: list[int] = []
    monkeypatch.setattr(tiling, "LARGEST_PASS", 64 * 64)
    monkeypatch.setattr(tiling, "TILE", 64)
    monkeypatch.setattr(tiling, "OVERLAP", 32)
    run_it = predictor.engine.run

    def watched(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        passes.append(windows.shape[-1])
        return run_it(windows)

    predictor.engine = replace(predictor.engine, run=watched)
    tiled = predictor(image)
    assert set(passes) == {64}
    assert tiled.shape == whole.shape == image.shape[:2]
    assert (tiled == whole).mean() > 0.8  # normalisation sees another neighbourhood, nothing more


def test_whatever_holds_an_image_is_predicted(run: Path, tmp_path: Path) -> None:
    image, _, _ = draw_tiny(3)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    predictor = Predictor(run)
    expected = predictor(image)
    assert set(np.unique(expected)) == {0, 1, 2}
    for given in (path, str(path), Image.fromarray(image), Pixels(image), image[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(predictor(given), expected)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(predictor(opened), expected)
    turned = tmp_path / "turned.png"
    tags = Image.Exif()
    tags[0x0112] = 6
    Image.fromarray(np.rot90(image)).save(turned, exif=tags)
    for given in (turned, Image.open(turned)):
        np.testing.assert_array_equal(predictor(given), expected)


def test_a_grey_image_needs_no_third_axis(run: Path) -> None:
    grey = draw_tiny(3)[0][..., 0]
    predictor = Predictor(run)
    expected = predictor(np.repeat(grey[..., None], 3, axis=2))
    for given in (grey, grey[..., None], torch.from_numpy(grey.copy()), Image.fromarray(grey)):
        np.testing.assert_array_equal(predictor(given), expected)


def test_where_there_is_no_data_there_is_no_label(run: Path, tmp_path: Path) -> None:
    image, _, _ = draw_tiny(3)
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[5:9, 10:20] = 0
    with_alpha = Image.fromarray(np.concatenate([image, alpha], axis=2))
    with_alpha.save(tmp_path / "a.png")
    for given in (with_alpha, tmp_path / "a.png", Pixels(image, alpha[..., 0] > 0)):
        np.testing.assert_array_equal(Predictor(run)(given) == IGNORE, alpha[..., 0] == 0)


@pytest.mark.parametrize(
    "image",
    [
        *(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.zeros(4, np.uint8)),
        *(np.zeros((4, 4, 3), np.uint16), np.zeros((4, 4, 3), np.float32), np.zeros((1, 4, 4, 3), np.uint8)),
        *(np.zeros((4, 4, 3), object), np.zeros((4, 4, 3), bool), torch.zeros(4, 4), None, 3, b"bytes"),
        *(Pixels(np.zeros((4, 4, 5), np.uint8)), Image.new("F", (4, 4)), Image.new("I;16", (4, 4))),
    ],
    ids=lambda image: f"{type(image).__name__}-{getattr(image, 'dtype', '')}-{getattr(image, 'shape', '')}",
)
def test_no_image(run: Path, image: Any) -> None:
    with pytest.raises(ImageError) as caught:
        Predictor(run).predict(image)
    assert caught.value.hint


def test_other_bands_than_those_learnt_are_refused_with_both(run: Path, tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif", draw(20, 30, 5, "uint16"))
    with pytest.raises(ImageError) as caught:
        Predictor(run)(path)
    assert "has 5 bands of uint16" in caught.value.found
    assert "3 bands of uint8 (red, green, blue)" in caught.value.found
    assert caught.value.where == str(path)


def test_a_model_of_many_bands_predicts_what_it_has_learnt(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "data", train=2)
    shutil.rmtree(data / "splits")
    for name in [path.name for path in (data / "images").iterdir()]:
        with Image.open(data / "images" / name) as image:
            values = np.asarray(image).astype(np.uint16) * 16
        (data / "images" / name).unlink()
        more = np.concatenate([values, values[..., :2]], axis=2)
        write_raster(data / "images" / Path(name).with_suffix(".tif"), more)
    text = (data / "points.csv").read_text()
    (data / "points.csv").write_text(text.replace(".png", ".tif"))
    run = train_config(make_config(None, {**TINY, "trainer.epochs": 1}), load(data), tmp_path / "run")
    predictor = Predictor(run)
    assert (len(predictor.spec.bands), predictor.spec.bands.dtype) == (5, "uint16")
    assert predictor.engine.spec.bands.ranges[0] == predictor.engine.spec.bands.ranges[3]
    path = data / "images" / "tiny_0.tif"
    labels = predictor(path)
    with pytest.raises(ImageError, match="has 3 bands of uint8; what was learnt has 5 bands of uint16"):
        predictor(np.zeros((48, 64, 3), np.uint8))
    pixels = read_pixels(path)
    for given in (pixels, pixels.values):
        np.testing.assert_array_equal(predictor(given), labels)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        Predictor(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no trained model"):
        Predictor(tmp_path / "empty")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_no_device(name: str) -> None:
    with pytest.raises(ConfigError, match="not available"):
        pick_device(name)


def test_evaluation_equals_an_independent_count(run: Path) -> None:
    data = load(run.parent / "data")
    result = evaluate(Predictor(run), data, "all")
    inter, union = np.zeros(3), np.zeros(3)
    for item in data.items:
        labels = Predictor(run)(np.asarray(Image.open(item.image)))
        mask = np.asarray(Image.open(item.mask))
        for index in range(3):
            inter[index] += ((labels == index) & (mask == index)).sum()
            union[index] += ((labels == index) | (mask == index)).sum()
    assert result.scores.iou == pytest.approx(tuple(inter / union))
    assert result.images == 6
    content = json.loads(json.dumps(result.to_dict()))
    assert content["method"] == "full"
    assert content["miou"] == pytest.approx((inter / union).mean())
    assert content["protocol"]["checkpoint"] == "last"


def test_every_image_is_scored_and_together_they_are_the_scores(run: Path) -> None:
    data = load(run.parent / "data")
    predictor = Predictor(run)
    result = evaluate(predictor, data, "all")
    content = json.loads(json.dumps(result.to_dict()))
    confident, right = [], []
    for item, image, entry in zip(data.items, result.per_image, content["per_image"], strict=True):
        prediction = predictor.predict(item.image, confidence=True)
        mask = np.asarray(Image.open(item.mask))
        hits = [int(((prediction.labels == n) & (mask == n)).sum()) for n in range(3)]
        real, seen = (np.bincount(labels.ravel(), minlength=3) for labels in (mask, prediction.labels))
        assert entry["image"] == image.name == item.name
        assert (entry["correct"], entry["pixels"], entry["predicted"]) == (hits, real.tolist(), seen.tolist())
        assert entry["miou"] == pytest.approx(np.mean(hits / (real + seen - hits)))
        assert entry["pixel_accuracy"] == pytest.approx((prediction.labels == mask).mean())
        assert image.boundary == pytest.approx(boundary_f_scores(prediction.labels, mask, 3), nan_ok=True)
        confident.append(prediction.confidence.ravel())
        right.append((prediction.labels == mask).ravel())
    counter = CalibrationCounter()
    counter.update(np.concatenate(confident), np.concatenate(right))
    assert content["calibration"]["expected_calibration_error"] == pytest.approx(counter.compute().error, abs=1e-6)
    assert result.counts.sum(0).tolist()[1] == list(result.scores.pixels)
    assert np.sum(content["confusion"]["counts"]) == 6 * 48 * 64
    assert np.sum(content["confusion"]["shares"], axis=1) == pytest.approx(1)
    low, high = content["miou_interval"]
    assert low < result.miou < high
    by_image = np.array([image.boundary for image in result.per_image])
    assert content["boundary_f"]["mean"] == pytest.approx(by_image.mean(0).mean())
    assert [image.miou for image in result.worst()] == sorted(image.miou for image in result.per_image)[:3]


def test_an_evaluation_says_what_it_ignored_and_what_is_in_no_mask(cli: Cli, run: Path, tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "data")
    dataset = load(data)
    ignored = absent = 0
    for item in dataset.split("val"):
        labels = dataset.masks.read(item.mask, (48, 64))
        labels[labels == 2] = 0
        labels[:5] = 255
        ignored += int((labels == 255).sum())
        absent += int((labels == 2).sum())
        Image.fromarray(labels).save(item.mask)
    files = ("--json", tmp_path / "scores.json", "--csv", tmp_path / "scores.csv")
    result = cli("evaluate", run, data, *files)
    assert result.code == 0, result.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["ignored_pixels"] == ignored
    assert scores["pixels"][dataset.classes.names[2]] == absent == 0
    assert sum(scores["pixels"].values()) + ignored == 2 * 48 * 64
    assert f"no mask has '{dataset.classes.names[2]}'" in result.out
    assert re.search(rf"ignored .* {ignored / (2 * 48 * 64):.1%}", result.out)
    low, high = scores["miou_interval"]
    assert f"{scores['miou']:.3f}  95 %: {low:.3f} to {high:.3f}" in result.out
    assert re.search(rf"calibration error +{scores['calibration']['expected_calibration_error']:.3f} ", result.out)
    assert re.search(rf"boundary F-score +{scores['boundary_f']['mean']:.3f}  within 0.75% of the diagonal", result.out)
    worst = min(scores["per_image"], key=lambda image: image["miou"])
    assert re.search(rf"worst images +{worst['miou']:.3f}  {worst['image']}", result.out)
    rows = list(csv.DictReader((tmp_path / "scores.csv").open(newline="", encoding="utf-8")))
    assert [row["image"] for row in rows] == [image["image"] for image in scores["per_image"]]
    for row, image in zip(rows, scores["per_image"], strict=True):
        assert [float(row[key]) for key in ("miou", "ignored_pixels")] == [image["miou"], image["ignored_pixels"]]
        intersection, union = image["correct"][1], image["pixels"][1] + image["predicted"][1] - image["correct"][1]
        assert float(row["iou square"]) == pytest.approx(intersection / union)


def test_an_image_that_is_all_ignored_counts_for_nothing(cli: Cli, run: Path, tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "data")
    classes = "[{name: ground, value: 0}, {name: square, value: 1}, {name: disc, value: 2}]"
    (data / "dataset.yaml").write_text(f"classes: {classes}\n")
    before = evaluate(Predictor(run), load(data))
    first = load(data).split("val")[0]
    Image.fromarray(np.full((48, 64), 255, np.uint8)).save(first.mask)
    result = evaluate(Predictor(run), load(data))
    assert result.per_image[0].ignored == 48 * 64
    assert result.worst() == [result.per_image[1]]
    assert result.miou == before.per_image[1].miou
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert content["per_image"][0]["miou"] is content["per_image"][0]["boundary_f"] is None
    Image.fromarray(np.full((48, 64), 255, np.uint8)).save(load(data).split("val")[1].mask)
    json.dumps(evaluate(Predictor(run), load(data)).to_dict(), allow_nan=False)
    done = cli("evaluate", run, data)
    assert done.code == 0, done.err
    assert re.search(r"mIoU +–  95 %: – ", done.out)


def test_evaluating_on_other_classes(run: Path, tmp_path: Path) -> None:
    other = write_tiny(tmp_path / "other")
    text = (other / "dataset.yaml").read_text().replace("disc", "circle")
    (other / "dataset.yaml").write_text(text)
    (other / "points.csv").unlink()
    with pytest.raises(RunError, match="the model knows the classes ground, square, disc"):
        evaluate(Predictor(run), load(other))


def test_evaluating_without_masks(run: Path, tmp_path: Path) -> None:
    other = write_tiny(tmp_path / "other")
    for path in (other / "masks").iterdir():
        path.unlink()
    (other / "masks").rmdir()
    with pytest.raises(DatasetError, match="no image of the split 'val' has a mask"):
        evaluate(Predictor(run), load(other))


def photos(folder: Path, *names: str) -> Path:
    (folder / "photos").mkdir()
    for name in names:
        Image.new("RGB", (20, 10)).save(folder / "photos" / name)
    return folder / "photos"


class TestFiles:
    def test_everything_is_written_and_listed(self, run: Path, tmp_path: Path) -> None:
        images = tmp_path / "photos"
        (images / "deep").mkdir(parents=True)
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(images / "deep" / "b.jpg")
        Image.new("L", (20, 10), 90).save(images / "a.png")
        result = predict_files(Predictor(run), [images], tmp_path / "out", write=EVERYTHING)
        content, *entries = manifest_lines(result.manifest)
        assert [entry["image"] for entry in entries] == ["a.png", "deep/b.jpg"]
        for entry in entries:
            for key in EVERYTHING:
                with Image.open(tmp_path / "out" / entry[key]) as picture:
                    assert picture.size == (entry["width"], entry["height"])
        with Image.open(tmp_path / "out" / "a.png") as labels:
            assert labels.mode == "P"
            assert labels.getpalette()[:9] == [0x20, 0x20, 0x20, 0xE6, 0x9F, 0x00, 0x56, 0xB4, 0xE9]
            assert np.array_equal(np.asarray(labels), Predictor(run)(np.full((10, 20, 3), 90, np.uint8)))
        assert content["model_sha256"] == Predictor(run).engine.sha256

    def test_a_broken_image_does_not_stop_the_others(self, run: Path, tmp_path: Path) -> None:
        images = tmp_path / "photos"
        images.mkdir()
        (images / "a.png").write_bytes(b"no image")
        Image.new("RGB", (20, 10)).save(images / "b.png")
        result = predict_files(Predictor(run), [images], tmp_path / "out", write=["png"])
        assert result.written == 1
        assert list(result.failed) == ["a.png"]
        assert (tmp_path / "out" / "b.png").is_file()
        assert "error" in list(manifest_lines(result.manifest))[1]

    @pytest.mark.parametrize("out", ["photos", "linked"])
    def test_no_image_is_overwritten(self, run: Path, tmp_path: Path, out: str) -> None:
        images = photos(tmp_path, "a.png")
        (tmp_path / "linked").symlink_to(images, target_is_directory=True)
        before = (images / "a.png").read_bytes()
        with pytest.raises(RunError, match="would be overwritten"):
            predict_files(Predictor(run), [images], tmp_path / out)
        assert (images / "a.png").read_bytes() == before

    def test_no_file_from_elsewhere_is_overwritten(self, run: Path, tmp_path: Path) -> None:
        images = photos(tmp_path, "a.jpg", "b.jpg")
        (images / "b.png").write_bytes(b"a mask, drawn by hand")
        with pytest.raises(RunError, match=r"b\.png.*not from a prediction"):
            predict_files(Predictor(run), [images / "a.jpg", images / "b.jpg"], images)
        assert sorted(path.name for path in images.iterdir()) == ["a.jpg", "b.jpg", "b.png"]

    def test_a_foreign_manifest_is_not_overwritten(self, run: Path, tmp_path: Path) -> None:
        images, out = photos(tmp_path, "a.jpg"), tmp_path / "out"
        out.mkdir()
        (out / MANIFEST).write_text('{"shards": []}')
        with pytest.raises(RunError, match="not from a prediction"):
            predict_files(Predictor(run), [images], out)
        assert (out / MANIFEST).read_text() == '{"shards": []}'

    @pytest.mark.parametrize("names", [("a.jpg", "a.png/b.jpg"), ("a_overlay.jpg/b/c.jpg", "a.jpg")])
    def test_a_result_in_the_place_of_a_folder_is_refused_before_anything_is_written(
        self, run: Path, tmp_path: Path, names: tuple[str, str]
    ) -> None:
        for name in names:
            (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 10)).save(tmp_path / "photos" / name)
        with pytest.raises(RunError, match="two results"):
            predict_files(Predictor(run), [tmp_path / "photos"], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("below", ["predictions", "a/b", ""])
    @pytest.mark.parametrize("again", [[], ["png"], ["png", "overlay", "confidence"]])
    def test_results_in_a_folder_of_images_are_never_input(
        self, run: Path, tmp_path: Path, below: str, again: list[str]
    ) -> None:
        images = photos(tmp_path, "a.jpg", "b.jpg")
        (images / "a").mkdir()
        Image.new("RGB", (20, 10)).save(images / "a" / "c.jpg")
        (images / "notes.psd").write_bytes(b"")
        names, out = ["a.jpg", "a/c.jpg", "b.jpg"], images / below
        predictor = Predictor(run)
        done: list[str] = []
        for write in (("png", "overlay"), again or ("labels", "overlay")):
            result = predict_files(predictor, [images], out, write=write, on_image=done.append)
            assert result.left_out.files[".psd"] == 1
        assert sorted(done) == sorted(names * 2)
        before = {path: path.stat().st_mtime_ns for path in images.rglob("*.png")}
        predict_files(predictor, [images], out, write=again or ("png", "overlay"), resume=True)
        assert {path: path.stat().st_mtime_ns for path in images.rglob("*.png")} == before
        assert list(collect_images([images]).images) == names
        if below == "predictions":  # as `photos/*` names them
            listed = collect_images(sorted(path for path in images.iterdir() if path.suffix != ".psd"))
            assert set(listed.images.values()) == {images / name for name in names}
            with pytest.raises(DatasetError, match="1 folder of predictions left out"):
                collect_images([out])
        manifest, *entries = manifest_lines(out / MANIFEST)
        assert [entry["image"] for entry in entries] == names
        assert manifest["left_out"]["names"][".psd"] == ["notes.psd"]

    def test_a_stopped_batch_goes_on(self, run: Path, tmp_path: Path) -> None:
        images, out = photos(tmp_path, "a.jpg", "b.jpg", "c.jpg"), tmp_path / "out"
        predictor = Predictor(run)

        def stop(name: str) -> None:
            if name == "b.jpg":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            predict_files(predictor, [images], out, on_image=stop)
        with (out / LOG).open("a") as stream:
            stream.write('{"image": "c.jpg", "sta')  # as a power cut leaves it
        Image.new("RGB", (24, 12)).save(images / "b.jpg")  # changed since
        written = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
        assert {"a.png", "b.png"} <= {path.name for path in written}  # c may be on its way
        result = predict_files(predictor, [images], out, resume=True)
        assert {path.name for path, time in written.items() if path.stat().st_mtime_ns == time} - {"c.png"} == {"a.png"}
        assert result.written == 3
        _, *listed = manifest_lines(result.manifest)
        assert [(entry["image"], entry["width"]) for entry in listed] == [("a.jpg", 20), ("b.jpg", 24), ("c.jpg", 20)]
        assert not (out / LOG).exists()
        # The same from a finished batch, when images are added or results removed.
        Image.new("RGB", (20, 10)).save(images / "d.jpg")
        (out / "a.png").unlink()
        predict_files(predictor, [images], out, resume=True)
        assert sorted(path.name for path in out.glob("*.png")) == ["a.png", "b.png", "c.png", "d.png"]

    def test_other_results_are_not_mixed(self, run: Path, tmp_path: Path) -> None:
        images, out = photos(tmp_path, "a.jpg"), tmp_path / "out"
        predict_files(Predictor(run), [images], out)
        with pytest.raises(RunError, match="other results"):
            predict_files(Predictor(run), [images], out, write=EVERYTHING, resume=True)
        other = Predictor(run)
        other.take(scale=0.5)
        with pytest.raises(RunError, match="other settings"):
            predict_files(other, [images], out, resume=True)
        (out / MANIFEST).write_text('{"model_sha256": "0"}')
        with pytest.raises(RunError, match="does not say"):
            predict_files(Predictor(run), [images], out, resume=True)
        # Without it everything is made anew.
        assert predict_files(Predictor(run), [images], out, write=EVERYTHING).written == 1
        assert (out / "a_uncertainty.png").is_file()

    def test_two_images_for_one_result(self, tmp_path: Path) -> None:
        for name in ("a.png", "a.jpg"):
            Image.new("RGB", (8, 8)).save(tmp_path / name)
        with pytest.raises(RunError, match="both be written"):
            collect_images([tmp_path / "a.png", tmp_path / "a.jpg"])
        with pytest.raises(ImageError, match="no such image"):
            collect_images([tmp_path / "missing.png"])


def test_overlay_leaves_other_values_alone(run: Path) -> None:
    image = np.full((300, 4, 3), 100, np.uint8)
    labels = np.full((300, 4), 255, np.uint8)
    labels[280] = 1
    mixed = overlay(image, labels, Predictor(run).classes)
    assert np.array_equal(mixed[:280], image[:280])
    assert mixed[280, 0].tolist() == [165, 130, 50]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc: getrusage tells the parent's, too")
def test_a_12_megapixel_image_stays_under_2_gb(run: Path, tmp_path: Path) -> None:
    Image.effect_mandelbrot((4000, 3000), (-2, -1.5, 1, 1.5), 20).convert("RGB").save(tmp_path / "big.jpg")
    script = (
        "import sys; from pathlib import Path; from pointillist.cli import main\n"
        f"sys.argv = ['pointillist', 'predict', {str(run)!r}, {str(tmp_path / 'big.jpg')!r}, '--out', "
        f"{str(tmp_path / 'out')!r}, '--confidence', '--uncertainty']\n"
        "try:\n    main()\nfinally:\n"
        "    print('PEAK', Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    peak = 1024 * int(done.stdout.split("PEAK")[1])
    assert (tmp_path / "out" / "big.png").is_file(), done.stderr
    assert peak < 2e9
