"""The floors of docs/architecture.md: imports point down only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pointillist

ROOT = Path(pointillist.__file__).parent

FLOORS = [
    {"errors", "version"},
    {"files", "schema", "registry"},
    {"classes"},
    {"points"},
    {"pseudomask", "data"},
    {"training"},
    {"inference"},
    {"report"},
    {"api"},
    {"demo", "annotator"},
    {"cli"},
    {"__main__"},
]
"""From the ground up; a room may import rooms below it and itself."""

FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def rooms() -> list[str]:
    return sorted({path.stem if path.is_file() else path.name for path in ROOT.iterdir() if path.name[0] not in "_."})


def imports(path: Path) -> set[str]:
    """Project rooms that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("pointillist.") and name.count(".") >= 1}
    return {name for name in found if name in FLOOR}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def test_every_room_has_a_floor() -> None:
    known = {room for room in rooms() if room != "py.typed" and room != "py"}
    assert known <= set(FLOOR), f"rooms without a floor: {known - set(FLOOR)}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path: Path) -> None:
    here = room_of(path)
    for other in imports(path) - {here}:
        assert FLOOR[other] < FLOOR[here], f"{here} imports {other}, which is not below it"


def test_pseudomask_knows_only_errors() -> None:
    for path in (ROOT / "pseudomask").rglob("*.py"):
        assert imports(path) <= {"pseudomask", "errors"}, path


def test_points_know_no_tensors() -> None:
    for path in (ROOT / "points").rglob("*.py"):
        assert "torch" not in {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for name in (alias.name for alias in node.names)
        }, path
