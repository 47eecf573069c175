"""Build docs/results.md and the README's results from the JSON files of the runs.

python benchmarks/accuracy/tables.py
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BEGIN, END = "<!-- results: begin (made by benchmarks/accuracy/tables.py) -->", "<!-- results: end -->"

TITLES = {
    "village": "The embedded data set, three seeds",
    "first-look": "Real photographs, a first look: one seed",
}


def read_results() -> dict[str, list[dict[str, Any]]]:
    """Runs by protocol name; a protocol's runs must come from one source.

    Raises:
        SystemExit: They do not.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in sorted((HERE / "results").rglob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        found[run["protocol"]["name"]].append(run)
    for name, runs in found.items():
        sources = {run["source"] for run in runs}
        if len(sources) > 1:
            raise SystemExit(f"{name} mixes results of the sources {', '.join(sorted(sources))}: run it again.")
    return dict(found)


def mean_sd(values: list[float], digits: int = 3) -> str:
    """`0.812 ± 0.004`, or the value alone when there is one."""
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def table(runs: list[dict[str, Any]]) -> list[str]:
    """One row per data set and method."""
    lines = [
        "| data set | method | clicks per image | mIoU | % of full | coverage | agreement |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        groups[run["dataset"], run["method"]].append(run)
    order = ["points", "single-stage", "full"]
    for (dataset, method), group in sorted(groups.items(), key=lambda g: (g[0][0], order.index(g[0][1]))):
        full = {run["seed"]: run["miou"] for run in groups[dataset, "full"]}
        share = [100 * run["miou"] / full[run["seed"]] for run in group if run["seed"] in full]
        clicks = [run["protocol"]["clicks_per_image"] for run in group]
        cells = [
            dataset,
            f"`{method}`",
            "masks" if method == "full" else f"{statistics.mean(clicks):.1f}",
            mean_sd([run["miou"] for run in group]),
            mean_sd(share, 1) if share else "–",
            *(
                f"{statistics.mean([run[key] for run in group]):.0%}".replace("%", " %") if group[0][key] else "–"
                for key in ("coverage", "agreement")
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def protocol_line(runs: list[dict[str, Any]]) -> str:
    """What must stand beside the numbers."""
    first = runs[0]
    protocol, machine = first["protocol"], first["machine"]
    sizes = sorted({f"{run['dataset']} {run['protocol']['size']}" for run in runs})
    steps = sorted({run["protocol"]["steps"] for run in runs})
    sources = sorted({run["protocol"]["points_source"].split(", seed")[0] for run in runs})
    seeds = sorted({run["seed"] for run in runs})
    return (
        f"Protocol `{protocol['name']}`: clicks {'; '.join(sources)}; background policy "
        f"{', '.join(sorted({run['protocol']['background'] for run in runs}))}; {protocol['network']} with "
        f"{protocol['normalization']} normalisation, {protocol['initialisation']} initialisation; images fitted into "
        f"{', '.join(sizes)}; {', '.join(map(str, steps))} steps of {protocol['batch_size']}; seeds "
        f"{', '.join(map(str, seeds))}; last checkpoint, no test-time extras; {protocol['metric']}. "
        "Coverage and agreement are those of the last epoch's pseudo-masks with the training masks. "
        f"Source {first['source']}, {machine['threads']} CPU threads, torch {machine['torch']}."
    )


def per_class(runs: list[dict[str, Any]]) -> list[str]:
    """IoU by class, mean over seeds."""
    lines = []
    for dataset in sorted({run["dataset"] for run in runs}):
        chosen = [run for run in runs if run["dataset"] == dataset]
        methods = [m for m in ("points", "single-stage", "full") if any(run["method"] == m for run in chosen)]
        lines += [
            "",
            f"| {dataset} | " + " | ".join(f"`{m}`" for m in methods) + " |",
            "|---|" + "---:|" * len(methods),
        ]
        for name in chosen[0]["per_class"]:
            cells = []
            for method in methods:
                values = [run["per_class"][name] for run in chosen if run["method"] == method]
                known = [value for value in values if value is not None]
                cells.append(f"{statistics.mean(known):.3f}" if known else "–")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Write both files."""
    results = read_results()
    page = ["# Results", "", "Made by `python benchmarks/accuracy/tables.py` from the JSON files in"]
    page += [
        "`benchmarks/accuracy/results/`; each number has its protocol beside it. Values are mean ± sd over seeds.",
        "",
    ]
    short = []
    for name in [*TITLES, *(name for name in results if name not in TITLES)]:
        if name not in results:
            continue
        block = [f"### {TITLES.get(name, name)}", "", *table(results[name]), "", protocol_line(results[name]), ""]
        short += block
        page += [line.replace("### ", "## ") for line in block]
        page += ["IoU by class:", *per_class(results[name]), ""]
    (ROOT / "docs" / "results.md").write_text("\n".join(page), encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(before + BEGIN + "\n" + "\n".join(short) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
