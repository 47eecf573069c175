"""What is said about the project beside its code: the same thing everywhere, and valid.

`make lint-files` asks the linters of these files themselves, which come from the network.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointillist.version import __version__

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


class TestCitation:
    def test_it_names_this_version_and_licence(self) -> None:
        citation = read("CITATION.cff")
        assert citation["version"] == __version__
        assert citation["license"] == PROJECT["license"]
        assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
        assert set(citation["keywords"]) <= set(PROJECT["keywords"])

    def test_it_has_what_the_format_asks_for(self) -> None:
        citation = read("CITATION.cff")
        assert citation["cff-version"] == "1.2.0"
        assert all(citation[field] for field in ("message", "title", "authors"))
        assert citation["references"][0]["url"] == PROJECT["urls"]["Method"]


class TestPackage:
    def test_classifiers_are_those_of_pypi(self) -> None:
        known = pytest.importorskip("trove_classifiers").classifiers
        assert set(PROJECT["classifiers"]) <= known

    def test_versions_of_python_begin_at_the_lowest(self) -> None:
        prefix = "Programming Language :: Python :: 3."
        named = [int(one.removeprefix(prefix)) for one in PROJECT["classifiers"] if one.startswith(prefix)]
        assert f">=3.{min(named)}" == PROJECT["requires-python"]
        assert named == list(range(min(named), max(named) + 1))

    def test_the_licence_is_there(self) -> None:
        assert "Apache License" in (ROOT / PROJECT["license-files"][0]).read_text(encoding="utf-8")
        # Beside an expression, a classifier of a licence is refused by PyPI (PEP 639).
        assert not [one for one in PROJECT["classifiers"] if one.startswith("License")]


class TestWorkflow:
    def test_it_runs_targets_of_the_makefile(self) -> None:
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        jobs = read(".github/workflows/ci.yml")["jobs"]
        assert {"lint", "test", "lowest", "wheel"} <= set(jobs)
        steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
        called = {target for step in steps for target in re.findall(r"^make ([\w-]+)", step, re.MULTILINE)}
        assert {"lint", "lint-files", "test", "wheel"} <= called
        assert called <= targets

    def test_it_tests_three_systems_and_the_ends_of_what_is_supported(self) -> None:
        matrix = read(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
        assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
        named = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if "Python :: 3." in one]
        assert {named[0], named[-1]} <= set(matrix["python"])


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    parts = [line.strip().partition(" ") for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in parts]


class TestDockerfile:
    def test_what_it_copies_is_there_and_let_through(self) -> None:
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert ignored[1] == "*"
        copies = [rest for name, rest in instructions() if name == "COPY" and "--from" not in rest]
        copied = [path for rest in copies for path in shlex.split(rest)[:-1]]
        for path in copied:
            assert (ROOT / path).exists(), path
            assert f"!{path}" in ignored
        needed = {"pyproject.toml", "src", PROJECT["readme"], *PROJECT["license-files"]}
        assert needed <= set(copied)

    def test_it_starts_our_command(self) -> None:
        found = dict(instructions())
        assert found["ENTRYPOINT"] == '["pointillist"]'
        assert "pointillist" in PROJECT["scripts"]
        assert found["CMD"] == '["--help"]'

    @pytest.mark.skipif(sys.platform == "win32", reason="its commands are for a POSIX shell")
    @pytest.mark.parametrize("device", ["cpu", "cuda", "tpu"])
    def test_its_commands_step_by_step(self, device: str, tmp_path: Path) -> None:
        # Programs that say how they were called, in place of pip and useradd.
        for name in ("pip", "useradd"):
            (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "$CALLS"\n')
            (tmp_path / name).chmod(0o755)
        calls = tmp_path / "calls"
        environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)}
        codes = [
            subprocess.run(["sh", "-c", rest], env={**environment, "DEVICE": device}, capture_output=True).returncode
            for name, rest in instructions()
            if name == "RUN"
        ]
        assert codes == [0, int(device == "tpu"), 0, 0]
        called = calls.read_text()
        assert ("whl/cpu" in called) == (device == "cpu")
        # What is installed has the bounds and extras of pyproject.toml.
        for extra in re.findall(r"\.whl\[([\w,]+)\]", called)[0].split(","):
            assert extra in PROJECT["optional-dependencies"]
        for torch in re.findall(r"torch(?:vision)?>=\S+", called):
            assert torch in PROJECT["optional-dependencies"]["train"]


OF_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def test_the_recipe_has_the_dependencies_of_pyproject() -> None:
    recipe = read("recipe/recipe.yaml")
    assert recipe["context"]["version"] == __version__
    assert recipe["about"]["license"] == PROJECT["license"]
    extras = PROJECT["optional-dependencies"]
    wanted = {f"python{PROJECT['requires-python']}"}
    for bound in (*PROJECT["dependencies"], *extras["train"], *extras["annotate"]):
        name, rest = re.fullmatch(r"([\w.-]+)(.*)", bound).groups()  # type: ignore[union-attr]
        if name != PROJECT["name"]:
            wanted.add(OF_CONDA.get(name, name) + rest)
    assert {line.replace(" ", "") for line in recipe["requirements"]["run"]} == wanted
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry.split(" = ") == ["pointillist", PROJECT["scripts"]["pointillist"]]
