"""Code of others: from an installed distribution, from a file, from Python; broken code is named and stops nobody."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pointillist as pt
from pointillist import registry
from pointillist.errors import ConfigError, PluginWarning
from pointillist.training.methods import get_method, methods
from tests.conftest import TINY, TINY_FLAGS, Cli

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def method_code(name: str = "entropy") -> str:
    """The method that the page shows, under a name."""
    text = PAGE.read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "(Method)" in block)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 26, "the page promises some twenty lines"
    return code.replace('"entropy"', f'"{name}"')


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.VARIABLE, "")
    monkeypatch.setattr(registry, "_registered", [])


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "entropy.py"
    file.write_text(method_code(), encoding="utf-8")
    return file


def test_an_installed_distribution_trains_with_its_method(tiny_data: Path, tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    (source / "entropy_for_points").mkdir(parents=True)
    (source / "entropy_for_points" / "__init__.py").write_text(method_code(), encoding="utf-8")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "entropy-for-points"\nversion = "1.0"\n'
        '[project.entry-points."pointillist.methods"]\nentropy = "entropy_for_points"\n'
        'broken = "entropy_for_points.missing"\n'
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    install = [*pip, "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*install, "--target", site, source], check=True, capture_output=True, timeout=300)
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [
        sys.executable,
        "-m",
        "pointillist",
        "train",
        tiny_data,
        "--method",
        "entropy",
        "--out",
        tmp_path / "run",
    ]
    done = subprocess.run([*command, *TINY_FLAGS], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "entropy-for-points (broken = entropy_for_points.missing) is left out: ModuleNotFoundError" in done.stderr
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert "loss_entropy" in header, "its parts are logged by themselves"
    assert "entropy" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_file_named_on_the_command_line(cli: Cli, tiny_data: Path, tmp_path: Path, plugin: Path) -> None:
    run = tmp_path / "run"
    flags = [*TINY_FLAGS, "--set", "method.weight=0.5", "--set", "data.workers=1"]
    result = cli("train", tiny_data, "--method", "entropy", "--out", run, *flags, "--plugin", plugin)
    assert result.code == 0, result.err
    assert "entropy 0." in result.out + result.err, "progress shows its part of the loss"
    assert "weight: 0.5" in (run / "config.yaml").read_text()
    os.environ.pop(registry.VARIABLE)
    assert cli("predict", run, tiny_data / "images", "--out", tmp_path / "out").code == 0, "a model needs no method"
    result = cli("train", tiny_data, "--method", "entropy", "--out", tmp_path / "other")
    assert (result.code, "is no method" in result.err) == (2, True)
    assert "entropy" not in methods()


def test_a_missing_file_is_an_error(cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    result = cli("--plugin", tmp_path / "none.py", "info", tiny_data)
    assert result.code == 2
    assert "there is no such plug-in" in result.err


def test_registered_in_python(tiny_data: Path, tmp_path: Path) -> None:
    space: dict[str, object] = {"__name__": "notebook"}
    exec(compile(method_code(), "notebook", "exec", dont_inherit=True), space)
    kind = pt.register(space["Entropy"])  # type: ignore[type-var]
    assert get_method("entropy") is kind
    run = pt.train(tiny_data, out=tmp_path / "run", method="entropy", settings=TINY)
    assert run.read()[0].method.name == "entropy"


def test_what_cannot_be_registered_is_told_what_can() -> None:
    for thing in (int, type("Nameless", (get_method("points"),), {}), "entropy"):
        with pytest.raises(ConfigError, match=r"Derive it from one of: PointFormat, Layout, Method|class attribute"):
            pt.register(thing)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_package", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("raise RuntimeError('no luck')", "no luck"),
        (method_code("points"), "the method 'points' exists already, in pointillist.training.methods.points"),
        (method_code().replace("def loss", "def lost"), "the method 'entropy' does not define loss"),
    ],
)
def test_a_broken_plug_in_is_named_and_stops_nobody(tmp_path: Path, code: str, why: str) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(code, encoding="utf-8")
    good = tmp_path / "good.py"
    good.write_text(method_code("other"), encoding="utf-8")
    registry.use_plugin_files([broken, good])
    with pytest.warns(PluginWarning, match=re.escape(why)) as caught:
        found = methods()
    assert str(broken) in str(caught[0].message)
    assert found["points"].__module__ == "pointillist.training.methods.points"
    assert "other" in found


def test_what_a_file_defines_goes_to_other_processes(plugin: Path) -> None:
    registry.use_plugin_files([plugin])
    data = pickle.dumps(get_method("entropy"))
    code = "import sys, pickle, pointillist.registry; print(pickle.loads(sys.stdin.buffer.read()).name)"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=100, check=True)
    assert done.stdout.strip() == b"entropy"


def test_nothing_loads_because_a_file_of_data_says_so(tiny_data: Path, tmp_path: Path, cli: Cli) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "evil.py").write_text(f"open({str(mark)!r}, 'w')")
    for key in ("plugin", "plugins"):
        file = tmp_path / "settings.yaml"
        file.write_text(f"{key}: [{tmp_path / 'evil.py'}]\nmethod: {{name: points}}\n")
        assert cli("train", tiny_data, "--config", file, "--out", tmp_path / "run").code == 2
    assert not mark.exists()
