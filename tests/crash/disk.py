"""What a disk may hold after the power is lost: a record of calls, and which of them had reached it.

Promised is what POSIX promises and no more. What a file holds is on the disk when it was flushed; a name is when its
folder was. Until then each write and each change of a name may be there or not, in any order, and a write may be torn
at a sector, or be zeros. One thing is taken for granted: a rename happens whole or not at all, also between folders.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.recorder import Call

SECTOR = 512

Tree = dict[str, bytes | None]
"""Content by path; None for a folder."""


@dataclass(eq=False)
class File:
    """Content before the record, and what was done to it: (number of the call, offset or size, data or None)."""

    start: bytes = b""
    writes: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    flushed: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Folder:
    """Entries as the program sees them, and when they were flushed."""

    entries: dict[str, Folder | File] = field(default_factory=dict)
    flushed: list[int] = field(default_factory=list)


Change = tuple[Folder, str, Folder | File | None]
"""A name in a folder, and what it leads to from now on."""


class Disk:
    """A record, ready to be cut off.

    Args:
        start: What was there before.
        root: The folder that was watched.
        calls: The record.
    """

    def __init__(self, start: Tree, root: Path, calls: list[Call]) -> None:
        self.length = len(calls)
        self.notes: list[tuple[int, str]] = []
        self._names: list[tuple[int, list[Change]]] = []
        self._files: list[File] = []
        self._by_inode: dict[int, File] = {}
        self._top = Folder()
        self._prefix = str(root)
        for path in sorted(start):
            above, name = self._find(path)
            content = start[path]
            above.entries[name] = Folder() if content is None else self._file(content)
        self._before = _copy(self._top)
        for number, call in enumerate(calls):
            self._do(number, call)
        folders = {id(folder): folder for _, changes in self._names for folder, _, _ in changes}
        self._commits = [at for folder in folders.values() for at in folder.flushed]

    def _file(self, content: bytes = b"") -> File:
        self._files.append(File(content))
        return self._files[-1]

    def _find(self, path: str) -> tuple[Folder, str]:
        *above, name = path.split("/")
        folder = self._top
        for part in above:
            inner = folder.entries[part]
            assert isinstance(inner, Folder)
            folder = inner
        return folder, name

    def _place(self, path: bytes) -> tuple[Folder, str]:
        return self._find(path.decode().removeprefix(self._prefix).strip("/"))

    def _change(self, number: int, *changes: Change) -> None:
        self._names.append((number, list(changes)))
        for folder, name, node in changes:
            if node is None:
                folder.entries.pop(name, None)
            else:
                folder.entries[name] = node

    def _do(self, number: int, call: Call) -> None:
        if call.kind == "N":
            self.notes.append((number, call.first.decode()))
        elif call.kind in "WT":
            file = self._by_inode[call.inode]
            file.writes.append((number, call.number, call.first if call.kind == "W" else None))
        elif call.kind == "S":
            self._by_inode[call.inode].flushed.append(number)
        elif call.kind == "D":
            folder: Folder | File | None = self._top
            if call.first.decode() != self._prefix:
                above, name = self._place(call.first)
                folder = above.entries[name]
            assert isinstance(folder, Folder)
            folder.flushed.append(number)
        elif call.kind in "RX":
            (a, one), (b, two) = self._place(call.first), self._place(call.second)
            moved, other = a.entries[one], b.entries.get(two) if call.kind == "X" else None
            self._change(number, (a, one, other), (b, two, moved))
        else:
            folder, name = self._place(call.first)
            if call.kind == "C":
                file = self._by_inode[call.inode] = self._file()
                self._change(number, (folder, name, file))
            elif call.kind == "O":
                found = folder.entries.get(name)
                if found is None and call.inode in self._by_inode:  # nobody saw it being renamed
                    found = self._by_inode[call.inode]
                    before = next(old for old, node in folder.entries.items() if node is found)
                    self._change(number, (folder, before, None), (folder, name, found))
                elif found is None:  # or being made
                    found = self._file()
                    self._change(number, (folder, name, found))
                    found.writes.append((number, 0, call.second))
                assert isinstance(found, File)
                self._by_inode[call.inode] = found
            else:
                self._change(number, (folder, name, Folder() if call.kind == "M" else None))

    def after(self, cut: int, how: str, chance: random.Random) -> Tree:
        """What may be there when the power is lost before the call number `cut`.

        Args:
            cut: From 0 to `length`.
            how: `all`: everything had reached the disk, as when only the program was killed. `flushed`: nothing but
                what had been flushed. `names`: all names, and of the content what was flushed; `content`: the other way
                round. `order`: names in their order up to some moment, as file systems with a journal keep them, and
                any content. `any`: any of it.
            chance: Decides the rest.
        """
        last = chance.randint(0, cut)
        top = {folder: dict(entries) for folder, entries in self._before.items()}
        for number, changes in self._names:
            if number >= cut:
                break
            flushed = any(number < at < cut for folder, _, _ in changes for at in folder.flushed)
            chosen = {"all": True, "names": True, "order": number < last, "any": chance.random() < 0.5}.get(how, False)
            if how == "order" and not chosen:  # a journal that keeps the order writes all that came before, too
                chosen = any(number < at < cut for at in self._commits)
            if flushed or chosen:
                for folder, name, node in changes:
                    there = top.setdefault(folder, {})
                    if node is None:
                        there.pop(name, None)
                    else:
                        there[name] = node
        return dict(self._walk(top, self._top, "", cut, how, chance))

    def _walk(
        self,
        top: dict[Folder, dict[str, Folder | File]],
        folder: Folder,
        path: str,
        cut: int,
        how: str,
        chance: random.Random,
    ) -> Iterator[tuple[str, bytes | None]]:
        for name, node in sorted(top.get(folder, {}).items()):
            if isinstance(node, Folder):
                yield path + name, None
                yield from self._walk(top, node, f"{path}{name}/", cut, how, chance)
            else:
                yield path + name, _content(node, cut, how, chance)


def _copy(top: Folder) -> dict[Folder, dict[str, Folder | File]]:
    found = {top: dict(top.entries)}
    for node in top.entries.values():
        if isinstance(node, Folder):
            found |= _copy(node)
    return found


def _content(file: File, cut: int, how: str, chance: random.Random) -> bytes:
    content = bytearray(file.start)
    last = chance.choice((0, cut, chance.randint(0, cut)))
    for number, place, data in file.writes:
        if number >= cut:
            break
        kept, fate = data, "whole"
        if not any(number < at < cut for at in file.flushed):
            if how in ("flushed", "names"):
                continue
            if how not in ("all", "content"):
                fate = chance.choice(("whole", "whole", "nothing", "torn", "zeros")) if number >= last else "whole"
        if fate == "nothing":
            continue
        if data is None:
            del content[place:]
            content.extend(bytes(place - len(content)))
            continue
        if fate == "torn":  # sectors are written whole, from the first on
            sectors = range(SECTOR - place % SECTOR, len(data), SECTOR)
            kept = data[: chance.choice(sectors)] if sectors else b""
        if fate == "zeros":  # the file has grown, and what is in it has not come yet
            kept = bytes(content[place : place + len(data)]).ljust(len(data), b"\0")
        content.extend(bytes(max(0, place - len(content))))
        assert kept is not None
        content[place : place + len(kept)] = kept
    return bytes(content)


HOW = ("all", "flushed", "names", "content", "order", "order", "any", "any", "any")
"""Kinds of what may be left, `any` and `order` with other chances each time; see `Disk.after`."""


def cuts(disk: Disk, most: int | None, seed: int) -> Iterator[tuple[int, str, random.Random]]:
    """Every place to cut a record off with every kind of what may be left; `most` of them, evenly drawn."""
    every = [(cut, number) for cut in range(disk.length + 1) for number in range(len(HOW))]
    if most is not None and most < len(every):
        every = sorted(random.Random(seed).sample(every, most))
    for cut, number in every:
        yield cut, HOW[number], random.Random(f"{seed} {cut} {number}")


def read_tree(folder: Path) -> Tree:
    """What is in a folder."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def write_tree(tree: Tree, folder: Path) -> None:
    """Make a folder of it."""
    folder.mkdir()
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
