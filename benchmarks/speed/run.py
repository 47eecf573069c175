"""Measure the pseudo-mask engine and write `results/speed.json`.

    python benchmarks/speed/run.py                 all rows, under ten minutes on two cores
    python benchmarks/speed/run.py --only gpu      the row of the Triton kernel, on a machine with a CUDA GPU

Ratios are medians over five alternating rounds within one process, so that a busy machine slows both sides.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gpu
import measure
import rows
import step

RESULTS = Path(__file__).parent / "results" / "speed.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("refine", "growth", "geodesic", "step", "gpu"), action="append")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    start = time.perf_counter()
    peaks = measure.peaks()
    sections: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "refine": lambda: [
            rows.refine_against_literal(1, 21, 40, peaks, memory=True),
            rows.refine_against_literal(4, 4, 20, peaks, memory=False),
        ],
        "growth": lambda: rows.refine_growth(peaks),
        "geodesic": lambda: [rows.geodesic(peaks)],
        "step": lambda: [step.training_step()],
        "gpu": lambda: [gpu.triton_row()],
    }
    found = []
    for name, section in sections.items():
        if arguments.only and name not in arguments.only:
            continue
        for row in section():
            found.append(row)
            figure = row.get("times_faster", row.get("times_slower"))
            above = row.get("times_above_floor", "–")
            print(f"{row['what']}: {figure} (target {row['target']}), {above}× its floor", flush=True)
    report = {
        "protocol": "median of 5 alternating rounds in one process after one that does not count, wall time",
        "machine": measure.machine(),
        "peaks": peaks,
        "seconds": round(time.perf_counter() - start, 1),
        "rows": found,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    print(f"written to {arguments.output}, {report['seconds']} s")


if __name__ == "__main__":
    main()
