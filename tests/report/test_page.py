"""The page of a run: what `evaluation.json` says, the worst images, and no text of a stranger taken for code."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointillist.api import evaluate, load, train_config
from pointillist.data.dataset import Dataset
from pointillist.errors import RunError
from pointillist.inference.predictor import Predictor
from pointillist.report.page import write_report
from pointillist.training.config import make_config
from pointillist.training.run_directory import RunDirectory
from tests.conftest import CLASSES, TINY, TINY_FLAGS, Cli, draw_tiny, write_tiny


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("page") / "tiny", val=12)


@pytest.fixture(scope="module")
def run(data: Path) -> RunDirectory:
    """A run whose validation split has twelve images with masks."""
    config = make_config(None, {**TINY, "method": "full", "trainer.epochs": 4, "trainer.snapshots": 2})
    return train_config(config, load(data), data.parent / "run", command="pointillist train 'my data'")


def page_of(run: RunDirectory) -> str:
    return run.report.read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    found = re.search(rf"<section><h2>{heading}.*?</section>", page, re.DOTALL)
    assert found, heading
    return found[0]


def table(text: str) -> list[list[str]]:
    """Texts of the cells of the rows of the first table's body."""
    body = re.search(r"<tbody>(.*?)</tbody>", text, re.DOTALL)
    assert body
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"<[^>]*>", " ", cell)).strip() for cell in row] for row in cells]


def shown_images(page: str) -> list[str]:
    return re.findall(r'<figure class="example"><figcaption><b>(.*?)</b>', page)


def picture(page: str, alt: str) -> np.ndarray:
    found = re.search(rf'<img src="data:image/\w+;base64,([^"]+)"[^>]*alt="{re.escape(alt)}"', page)
    assert found, alt
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB"))


def test_the_file_beside_the_page_is_what_evaluate_finds(run: RunDirectory, data: Path) -> None:
    written = json.loads(run.evaluation.read_text(encoding="utf-8"))
    again = json.loads(evaluate(run, data).to_json())
    for one in (written, again):
        del one["seconds"], one["checksum"]
    assert written == again


def test_numbers_on_the_page_are_those_of_the_file(run: RunDirectory) -> None:
    page, written = page_of(run), json.loads(run.evaluation.read_text(encoding="utf-8"))

    def text(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    low, high = written["miou_interval"]
    assert f"<b>{written['miou']:.3f}</b><span>95 %: {low:.3f} to {high:.3f}</span>" in page
    assert f"<b>{written['calibration']['expected_calibration_error']:.3f}</b>" in page
    names = list(written["pixels"])
    keys = ("per_class", "precision", "recall", "f1")
    for name, row in zip(names, table(section(page, "Scores by class")), strict=True):
        boundary = written["boundary_f"]["per_class"][name]
        scores = [text(value) for value in (*(written[key][name] for key in keys), boundary)]
        assert [row[0], row[1], *row[3:7], row[7]] == [name, *scores, f"{written['pixels'][name]:,}"]
    confusion = table(section(page, "Which classes are confused"))
    counts = [[int(cell.split()[-1].replace(",", "")) for cell in row[1:-1]] for row in confusion]
    assert counts == written["confusion"]["counts"]
    shares = [[float(re.match(r"[\d.]+", cell)[0]) for cell in row[1:-1]] for row in confusion]
    assert shares == [[round(100 * value, 1) for value in row] for row in written["confusion"]["shares"]]
    bins = [one for one in written["calibration"]["bins"] if one["pixels"]]
    rows = table(section(page, "Can its confidence be trusted"))
    assert [(row[1], row[3], row[4]) for row in rows] == [
        (f"{one['pixels']:,}", text(one["confidence"]), text(one["accuracy"])) for one in bins
    ]


def test_the_worst_five_come_first_and_four_others_follow(run: RunDirectory) -> None:
    written = json.loads(run.evaluation.read_text(encoding="utf-8"))["per_image"]
    ranked = [image["image"] for image in sorted(written, key=lambda image: image["miou"])]
    page = page_of(run)
    shown = shown_images(page)
    assert shown[:5] == ranked[:5]
    assert len(set(shown)) == len(shown) == 9
    worst = written[[image["image"] for image in written].index(ranked[0])]
    assert f'<b>{ranked[0]}</b><br><span class="soft small">mIoU {worst["miou"]:.3f}, ' in page
    assert page.index("The worst 5") < page.index(ranked[0]) < page.index("4 others") < page.index(shown[5])


def test_pictures_are_of_the_image_they_name(run: RunDirectory, data: Path) -> None:
    page, predictor = page_of(run), Predictor(run, "cpu")
    written = {image["image"]: image for image in json.loads(run.evaluation.read_text())["per_image"]}
    colors = np.array(CLASSES.colors)
    for name in shown_images(page):
        _, mask, _ = draw_tiny(int(re.search(r"\d+", name)[0]))
        labels = predictor(data / "images" / name)
        middle = (slice(2, None, 5), slice(2, None, 5))  # of each pixel, drawn five times as large
        assert (picture(page, f"truth of {name}")[middle] == colors[mask]).all()
        assert (picture(page, f"prediction of {name}")[middle] == colors[labels]).all()
        red, green, _ = picture(page, f"mistakes of {name}").astype(int).transpose(2, 0, 1)[:, *middle]
        assert ((red - green > 80) == (labels != mask)).mean() > 0.99  # it is a JPEG
        assert (labels == mask).mean() == pytest.approx(written[name]["pixel_accuracy"])


def test_the_page_says_where_it_comes_from(run: RunDirectory) -> None:
    page = page_of(run)
    for words in ("full on tiny", "<code>pointillist train &#39;my data&#39;</code>", "split ‘val’ of tiny", "masks"):
        assert words in page
    assert run.origin()["begun"][:10] in page
    curves = section(page, "How training went")
    for name in ("loss", "validation", *CLASSES.names):
        assert f'aria-label="{name}: ' in curves
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "two things on the page have one id"
    assert not re.findall(r'(?:src|href)="(?!data:)[^"#]', page)
    assert re.findall(r'data-epoch="(\d+)"', page) == ["2", "4"]
    assert str(run.root.parent) not in page, "a page that is passed on names no folder of its owner"


def test_curves_of_classes_are_those_of_the_training(run: RunDirectory) -> None:
    """The last validation saw the finished model, so its IoU is the one of the evaluation."""
    lines = run.metrics_file.read_text(encoding="utf-8").splitlines()
    last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    written = json.loads(run.evaluation.read_text(encoding="utf-8"))["per_class"]
    assert {name: float(last[f"val_iou {name}"]) for name in written} == pytest.approx(written, abs=1e-5)


def test_the_same_run_gives_the_same_page(run: RunDirectory, data: Path, tmp_path: Path) -> None:
    predictor, dataset = Predictor(run, "cpu"), load(data)
    scored = evaluate(predictor, dataset)
    for name in ("a", "b"):
        write_report(tmp_path / name, run, predictor, dataset, split="val", evaluation=scored)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_later_evaluation_has_a_page_too(cli: Cli, run: RunDirectory, data: Path, tmp_path: Path) -> None:
    page = tmp_path / "all.html"
    done = cli("evaluate", run.root, data, "--split", "all", "--report", page, "--json", tmp_path / "all.json")
    assert done.code == 0, done.err
    text = page.read_text(encoding="utf-8")
    assert f"{json.loads((tmp_path / 'all.json').read_text())['miou']:.3f}" in text
    for words in ("trained with", "scored with", "--split all --report", "16 images of the split ‘all’"):
        assert words in text


def test_a_run_without_masks_says_so_and_shows_predictions(tiny_data: Path, tmp_path: Path, cli: Cli) -> None:
    for path in (tiny_data / "masks").iterdir():
        path.unlink()
    (tiny_data / "masks").rmdir()
    done = cli("train", tiny_data, "--out", tmp_path / "run", *TINY_FLAGS)
    assert done.code == 0, done.err
    run = RunDirectory(tmp_path / "run")
    page = page_of(run)
    assert "There are no masks of images that were not learnt from, so there are no scores." in page
    assert re.findall(r"<h2>(.*?)</h2>", page) == [
        "At a glance",
        "Images of ‘val’ with prediction",
        "How training went",
        "What it saw and thought on the way",
        "Protocol",
    ]
    assert sorted(shown_images(page)) == ["tiny_4.png", "tiny_5.png"]
    assert "mIoU" not in page.replace("mIoU of one confusion matrix", "")
    assert not run.evaluation.exists()
    assert f"pointillist train {tiny_data} --out" in page


def test_what_files_say_is_text_on_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>&\"'$x^2$"
    drawn = [draw_tiny(index) for index in range(4)]
    dataset = Dataset.from_arrays(
        [image for image, _, _ in drawn],
        [clicks for _, _, clicks in drawn],
        [evil, "_a_very_long_name_without_any_blank_in_it" * 2, "disc"],
        [mask for _, mask, _ in drawn],
        names=[f"{evil}{index}" for index in range(4)],
        splits={"val": [2, 3]},
    )
    run = train_config(make_config(None, TINY), dataset, tmp_path / "run", command=evil)
    page = page_of(run)
    assert page.count("<script>") == 1
    assert html.escape(evil).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert sorted(map(html.unescape, shown_images(page))) == [f"{evil}2", f"{evil}3"]


def test_a_damaged_table_of_metrics_is_one_clear_message(run: RunDirectory, data: Path, tmp_path: Path) -> None:
    copy = RunDirectory(tmp_path / "copy")
    copy.root.mkdir()
    copy.metrics_file.write_text("epoch,seconds,loss\n1,1,0.5\n2,2,much\n")
    arguments: dict[str, Any] = {"split": None, "evaluation": None}
    with pytest.raises(RunError, match="no number") as raised:
        write_report(copy.report, copy, Predictor(run, "cpu"), load(data), **arguments)
    assert "metrics.csv" in str(raised.value)
    assert not copy.report.exists()
