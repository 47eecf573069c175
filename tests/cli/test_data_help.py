from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["get", "convert", "check", "presets"])
def test_every_help_text_shows_an_example(cli, command: str) -> None:
    result = cli("data", command, "--help")
    assert result.code == 0
    assert f"pointillist data {command}" in result.out


@pytest.mark.parametrize("command", ["convert", "check"])
def test_a_missing_data_set_is_one_message(cli, tmp_path: Path, command: str) -> None:
    arguments = ("--out", tmp_path / "out") if command == "convert" else ()
    result = cli("data", command, tmp_path / "none", *arguments)
    assert result.code == 2
    assert "no such folder or file" in result.err
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_an_error(cli, tiny_data: Path, tmp_path: Path) -> None:
    result = cli("data", "check", tiny_data, "--json", tmp_path / "none" / "report.json")
    assert result.code == 2
    assert "could not be written" in result.err


def test_a_preset_of_another_layout_is_refused_before_anything_is_written(cli, tiny_data: Path, tmp_path: Path) -> None:
    result = cli("data", "convert", tiny_data, "--out", tmp_path / "out", "--preset", "inria-component")
    assert result.code == 2
    assert "for the layout 'inria'" in result.err
    assert not (tmp_path / "out").exists()
