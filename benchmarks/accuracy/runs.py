"""The JSON files of the runs, and what every table does with them."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

Run = dict[str, Any]

OURS = "single-stage"
METHODS = (OURS, "points", "refine-only", "gated-crf", "tree-energy", "agmm", "dmpls", "full")
TOGETHER = ("cpu-small", "ablation", "longer", "clicks", "noisy-clicks", "ceilings", "held-out", "step-time")
"""Studies whose runs stand in one table with those of the first."""

HEADLINE = ("camvid", "dubai_aerial", "soybean")
"""The data sets of the claims."""


def with_new_keys(value: Any) -> Any:
    """Content of a result file under today's keys: version 0.1 said `agreement` for `precision`."""
    if not isinstance(value, dict):
        return value
    return {key.replace("agreement", "precision"): with_new_keys(inner) for key, inner in value.items()}


def read_results() -> dict[str, list[Run]]:
    """Runs by the name of their study; runs that share a table must come from one source.

    Raises:
        SystemExit: They do not.
    """
    found: dict[str, list[Run]] = defaultdict(list)
    for path in sorted(RESULTS.glob("*/*.json")):
        run = with_new_keys(json.loads(path.read_text(encoding="utf-8")))
        # Folder and file say which study and variant this is; inside, files of version 0.1 have the names of then.
        run["protocol"]["name"] = path.parent.name
        run["variant"] = path.stem.removeprefix(f"{run['dataset']}-").rpartition("-")[0]
        found[path.parent.name].append(run)
    groups = {name: runs for name, runs in found.items() if name not in TOGETHER}
    groups[" and ".join(TOGETHER)] = [run for name in TOGETHER for run in found.get(name, [])]
    for name, runs in groups.items():
        sources = {run["source"] for run in runs}
        if len(sources) > 1:
            raise SystemExit(f"{name} mixes results of the sources {', '.join(sorted(sources))}: run it again.")
    return dict(found)


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
