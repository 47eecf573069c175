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
    """What `make torture` has recorded of failing calls, kills, long work and fuzzing."""
    record = json.loads((HERE / "faults.json").read_text(encoding="utf-8"))
    lines = ["", "| | calls it makes | failures tried | held | kills | held |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys((*record["faults"], *record["kills"])):
        fault, kill = record["faults"].get(name, {}), record["kills"].get(name, {})
        figures = [fault.get("calls"), *(part.get(key) for part in (fault, kill) for key in ("tried", "held"))]
        lines.append(f"| {name} | {' | '.join('–' if one is None else f'{one:,}' for one in figures)} |")
    if soak := record.get("soak"):
        begin, end = soak["begin"], soak["end"]
        lines += [
            "",
            f"{soak['tabs']} tabs for {soak['seconds'] / 60:.0f} minutes on one server (`make torture-soak`): "
            f"{soak['operations']:,} operations on clicks, label files taken in and classes merged beside. "
            f"After a tenth of the time and at the end: memory {begin['kilobytes'] // 1000} and "
            f"{end['kilobytes'] // 1000} MB, open files {begin['files']} and {end['files']}, threads "
            f"{begin['threads']} and {end['threads']}.",
        ]
    if (HERE / "fuzz.json").is_file():
        fuzz = json.loads((HERE / "fuzz.json").read_text(encoding="utf-8"))
        minutes = [one["seconds"] / 60 for one in fuzz["readers"].values()]
        lines += [
            "",
            f"Fuzzing (`make torture-fuzz`): {fuzz['total']['executions']:,} files, made from whole ones, for "
            f"{len(minutes)} readers, {min(minutes):.0f} to {max(minutes):.0f} minutes each; "
            f"{fuzz['total']['crashes']} were neither read nor refused (mended, and a test keeps one of each kind).",
        ]
    return "\n".join([*lines, "", ""])


if __name__ == "__main__":
    main()
