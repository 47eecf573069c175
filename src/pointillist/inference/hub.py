"""Where a model is: a run, a folder, an archive, an ONNX file, or a name of the Hugging Face Hub."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pointillist.archives import extract
from pointillist.errors import ConfigError, DatasetError, RunError
from pointillist.files import read_text

FILES = ("model.json", "model.safetensors", "model.onnx", "README.md")
"""What of an archive or a repository belongs to a model; the rest is left where it is."""

LARGEST = 2**34
"""Bytes that an archive may unpack to."""

HINT = "Give a run directory, or a .zip or .onnx of 'pointillist export'."

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
REVISION = re.compile(r"[\w][\w./-]{0,199}")
MADE = "one is made by: pointillist train DATA --out RUN"


def find_model(name: str | Path, *, revision: str | None = None, cache_dir: str | Path | None = None) -> Path:
    """The folder or file of a model.

    Args:
        name: A run directory, a `model/` directory, a folder as the Hugging Face Hub has it or keeps it in its cache,
            a `.zip`, an `.onnx`; or, where nothing of this name is there, `owner/name` of the Hub. What the cache has
            is not asked for again.
        revision: Branch, tag or commit of the Hub; `main` when not given.
        cache_dir: Cache of the Hub; its usual place when not given.

    Returns:
        A folder with `model.json` or `model.onnx`, or a file.

    Raises:
        RunError: There is no model, or the Hub does not give it.
        ConfigError: It would have to be fetched, and huggingface_hub is missing.
    """
    if revision is not None and (not REVISION.fullmatch(revision) or ".." in revision):
        raise ConfigError(f"{revision!r} is no revision.", field="revision", hint="Name a branch, a tag or a commit.")
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        return _in_folder(path, revision)
    if not NAME.fullmatch(str(name)):
        raise RunError("there is no such run or model.", where=path, hint=f"Check the path; {MADE}")
    cache = _cache() if cache_dir is None else Path(cache_dir)
    kept = cache / f"models--{str(name).replace('/', '--')}"
    if (snapshot := _snapshot(kept, revision)) is not None:
        return _in_folder(snapshot, None)
    return _in_folder(_fetched(str(name), revision, cache_dir), None)


@contextmanager
def unpacked(place: Path) -> Iterator[Path]:
    """What `find_model` gives as a folder or an ONNX file; an archive is unpacked for as long as the block lasts.

    Raises:
        RunError: The archive is damaged, dangerous, or holds no model.
    """
    if place.is_dir() or place.suffix.lower() == ".onnx":
        yield place
        return
    with TemporaryDirectory(prefix="pointillist-") as temporary:
        folder = Path(temporary) / "model"
        try:
            extract(place, folder, max_bytes=LARGEST, wanted=lambda name: name in FILES)
            found = _in_folder(folder, None)
        except DatasetError as error:
            raise RunError(error.found, where=place, hint=HINT) from error
        except RunError as error:
            raise RunError("is an archive without a model.", where=place, hint=HINT) from error
        yield found


def _in_folder(folder: Path, revision: str | None) -> Path:
    for place in (folder, folder / "model"):
        if any((place / file).is_file() for file in ("model.json", "model.onnx")):
            return place
    snapshot = _snapshot(folder, revision)
    if snapshot is not None:
        return _in_folder(snapshot, None)
    begun = (folder / "config.yaml").is_file()
    hint = f"Let the training finish: {shlex.join(['pointillist', 'train', '--resume', '--out', str(folder)])}"
    raise RunError("holds no trained model.", where=folder, hint=hint if begun else f"Name a run; {MADE}")


def _snapshot(folder: Path, revision: str | None) -> Path | None:
    """The snapshot of a repository in the Hub's cache: `snapshots/COMMIT`, with branches and tags in `refs/`."""
    if not (folder / "snapshots").is_dir():
        return None
    wanted = revision or "main"
    named = folder / "refs" / wanted
    commit = read_text(named, RunError, max_bytes=1000).strip() if named.is_file() else wanted
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        return None
    found = folder / "snapshots" / commit
    return found if found.is_dir() else None


def _cache() -> Path:
    """Where huggingface_hub keeps what it fetched, by its own environment variables."""
    if "HF_HUB_CACHE" in os.environ:
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{home}/huggingface")).expanduser() / "hub"


def _fetched(name: str, revision: str | None, cache_dir: str | Path | None) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ConfigError(
            f"'{name}' is no folder here, and huggingface_hub, which could fetch it, is not installed.",
            hint="Check the path, or install it with: pip install 'pointillist[hub]'.",
        ) from error
    try:
        return Path(snapshot_download(name, revision=revision, cache_dir=cache_dir, allow_patterns=list(FILES)))
    except Exception as error:  # theirs are of many types
        text = (str(error) or type(error).__name__).splitlines()[0][:300]
        hint = "Check the name and the connection, or give a folder."
        raise RunError(f"could not be fetched: {text}", where=name, hint=hint) from error
