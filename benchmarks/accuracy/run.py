"""Run a protocol: every data set × method × seed, one JSON per run, continuing where it stopped.

    python benchmarks/accuracy/run.py benchmarks/accuracy/protocols/village.yaml

Real data are found through POINTILLIST_REAL_DATA. Each run has a process of its own, so that its peak memory is its own
and a crash loses one run. A seed fixes the draw of the clicks, the initial weights and the order of the batches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "src" / "pointillist"
RESULTS = HERE / "results"


def source_hash() -> str:
    """Hash over the rooms that decide what is learnt: results of different hashes do not belong in one table."""
    digest = hashlib.sha256()
    for room in ("pseudomask", "training"):
        for path in sorted((SOURCE / room).rglob("*.py")):
            digest.update(path.relative_to(SOURCE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def run_one(protocol: dict[str, Any], dataset: str, method: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train and score once; gives the content of the run's JSON."""
    import torch

    from pointillist.api import evaluate, load, train_config
    from pointillist.data.simulated import simulate_dataset
    from pointillist.data.synthetic import parameters_hash, write_dataset
    from pointillist.points.formats.native import write_csv
    from pointillist.training.callbacks import read_metrics
    from pointillist.training.config import make_config

    entry = protocol["datasets"][dataset]
    if "draw" in entry:
        root = folder / "data"
        write_dataset(root, seed=entry["draw"])
    else:
        root = real_data() / entry["path"]
    if "points" in entry:
        points = real_data() / entry["points"]
        source = f"human clicks of {points.name}"
    else:
        points = folder / "points.csv"
        write_csv(simulate_dataset(load(root), split="train", seed=seed), points)
        source = f"simulated, one per component of at least 50 px, seed {seed}"
    data = load(root, points=points)
    settings = {**protocol["settings"], **entry.get("settings", {}), "trainer.panels": 0, "trainer.validations": 0}
    config = make_config(None, {**settings, "method": method, "trainer.seed": seed})
    started = time.monotonic()
    run = train_config(config, data, folder / "run")
    seconds = time.monotonic() - started
    result = evaluate(run, data)
    last = read_metrics(run)[-1]
    return {
        **result.to_dict(),
        "dataset": dataset,
        "seed": seed,
        "clicks": 0 if method == "full" else result.protocol["clicks"],
        "coverage": float(last["coverage"]) if last["coverage"] else None,
        "agreement": float(last["agreement"]) if last["agreement"] else None,
        "training_seconds": round(seconds, 1),
        "protocol": {
            "name": protocol["name"],
            "points_source": source,
            **({"scene_parameters": parameters_hash()} if "draw" in entry else {}),
            **result.protocol,
        },
        "source": source_hash(),
        "machine": {
            "device": "cpu" if config.trainer.device == "cpu" else torch.cuda.get_device_name(),
            "processor": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


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
    parser.add_argument("protocol", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="names of data sets or methods")
    parser.add_argument("--one", nargs=3, metavar=("DATASET", "METHOD", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    protocol = yaml.safe_load(arguments.protocol.read_text(encoding="utf-8"))
    if arguments.one:
        dataset, method, seed = arguments.one
        with tempfile.TemporaryDirectory() as folder:
            result = run_one(protocol, dataset, method, int(seed), Path(folder))
        result["peak_memory_mb"] = peak_memory_mb()
        print("RESULT " + json.dumps(result))
        return
    for seed in protocol["seeds"]:
        for dataset in protocol["datasets"]:
            for method in protocol["methods"]:
                chosen = {
                    name for name in arguments.only if name in protocol["datasets"] or name in protocol["methods"]
                }
                if not chosen <= {dataset, method}:
                    continue
                file = RESULTS / protocol["name"] / f"{dataset}-{method}-{seed}.json"
                if file.exists() and json.loads(file.read_text())["source"] == source_hash():
                    print(f"{file.name} is there")
                    continue
                command = [sys.executable, __file__, str(arguments.protocol), "--one", dataset, method, str(seed)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
                if done.returncode or not lines:
                    print(done.stdout, done.stderr, file=sys.stderr)
                    sys.exit(f"{dataset} {method} {seed} failed")
                result = json.loads(lines[-1].removeprefix("RESULT "))
                file.parent.mkdir(parents=True, exist_ok=True)
                temporary = file.with_suffix(".new")
                temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
                temporary.replace(file)
                print(f"{file.name}: mIoU {result['miou']:.4f}, {result['training_seconds']:.0f} s", flush=True)


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
