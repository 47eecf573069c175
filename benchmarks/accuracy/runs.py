"""The JSON files of the runs, and what every table does with them."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from run import RESULTS, asked_hash, jobs, read_benchmark

PROTOCOLS = Path(__file__).parent / "protocols"
EXTERNAL = Path(__file__).parent.parent / "external" / "results"
"""Runs of other people's programs, in files like ours."""

Run = dict[str, Any]

OURS = "single-stage"
METHODS = (OURS, "points", "refine-only", "gated-crf", "tree-energy", "agmm", "forest", "dmpls", "full")
DATASETS = ("idd_lite", "cityscapes_256", "camvid", "camvid_held_out", "dubai_aerial", "terraces", "peanut", "soybean")
TOGETHER = tuple(f"own-scale{study}" for study in ("", "-ablation", "-ceilings", "-clicks", "-images", "-noisy"))
"""Studies whose runs stand in one table with those of the first, and so must come from one source."""


@dataclass(frozen=True)
class Study:
    """A benchmark file, and those of its runs that are there.

    Args:
        benchmark: Content of the file.
        runs: The runs, all of one source and of the settings that the file asks for.
        left_out: Results that are not.
    """

    benchmark: dict[str, Any]
    runs: list[Run]
    left_out: int = 0

    @property
    def datasets(self) -> list[str]:
        """Those that the file asks for."""
        return list(self.benchmark["datasets"])

    def missing(self, variants: Iterable[str] | None = None) -> int:
        """How many runs, of some variants, are not there."""
        there = {(run["dataset"], run["variant"], run["seed"]) for run in self.runs}
        wanted = None if variants is None else set(variants)
        return sum(job not in there for job in jobs(self.benchmark) if wanted is None or job[1] in wanted)

    @property
    def status(self) -> str:
        """How complete it is."""
        asked = len(jobs(self.benchmark))
        text = f"{asked - self.missing()} of {asked} runs of `{self.benchmark['name']}` are there"
        if self.left_out:
            text += f"; {self.left_out} results of other settings or of another source are left out"
        return f"{text}."


def with_new_keys(value: Any) -> Any:
    """Content of a result file under today's keys: version 0.1 said `agreement` for `precision`."""
    if not isinstance(value, dict):
        return value
    return {key.replace("agreement", "precision"): with_new_keys(inner) for key, inner in value.items()}


def read_results(results: Path = RESULTS) -> dict[str, list[Run]]:
    """All runs by the name of their study."""
    found: dict[str, list[Run]] = defaultdict(list)
    for path in sorted(results.glob("*/*.json")):
        run = with_new_keys(json.loads(path.read_text(encoding="utf-8")))
        # Folder and file say which study and variant this is; inside, files of version 0.1 have the names of then.
        run["protocol"]["name"] = path.parent.name
        run["variant"] = path.stem.removeprefix(f"{run['dataset']}-").rpartition("-")[0]
        found[path.parent.name].append(run)
    return dict(found)


def read_studies(results: dict[str, list[Run]], protocols: Path = PROTOCOLS) -> dict[str, Study]:
    """The studies at own scale by name, each with the runs that its file asks for.

    Runs of several sources are not mixed: what has most runs is used, over all studies that stand together.
    """
    found: dict[str, Study] = {}
    asked: dict[str, list[Run]] = {}
    for path in sorted(protocols.glob("own-scale*.yaml")):
        benchmark = read_benchmark(path)
        wanted = {job: asked_hash(benchmark, *job[:2]) for job in jobs(benchmark)}
        asked[benchmark["name"]] = [
            run
            for run in results.get(benchmark["name"], [])
            if wanted.get((run["dataset"], run["variant"], run["seed"])) == run["asked"]
        ]
        found[benchmark["name"]] = Study(benchmark, [])
    for name, study in found.items():
        together = TOGETHER if name in TOGETHER else (name,)
        sources = Counter(run["source"] for other in together for run in asked.get(other, []))
        source = sources.most_common(1)[0][0] if sources else None
        runs = [run for run in asked[name] if run["source"] == source]
        found[name] = Study(study.benchmark, runs, len(results.get(name, [])) - len(runs))
    return found


def mean_sd(values: list[float], digits: int = 3) -> str:
    """`0.812 ± 0.004`, or the value alone when there is one."""
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def percent(values: Iterable[float | None]) -> str:
    """Mean share in percent."""
    known = [value for value in values if value is not None]
    return f"{100 * statistics.mean(known):.0f} %" if known else "–"


def chosen(runs: list[Run], dataset: str, variant: str) -> dict[int, Run]:
    """Runs of one row by seed."""
    return {run["seed"]: run for run in runs if run["dataset"] == dataset and run["variant"] == variant}


def names(runs: list[Run], key: str, order: Iterable[str] = ()) -> list[str]:
    """Distinct values, those of `order` first."""
    there = dict.fromkeys(run[key] for run in runs)
    return [name for name in order if name in there] + [name for name in there if name not in tuple(order)]


def same_seeds(runs: list[Run], like: list[Run], variants: Iterable[str]) -> list[Run]:
    """Those runs of some variants that share data set and seed with others."""
    wanted = {(run["dataset"], run["seed"]) for run in like}
    return [run for run in runs if run["variant"] in variants and (run["dataset"], run["seed"]) in wanted]
