"""What starts fast loads little: how fast it is says benchmarks/speed/starting.py."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    *("fastapi", "jinja2", "lightning", "llvmlite", "matplotlib", "numba", "onnxruntime", "pandas", "PIL", "pydantic"),
    *("pyproj", "rasterio", "safetensors", "scipy", "segmentation_models_pytorch", "shapely", "skimage", "sklearn"),
    *("tensorboard", "timm", "torch", "torchmetrics", "torchvision", "yaml", "numpy", "importlib.metadata"),
}
"""Each takes longer than all that a help text needs."""

LOADED = "import sys, json; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
OF_TYPER = {"pydantic", "importlib.metadata"}
"""What newer versions of Typer load to read values."""

RUN = "import atexit, sys; sys.argv = ['pointillist', *sys.argv[1:]]; from pointillist.cli import main; "


def loaded(program: str, *arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_what_is_heavy_is_seen_once_it_is_loaded() -> None:
    assert {"numpy", "PIL", "yaml"} <= HEAVY & loaded(f"import pointillist; pointillist.Dataset; {LOADED}")


def test_importing_the_package() -> None:
    found = loaded(f"import pointillist; {LOADED}")
    assert "pointillist" in found
    assert not HEAVY & found


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "-h"], ["points", "import", "-h"], ["fly"]])
def test_what_needs_no_data(arguments: list[str]) -> None:
    found = loaded(f"{RUN} atexit.register(lambda: exec({LOADED!r})); main()", *arguments)
    assert "pointillist.cli" in found
    assert not (HEAVY - OF_TYPER if arguments[0] not in ("--help", "--version") else HEAVY) & found


def test_help_reads_no_parameters_of_commands() -> None:
    program = (
        "import sys; from pointillist.cli import app; import typer; group = typer.main.get_command(app); "
        "from pointillist.cli import later; later._Commands.__getitem__ = None; sys.argv = ['pointillist', '--help']; "
        "group()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for name in ("train", "points", "map"):
        assert f" {name} " in done.stdout


def test_data_that_are_not_there_are_told_before_torch_is_loaded() -> None:
    found = loaded(f"{RUN} atexit.register(lambda: exec({LOADED!r})); main()", "train", "nowhere")
    assert "pointillist.data.layouts" in found
    assert not {"torch", "lightning"} & found
