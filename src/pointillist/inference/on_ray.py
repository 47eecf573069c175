"""Predicting on many machines with Ray Data: an actor for each GPU, or for a few cores, holds the model."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pointillist import errors
from pointillist.data.inputs import InputSpec
from pointillist.errors import ConfigError, ImageError, PointillistError, PointillistWarning, RunError
from pointillist.files import saving
from pointillist.inference.hub import find_model
from pointillist.inference.manifest import Entry
from pointillist.inference.pipeline import Job, Pipeline, failed
from pointillist.inference.predictor import Predictor
from pointillist.inference.ray_cluster import connected
from pointillist.inference.writers import get_writer
from pointillist.registry import VARIABLE
from pointillist.version import __version__

if TYPE_CHECKING:
    from pointillist.inference.batch import Work

IMAGES, BYTES = 32, 2**27
"""Most images, and bytes of them, that are handed out together; so many are predicted again when a worker dies."""

CORES = 4
"""Cores of a worker without a GPU; a machine with fewer has one worker."""

TRIES = 2
"""How often images are tried together, then each by itself, before one whose workers all died counts as unreadable."""


@dataclass(frozen=True)
class _Task:
    """What every worker is told once; all of it must arrive on machines that share nothing but images and results."""

    version: str
    model: dict[str, bytes]
    file: str
    """Name of the model where it is one file, else empty."""
    plugins: dict[str, bytes]
    device: str
    threads: int
    spec: InputSpec
    writers: dict[str, dict[str, Any]]
    out: Path
    seen: Path
    """A file in `out`: a folder of that name is on many a machine."""


def on_ray(run: Path, *, device: str = "auto", address: str | None = None) -> Work:
    """What `predict_files` needs to predict on the machines of a Ray cluster.

    Images and the output folder must lie on storage that all machines see under the same paths; the model and plug-in
    files are sent to them.

    Args:
        run: The run directory, or `model/` directory, of the predictor that the batch is given.
        device: Of each worker: auto, cpu, cuda.
        address: Of the cluster, such as `auto` or `head:6379`. None takes the one in RAY_ADDRESS, or a Ray that this
            process has joined already; where there is none, it starts Ray on this machine, for as long as it takes.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        found = "Ray is not installed."
        hint = "Install it with: pip install 'pointillist[ray]'."
        raise ConfigError(found, field="--engine", hint=hint) from error

    def work(pipeline: Pipeline, jobs: Iterable[Job]) -> Generator[Entry, None, None]:
        todo = list(jobs)
        if todo:
            with connected(address, sum(file.stat().st_size for file in _files(run))), ExitStack() as stack:
                with saving(pipeline.out):
                    seen = stack.enter_context(NamedTemporaryFile(prefix=".seen-", dir=pipeline.out.absolute()))
                yield from _predicted(run, device, pipeline, todo, Path(seen.name))

    return work


def _predicted(run: Path, device: str, pipeline: Pipeline, jobs: list[Job], seen: Path) -> Iterator[Entry]:
    """Predict images with the Ray that is connected.

    Raises:
        PointillistError: As `Pipeline`; RunError also when Ray gives up, or machines do not see the images.
    """
    import ray
    import ray.data
    from ray.exceptions import RayError

    workers, cores, gpus = _workers(ray.nodes(), device)
    plugins = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    task = _Task(
        version=__version__,
        model={file.name: file.read_bytes() for file in _files(run)},
        file="" if (place := find_model(run)).is_dir() else place.name,
        plugins={f"{number}_{file.name}": file.read_bytes() for number, file in enumerate(plugins)},
        device=device,
        threads=cores,
        spec=pipeline.predictor.spec,
        writers={writer.name: writer.options.model_dump() for writer in pipeline.writers},
        out=pipeline.out.absolute(),
        seen=seen,
    )
    chunks = [{"jobs": json.dumps(chunk)} for chunk in _chunks(jobs, -(-len(jobs) // (4 * workers)))]
    data = ray.data.from_items(chunks, override_num_blocks=len(chunks)).flat_map(
        _Worker,
        fn_constructor_args=(ray.put(task), ray.remote(num_cpus=0)(_Tries).remote()),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
        num_cpus=cores,
        num_gpus=gpus or None,
    )
    images = iter(data.iter_rows())
    waiting = {job.name for job in jobs}
    try:
        for row in images:
            said = json.loads(row["said"])
            if "raised" in said:
                raise _raised(said["raised"])
            if "warned" in said:
                category, message = said["warned"]
                warnings.warn(message, getattr(errors, category, PointillistWarning), stacklevel=2)
            elif said["image"] in waiting:  # images whose worker died may come again
                waiting.remove(said["image"])
                yield said
    except RayError as error:
        found = f"Ray gave up: {str(error).strip().splitlines()[-1]}"
        raise RunError(found, field="--engine", hint="See Ray's logs; then go on with --resume.") from error
    finally:
        _stop(images)
    if waiting:
        found = f"Ray lost {len(waiting)} of {len(jobs)} images, such as {min(waiting)}."
        raise RunError(found, field="--engine", hint="Predict them with --resume.")


def _stop(images: Iterator[Any]) -> None:
    """End the stream of results, also one that nobody reads to its end.

    Ray ends it in a thread of its own, and the process would die of a thread that asks a Ray which is gone.
    """
    images.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(60)


class _Tries:
    """An actor that counts, so that what kills workers is not tried for ever: Ray starts them again and again."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()

    def begin(self, what: str) -> int:
        """How often this was begun, with this time."""
        self.begun[what] += 1
        return self.begun[what]

    def end(self, what: str) -> None:
        """Nobody died of this."""
        del self.begun[what]


class _Worker:
    """An actor that holds the model; it says all that goes wrong in rows, so that Ray repeats only what died."""

    def __init__(self, task: Any, tries: Any) -> None:
        import ray

        self.task: _Task = ray.get(task)
        self.tries = tries
        self.pipeline: Pipeline | None = None

    def __call__(self, row: dict[str, str]) -> list[dict[str, str]]:
        """Predict the images of a row."""
        jobs = [Job(name, Path(path), state) for name, path, state in json.loads(row["jobs"])]
        said: list[dict[str, Any]] = []
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default", PointillistWarning)
            try:
                _must_see([job.path for job in jobs if job.state is not None])
                self.pipeline = self.pipeline or _opened(self.task)
                said += self._predicted(self.pipeline, jobs)
            except PointillistError as error:
                kind, fields = type(error).__name__, ("found", "where", "line", "field", "hint")
                said.append({"raised": {"kind": kind, **{name: getattr(error, name) for name in fields}}})
            except Exception:
                said.append({"raised": {"kind": None, "found": traceback.format_exc()}})
        ours = [warning for warning in warned if issubclass(warning.category, PointillistWarning)]
        said += [{"warned": [warning.category.__name__, str(warning.message)]} for warning in ours]
        return [{"said": json.dumps(line)} for line in said]

    def _predicted(self, pipeline: Pipeline, jobs: list[Job]) -> Iterator[Entry]:
        """Predict images together; where that has killed workers, each by itself."""
        import ray

        if ray.get(self.tries.begin.remote(f"those from {jobs[0].name}")) <= TRIES:
            yield from pipeline(jobs)
            return
        for job in jobs:
            if ray.get(self.tries.begin.remote(job.name)) > TRIES:
                hint = "Is memory enough? Predict it with --resume --engine local to see why."
                yield failed(job, ImageError("every worker that tried to predict it died.", where=job.path, hint=hint))
            else:
                yield from pipeline([job])
                ray.get(self.tries.end.remote(job.name))


def _must_see(paths: list[Path]) -> None:
    """Refuse to work on a machine without the storage: it would call images unreadable, or keep results to itself.

    Raises:
        RunError: None of them is there.
    """
    if paths and not any(path.exists() for path in paths):
        raise RunError(
            f"the machine {gethostname()} does not see this.",
            where=paths[0],
            hint="Images and --out must be on storage that all machines share, under the same paths.",
        )


def _opened(task: _Task) -> Pipeline:
    """The pipeline on a worker.

    Raises:
        RunError: It has another version, or does not see the output folder.
        ConfigError: The device is not available there.
    """
    if task.version != __version__:
        found = f"a worker has version {__version__}, this program {task.version}."
        raise RunError(found, field="--engine", hint="Install the same version on all machines.")
    _must_see([task.seen])
    # All of it is read before the folder goes, plug-ins by the look-up of writers.
    with TemporaryDirectory(prefix="pointillist-") as folder:
        for name, content in (*task.model.items(), *task.plugins.items()):
            Path(folder, name).write_bytes(content)
        os.environ[VARIABLE] = os.pathsep.join(str(Path(folder, name)) for name in task.plugins)
        predictor = Predictor(Path(folder, task.file), task.device)
        predictor.spec = task.spec
        # An ONNX file is predicted without torch, which takes seconds to import.
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(task.threads)
        return Pipeline(predictor, tuple(get_writer(*writer) for writer in task.writers.items()), task.out)


def _raised(fields: dict[str, Any]) -> Exception:
    """What a worker raised."""
    kind = fields.pop("kind")
    return RuntimeError(f"A worker failed:\n{fields['found']}") if kind is None else getattr(errors, kind)(**fields)


def _files(run: Path) -> list[Path]:
    """The files of a model."""
    place = find_model(run)
    return [file for file in place.iterdir() if file.is_file()] if place.is_dir() else [place]


def _chunks(jobs: list[Job], most: int) -> Iterator[list[tuple[str, str, list[int] | None]]]:
    """Images that are handed out together: few enough for all workers to have some, fewer where they are large."""
    chunk, size = [], 0
    for job in jobs:
        chunk.append((job.name, str(job.path.absolute()), job.state))
        size += job.state[0] if job.state else 0
        if len(chunk) >= min(most, IMAGES) or size >= BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _workers(nodes: list[dict[str, Any]], device: str) -> tuple[int, int, int]:
    """How many workers the machines can have, and how many cores and GPUs each gets."""
    have = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = 0 if device == "cpu" else int(sum(machine.get("GPU", 0) for machine in have))
    if gpus:
        return gpus, 1, 1
    cores = [int(machine.get("CPU", 0)) for machine in have if machine.get("CPU", 0) >= 1]
    if not cores:
        raise ConfigError("the Ray cluster has no cores.", field="--address", hint="Start Ray with --num-cpus.")
    each = min(CORES, *cores)
    return sum(number // each for number in cores), each, 0
