"""What the present model said about images, kept beside the data: pixels in bounded space, a line about each image."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointillist.annotator.engine.jobs import Predicted
from pointillist.files import make_folder, saving

SPACE = 2**30
"""Bytes of predictions that are kept; those that were not looked at for longest go first."""

LINES = "images.jsonl"


@dataclass(frozen=True)
class About:
    """What is known of the prediction of an image without its pixels.

    `stamp` is that of the file. `shares` are those of the model's outputs in its pixels that have data, `uncertainty`
    is their mean, 0 to 1. `clicks` are those on classes that the model knows, `against` those that it contradicts,
    `seen` is the version of the points that they were counted in.
    """

    image: str
    stamp: str
    uncertainty: float
    shares: tuple[float, ...]
    clicks: int
    against: int
    seen: int


class PredictionCache:
    """The predictions of one model, in a folder of their own; those of other models are removed."""

    def __init__(self, home: Path, model: str) -> None:
        for other in home.iterdir():
            if other.name != model:
                shutil.rmtree(other, ignore_errors=True)
        self._folder = make_folder(home / model)
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".gz"):
                    status = entry.stat()
                    found.append((status.st_mtime, entry.name, status.st_size))
        for _, name, size in sorted(found):
            self._sizes[name] = size
        self.about: dict[str, About] = {}
        with suppress(OSError), (self._folder / LINES).open(encoding="utf-8") as lines:
            names = [field.name for field in fields(About)]
            for line in lines:
                # A line that a power cut left torn is one image that is predicted again.
                with suppress(ValueError, KeyError, TypeError):
                    content = json.loads(line)
                    one = About(**{name: content[name] for name in names} | {"shares": tuple(content["shares"])})
                    self.about[one.image] = one

    def find(self, key: str) -> bytes | None:
        """The packed prediction that was kept under a name."""
        name = f"{key}.gz"
        with self._lock:
            if name not in self._sizes:
                return None
            self._sizes.move_to_end(name)
        try:
            content = (self._folder / name).read_bytes()
            os.utime(self._folder / name)
        except OSError:
            return None
        return content

    def keep(self, key: str, content: bytes) -> None:
        """Keep a packed prediction."""
        name = f"{key}.gz"
        self._write(name, content)
        with self._lock:
            self._sizes[name] = len(content)
            self._sizes.move_to_end(name)
            while len(self._sizes) > 1 and sum(self._sizes.values()) > SPACE:
                oldest, _ = self._sizes.popitem(last=False)
                (self._folder / oldest).unlink(missing_ok=True)

    def note(self, about: About) -> None:
        """Keep what is known of an image."""
        file = self._folder / LINES
        with self._lock, saving(file), file.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps(asdict(about)) + "\n")
            self.about[about.image] = about

    def keep_small(self, key: str, content: bytes) -> None:
        """Keep a small picture."""
        self._write(f"{key}.png", content)

    def find_small(self, key: str) -> Path | None:
        """The small picture that was kept under a name."""
        path = self._folder / f"{key}.png"
        return path if path.is_file() else None

    def _write(self, name: str, content: bytes) -> None:
        # Not flushed to the disk: what a power cut takes is made again, and most of it nobody asks for.
        path = self._folder / name
        with saving(path):
            temporary = path.with_name(f".{name}.{threading.get_ident()}")
            temporary.write_bytes(content)
            temporary.replace(path)


def pack(predicted: Predicted, **more: object) -> bytes:
    """A prediction as gzip of a line of JSON (its size, and whatever is to be said), labels, and uncertainty."""
    height, width = predicted.labels.shape
    head = {"height": height, "width": width, "exact": predicted.exact, **more}
    content = json.dumps(head).encode() + b"\n" + predicted.labels.tobytes() + predicted.uncertainty.tobytes()
    return gzip.compress(content, 1, mtime=0)


def labels_of(content: bytes) -> NDArray[np.uint8]:
    """H×W labels of a packed prediction."""
    head, _, values = gzip.decompress(content).partition(b"\n")
    height, width = (json.loads(head)[name] for name in ("height", "width"))
    return np.frombuffer(values, np.uint8, height * width).reshape(height, width)
