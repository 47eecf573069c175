"""Write the pages that are made from code and from benchmark results: settings.md, results.md, the README's tables."""

from __future__ import annotations

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
    subprocess.run([sys.executable, HERE.parent / "benchmarks" / "accuracy" / "tables.py"], check=True)


if __name__ == "__main__":
    main()
