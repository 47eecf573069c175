"""The benchmark of accuracy: what is kept of a run, its statistics, and pages while runs are missing."""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from pointillist.api import evaluate, load
from pointillist.classes import IGNORE
from pointillist.training.config import make_config
from pointillist.training.metrics import confusion_matrix
from pointillist.training.run import fit
from tests.conftest import TINY

ACCURACY = Path(__file__).parents[2] / "benchmarks" / "accuracy"
MODULES = [path.stem for path in ACCURACY.glob("*.py")]


@pytest.fixture(autouse=True)
def _benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The benchmark's modules, which are no package, for the time of a test."""
    monkeypatch.syspath_prepend(ACCURACY)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def counts_of(pairs: list[tuple[int, int]]) -> list[list[list[int]]]:
    """N×3×2 of images of 10 pixels: 5 of each class, of which so many are right."""
    return [[[a, b], [5, 5], [a + 5 - b, b + 5 - a]] for a, b in pairs]


def result(dataset: str, variant: str, seed: int, miou: float, **more: Any) -> dict[str, Any]:
    """A run's JSON, as much of it as the tables read."""
    method = variant if variant in ("points", "full", "single-stage") else "refine-only"
    judged = {f"{key}_by_class": {"a": 0.9, "b": 0.7} for key in ("coverage", "precision")}
    return {
        "dataset": dataset,
        "variant": variant,
        "method": method,
        "seed": seed,
        "miou": miou,
        "per_class": {"a": miou, "b": miou},
        "pseudo_mask": judged if variant == "single-stage" else None,
        "cpu_seconds_per_step": 0.1,
        "step_cpu_milliseconds": 60.0 if variant == "single-stage" else 50.0,
        "per_image": counts_of([(4, 4), (3, 5), (5, 2)]),
        "source": "abc",
        "machine": {"device": "cpu", "threads": 1, "torch": "2"},
        "protocol": {
            "name": "own-scale",
            "points_source": "simulated",
            "method": {"name": method},
            "clicks_per_image": 3.0,
            "images": 300,
            "background": "none",
            "network": "fpn/small",
            "normalization": "group",
            "initialisation": "random",
            "size": "320x320",
            "window": "128x128",
            "steps": 3000,
            "batch_size": 4,
            "lr": 0.006,
            "metric": "mIoU",
        },
        **more,
    }


# What is kept of a run


def test_merged_counts_are_those_of_merged_labels() -> None:
    from scores import merge, merged

    rng = np.random.default_rng(0)
    mask, labels = rng.integers(0, 5, (2, 40, 50)).astype(np.uint8)
    mask[:3] = IGNORE
    groups = {"flat": ["road", "walk"], "built": ["wall", "fence"]}
    names, group = merged(("road", "wall", "walk", "sky", "fence"), groups)
    assert names == ("flat", "built", "sky")
    relabel = np.full(256, IGNORE, np.uint8)
    relabel[:5] = [0, 1, 0, 2, 1]
    expected = confusion_matrix(relabel[labels], relabel[mask], 3)
    np.testing.assert_array_equal(merge(confusion_matrix(labels, mask, 5), group), expected)


@pytest.mark.parametrize("groups", [{"flat": ["road", "rood"]}, {"flat": ["road"], "all": ["road"]}])
def test_groups_that_do_not_fit_the_classes_are_refused(groups: dict[str, list[str]]) -> None:
    from scores import merged

    with pytest.raises(SystemExit, match=r"roa?o?d: not a class"):
        merged(("road", "walk"), groups)


def test_scores_of_groups_stand_beside_those_of_classes(tiny_data: Path, tmp_path: Path) -> None:
    from scores import scored

    data = load(tiny_data)
    settings = {**TINY, "method": "full", "trainer.epochs": 1, "trainer.validations": 0}
    run = fit(make_config(None, settings), data, tmp_path / "run")
    whole, first, second = evaluate(run, data), *data.classes.names[1:3]
    plain, kept = scored(run, data, {}), scored(run, data, {"objects": [first, second]})
    assert plain["miou"] == kept["miou_classes"] == whole.miou
    assert plain["per_class"] == whole.scores.per_class
    assert kept["confusion_classes"] == whole.scores.confusion
    np.testing.assert_array_equal(plain["per_image"], whole.counts)
    assert list(kept["per_class"]) == [data.classes.names[0], "objects"]
    found, real = np.array(kept["per_image"]), whole.counts[:, 1]
    np.testing.assert_array_equal(found[:, 1], np.stack([real[:, 0], real[:, 1:].sum(1)], axis=1))
    np.testing.assert_array_equal(found.sum(0)[0], np.diagonal(kept["confusion"]))
    json.dumps(kept)  # plain values


def test_every_and_held_out_choose_training_images(tiny_data: Path) -> None:
    from run import split

    data = load(tiny_data)
    train, val = data.splits["train"], data.splits["val"]
    assert split(data, {"every": 2}).splits == {**data.splits, "train": train[::2], "val": val}
    chosen = split(data, {"every": 2, "held_out": [1, 2]}).splits
    assert chosen == {"train": (train[0],), "val": (train[2],)}


def test_a_stopped_benchmark_has_the_first_methods_of_all_sets() -> None:
    from run import jobs

    datasets = {"x": {}, "y": {"methods": ["agmm", "full"]}}
    order = jobs({"methods": ["agmm", "full", "points"], "seeds": [0, 1], "datasets": datasets})
    assert order[:5] == [("x", "full", 0), ("x", "points", 0), ("y", "full", 0), ("x", "agmm", 0), ("y", "agmm", 0)]
    assert len(order) == len(set(order)) == 10


def test_a_study_takes_lengths_and_clicks_from_its_base(tmp_path: Path) -> None:
    from run import read_benchmark, variants

    entry = {"path": "p", "settings": {"b": 2}}
    base = {"settings": {"a": 1}, "points": {"protocol": "seen"}, "datasets": {"x": entry}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    methods = {"more": {"method": "points", "points": {"per_object": 3}}}
    own = {"name": "s", "base": "base.yaml", "seeds": [0], "methods": methods, "datasets": {"x": {"methods": ["more"]}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    found = read_benchmark(tmp_path / "own.yaml")
    assert found["settings"] == {"a": 1}
    assert found["datasets"] == {"x": {**entry, "methods": ["more"]}}
    assert variants(found)["more"]["points"] == {"protocol": "seen", "per_object": 3}


# Statistics


def naive_miou(counts: np.ndarray) -> float:
    right, real, said = counts.sum(0)
    return float(np.mean(right / (real + said - right)))


def test_the_bootstrap_draws_images_as_often_as_it_should() -> None:
    from paired import RESAMPLES, resampled

    counts = np.array(counts_of([(5, 5), (1, 2)]))
    found = Counter(np.round(resampled(result("x", "points", 0, 0.5, per_image=counts.tolist())), 9))
    for drawn, share in (((0, 0), 0.25), ((0, 1), 0.5), ((1, 1), 0.25)):
        times = found.pop(round(naive_miou(counts[list(drawn)]), 9))
        assert times / RESAMPLES == pytest.approx(share, abs=0.05)
    assert not found


def test_the_bootstrap_of_a_difference_is_over_pairs_of_the_same_images() -> None:
    from paired import over_images

    rng = np.random.default_rng(1)
    seeds = []
    for _ in range(2):  # what is difficult for one method is so for the other
        ours = rng.integers(0, 6, (30, 2))
        theirs = np.maximum(ours - rng.integers(0, 2, (30, 2)), 0)
        seeds.append([np.array(counts_of(right.tolist())) for right in (ours, theirs)])
    pairs = [
        (result("x", "single-stage", seed, 0, per_image=ours), result("x", "points", seed, 0, per_image=theirs))
        for seed, (ours, theirs) in enumerate(np.array(seeds).tolist())
    ]
    found = over_images([pairs])
    drawn = [rng.integers(30, size=30) for _ in range(2000)]
    values = [np.mean([100 * (naive_miou(a[draw]) - naive_miou(b[draw])) for a, b in seeds]) for draw in drawn]
    low, high = np.percentile(values, (2.5, 97.5))
    assert found == pytest.approx((low, high), abs=0.08 * (high - low))


def test_both_methods_see_the_same_images() -> None:
    from paired import difference

    # Images of very different difficulty, on each of which both methods do the same.
    counts = counts_of([(5, 5), (0, 0), (5, 4), (1, 0)])
    runs = [result("x", variant, 0, 0.5, per_image=counts) for variant in ("single-stage", "points")]
    assert difference(runs, {"x": "points"}).over_images == (0, 0)
    runs[1]["per_image"] = [[[5, 5], [6, 4], [5, 5]]] * 4
    with pytest.raises(SystemExit, match="other masks"):
        difference(runs, {"x": "points"})


def test_seeds_are_averaged_before_sets_are_taken_as_cases() -> None:
    from paired import difference

    ours, theirs = [0.5, 0.52, 0.47, 0.61, 0.7, 0.72], [0.45, 0.5, 0.48, 0.55, 0.6, 0.63]
    where = list(itertools.product("xyz", (0, 1)))
    runs = [result(d, "single-stage", s, v) for (d, s), v in zip(where, ours, strict=True)]
    runs += [result(d, "points", s, v) for (d, s), v in zip(where, theirs, strict=True)]
    runs += [result("x", "single-stage", 2, 0.9)]  # has no pair
    found = difference(runs, dict.fromkeys("xyz", "points"))
    by_set = 100 * (np.reshape(ours, (3, 2)).mean(1) - np.reshape(theirs, (3, 2)).mean(1))
    expected = stats.ttest_1samp(by_set, 0).confidence_interval(0.95)
    assert (found.mean, found.pairs) == (pytest.approx(by_set.mean()), 6)
    assert found.over_sets == pytest.approx((expected.low, expected.high))
    one = stats.ttest_rel(np.multiply(ours[:2], 100), np.multiply(theirs[:2], 100)).confidence_interval(0.95)
    assert difference(runs, {"x": "points"}).over_sets == pytest.approx((one.low, one.high))


def test_a_training_that_predicts_one_class_is_marked() -> None:
    from comparison import differences_table, score_of

    runs = [result("x", "single-stage", 0, 0.5), result("x", "points", 0, 0.2, confusion=[[0, 70], [0, 30]])]
    assert differences_table(runs, ["x"])[-1].endswith(" † |")
    assert score_of({0: runs[1]}) == "0.200 †"
    assert score_of({0: runs[0] | {"confusion": [[69, 1], [0, 30]]}}) == "0.500"


# Missing runs

BENCHMARK = {
    "name": "own-scale",
    "settings": {},
    "seeds": [0, 1],
    "methods": ["single-stage", "points", "full", "refine-only"],
    "datasets": {"idd_lite": {"path": "a"}, "peanut": {"path": "b"}},
}
MIOU = {"single-stage": 0.66, "points": 0.58, "full": 0.7, "refine-only": 0.6}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes results of some jobs of a small benchmark, and gives its studies."""
    from run import as_text, asked_hash, jobs
    from runs import read_results, read_studies

    protocols = tmp_path / "protocols"
    protocols.mkdir()
    (protocols / "own-scale.yaml").write_text(yaml.safe_dump(BENCHMARK))
    study = {"base": "own-scale.yaml", "seeds": [0], "methods": ["points"], "datasets": {"peanut": {}}}
    for name in ("noisy", "clicks", "ablation", "beside"):
        named = {"name": f"own-scale-{name}", **study}
        (protocols / f"own-scale-{name}.yaml").write_text(yaml.safe_dump(named))

    def write(skip: int = 0, **changed: Any) -> dict[str, Any]:
        folder = tmp_path / "results" / "own-scale"
        folder.mkdir(parents=True, exist_ok=True)
        for dataset, variant, seed in jobs(BENCHMARK)[skip:]:
            miou = MIOU[variant] + 0.01 * seed
            run = result(dataset, variant, seed, miou, asked=asked_hash(BENCHMARK, dataset, variant), **changed)
            (folder / f"{dataset}-{variant}-{seed}.json").write_text(as_text(run))
        return read_studies(read_results(tmp_path / "results"), protocols)

    return write


def found_claims(studies: dict[str, Any], costs: dict[str, Any] | None = None) -> dict[str, Any]:
    from claims import claims

    found = claims(*(studies[name] for name in ("own-scale", "own-scale-noisy", "own-scale-clicks")), costs or {})
    return {claim.figure: claim for claim in found}


def test_without_results_every_figure_is_named_and_open(write: Any) -> None:
    from tables import page, readme

    studies = write(skip=16)
    found = list(found_claims(studies).values())
    assert len(found) == 10
    assert all(claim.held is None and claim.reached == "–" for claim in found)
    text = "\n".join(page(studies, found, []))
    assert "0 of 16 runs of `own-scale` are there." in text
    assert text.count("runs are missing") == 10
    small = [result("camvid", "single-stage", 0, 0.3)]
    assert "retired" in readme(studies["own-scale"], found, small)[0]


def test_a_complete_benchmark_says_what_holds_and_what_does_not(write: Any) -> None:
    from claims import not_reached
    from tables import readme

    studies = write()
    assert studies["own-scale"].status == "16 of 16 runs of `own-scale` are there."
    one = {"images": 300, "methods": {"single-stage": {"against_points": 1.4}}}
    found = found_claims(studies, {"passes": {"terraces": 6}, "datasets": {"terraces": one}})
    held = {figure: claim.held for figure, claim in found.items()}
    assert held["`single-stage` / `full`"] is True
    best = found["`single-stage` − best baseline of each set, points of mIoU"]
    assert (best.reached[:4], best.held) == ("+6.0", True)
    assert "4 of 4 pairs" in best.reached
    assert best.by_set == "idd_lite +6.0 (`refine-only`), peanut +6.0 (`refine-only`)"
    assert held["CPU time of a step against `points`"] is True
    said = not_reached(list(found.values()))
    assert "Nothing that has all its runs was missed" in said
    assert "2 of 10" in said  # noisy clicks, label cost
    assert "retired" not in "\n".join(readme(studies["own-scale"], list(found.values()), []))


def test_the_short_table_has_the_bounds_and_the_best_baseline_of_each_set() -> None:
    from comparison import short_table

    scores = {"single-stage": 0.4, "points": 0.3, "gated-crf": 0.35, "refine-only": 0.31, "full": 0.5}
    runs = [result("camvid", method, 0, miou) for method, miou in scores.items()]
    rows = short_table([*runs, result("peanut", "points", 0, 0.2)])
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
    assert [row[0] for row in cells] == ["camvid", "peanut"]
    assert cells[0][2:] == ["0.300", "0.350 `gated-crf` (+5.0)", "**0.400**", "0.500", "80.0"]
    assert cells[1][1:] == ["–", "0.200", "–", "**–**", "–", "–"]


def test_what_is_missed_is_named(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from claims import not_reached

    monkeypatch.setitem(MIOU, "single-stage", 0.595)
    found = found_claims(write())
    assert "`single-stage` / `full`: 0.851 " in not_reached(list(found.values()))
    assert found["`single-stage` − best baseline of each set, points of mIoU"].held is False
    assert found["`single-stage` − each baseline, on each set"].held is True  # half a point behind
    monkeypatch.setitem(MIOU, "single-stage", 0.58)
    assert found_claims(write())["`single-stage` − each baseline, on each set"].held is False


def test_noise_and_label_cost_are_against_the_comparison_with_the_same_seed() -> None:
    from studies import MASK_SECONDS, cheapest, losses

    main = [result("peanut", variant, seed, MIOU[variant] + seed) for variant in MIOU for seed in (0, 1)]
    noisy = [result("peanut", f"{method}-wrong-5", 0, 0.57) for method in ("single-stage", "points")]
    assert losses(main, noisy)["wrong-5", "peanut"] == pytest.approx({"single-stage": 9, "points": 1})

    few = result("peanut", "single-stage-1-per-class", 0, 0.64)
    few["protocol"] |= {"clicks_per_image": 1.5, "method": {"name": "single-stage"}}
    # One class and a half of two is there: half of one is seen to be absent (1 s), 1.5 are clicked (2.4 s each).
    assert cheapest(main, [few]) == {"peanut": pytest.approx((0.5 + 1.5 * 2.4) / MASK_SECONDS)}
    few["miou"] = (
        0.62  # below 0.9 of 0.7, so that the three clicks of the comparison are needed (0.9 s each further one)
    )
    assert cheapest(main, [few]) == {"peanut": pytest.approx((0.5 + 1.5 * 2.4 + 1.5 * 0.9) / MASK_SECONDS)}
    assert cheapest([run | {"miou": 0.5} if run["variant"] != "full" else run for run in main], [few]) == {
        "peanut": None
    }


def test_a_program_of_others_counts_as_a_baseline(write: Any) -> None:
    from claims import claims
    from comparison import external_table

    studies = write()
    other = {
        "dataset": "peanut",
        "variant": "nnunet",
        "seed": 1,
        "miou": 0.7,
        "cpu_minutes": 5,
        "protocol": {"steps": 9},
    }
    found = claims(*(studies[name] for name in ("own-scale", "own-scale-noisy", "own-scale-clicks")), {}, [other])
    claim = next(claim for claim in found if "each baseline" in claim.figure)
    assert claim.held is False
    assert "peanut -3.0 – (`nnunet`)" in claim.by_set
    assert external_table(studies["own-scale"].runs, [other])[-1].endswith("| 0.700 | 0.670 | -3.0 |")


def test_missing_runs_are_counted_and_leave_a_claim_open(write: Any) -> None:
    studies = write(skip=1)  # the first run of single-stage
    assert studies["own-scale"].status == "15 of 16 runs of `own-scale` are there."
    found = found_claims(studies)
    assert found["`single-stage` / `full`"].held is None
    assert found["`single-stage` / `full`"].reached.startswith("0.943 [")
    assert "3 of 4 pairs" in found["`single-stage` − `points`, points of mIoU"].reached


def test_results_of_another_source_or_other_settings_are_left_out(write: Any, tmp_path: Path) -> None:
    write(source="old")
    studies = write(skip=6)
    assert {run["source"] for run in studies["own-scale"].runs} == {"abc"}
    assert studies["own-scale"].status.startswith("10 of 16 runs of `own-scale` are there; 6 results of other settings")
    file = tmp_path / "results" / "own-scale" / "peanut-refine-only-1.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"asked": "other"}))
    assert len(write(skip=16)["own-scale"].runs) == 9


def test_orders_of_labelling_are_compared_over_the_same_seconds(tmp_path: Path) -> None:
    from asking import heights, where_next_study

    def curve(policy: str, *rounds: tuple[float, float]) -> dict[str, Any]:
        each = [{"seconds": seconds, "miou": miou} for seconds, miou in rounds]
        return {"dataset": "peanut", "policy": policy, "seed": 0, "rounds": each}

    curves = [curve("random", (10, 0.2), (20, 0.4), (30, 0.8)), curve("gain", (10, 0.2), (20, 0.6))]
    found = heights(curves)  # what the first one learns after 20 seconds counts for nothing
    assert found["random"][0] == pytest.approx(0.3)
    assert found["gain"][0] == pytest.approx(0.4)
    assert where_next_study(tmp_path) == []
    asked = {"start": 12, "pool": 120, "added": 8, "settings": {"trainer.steps": 600}}
    (tmp_path / "where-next.json").write_text(json.dumps({"source": "a", "asked": asked, "curves": curves}))
    assert "| peanut | 0.300 | – | 0.400 (+10.0) | 1 |" in where_next_study(tmp_path)


def test_strategies_of_asking_are_against_even_questions(tmp_path: Path) -> None:
    from asking import strategies_study

    assert strategies_study(tmp_path) == []
    runs = [
        {"dataset": "peanut", "seed": seed, "miou": {"first": 0.3, "even": 0.4, "mixed": 0.42 + 0.02 * seed}}
        for seed in (0, 1)
    ]
    asked = {"questions": 10, "pool": 120, "settings": {"trainer.steps": 600}}
    (tmp_path / "ask-strategies.json").write_text(json.dumps({"source": "a", "asked": asked, "runs": runs}))
    assert "| peanut | 0.300 ± 0.000 | 0.400 ± 0.000 | 0.430 ± 0.014 (+3.0) | 2 |" in strategies_study(tmp_path)


def test_the_guide_says_what_fewer_images_teach_and_how_sure_an_audit_is(tmp_path: Path) -> None:
    from guide import clicked_table, images_table, sure_table

    main = [result("peanut", "single-stage", 0, 0.6), result("peanut", "full", 0, 0.8)]
    assert clicked_table(main)[2:] == ["| peanut | 2 | 300 | 3.0 | 0.5 | 0.600 | 75.0 |"]
    few = result("peanut", "single-stage-every-4", 0, 0.56)
    few["protocol"] = {**few["protocol"], "images": 75}
    assert images_table(main, [few])[2:4] == ["| peanut | 75 | 0.560 | 70.0 |", "| peanut | 300 | 0.600 | 75.0 |"]
    assert images_table(main, []) == []
    widths = {"accuracy": 0.1, "miou": 0.2, "difference of miou": 0.18, "iou 0": 0.3, "iou 1": 0.04, "area 0": 0.1}
    figures = {name: {"width": width, "truth": 0.25} for name, width in widths.items()} | {"area 1": {"truth": 0.75}}
    one = {"dataset": "peanut", "questions": 200, "images": 60, "classes": ["weed", "soil"], "figures": figures}
    record = {"these": [{**one, "strategy": "even"}, {**one, "strategy": "mixed"}]}
    (tmp_path / "audit-coverage.json").write_text(json.dumps(record))
    row = "| peanut | 200 | 60 | ±5 | ±10 | ±9 | ±2 (soil, 75 % of the area) | ±15 (weed, 25 % of the area) |"
    assert sure_table(tmp_path)[2:] == [row]


def test_the_tables_of_a_page_are_put_between_its_marks(tmp_path: Path) -> None:
    from tables import fill

    page = tmp_path / "page.md"
    page.write_text("a\n<!-- t: begin (made by benchmarks/accuracy/tables.py) -->\nold\n<!-- t: end -->\nb\n")
    fill(page, "t", ["new", "rows"])
    fill(page, "t", ["new", "rows"])
    assert page.read_text().splitlines()[2:] == ["new", "rows", "<!-- t: end -->", "b"]


def test_what_an_answered_audit_wins_back() -> None:
    from asking import answered_clicks_study

    scores = {"single-stage": 0.6, "single-stage-noisy": 0.5, "single-stage-answered": 0.575}
    rows = answered_clicks_study([result("peanut", variant, 0, miou) for variant, miou in scores.items()])
    assert "| peanut | 0.600 | 0.500 | 0.575 | 75 % |" in rows


def test_questions_are_held_against_clicks_and_masks() -> None:
    from asking import label_seconds, question_claims
    from runs import Study

    def run(variant: str, miou: float, clicks: float) -> dict[str, Any]:
        found = result("peanut", variant, 0, miou)
        name = "full" if variant == "full" else "single-stage"
        return {**found, "protocol": {**found["protocol"], "clicks_per_image": clicks, "method": {"name": name}}}

    main = [run("single-stage", 0.7, 20.0), run("full", 0.8, 0.0)]
    mious = {"questions-5": 0.71, "questions-10": 0.77, "questions-20": 0.79, "clicks-and-10": 0.74}
    runs = [run(f"single-stage-{name}", miou, 30.0) for name, miou in mious.items()]
    # Two classes: two first clicks, 18 further ones, and 10 questions at the price of a first click each.
    assert label_seconds(main[0]) == pytest.approx(2 * 2.4 + 18 * 0.9)
    assert label_seconds(runs[3]) == pytest.approx(label_seconds(main[0]) + 24)
    assert label_seconds(runs[1]) == pytest.approx(24)
    methods = [one["variant"] for one in runs]
    study = Study({"name": "q", "seeds": [0], "methods": methods, "datasets": {"peanut": {}}}, runs)
    quarter, beside, tenth = question_claims(study, main)
    assert (quarter.reached, quarter.held) == ("+1.0", True)
    assert (beside.reached, beside.held) == ("+4.0", True)
    # 10 questions are a tenth of a mask, 20 are not.
    assert (tenth.reached, tenth.by_set, tenth.held) == ("on 1 of 1", "peanut 0.96", False)
    missing = Study({**study.benchmark, "seeds": [0, 1]}, runs)
    assert [claim.held for claim in question_claims(missing, main)] == [None] * 3
