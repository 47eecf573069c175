"""A checkpoint: the whole state of a training, in a file that says what it is and notices a changed bit.

Two lines of text, then what `torch.save` writes: the name of the format with the SHA-256 of all that follows its line,
and what the checkpoint belongs to as JSON. A zip file alone, as torch writes it, is read without its checksums.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pointillist.errors import PointillistWarning, RunError
from pointillist.files import regular
from pointillist.training.model_file import sha256
from pointillist.training.module import TrainingModule
from pointillist.training.run_directory import DataRecord, RunDirectory
from pointillist.version import __version__

NAME = b"pointillist checkpoint 1 "
"""How a checkpoint of this format begins."""

_ANEW = "start the run again with --overwrite, or another one with --out"
_VERSION = "pointillist"


class _Damaged(RunError):
    """Not what was written; the one before may be."""


class CheckpointFile(TorchCheckpointIO):
    """Writes and reads checkpoints for Lightning.

    Args:
        belongs: Asked when there is a run: what its checkpoints belong to, in words by kind.
    """

    def __init__(self, belongs: Callable[[], Mapping[str, str]]) -> None:
        self.belongs = belongs

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a file, and read it again: only what is proved readable takes the place of the one before.

        Raises:
            RunError: What was read is not what was written.
            OSError: It could not be written.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        about = json.dumps({_VERSION: __version__, **self.belongs()}).encode() + b"\n"
        digest = hashlib.sha256(about)
        digest.update(content.getbuffer())
        with Path(path).open("wb") as stream:
            stream.write(NAME + digest.hexdigest().encode() + b"\n" + about)
            stream.write(content.getbuffer())
        verify(Path(path), self.belongs())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a file; nothing in it is executed.

        Raises:
            RunError: See `verify`.
        """
        return read_checkpoint(Path(path), self.belongs())


def read_checkpoint(path: Path, belongs: Mapping[str, str]) -> dict[str, Any]:
    """The state of a training.

    Raises:
        RunError: See `verify`.
    """
    state = io.BytesIO(verify(path, belongs))
    try:
        content = torch.load(state, map_location="cpu", weights_only=True)
    except Exception as error:  # its reader of pickles raises errors of every type
        found = f"holds no state of a training ({str(error).partition('.')[0]})."
        raise RunError(found, where=path, hint=f"To go on without it, {_ANEW}.") from error
    if not isinstance(content, dict):
        raise RunError("holds no state of a training.", where=path, hint=f"To go on without it, {_ANEW}.")
    return content


def verify(path: Path, belongs: Mapping[str, str]) -> memoryview:
    """What torch wrote into a checkpoint, when every bit is as it was and it is of this run.

    Raises:
        RunError: It is missing, empty, cut off, changed, of another version of this program, or of another run.
    """
    try:
        data = memoryview(regular(path, RunError).read_bytes())
    except OSError as error:
        found = f"could not be read ({error.strerror or error})."
        raise _Damaged(found, where=path, hint="Check its permissions and the disk.") from error
    hint = f"To go on without it, {_ANEW}."
    if not data:
        raise _Damaged("is empty.", where=path, hint=hint)
    start = len(NAME) + 65
    if bytes(data[:4]) == b"PK\x03\x04":
        found = "was written by an earlier version, which kept no checksum: a changed bit would go unnoticed."
        raise RunError(found, where=path, hint=f"Finish the run with that version, or {_ANEW}.")
    if bytes(data[: len(NAME)]) != NAME:
        raise _Damaged("does not begin as a checkpoint of this version does.", where=path, hint=hint)
    if bytes(data[len(NAME) : start]) != hashlib.sha256(data[start:]).hexdigest().encode() + b"\n":
        found = "is not what was written: it was cut off, or something in it has changed."
        raise _Damaged(found, where=path, hint=hint)
    line, _, _ = bytes(data[start : start + 2**16]).partition(b"\n")
    try:
        said = dict(json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:
        raise RunError("does not say what it belongs to.", where=path, hint=hint) from error
    if (version := said.pop(_VERSION, None)) != __version__:
        found = f"was written by version {version!s:.20}, and this is {__version__}: it could not go on exactly."
        raise RunError(found, where=path, hint=f"Finish the run with that version, or {_ANEW}.")
    if other := [kind for kind in {**said, **belongs} if said.get(kind) != belongs.get(kind)]:
        found = f"belongs to another training: other {', '.join(map(str, other))}"
        raise RunError(f"{found:.200}.", where=path, hint=f"Put back what was changed, or {_ANEW}.")
    return data[start + len(line) + 1 :]


def newest_whole(last: Path, before: Path, belongs: Mapping[str, str]) -> Path | None:
    """The checkpoint to resume from: the last one, or the one before where the last is damaged; None without any.

    From either, a training ends with the same weights.

    Raises:
        RunError: See `verify`, of the last one.
    """
    damage: _Damaged | None = None
    for path in (last, before):
        try:
            if path.exists():
                verify(path, belongs)
                break
        except _Damaged as error:
            damage = damage or error
    else:
        if damage is not None:
            raise damage
        return None
    if damage is not None:
        text = f"{last} {damage.found} The training goes on from {before.name}, the checkpoint before it."
        warnings.warn(text, PointillistWarning, stacklevel=2)
    return path


def belongs_to(run: RunDirectory, record: DataRecord, module: TrainingModule) -> dict[str, str]:
    """What a checkpoint must be of for a training to go on with it."""
    shapes = [(name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in module.state_dict().items()]
    return {
        # When it began, and with which settings.
        "config.yaml": sha256(run.config_file)[:16],
        "labels": record.fingerprint,
        "network": hashlib.sha256(repr(shapes).encode()).hexdigest()[:16],
        "optimizer": module.optimizer_name,
    }


@contextmanager
def taking_up(path: Path | None, done: Callable[[], bool]) -> Iterator[None]:
    """What Lightning and torch say of a checkpoint that does not fit, until it is taken up, is one error.

    Raises:
        RunError: It does not fit.
    """
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        if path is None or done():
            raise
        found = f"does not fit this training ({str(error).strip().partition(chr(10))[0]:.200})."
        raise RunError(found, where=path, hint=f"To go on without it, {_ANEW}.") from error
