"""Finding formats, layouts, methods, networks, writers, …: built in, installed, in a file, or registered.

A built-in one is one new file in its package, and nothing else to edit. From outside come distributions with an entry
point (group `pointillist.formats`, `.layouts`, `.methods`, `.networks`, `.writers`, `.exports` or `.stages`, naming a
class or a module), files named by `--plugin FILE` or in POINTILLIST_PLUGINS, and classes given to `register`. Code of
others runs only because somebody installed it or named its file: never because a model, a run or a data set mentions
it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeGuard, TypeVar

from pointillist.errors import ConfigError, PluginWarning, PointillistError, nearest

T = TypeVar("T")
Class = TypeVar("Class", bound=type)

VARIABLE = "POINTILLIST_PLUGINS"
"""Environment variable with plug-in files; every process of a run reads it, so that loader workers know them, too."""

BASES = {
    "pointillist.points.formats.base.PointFormat": "formats",
    "pointillist.data.layouts.base.Layout": "layouts",
    "pointillist.training.methods.base.Method": "methods",
    "pointillist.training.networks.base.NetworkFamily": "networks",
    "pointillist.inference.writers.base.Writer": "writers",
    "pointillist.inference.exports.base.Target": "exports",
    "pointillist.pseudomask.stages.base.Stage": "stages",
}
"""What can be plugged in, by its base class; named by text, because importing them takes seconds."""

_registered: list[type] = []


def register(thing: Class) -> Class:
    """Make a class known under its `name`, for this process; also usable as a decorator.

    Raises:
        ConfigError: It is no subclass of anything that can be plugged in, or has no name.
    """
    parents = {f"{parent.__module__}.{parent.__qualname__}" for parent in getattr(thing, "__mro__", ())[1:]}
    if not parents & set(BASES):
        valid = ", ".join(name.rpartition(".")[2] for name in BASES)
        raise ConfigError(f"{thing!r} cannot be plugged in.", field="register", hint=f"Derive it from one of: {valid}.")
    if not isinstance(thing.__dict__.get("name"), str):
        raise ConfigError(f"{thing!r} has no name.", field="register", hint="Give it a class attribute `name`.")
    if thing not in _registered:
        _registered.append(thing)
    return thing


def use_plugin_files(files: Sequence[Path]) -> None:
    """Add plug-in files for this process and all that it starts.

    Raises:
        ConfigError: A file is missing.
    """
    for file in files:
        if not file.is_file() or file.suffix != ".py" or os.pathsep in str(file.resolve()):
            raise ConfigError(
                "there is no such plug-in." if not file.exists() else "this is no plug-in.",
                where=file,
                field="--plugin",
                hint=f"Name a Python file that ends in .py, whose path has no '{os.pathsep}'.",
            )
    known = [*filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)), *(str(file.resolve()) for file in files)]
    if known:
        os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(known))


@dataclass
class Registry(Generic[T]):
    """All classes of one kind by name.

    Args:
        kind: What one of them is, for messages.
        package: Dotted name of the package whose modules hold the built-in ones.
        base: Their base class.
        setting: What names one, for messages.
        error: What an unknown name raises.
    """

    kind: str
    package: str
    base: type[T]
    setting: str
    error: type[PointillistError] = ConfigError
    _found: dict[tuple[Any, ...], dict[str, type[T]]] = field(default_factory=dict, repr=False)

    def all(self) -> dict[str, type[T]]:
        """By name, sorted. A plug-in that is broken or whose name is taken is left out, with a `PluginWarning`."""
        path = tuple(importlib.import_module(self.package).__path__)
        key = (path, os.environ.get(VARIABLE), tuple(_registered))
        if key not in self._found:
            found = {thing.__dict__["name"]: thing for thing in self._built_in()}
            for origin, thing in _foreign(self.package, self.base):
                name = thing.__dict__["name"]
                if name in found and found[name] is not thing:
                    _warn(origin, f"the {self.kind} '{name}' exists already, in {found[name].__module__}")
                elif missing := _missing(thing, self.base):
                    _warn(origin, f"the {self.kind} '{name}' does not define {', '.join(missing)}")
                else:
                    found[name] = thing
            self._found = {key: dict(sorted(found.items()))}
        return self._found[key]

    def get(self, name: str) -> type[T]:
        """One by its name.

        Raises:
            PointillistError: There is none of this name.
        """
        known = self.all()
        if name not in known:
            raise self.error(f"{name!r} is no {self.kind}.", field=self.setting, hint=nearest(name, known))
        return known[name]

    def _built_in(self) -> Iterator[type[T]]:
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, f"{self.package}."):
            yield from _classes(importlib.import_module(module.name), self.base)


def _classes(module: ModuleType, base: type[T]) -> Iterator[type[T]]:
    """Classes below a base that a module itself defines and that have a name."""
    for thing in vars(module).values():
        if _is_named(thing, base) and thing.__module__ == module.__name__:
            yield thing


def _is_named(thing: object, base: type[T]) -> TypeGuard[type[T]]:
    return isinstance(thing, type) and issubclass(thing, base) and isinstance(thing.__dict__.get("name"), str)


def _missing(thing: type, base: type) -> list[str]:
    """What a class does not define of what its base asks for."""
    declared = [
        name
        for parent in base.__mro__
        for name, kind in inspect.get_annotations(parent).items()
        if "ClassVar" in str(kind)
    ]
    return sorted(
        {*getattr(thing, "__abstractmethods__", ()), *(name for name in declared if not hasattr(thing, name))}
    )


def _foreign(package: str, base: type[T]) -> Iterator[tuple[str, type[T]]]:
    """Classes from outside, each with where it comes from."""
    from importlib.metadata import entry_points  # takes a while, and no help text needs it

    group = next(group for name, group in BASES.items() if name.startswith(f"{package}."))
    for entry in entry_points(group=f"pointillist.{group}"):
        origin = f"{entry.dist.name if entry.dist else 'a distribution'} ({entry.name} = {entry.value})"
        yield from ((origin, thing) for thing in _loaded(origin, base, entry.load))
    for name, file in _files().items():
        yield from ((str(file), thing) for thing in _loaded(str(file), base, _importer(name)))
    for thing in _registered:
        if issubclass(thing, base):
            yield f"register({thing.__qualname__})", thing


@cache
def _outcome(load: Callable[[], object]) -> object:
    """What came of loading a plug-in; code that failed is not run again."""
    try:
        return load()
    except (Exception, SystemExit) as error:  # whatever the code of others raises must not stop the rest
        return error


def _loaded(origin: str, base: type[T], load: Callable[[], object]) -> list[type[T]]:
    thing = _outcome(load)
    if isinstance(thing, BaseException):
        _warn(origin, f"{type(thing).__name__}: {thing}")
        return []
    if isinstance(thing, ModuleType):
        return list(_classes(thing, base))
    if _is_named(thing, base):
        return [thing]
    _warn(origin, f"it is no named {base.__name__}")
    return []


@cache
def _importer(name: str) -> Callable[[], object]:
    return partial(importlib.import_module, name)


def _warn(origin: str, why: str) -> None:
    warnings.warn(f"plug-in {origin} is left out: {why}.", PluginWarning, stacklevel=2)


def _files() -> dict[str, Path]:
    """Plug-in files by the name of their module, which is the same in every process."""
    files = [Path(text) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return {f"pointillist_plugin_{sha256(str(file).encode()).hexdigest()[:12]}": file for file in files}


class _PluginFiles:
    """Imports plug-in files by those names, so that what they define can be pickled to another process."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        file = _files().get(name) if name.startswith("pointillist_plugin_") else None
        return None if file is None else spec_from_file_location(name, file)


sys.meta_path.append(_PluginFiles)
