"""nnU-Net (2D) on a data set of a benchmark file, from the same clicks as our methods: one run, one JSON.

    python benchmarks/external/nnunet.py benchmarks/accuracy/protocols/own-scale.yaml peanut --seed 0 --steps 500

See README.md for the environment and for what is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "accuracy"))

from run import open_data, peak_memory_mb, read_benchmark  # noqa: E402

from pointillist.classes import IGNORE  # noqa: E402
from pointillist.data.images import image_size  # noqa: E402
from pointillist.data.layouts.nnunet import Numbers  # noqa: E402
from pointillist.data.resize import resize_bands  # noqa: E402
from pointillist.data.samples import read_sample  # noqa: E402
from pointillist.pseudomask import rasterise_points  # noqa: E402
from pointillist.training.config import make_config  # noqa: E402
from pointillist.training.inputs import TrainingInput  # noqa: E402
from pointillist.training.metrics import confusion_matrix, scores  # noqa: E402

NUMBER, NAME = 1, "Dataset001_Clicks"
PACKAGES = ("nnunetv2", "batchgenerators", "batchgeneratorsv2", "dynamic-network-architectures", "torch", "numpy")

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From H×W×3 (or H×W) to C×H×W probabilities."""


def write_raw(seen: TrainingInput, labels: Numbers, root: Path) -> int:
    """Write images and clicks as nnU-Net's raw data set; gives the number of clicked pixels."""
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    clicked = 0
    for place, item in enumerate(seen.items):
        sample = read_sample(seen.dataset, item, seen.spec.scale, with_mask=False)
        mask = rasterise_points([sample.points], sample.size, torch.device("cpu"))[0].numpy()
        clicked += int((mask != IGNORE).sum())
        Image.fromarray(pixels(sample.image)).save(root / "imagesTr" / f"{place:05}_0000.png")
        Image.fromarray(labels.drawn(mask.astype(np.uint8))).save(root / "labelsTr" / f"{place:05}.png")
    bands = len(seen.dataset.known_bands)
    described = {
        "channel_names": {str(band): f"band {band}" for band in range(bands)},
        "labels": labels.table(),
        "numTraining": len(seen.items),
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    (root / "dataset.json").write_text(json.dumps(described, indent=1), encoding="utf-8")
    return clicked


def pixels(image: torch.Tensor) -> NDArray[np.uint8]:
    """K×H×W in [0, 1] as bytes, H×W×3 or H×W."""
    if len(image) not in (1, 3):
        sys.exit(f"nnU-Net's reader of photographs takes one band or three, not {len(image)}.")
    return (255 * image).round().byte().permute(1, 2, 0).numpy().squeeze()


def train(arguments: argparse.Namespace, labels: Numbers, folder: Path) -> tuple[Predict, dict[str, Any]]:
    """Plan, preprocess and train with nnU-Net; gives a function that predicts, and what a run's JSON says of it.

    Args:
        arguments: See `main`.
        labels: Those of the raw data set.
        folder: The raw data set is in its `raw`.
    """
    from nnunet_parts import BudgetTrainer, PatchPlanner
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, preprocess
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    started = time.monotonic()
    os.environ.update({f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")})
    os.environ.update(nnUNet_n_proc_DA="1")
    extract_fingerprints([NUMBER], num_processes=1, check_dataset_integrity=True, show_progress_bar=False)
    if not arguments.planned:
        PatchPlanner.patch, PatchPlanner.batch = (arguments.patch, arguments.patch), arguments.batch
    planner = PatchPlanner(NUMBER)
    planner.plan_experiment()
    preprocess([NUMBER], planner.plans_identifier, ("2d",), [1], show_progress_bar=False)
    prepared = time.monotonic() - started

    # In one process, so that its processor time is all of it and a seed fixes the patches.
    os.environ.update(nnUNet_n_proc_DA="0")
    torch.set_num_threads(arguments.threads)
    random.seed(arguments.seed)
    np.random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    preprocessed = folder / "preprocessed" / NAME
    plans = json.loads((preprocessed / f"{planner.plans_identifier}.json").read_text(encoding="utf-8"))
    described = json.loads((preprocessed / "dataset.json").read_text(encoding="utf-8"))
    started, cpu = time.monotonic(), time.process_time()

    class Trainer(BudgetTrainer):
        budget = arguments.steps or 60 * arguments.cpu_minutes
        ignore_padding = arguments.padding == "ignore"

        def spent(self) -> float:
            return len(self.losses) if arguments.steps else time.process_time() - cpu

    trainer = Trainer({**plans, "continue_training": False}, "2d", "all", described, torch.device("cpu"))
    trainer.run_training()
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    if not np.isfinite(trainer.losses[-1]):
        sys.exit(f"nnU-Net's loss became {trainer.losses[-1]}.")
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(use_mirroring=arguments.mirror, device=torch.device("cpu"), allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        described,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )

    def predict(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        bands = np.atleast_3d(image).transpose(2, 0, 1)[:, None].astype(np.float32)
        _, found = predictor.predict_single_npy_array(bands, {"spacing": (999, 1, 1)}, None, None, True)
        return np.asarray(found[labels.of_class, 0], np.float32)

    steps, configuration = len(trainer.losses), trainer.configuration_manager
    return predict, {
        "training_seconds": round(seconds, 1),
        "cpu_minutes": round(cpu_seconds / 60, 2),
        "cpu_seconds_per_step": round(cpu_seconds / steps, 4),
        "preparation_seconds": round(prepared, 1),
        "last_loss": float(np.mean(trainer.losses[-50:])),
        "protocol": {
            "steps": steps,
            "batch_size": configuration.batch_size,
            "window": "{}x{}".format(*configuration.patch_size),
            "stages": len(configuration.pool_op_kernel_sizes),
            "parameters": sum(p.numel() for p in trainer.network.parameters()),
            "padding": arguments.padding,
            "test_time": "mirrored" if arguments.mirror else "none",
        },
    }


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train and score once; gives the content of the run's JSON."""
    benchmark = read_benchmark(arguments.benchmark)
    if arguments.dataset not in benchmark["datasets"]:
        sys.exit(f"{benchmark['name']} has no data set {arguments.dataset}: {', '.join(benchmark['datasets'])}")
    entry = benchmark["datasets"][arguments.dataset]
    if "groups" in entry:
        sys.exit(f"{arguments.dataset} is scored by groups of classes, which is not done here")
    data, source = open_data(entry, benchmark.get("points", {}), arguments.seed, folder)
    window = f"{arguments.patch}x{arguments.patch}"
    config = make_config(None, {"data.size": arguments.size, "data.window": window})
    seen = TrainingInput.of(data, config.data, "points")
    labels = Numbers(seen.dataset.classes)
    clicked = write_raw(seen, labels, folder / "raw" / NAME)
    predict, trained = train(arguments, labels, folder)

    counts = np.zeros((len(labels.classes),) * 2, np.int64)
    items = [item for item in seen.dataset.split("val") if item.mask is not None]
    started = time.monotonic()
    for item in items:
        own = image_size(item.image)
        sample = read_sample(seen.dataset, item, seen.spec.scale, with_mask=False)
        found = resize_bands(predict(pixels(sample.image)), own).argmax(0)
        counts += confusion_matrix(found, seen.dataset.masks.read(item.mask, own), len(labels.classes))
    result = scores(counts, labels.classes)
    protocol = {
        "name": benchmark["name"],
        "points_source": source,
        "images": len(seen.items),
        "background": labels.classes.policy,
        "size": arguments.size,
        **trained.pop("protocol"),
        "metric": "mIoU of one confusion matrix over all pixels of the split, at each mask's own size",
    }
    return {
        "dataset": arguments.dataset,
        "variant": variant(arguments),
        "method": "nnunet",
        "split": "val",
        "seed": arguments.seed,
        "miou": result.miou,
        "pixel_accuracy": result.pixel_accuracy,
        "per_class": result.per_class,
        "confusion": counts.tolist(),
        "clicks": clicked,
        "images": len(items),
        "seconds": round(time.monotonic() - started, 1),
        **trained,
        "protocol": protocol,
        "machine": {
            "device": "cpu",
            "processor": platform.processor() or platform.machine(),
            "threads": arguments.threads,
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "peak_memory_mb": peak_memory_mb(),
    }


def variant(arguments: argparse.Namespace) -> str:
    """A name of all that was chosen."""
    budget = f"{arguments.steps}-steps" if arguments.steps else f"{arguments.cpu_minutes:g}-minutes"
    patch = "planned" if arguments.planned else f"{arguments.patch}px-x{arguments.batch}"
    extras = {"padding-ignored": arguments.padding == "ignore", "mirrored": arguments.mirror}
    return "-".join(["nnunet", budget, patch, arguments.size, *(name for name, said in extras.items() if said)])


def main() -> None:
    """One run, unless its result is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", type=Path, help="a file of benchmarks/accuracy/protocols")
    parser.add_argument("dataset", help="a data set of it")
    parser.add_argument("--seed", type=int, default=0, help="of clicks, weights and batches")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--steps", type=int, help="train for so many steps")
    budget.add_argument("--cpu-minutes", type=float, help="train for so many minutes of processor time")
    parser.add_argument("--patch", type=int, default=128, help="side of a patch in pixels")
    parser.add_argument("--batch", type=int, default=4, help="patches per step")
    parser.add_argument("--planned", action="store_true", help="patch and batch as nnU-Net plans them")
    parser.add_argument("--size", default="native", help="as data.size: native, auto, or a box such as 512x512")
    parser.add_argument("--padding", choices=("background", "ignore"), default="background", help="beyond the image")
    parser.add_argument("--mirror", action="store_true", help="average mirrored predictions, four times the time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the results")
    arguments = parser.parse_args()
    if not find_spec("nnunetv2"):
        sys.exit(f"nnU-Net is not installed here; see {HERE / 'README.md'}.")
    folder = arguments.results / arguments.benchmark.stem
    file = folder / f"{arguments.dataset}-{variant(arguments)}-{arguments.seed}.json"
    if file.exists():
        print(f"{file.name} is there")
        return
    with tempfile.TemporaryDirectory() as temporary:
        result = run(arguments, Path(temporary))
    folder.mkdir(parents=True, exist_ok=True)
    file.with_suffix(".new").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".new").replace(file)
    minutes = result["cpu_minutes"]
    print(f"{file.name}: mIoU {result['miou']:.4f}, {result['protocol']['steps']} steps, {minutes} processor minutes")


if __name__ == "__main__":
    main()
