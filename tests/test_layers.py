"""The layers of docs/architecture.md: imports point down only, without a circle, and modules stay short."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pointillist

ROOT = Path(pointillist.__file__).parent

LAYERS = [
    {"errors", "version"},
    {"yamltext", "naming", "renaming"},
    {"files", "schema", "registry", "connections"},
    {"classes", "archives", "locks", "sealed"},
    {"points"},
    {"pseudomask", "data"},
    {"training"},
    {"inference"},
    {"report"},
    {"api"},
    {"demo", "maps", "annotator", "label_studio"},
    {"napari"},
    {"cli"},
    {"__main__"},
]
"""From the bottom up; a package may import packages below it and itself."""

LAYER = {package: layer for layer, packages in enumerate(LAYERS) for package in packages}

LONGEST = 300
"""Lines of a module."""


def packages() -> list[str]:
    return sorted({path.stem if path.is_file() else path.name for path in ROOT.iterdir() if path.name[0] not in "_."})


def imports(path: Path) -> set[str]:
    """Project packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("pointillist.") and name.count(".") >= 1}
    return {name for name in found if name in LAYER}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def package_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def test_every_package_has_a_layer() -> None:
    known = {package for package in packages() if package != "py.typed" and package != "py"}
    assert known <= set(LAYER), f"packages without a layer: {known - set(LAYER)}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path: Path) -> None:
    here = package_of(path)
    for other in imports(path) - {here}:
        assert LAYER[other] < LAYER[here], f"{here} imports {other}, which is not below it"


def test_pseudomask_knows_only_the_ground() -> None:
    for path in (ROOT / "pseudomask").rglob("*.py"):
        assert imports(path) <= {"pseudomask", "errors", "registry"}, path


def test_points_know_no_tensors() -> None:
    for path in (ROOT / "points").rglob("*.py"):
        assert "torch" not in {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for name in (alias.name for alias in node.names)
        }, path


def on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, those of `if` and `try` blocks and classes included."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from on_import(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            blocks = [node.body, getattr(node, "orelse", []), getattr(node, "finalbody", [])]
            blocks += [handler.body for handler in getattr(node, "handlers", [])]
            for block in blocks:
                yield from on_import(block)


def import_graph() -> dict[str, set[str]]:
    """Modules of the project that each module imports while it is imported itself."""
    names = {}
    for path in ROOT.rglob("*.py"):
        parts = ("pointillist", *path.relative_to(ROOT).with_suffix("").parts)
        names[".".join(parts).removesuffix(".__init__")] = path
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        graph[name] = set()
        for node in on_import(ast.parse(path.read_text(encoding="utf-8")).body):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                # `from package import module` needs the module; `from module import name` needs the module it names.
                wanted = (f"{node.module}.{alias.name}" for alias in node.names)
                graph[name] |= {other if other in names else node.module for other in wanted}
        graph[name] = {other for other in graph[name] if other in names and other != name}
    return graph


def test_no_import_circle() -> None:
    graph = import_graph()
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, "import circle: " + " → ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_no_module_is_long() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.rglob("*.py")}
    long = {path.relative_to(ROOT).as_posix(): count for path, count in lines.items() if count > LONGEST}
    assert not long, f"modules of more than {LONGEST} lines: {long}"
