"""Run a benchmark file: every data set × method × seed, one JSON per run, continuing where it stopped.

    python benchmarks/accuracy/run.py benchmarks/accuracy/protocols/own-scale.yaml

Real data are found through POINTILLIST_REAL_DATA. Each run has a process of its own, so that its peak memory is its own
and a crash loses one run. A seed fixes the draw of the clicks, the initial weights and the order of the batches. Seeds
come one after the other, and in each the methods of `FIRST` first, so that a benchmark that was stopped can be read.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pointillist.data.dataset import Dataset

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src" / "pointillist"
RESULTS = HERE / "results"
FIRST = ("single-stage", "points", "full")


def source_hash() -> str:
    """Hash over the packages that decide what is learnt: results of different hashes do not belong in one table."""
    digest = hashlib.sha256()
    for package in ("pseudomask", "training"):
        for path in sorted((SOURCE / package).rglob("*.py")):
            digest.update(path.relative_to(SOURCE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def read_benchmark(path: Path) -> dict[str, Any]:
    """A benchmark file; settings, clicks and data sets of another one that it names as `base` stand below its own."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if "base" not in content:
        return content
    base = read_benchmark(path.parent / content["base"])
    for key in ("settings", "points"):
        content[key] = {**base.get(key, {}), **content.get(key, {})}
    content["datasets"] = {name: {**base["datasets"].get(name, {}), **own} for name, own in content["datasets"].items()}
    return content


def variants(benchmark: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is compared: methods by name, or, in a study, a name for each choice of method, settings and clicks."""
    methods = benchmark["methods"]
    if not isinstance(methods, dict):
        methods = {name: {"method": name} for name in methods}
    if shared := benchmark.get("points"):  # the clicks of all variants; a variant's own options go first
        methods = {name: {**one, "points": {**shared, **one.get("points", {})}} for name, one in methods.items()}
    return methods


def jobs(benchmark: dict[str, Any]) -> list[tuple[str, str, int]]:
    """All (data set, variant, seed) that a benchmark file asks for, in the order in which they run."""
    return [
        (dataset, variant, seed)
        for seed in benchmark["seeds"]
        for first in (True, False)
        for dataset, entry in benchmark["datasets"].items()
        for variant in entry.get("methods", variants(benchmark))
        if (variant in FIRST) == first
    ]


def asked_hash(benchmark: dict[str, Any], dataset: str, variant: str) -> str:
    """Hash over what a benchmark file asks of a run: a result of other settings is not the one that is missing."""
    entry = {name: value for name, value in benchmark["datasets"][dataset].items() if name != "methods"}
    asked = [benchmark["settings"], entry, variants(benchmark)[variant]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def run_one(benchmark: dict[str, Any], dataset: str, variant: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train and score once; gives the content of the run's JSON."""
    import torch
    from measures import PseudoLabelQuality, StepTime, count_error
    from scores import merged, scored

    from pointillist.data.synthetic import parameters_hash
    from pointillist.training.config import make_config
    from pointillist.training.run import fit

    entry, chosen = benchmark["datasets"][dataset], variants(benchmark)[variant]
    if "oracle" in chosen:
        from ceilings import use_oracle

        use_oracle(chosen["oracle"])
    part = {"every": chosen["every"]} if "every" in chosen else {}
    data, points_source = open_data({**entry, **part}, chosen.get("points", {}), seed, folder)
    settings = {
        **benchmark["settings"],
        **entry.get("settings", {}),
        "method": chosen["method"],
        **chosen.get("settings", {}),
        "trainer.seed": seed,
        "trainer.validations": 0,
    }
    config = make_config(None, settings)
    groups = entry.get("groups", {})
    quality, steps = PseudoLabelQuality(*merged(data.classes.names, groups)), StepTime()
    started, cpu = time.monotonic(), time.process_time()
    run = fit(config, data, folder / "run", callbacks=[quality, steps])
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    result = scored(run, data, groups)
    protocol = result["protocol"]
    return {
        "dataset": dataset,
        "variant": variant,
        **result,
        "clicks": 0 if chosen["method"] == "full" else protocol["clicks"],
        "pseudo_mask": quality.result,
        **({"count_mae": count_error(run, data, entry["count"])} if "count" in entry else {}),
        "training_seconds": round(seconds, 1),
        "step_milliseconds": steps.milliseconds,
        "step_cpu_milliseconds": steps.cpu_milliseconds,
        "cpu_seconds": round(cpu_seconds, 1),
        "cpu_seconds_per_step": round(cpu_seconds / protocol["steps"], 4) if protocol["steps"] else None,
        "protocol": {
            "name": benchmark["name"],
            "points_source": points_source,
            **({"scene_parameters": parameters_hash()} if "draw" in entry else {}),
            **protocol,
        },
        "source": source_hash(),
        "asked": asked_hash(benchmark, dataset, variant),
        "machine": {
            "device": "cpu" if config.trainer.device == "cpu" else torch.cuda.get_device_name(),
            "processor": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def open_data(entry: dict[str, Any], points: dict[str, Any], seed: int, folder: Path) -> tuple[Dataset, str]:
    """The data set of a benchmark file's entry with its clicks, and where those come from.

    Args:
        entry: `draw` (seed of the embedded data set), `path` (below the real data), or `folder` (beside this file, a
            data set whose dataset.yaml names the real data as $DATA); `points`: a label file below the real data;
            `held_out: [18, 27]`: training images 18 to 26, for instance a whole sequence or tile, are scored in place
            of `val`, which stays unseen; `held_out: 4` takes every fourth; `every: 4`: only every fourth training
            image is learnt from.
        points: Options of `draw_points`.
        seed: Seed of simulated clicks.
        folder: For what has to be written.
    """
    from draws import draw_points

    from pointillist.api import load
    from pointillist.data.synthetic import parameters_hash, write_dataset
    from pointillist.points.formats.native import write_csv

    if "draw" in entry:
        root = folder / "data"
        write_dataset(root, seed=entry["draw"])
    elif "folder" in entry:
        root = folder / "data"
        shutil.copytree(HERE / "datasets" / entry["folder"], root)
        described = (root / "dataset.yaml").read_text(encoding="utf-8")
        (root / "dataset.yaml").write_text(described.replace("$DATA", str(real_data())), encoding="utf-8")
    else:
        root = real_data() / entry["path"]
    if "points" in entry:
        file = real_data() / entry["points"]
        return split(load(root, points=file), entry), f"human clicks of {file.name}"
    # Drawing takes as long as a quarter of a short training, so a draw is kept for the other methods.
    key = json.dumps([entry, points, seed, parameters_hash(), points_hash()], sort_keys=True)
    drawn = Path(tempfile.gettempdir()) / "pointillist-draws" / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not (drawn / "source.txt").is_file():
        drawn.mkdir(parents=True, exist_ok=True)
        table, source = draw_points(split(load(root), entry), seed, **points)
        write_csv(table, drawn / f"points.{os.getpid()}.csv")
        (drawn / f"points.{os.getpid()}.csv").replace(drawn / "points.csv")
        (drawn / f"source.{os.getpid()}.txt").write_text(source, encoding="utf-8")
        (drawn / f"source.{os.getpid()}.txt").replace(drawn / "source.txt")
    source = (drawn / "source.txt").read_text(encoding="utf-8")
    return split(load(root, points=drawn / "points.csv"), entry), source


def split(data: Dataset, entry: dict[str, Any]) -> Dataset:
    """The data set with the splits that an entry asks for by `every` and `held_out`."""
    train = [item.name for item in data.split("train")][:: entry.get("every", 1)]
    splits = {**data.splits, "train": tuple(train)}
    if "held_out" in entry:
        which = entry["held_out"]
        held = train[slice(*which)] if isinstance(which, list) else train[1::which]
        splits = {"train": tuple(name for name in train if name not in held), "val": tuple(held)}
    return dataclasses.replace(data, splits=splits)


def points_hash() -> str:
    """Hash over the code that draws clicks."""
    points = (SOURCE / "points" / name for name in ("protocols.py", "questions.py", "seeds.py", "simulate.py"))
    files = (HERE / "draws.py", SOURCE / "data" / "simulated.py", *points)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def real_data() -> Path:
    """The folder of real data.

    Raises:
        SystemExit: It is not declared or not there.
    """
    folder = os.environ.get("POINTILLIST_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        sys.exit("Set POINTILLIST_REAL_DATA to the folder with camvid/, voc2012/, ….")
    return Path(folder)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names of data sets or methods")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--one", nargs=3, metavar=("DATASET", "VARIANT", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    benchmark = read_benchmark(arguments.benchmark)
    if arguments.one:
        dataset, variant, seed = arguments.one
        with tempfile.TemporaryDirectory() as folder:
            result = run_one(benchmark, dataset, variant, int(seed), Path(folder))
        result["peak_memory_mb"] = peak_memory_mb()
        print("RESULT " + json.dumps(result))
        return
    datasets, methods = chosen(arguments, benchmark)
    wanted = [job for job in jobs(benchmark) if job[0] in datasets and job[1] in methods]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for failure in pool.map(lambda job: run_missing(arguments, benchmark, *job), wanted):
            if failure:
                sys.exit(failure)


def chosen(arguments: argparse.Namespace, benchmark: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Data sets and variants named on the command line; all of those of which none is named."""
    only, all_datasets, all_methods = set(arguments.only), set(benchmark["datasets"]), set(variants(benchmark))
    if unknown := only - all_datasets - all_methods:
        sys.exit(f"neither data set nor method of {benchmark['name']}: {', '.join(sorted(unknown))}")
    return only & all_datasets or all_datasets, only & all_methods or all_methods


def run_missing(
    arguments: argparse.Namespace, benchmark: dict[str, Any], dataset: str, variant: str, seed: int
) -> str | None:
    """Run in a process of its own unless the result is there; gives what went wrong."""
    file: Path = arguments.results / benchmark["name"] / f"{dataset}-{variant}-{seed}.json"
    if file.exists():
        there = json.loads(file.read_text())
        if (there["source"], there.get("asked")) == (source_hash(), asked_hash(benchmark, dataset, variant)):
            print(f"{file.name} is there")
            return None
    command = [sys.executable, __file__, str(arguments.benchmark), "--one", dataset, variant, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        return f"{dataset} {variant} {seed} failed\n{done.stdout}\n{done.stderr}"
    result = json.loads(lines[-1].removeprefix("RESULT "))
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(as_text(result), encoding="utf-8")
    temporary.replace(file)
    print(f"{file.name}: mIoU {result['miou']:.4f}, {result['training_seconds']:.0f} s", flush=True)
    return None


def as_text(result: dict[str, Any]) -> str:
    """JSON with a line for each key: counts by image would fill thousands of lines otherwise."""
    text = json.JSONEncoder(separators=(",", ":")).encode
    return "{\n" + ",\n".join(f"{text(key)}:{text(value)}" for key, value in result.items()) + "\n}\n"


def peak_memory_mb() -> int | None:
    """Largest resident size of this process so far; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
