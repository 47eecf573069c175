"""Fetching a public data set: download, check, unpack, open."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointillist.archives import extract
from pointillist.data.catalogue import CATALOGUE, Entry
from pointillist.data.download import Progress, download
from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, DatasetError, SaveError, nearest
from pointillist.files import make_folder, write_text

RECORD = "source.json"
"""What was fetched, from where, and under what terms, beside the data."""


@dataclass(frozen=True)
class Fetched:
    """What came.

    Args:
        root: The data set, to be named on the command line; None where the user has to unpack it first.
        files: Per file: name, url, sha256, and whether a published checksum confirms it.
        images: Number of images; 0 where it is not unpacked.
    """

    root: Path | None
    files: tuple[dict[str, Any], ...]
    images: int


def find_entry(name: str) -> Entry:
    """An entry of the catalogue.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in CATALOGUE:
        raise ConfigError(f"{name!r} is not in the catalogue.", field="NAME", hint=nearest(name, CATALOGUE))
    return CATALOGUE[name]


def get(
    entry: Entry,
    out: Path,
    *,
    mirror: str | None = None,
    keep_archives: bool = False,
    on_progress: Callable[[str], Progress] | None = None,
    on_file: Callable[[str], None] | None = None,
    attempts: int = 5,
    patience: float = 2.0,
) -> Fetched:
    """Fetch a data set into a folder of its own; the caller has shown its terms and had them accepted.

    Args:
        entry: What to fetch.
        out: Folder; made where it does not exist. A download that was interrupted there goes on.
        mirror: Web address of a folder that holds the same files, in place of their own.
        keep_archives: Whether the archives stay once they are unpacked.
        on_progress: Gives the progress callback of a file by its name.
        on_file: Called with the name of each unpacked file.
        attempts: See `download`.
        patience: See `download`.

    Raises:
        DatasetError: It can only be fetched by hand; or as `download`, `extract` and `load_dataset` do.
        SaveError: As `download` and `extract` do; or the data set is there already.
    """
    if not entry.files:
        raise DatasetError(f"'{entry.name}' cannot be fetched by a program.", where=entry.homepage, hint=entry.by_hand)
    content = out / "data"
    if content.exists():
        raise SaveError("is there already.", where=content, hint="Use it, remove it, or choose another --out.")
    make_folder(out)
    records: list[dict[str, Any]] = []
    archives = []
    for file in entry.files:
        url = file.url if mirror is None else f"{mirror.rstrip('/')}/{file.name}"
        archive = out / file.name
        sha256 = download(
            url,
            archive,
            checksum=file.checksum,
            on_progress=None if on_progress is None else on_progress(file.name),
            attempts=attempts,
            patience=patience,
        )
        records.append(
            {
                "file": file.name,
                "url": url,
                "sha256": sha256,
                "checked_against": file.checksum,
                "checksum_published_by": file.checksum_source or None,
            }
        )
        archives.append(archive)
    about = {
        "data_set": entry.name,
        **{key: getattr(entry, key) for key in ("title", "homepage", "terms")},
        "fetched": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": records,
    }
    write_text(out / RECORD, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    if entry.by_hand:
        return Fetched(None, tuple(records), 0)
    for archive in archives:
        extract(archive, content, max_bytes=entry.max_bytes, on_file=on_file)
    root = content / entry.root
    # Opening it lists every image and mask, so that a release of another form is noticed here, not in a training.
    images = len(load_dataset(root, layout=entry.layout).items)
    if not keep_archives:
        for archive in archives:
            archive.unlink()
    return Fetched(root, tuple(records), images)
