"""Images go in, files come out: reading, the network and writing at the same time, each in threads of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pointillist.data.places import place_of
from pointillist.data.views import View, WholeView, open_view, stays_on_disk
from pointillist.errors import ImageError, ignoring
from pointillist.files import make_folder
from pointillist.inference.manifest import Entry
from pointillist.inference.prediction import Map, Prediction
from pointillist.inference.predictor import Predictor, collect
from pointillist.inference.writers.base import Result, Writer
from pointillist.training.tiling import LARGEST_PASS, Block, enlarge_blocks

READERS = 2
WRITERS = 2

AHEAD = 8
"""Images that are opened before the network is ready for them, and images that may wait for a writer."""

TOGETHER = 2**19
"""Pixels, at the scale of training, that go through the network together; bounds what a batch takes."""


@dataclass(frozen=True)
class Job:
    """An image to be predicted.

    Args:
        name: Its name: the path below the input folder, with `/`.
        path: Its file.
        state: Size and time of the last change of the file, None where there is none.
    """

    name: str
    path: Path
    state: list[int] | None

    @classmethod
    def of(cls, name: str, path: Path) -> Job:
        """With the state of the file as it is now."""
        try:
            status = path.stat()
        except OSError:
            return cls(name, path, None)
        return cls(name, path, [status.st_size, status.st_mtime_ns])


@dataclass(frozen=True)
class Pipeline:
    """What is done with each image: the same for one process, for a share of the images, and on other machines.

    Args:
        predictor: The model.
        writers: What is written of each.
        out: Where to.
    """

    predictor: Predictor
    writers: tuple[Writer, ...]
    out: Path

    def __call__(self, jobs: Iterable[Job]) -> Generator[Entry, None, None]:
        """Predict and write images; those of the same size go through the network together.

        Yields:
            What the manifest says of each image, when its files are there; in any order.

        Raises:
            SaveError: A file could not be written.
        """
        with ignoring():
            yield from self._predicted(jobs)

    def _predicted(self, jobs: Iterable[Job]) -> Iterator[Entry]:
        waiting, opened, written = iter(jobs), deque[Future[_Opened]](), deque[Future[Entry]]()
        groups: dict[tuple[int, int], list[tuple[Job, WholeView]]] = {}
        reading, writing = ThreadPoolExecutor(READERS, "read"), ThreadPoolExecutor(WRITERS, "write")
        try:
            while True:
                for job in waiting:
                    opened.append(reading.submit(self._open, job))
                    if len(opened) >= AHEAD:
                        break
                if not opened:
                    break
                job, view = opened.popleft().result()
                if isinstance(view, ImageError):
                    yield failed(job, view)
                elif view is None:
                    yield from self._large(job, writing, written)
                else:
                    group = groups.setdefault(view.size, [])
                    group.append((job, view))
                    if len(group) * view.size[0] * view.size[1] >= TOGETHER:
                        self._run(groups.pop(view.size), writing, written)
                    elif sum(map(len, groups.values())) > 2 * AHEAD:
                        self._run(groups.pop(max(groups, key=lambda size: len(groups[size]))), writing, written)
                while written and (len(written) > AHEAD or written[0].done()):
                    yield written.popleft().result()
            for group in groups.values():
                self._run(group, writing, written)
            for future in written:
                yield future.result()
        finally:
            reading.shutdown(cancel_futures=True)
            writing.shutdown(cancel_futures=True)

    @property
    def _maps(self) -> frozenset[Map]:
        return frozenset(need for writer in self.writers for need in writer.needs)

    def _open(self, job: Job) -> _Opened:
        """An image in memory; None for one that is read in windows, or goes through the network in tiles."""
        spec = self.predictor.spec
        try:
            if stays_on_disk(job.path):
                return job, None
            return job, WholeView(spec, spec.bands.read(job.path))
        except ImageError as error:
            return job, error

    def _run(
        self, group: list[tuple[Job, WholeView]], writing: ThreadPoolExecutor, written: deque[Future[Entry]]
    ) -> None:
        """Images of one size through the network."""
        height, width = group[0][1].size
        if height * width > LARGEST_PASS:
            for job, view in group:
                blocks = self.predictor.blocks(view)
                prediction = collect(blocks, view, len(self.predictor.classes), self._maps, self.out)
                written.append(writing.submit(self._write, job, view, prediction))
            return
        found = self.predictor.engine.run(np.stack([view.read(0, 0, height, width) for _, view in group]))
        for (job, view), logits in zip(group, found, strict=True):
            written.append(writing.submit(self._finish, job, view, logits))

    def _large(self, job: Job, writing: ThreadPoolExecutor, written: deque[Future[Entry]]) -> Iterator[Entry]:
        """An image that stays on disk; what is said about one takes room, so they are not many at a time."""
        while written:
            yield written.popleft().result()
        try:
            with open_view(self.predictor.spec, job.path) as view:
                prediction = self.predictor.predict_view(view, self._maps, self.out)
                written.append(writing.submit(self._write, job, view, prediction))
        except ImageError as error:
            yield failed(job, error)

    def _finish(self, job: Job, view: View, logits: NDArray[np.float32]) -> Entry:
        blocks = enlarge_blocks([Block(0, 0, logits)], view.size, view.own)
        return self._write(job, view, collect(blocks, view, len(logits), self._maps, self.out))

    def _write(self, job: Job, view: View, prediction: Prediction) -> Entry:
        files = {writer.name: file_of(job.name, writer) for writer in self.writers}
        make_folder((self.out / job.name).parent)
        try:
            result = Result(job.name, prediction, self.predictor.classes, place_of(job.path), view.picture)
            for writer in self.writers:
                writer.write(result, self.out / files[writer.name])
        except ImageError as error:  # a large image is read again for its picture, and may have gone
            return failed(job, error)
        height, width = prediction.size
        return {"image": job.name, "state": job.state, "height": height, "width": width, **files}


_Opened = tuple[Job, WholeView | ImageError | None]


def failed(job: Job, error: ImageError) -> Entry:
    """What the manifest says of an image that could not be read."""
    entry: Entry = {"image": job.name, "state": job.state, "error": error.found}
    return entry | {key: value for key, value in (("field", error.field), ("hint", error.hint)) if value}


def file_of(name: str, writer: Writer) -> str:
    """Name below the output folder of what is written for one image."""
    return f"{PurePosixPath(name).with_suffix('')}{writer.suffix}"
