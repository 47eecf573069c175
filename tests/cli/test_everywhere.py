"""What docs/command-line.md says of every command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from pointillist.cli import app, display
from pointillist.data import check
from pointillist.registry import VARIABLE
from pointillist.version import __version__
from tests.conftest import TINY_FLAGS, Cli

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[349][0-7]")
"""Codes that choose a colour; bold is none."""


def commands(group: Any, *path: str) -> Iterator[tuple[list[str], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield [*path, name], command


COMMANDS = list(commands(typer.main.get_command(app)))


def names(path: list[str]) -> str:
    return " ".join(path)


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """The command line in a process of its own."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        # As the installed program is called: completion goes by its name.
        program = "import sys; sys.argv[0] = 'pointillist'; from pointillist.cli import main; main()"
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env={**known, **environment}, capture_output=True, encoding="utf-8", timeout=120
        )

    return run


@pytest.mark.parametrize("command", [path for path, _ in COMMANDS], ids=names)
def test_help_says_what_a_command_does_with_an_example(command: list[str], cli: Cli) -> None:
    done = cli(*command, "-h")
    assert (done.code, done.err) == (0, "")
    assert f"Example: pointillist {names(command)}" in done.out
    assert cli(*command, "--help").out == done.out


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda one: names(one) if isinstance(one, list) else "")
def test_every_command_takes_the_options_of_all(path: list[str], command: Any) -> None:
    taken = {option for parameter in command.params for option in parameter.opts}
    assert {"--quiet", "--json", "--log-file"} <= taken, path


def test_the_page_lists_them_all() -> None:
    listed = set(re.findall(r"`(?:pointillist )?(--[\w-]+)", PAGE.read_text(encoding="utf-8")))
    options = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= listed


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").out == f"pointillist {__version__}\n"
    assert cli("info", "--version").code == 2


def test_options_may_stand_before_a_command_and_behind_it(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    before, behind = cli("--json", "data", "check", tiny_data), cli("data", "check", tiny_data, "--json")
    assert before.out == behind.out != ""
    assert cli("--quiet", "info", tiny_data).out == cli("info", tiny_data, "--quiet").out == ""
    before, behind = tmp_path / "before.log", tmp_path / "behind.log"
    cli("--log-file", before, "info", tiny_data)
    cli("info", tiny_data, "--log-file", behind)
    assert before.read_text(encoding="utf-8").splitlines()[1:] == behind.read_text(encoding="utf-8").splitlines()[1:]
    assert "with clicks" in before.read_text(encoding="utf-8")


class TestJson:
    def test_one_line_on_standard_output_and_all_else_on_standard_error(self, cli: Cli, tiny_data: Path) -> None:
        done = cli("data", "check", tiny_data, "--json")
        assert done.out.count("\n") == 1
        assert json.loads(done.out)["images"] == 6
        assert "nothing wrong was found" in done.err

    def test_into_a_file(self, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
        done = cli("info", tiny_data, "--json", tmp_path / "found.json")
        assert "with clicks" in done.out
        assert done.err == ""
        assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))

    def test_no_json_after_an_error(self, cli: Cli, tmp_path: Path) -> None:
        done = cli("data", "check", tmp_path / "nowhere", "--json", "--quiet")
        assert (done.code, done.out) == (2, "")
        assert "nowhere" in done.err

    def test_a_prediction_names_what_it_left_out(self, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
        assert cli("train", tiny_data, "--out", tmp_path / "run", *TINY_FLAGS, "--quiet").code == 0
        (tiny_data / "images" / "broken.png").write_bytes(b"no picture")
        done = cli("predict", tmp_path / "run", tiny_data / "images", "--out", tmp_path / "out", "--json")
        assert done.code == 2
        found = json.loads(done.out)
        assert (list(found["failed"]), found["written"]) == (["broken.png"], 6)

    def test_what_is_not_defined_is_null(self, cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
        display.OUTPUT.json = display.STDOUT
        try:
            display.give({"miou": float("nan")})
        finally:
            display.OUTPUT.end()
        assert capsys.readouterr().out == '{"miou": null}\n'


class TestQuiet:
    def test_nothing_but_errors(self, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
        done = cli("data", "check", tiny_data, "--quiet")
        assert (done.code, done.out, done.err) == (0, "", "")
        done = cli("data", "check", tmp_path / "nowhere", "--quiet")
        assert (done.code, done.out) == (2, "")
        assert "hint" in done.err

    def test_and_what_json_asks_for(self, cli: Cli, tiny_data: Path) -> None:
        done = cli("data", "check", tiny_data, "--quiet", "--json")
        assert json.loads(done.out)["images"] == 6
        assert done.err == ""


def test_the_log_has_the_command_and_what_was_printed_or_left_out(
    cli: Cli, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")  # the plug-in below is gone afterwards
    log = tmp_path / "log.txt"
    assert cli("data", "check", tiny_data, "--quiet", "--log-file", log).code == 0
    first, *rest = log.read_text(encoding="utf-8").splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d pointillist data check ", first)
    assert "nothing wrong was found" in rest
    # A second command is added, with its note and its error.
    (tmp_path / "broken.py").write_text("raise ValueError('broken')")
    done = cli(
        "points", "import", tiny_data, tmp_path / "nowhere", "--plugin", tmp_path / "broken.py", "--log-file", log
    )
    assert done.code == 2
    text = log.read_text(encoding="utf-8")
    assert text.startswith("\n".join([first, *rest]))
    for word in ("pointillist points import ", "note  plug-in ", "\nerror ", "\nhint  "):
        assert word in text.removeprefix("\n".join([first, *rest]))


class TestExitCodes:
    def test_1_where_something_was_found(self, cli: Cli, tiny_data: Path) -> None:
        assert cli("points", "check", tiny_data, "--strict").code == 0
        (tiny_data / "masks" / "tiny_0.png").write_bytes(b"no picture")
        assert cli("data", "check", tiny_data).code == 1
        with (tiny_data / "points.csv").open("a") as stream:
            stream.write("tiny_0.png,900,900,disc\n")
        assert cli("points", "check", tiny_data).code == 0
        assert cli("points", "check", tiny_data, "--strict").code == 1

    def test_1_with_a_traceback_where_the_program_failed(self, tmp_path: Path, tiny_data: Path) -> None:
        failing = "from pointillist.data import check; check.check = None; from pointillist.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", failing, "data", "check", str(tiny_data), "--log-file", str(tmp_path / "log")],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "Traceback" in (tmp_path / "log").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        "wrong", [["fly"], ["info", "--fly"], ["train"], ["points"], ["info", "nowhere"]], ids=names
    )
    def test_2_with_one_message_on_standard_error(self, wrong: list[str], shell: Any) -> None:
        done = shell(*wrong)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr or wrong == ["points"]  # a group alone prints its help

    def test_130_after_an_interruption(self, cli: Cli, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(check, "check", interrupted)
        assert cli("data", "check", tiny_data).code == 130


class TestWithoutTerminal:
    def test_progress_is_lines_on_standard_error(
        self, cli: Cli, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert f"every {display.EVERY:.0f}\nseconds" in PAGE.read_text(encoding="utf-8")
        monkeypatch.setattr(display, "EVERY", 0.0)
        done = cli("data", "check", tiny_data)
        assert "checking: 6 of 6 images" in done.err
        assert "checking" not in done.out
        assert "\x1b" not in done.out + done.err
        assert "\r" not in done.out + done.err

    def test_no_colours(self, shell: Any) -> None:
        # Like a terminal, so that there would be some.
        assert COLOUR.search(shell("info", "nowhere", FORCE_COLOR="1").stderr)
        assert not COLOUR.search(shell("info", "nowhere", FORCE_COLOR="1", NO_COLOR="1").stderr)
        assert "\x1b" not in shell("info", "nowhere").stderr


class TestCompletion:
    @pytest.mark.parametrize(
        ("typed", "completed"), [("pointillist tr", "train"), ("pointillist train --meth", "--method")]
    )
    def test_commands_and_options(self, typed: str, completed: str, shell: Any) -> None:
        place = str(typed.count(" "))
        done = shell(COMP_WORDS=typed, COMP_CWORD=place, _POINTILLIST_COMPLETE="complete_bash")
        assert done.stdout.split() == [completed]

    @pytest.mark.parametrize("kind", ["bash", "zsh", "fish", "pwsh"])
    def test_every_shell_has_a_script(self, kind: str, shell: Any) -> None:
        done = shell("--show-completion", kind, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
        assert done.returncode == 0
        assert "pointillist" in done.stdout


def test_ctrl_c_ends_a_command_also_where_a_library_swallows_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    with display.counting("predicting", 3) as done:
        done("a")
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            done("b")
    assert signal.getsignal(signal.SIGINT) is before
