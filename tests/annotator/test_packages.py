"""The annotator's packages are layers, and only the store speaks SQL."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pointillist import annotator

ROOT = Path(annotator.__file__).parent

LAYERS = ("folder", "images", "labels", "files", "session", "engine", "model", "web")
"""From the ground up; a package may import those before it, and itself."""

MODULES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if here == "__init__":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("pointillist.annotator."):
                other = name.split(".")[2]
                assert LAYERS.index(other) <= LAYERS.index(here), f"{here} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_store_speaks_sql(path: Path) -> None:
    if name_of(path) not in ("labels/store.py", "labels/tables.py", "labels/mask_tables.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\.sql\b|\._sql\b|\.execute\w*\(", text)
        assert not re.search(r"sqlite3\.connect", text)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", ["queue", "client"])
def test_nothing_on_the_way_to_the_engine_looks_again_and_again(name: str) -> None:
    """What waits there is woken: no sleep, and no wait that ends by itself."""
    text = (ROOT / "engine" / f"{name}.py").read_text(encoding="utf-8")
    assert not re.search(r"sleep|timeout=|\.result\(\w|\.wait\(\w", text)


def test_the_server_knows_no_torch() -> None:
    """Of what imports torch at its beginning, the server's own modules import nothing at theirs."""
    heavy = {
        f"pointillist.annotator.engine.{name}" for name in ("layer", "loaded_model", "methods", "outputs", "process")
    }
    heavy |= {f"pointillist.annotator.model.{name}_process" for name in ("training", "batch", "work")}
    heavy |= {"pointillist.annotator.engine.uncertain_region", "torch"}
    for path in MODULES:
        module = "pointillist.annotator." + name_of(path).removesuffix(".py").replace("/", ".")
        if module in heavy:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                assert node.module not in heavy, path
                assert not str(node.module).startswith(("pointillist.training", "pointillist.inference")), path
