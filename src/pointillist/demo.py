"""The demonstration: a small data set drawn from a seed, three methods, one network, one budget."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pointillist.api import evaluate, load, train_config
from pointillist.data.dataset import Dataset
from pointillist.data.synthetic import parameters_hash, write_dataset
from pointillist.errors import RunError
from pointillist.files import make_folder, write_text
from pointillist.inference.compare import Scored, compare
from pointillist.inference.evaluate import Evaluation
from pointillist.inference.predictor import Predictor
from pointillist.report.comparison_page import write_comparison
from pointillist.report.examples import example
from pointillist.report.page import protocol_rows
from pointillist.training.config import Config, make_config

METHODS = ("points", "single-stage", "full")
SETTINGS: dict[str, Any] = {
    "data.size": "128x160",
    "data.vertical_flip": True,
    "trainer.steps": 700,
    "trainer.device": "cpu",
    "trainer.validations": 2,
}
"""The budget every method gets; the villages are seen from above, so both flips are right."""


COLUMNS = {"clicks": "clicks", "share": "% of full", "seconds": "seconds"}
PICTURES = 5


@dataclass(frozen=True)
class Learnt:
    """One method's outcome.

    Args:
        method: Its name.
        clicks: Clicks it learnt from; 0 for real masks.
        seconds: Training time.
        evaluation: Its scores on the validation images.
        predictor: Its model.
    """

    method: str
    clicks: int
    seconds: float
    evaluation: Evaluation
    predictor: Predictor

    def cells(self, full: float) -> dict[str, str]:
        """Its row of a table; `full` is the mIoU of full supervision."""
        miou = self.evaluation.miou
        clicks = f"{self.clicks:,}" if self.clicks else "masks"
        texts = (self.method, clicks, f"{miou:.3f}", f"{miou / full:.0%}", f"{self.seconds:.0f}")
        return dict(zip(("method", "clicks", "miou", "share", "seconds"), texts, strict=True))


def run_demo(out: Path, *, seed: int = 0, console: Console, settings: dict[str, Any] | None = None) -> Path:
    """Draw, learn, compare.

    Args:
        out: Folder for `data/`, one run per method, `results.json` and `report.html`.
        seed: Of scenes, clicks and training.
        console: Where progress and the table are shown.
        settings: Settings by dotted name, beside `SETTINGS`.

    Returns:
        The report.

    Raises:
        SaveError: Something could not be written.
        RunError: `out` holds something that is not an earlier demo.
    """
    if out.exists() and any(out.iterdir()) and not (out / "data" / "synthetic.json").is_file():
        raise RunError("is not empty and holds no earlier demo.", where=out, hint="Choose another --out.")
    make_folder(out)
    data = out / "data"
    doing = "villages are there already:" if data.exists() else "drawing villages into"
    console.print(f"[bold]1[/] {doing} {escape(str(data))}", highlight=False)
    if not data.exists():
        write_dataset(data, seed=seed)
    dataset = load(data)
    learnt = []
    for number, method in enumerate(METHODS, start=2):
        console.print(f"[bold]{number}[/] learning with [bold]{method}[/]", highlight=False)
        config = make_config(None, {"method": method, "trainer.seed": seed, **SETTINGS, **(settings or {})})
        learnt.append(_learn(config, dataset, out / method, console))
    full = next(entry.evaluation.miou for entry in learnt if entry.method == "full")
    _show(learnt, full, console)
    protocol = {
        "name": "demo",
        "dataset": "village",
        "scene_parameters": parameters_hash(),
        **{key: value for key, value in learnt[0].evaluation.protocol.items() if key != "method"},
    }
    results = [
        {
            "method": entry.method,
            "miou": round(entry.evaluation.miou, 4),
            "clicks": entry.clicks,
            "seconds": round(entry.seconds, 1),
        }
        for entry in learnt
    ]
    write_text(out / "results.json", json.dumps({"results": results, "protocol": protocol}, indent=2) + "\n")
    report = out / "report.html"
    _write_page(report, dataset, learnt, full, protocol)
    console.print(f"\nReport: [bold]{escape(str(report))}[/]", highlight=False)
    return report


def _learn(config: Config, dataset: Dataset, out: Path, console: Console) -> Learnt:
    started = time.monotonic()
    run = train_config(config, dataset, out, overwrite=True, console=console)
    seconds = time.monotonic() - started
    predictor = Predictor(run, "cpu")
    masks = config.method.name == "full"
    clicks = 0 if masks else int(predictor.engine.protocol["clicks"])
    return Learnt(config.method.name, clicks, seconds, evaluate(predictor, dataset), predictor)


def _show(learnt: list[Learnt], full: float, console: Console) -> None:
    table = Table(title="\none network, one budget, three kinds of labels", title_justify="left")
    table.add_column("method")
    for column in ("clicks", "mIoU", "% of full", "seconds"):
        table.add_column(column, justify="right")
    for entry in learnt:
        table.add_row(*entry.cells(full).values())
    console.print(table)


def _write_page(report: Path, dataset: Dataset, learnt: list[Learnt], full: float, protocol: dict[str, Any]) -> None:
    best = max((entry for entry in learnt if entry.method != "full"), key=lambda entry: entry.evaluation.miou)
    cells = [entry.cells(full) for entry in learnt]
    predictors = {entry.method: entry.predictor for entry in learnt}
    write_comparison(
        report,
        compare([Scored.of(entry.method, entry.evaluation) for entry in learnt]),
        title="Clicks in, segmentation model out",
        subtitle="The pointillist demonstration: villages drawn from a seed, a click per object, three ways to learn.",
        classes=dataset.classes,
        figures=[
            ("from clicks alone", f"{best.evaluation.miou / full:.0%}", "of full supervision"),
            ("clicks", f"{best.clicks:,}", f"on {protocol['images']:,} images"),
            ("training", f"{best.seconds:.0f} s", "on a CPU"),
        ],
        more={title: [row[key] for row in cells] for key, title in COLUMNS.items()},
        examples=[(example(predictors, dataset, item), "") for item in dataset.split("val")[:PICTURES]],
        examples_title="Images no method has seen",
        protocol=protocol_rows(protocol),
    )
