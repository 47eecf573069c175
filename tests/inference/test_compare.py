"""Models compared on the same images: paired resamples, and files of strangers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointillist.api import evaluate, load, train_config
from pointillist.errors import RunError
from pointillist.inference.bootstrap import RESAMPLES, SEED
from pointillist.inference.compare import Scored, compare
from pointillist.training.config import make_config
from tests.conftest import TINY, Cli, write_tiny


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set, two runs, and the file of each."""
    folder = tmp_path_factory.mktemp("compared")
    data = load(write_tiny(folder / "data", val=3))
    for name, epochs in (("long", 20), ("short", 1)):
        train_config(
            make_config(None, {**TINY, "method": "full", "trainer.epochs": epochs, "trainer.snapshots": 0}),
            data,
            folder / name,
        )
        (folder / f"{name}.json").write_text(evaluate(folder / name, data).to_json())
    return folder


def made_up(name: str, correct: np.ndarray) -> Scored:
    """A model on images of two classes of 100 pixels each, N×2 of which are right."""
    real = np.full_like(correct, 100)
    predicted = correct + (100 - correct)[:, ::-1]
    names = tuple(f"{n}.png" for n in range(len(correct)))
    return Scored(name, "points", 0, ("soil", "berry"), names, np.stack([correct, real, predicted], axis=1))


def test_differences_are_of_the_same_resamples() -> None:
    """A model that is a little better in every image is better for sure, however much images differ."""
    correct = np.random.default_rng(0).integers(20, 95, (12, 2))
    found = compare([made_up("a", correct), made_up("b", correct + 3)])
    first, second = found.models

    def miou(pixels: np.ndarray) -> float:
        right, wrong = pixels.sum(0), (100 - pixels).sum(0)
        return float(np.mean(right / (right + wrong + wrong[::-1])))

    drawn = np.random.default_rng(SEED).integers(12, size=(RESAMPLES, 12))
    differences = [miou(correct[one] + 3) - miou(correct[one]) for one in drawn]
    assert first.miou == pytest.approx(miou(correct))
    assert second.difference == pytest.approx(miou(correct + 3) - miou(correct))
    assert second.difference_interval == pytest.approx(np.quantile(differences, (0.025, 0.975)))
    assert second.difference_interval[0] > 0
    assert second.miou_interval[0] < first.miou_interval[1]  # which the intervals of each alone do not show
    assert (first.difference, first.difference_interval) == (0, (0, 0))


def test_a_model_is_level_with_itself(cli: Cli, home: Path) -> None:
    done = cli("compare", home / "long.json", home / "long.json")
    assert done.code == 0, done.err
    assert "+0.000 to +0.000" in done.out


def test_one_image_has_no_intervals() -> None:
    found = compare([made_up("a", np.array([[50, 60]])), made_up("b", np.array([[70, 60]]))])
    assert found.to_dict()["models"][1]["difference_interval"] is None
    assert found.models[1].difference > 0


@pytest.mark.parametrize("files", [(), ("long",), ("short",), ("long", "short")])
def test_runs_and_files_say_the_same(cli: Cli, home: Path, tmp_path: Path, files: tuple[str, ...]) -> None:
    named = [home / (f"{name}.json" if name in files else name) for name in ("long", "short")]
    data = [] if len(files) == 2 else [home / "data"]
    done = cli("compare", *named, *data, "--json", tmp_path / "comparison.json")
    assert done.code == 0, done.err
    content = json.loads((tmp_path / "comparison.json").read_text())
    assert content["images"] == 3
    scores = [json.loads((home / f"{name}.json").read_text()) for name in ("long", "short")]
    for model, path, score in zip(content["models"], named, scores, strict=True):
        assert model["name"] == str(path)
        assert model["miou"] == pytest.approx(score["miou"])
        assert model["miou_interval"] == pytest.approx(score["miou_interval"])
        assert model["per_class"] == pytest.approx(score["per_class"])
    difference = content["models"][1]["difference"]
    assert difference == pytest.approx(scores[1]["miou"] - scores[0]["miou"])
    low, high = content["models"][1]["difference_interval"]
    assert re.search(
        rf"{scores[1]['miou']:.3f} │ .* │ +{re.escape(f'{difference:+.3f} │ {low:+.3f} to {high:+.3f}')} │", done.out
    )
    assert re.search(rf"square +│ +{scores[0]['per_class']['square']:.3f} │", done.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["long.json"], "no two models"),
        (["long", "data"], "no two models"),
        (["long", "short.json"], "no data set"),
        (["long", "short"], "is no data set"),
        (["long.json", "missing.json"], "there is no such file"),
    ],
)
def test_what_cannot_be_compared(cli: Cli, home: Path, arguments: list[str], message: str) -> None:
    done = cli("compare", *(home / name for name in arguments))
    assert done.code == 2
    assert message in done.err


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def text(before: str) -> str:
        content = json.loads(before)
        change(content)
        # With it, all of these would be refused for not being what was written.
        del content["checksum"]
        return json.dumps(content)

    return text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "{", "not valid JSON"),
        (lambda _: "[" * 100_000, "not valid JSON"),
        (lambda _: "[]", "no JSON object"),
        (lambda before: before.replace("0.", "1.", 1), "something in it has changed"),
        (changed(lambda c: c.pop("per_image")), "no scores by image"),
        (changed(lambda c: c["per_image"].clear()), "per_image"),
        (changed(lambda c: c.update(per_image=3)), "per_image"),
        (changed(lambda c: c.update(pixels={})), "pixels"),
        (changed(lambda c: c.update(method=None)), "method"),
        (changed(lambda c: c["per_image"][1].pop("image")), "per_image.1.image"),
        (changed(lambda c: c["per_image"][1]["correct"].pop()), "one number for each of 3 classes"),
        (changed(lambda c: c["per_image"][1].update(pixels=["1", 2, 3])), "per_image.1.pixels"),
        (changed(lambda c: c["per_image"][1].update(pixels=[1.5, 2, 3])), "per_image.1.pixels"),
        (changed(lambda c: c["per_image"][1].update(pixels=[10**30, 2, 3])), "per_image.1.pixels"),
        (changed(lambda c: c["per_image"][1].update(pixels=[-1, 2, 3])), "per_image.1.pixels"),
        (changed(lambda c: c["per_image"][1].update(correct=[3072, 3072, 3072])), "more right pixels"),
        (changed(lambda c: c["per_image"][1].update(predicted=[3072, 3072, 3072])), "as many pixels predicted"),
    ],
)
def test_files_of_strangers(home: Path, tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    file = tmp_path / "scores.json"
    file.write_text(change((home / "long.json").read_text()))
    with pytest.raises(RunError, match=message) as caught:
        Scored.read(file)
    assert caught.value.where == str(file)


def other_mask(scores: dict[str, Any]) -> None:
    for counts in (scores["per_image"][1]["pixels"], scores["per_image"][1]["predicted"]):
        counts[0] += 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(pixels=dict.fromkeys("abc", 0)), "on the classes a, b, c"),
        (lambda c: c["per_image"].pop(), "on 2 images"),
        (lambda c: c["per_image"][0].update(image="other.png"), "not all of them the same"),
        (other_mask, "another mask of 'tiny_5.png'"),
    ],
)
def test_scores_of_other_images(home: Path, tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    file = tmp_path / "scores.json"
    file.write_text(changed(change)((home / "short.json").read_text()))
    with pytest.raises(RunError, match=message):
        compare([Scored.read(home / "long.json"), Scored.read(file)])


def test_the_page_says_what_the_comparison_says(cli: Cli, home: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = cli("compare", home / "short", home / "long", home / "data", "--report", page, "--json", tmp_path / "c.json")
    assert done.code == 0, done.err
    text = page.read_text(encoding="utf-8")
    written = json.loads((tmp_path / "c.json").read_text())
    for model in written["models"]:
        assert f"<b>{model['miou']:.3f}</b>" in text
    second = written["models"][1]
    low, high = second["difference_interval"]
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
    texts = (f"{second['difference']:+.3f}", f"{low:+.3f} to {high:+.3f}")
    row = re.search("</td><td[^>]*>".join((*map(re.escape, texts), "([a-z ]*)</td>")), text)
    assert row
    assert row[1] == verdict
    for name, iou in second["per_class"].items():
        assert re.search(rf'<span class="name">{name}</span>.*{iou:.3f}', text)


def test_pictures_are_of_the_images_on_which_models_differ_most(cli: Cli, home: Path, tmp_path: Path) -> None:
    each = [
        {i["image"]: i["miou"] for i in json.loads((home / f"{n}.json").read_text())["per_image"]}
        for n in ("long", "short")
    ]
    apart = sorted(each[0], key=lambda name: -abs(each[0][name] - each[1][name]))
    models = ("long.json", "short.json")
    for number, (paths, pictures) in enumerate(
        [([home / "long", home / "short", home / "data"], 4), ([home / m for m in models], 0)]
    ):
        page = tmp_path / f"{number}.html"
        assert cli("compare", *paths, "--report", page).code == 0
        text = page.read_text(encoding="utf-8")
        assert text.count("<img ") == pictures * len(apart)
        places = [text.index(name) for name in apart]
        assert places == sorted(places)
