"""Write the pages that are made from code and from benchmark results: settings.md, results.md, the README's tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pointillist.training.config import describe_settings

HERE = Path(__file__).parent


def main() -> None:
    """Write them."""
    lines = [
        "# Settings",
        "",
        "Give each as `--set name=value`, or in a file with `--config FILE`; a run's `config.yaml` is such a file.",
        "Values are YAML: where the text says None, write `null`, for instance `--set data.window=null`. The `method.`",
        "rows are those of `single-stage`; those of the other methods are in [methods](methods.md).",
        "`pointillist info --settings` prints the same. This page is made by `make docs`.",
        "",
        "| setting | default | |",
        "|---|---|---|",
        *(f"| `{name}` | `{default}` | {text} |" for name, default, text in describe_settings()),
        "",
    ]
    (HERE / "settings.md").write_text("\n".join(lines), encoding="utf-8")
    guarantees = HERE / "guarantees.md"
    text = guarantees.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    guarantees.write_text(before + BEGIN + "\n" + faults() + END + rest.split(END)[1], encoding="utf-8")
    subprocess.run([sys.executable, HERE.parent / "benchmarks" / "accuracy" / "tables.py"], check=True)


BEGIN, END = "<!-- faults: begin (made by docs/make.py from docs/faults.json) -->", "<!-- faults: end -->"


def faults() -> str:
    """What `make torture` has recorded of failing calls and kills."""
    record = json.loads((HERE / "faults.json").read_text(encoding="utf-8"))
    lines = ["", "| | calls it makes | failures tried | held | kills | held |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys((*record["faults"], *record["kills"])):
        fault, kill = record["faults"].get(name, {}), record["kills"].get(name, {})
        figures = [fault.get("calls"), *(part.get(key) for part in (fault, kill) for key in ("tried", "held"))]
        lines.append(f"| {name} | {' | '.join('–' if one is None else f'{one:,}' for one in figures)} |")
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()
