from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from pointillist.data import synthetic
from pointillist.demo import METHODS, run_demo
from pointillist.errors import RunError
from tests.conftest import TINY


def test_the_demo_writes_results_and_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pointillist.demo as module

    few = lambda folder, *, seed: synthetic.write_dataset(folder, seed=seed, train=3, val=2)  # noqa: E731
    monkeypatch.setattr(module, "write_dataset", few)
    out = tmp_path / "demo"
    console = Console(record=True, width=120)
    quick = {name: value for name, value in TINY.items() if name != "trainer.epochs"}
    report = run_demo(out, console=console, settings={**quick, "trainer.steps": 2})
    content = json.loads((out / "results.json").read_text())
    assert [entry["method"] for entry in content["results"]] == list(METHODS)
    for entry in content["results"]:
        assert 0 <= entry["miou"] <= 1
        assert entry["seconds"] > 0
    clicks = {entry["method"]: entry["clicks"] for entry in content["results"]}
    assert clicks["full"] == 0
    assert clicks["points"] == clicks["single-stage"] > 0
    assert content["protocol"]["scene_parameters"] == synthetic.parameters_hash()
    text = console.export_text()
    assert "% of full" in text
    assert str(report) in text.replace("\n", "")
    page = report.read_text(encoding="utf-8")
    assert "Images no method has seen" in page
    run_demo(out, console=Console(quiet=True), settings={**quick, "trainer.steps": 2})  # twice is fine


def test_the_demo_does_not_touch_a_folder_of_someone_else(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(RunError, match="no earlier demo"):
        run_demo(tmp_path, console=Console(quiet=True))
