"""Exports of a model: seconds, bytes, how far from the model, speed beside torch, INT8, what an installation takes.

python benchmarks/inference/exports.py RUN IMAGES        the run of a default network, images like its own
python benchmarks/inference/exports.py --architectures   which networks can be exported where
python benchmarks/inference/exports.py --install         size and import time without torch
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import save

ROOT = Path(__file__).parents[2]
ARCHITECTURES = ("fpn", "unet", "unetplusplus", "manet", "linknet", "pspnet", "pan", "deeplabv3", "deeplabv3plus")
ARCHITECTURES += ("upernet", "segformer")
TARGETS = ("onnx", "torchscript", "torch-export")


def exported(run: Path, images: Path) -> dict[str, Any]:
    import torch

    from pointillist.inference.export import export_model

    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for target in TARGETS:
            done = export_model(run, target, Path(temporary) / target, images=[images])
            assert done.parity is not None
            rows.append(
                {
                    "target": target,
                    "seconds": round(done.seconds, 1),
                    "megabytes": round(done.bytes / 1e6, 2),
                    "label_agreement": done.parity.agreement,
                    "largest_difference": done.parity.difference,
                    "images": [asdict(row) for row in done.parity.rows],
                }
            )
        file = Path(temporary) / "onnx"
        return {"exports": rows, "speed": speed(run, file), "int8": int8(run, file, images, Path(temporary))}


def speed(run: Path, file: Path) -> list[dict[str, Any]]:
    """Seconds per forward pass at the learnt scale, one thread each, alternating; the least of five."""
    import numpy as np

    from pointillist.inference.engines import onnx, torch

    engines = {"torch": torch.open_engine(run / "model", "cpu"), "onnxruntime": onnx.open_engine(file, threads=1)}
    rows = []
    for height, width in ((256, 256), (480, 640), (1024, 1024)):
        image = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(6):
            for name, engine in engines.items():
                begun = time.perf_counter()
                engine.run(image)
                seconds[name].append(time.perf_counter() - begun)
        least = {name: min(times[1:]) for name, times in seconds.items()}
        rows.append(
            {
                "size": [height, width],
                **{f"{name}_s": round(value, 4) for name, value in least.items()},
                "torch_over_onnxruntime": round(least["torch"] / least["onnxruntime"], 2),
            }
        )
    return rows


def int8(run: Path, file: Path, images: Path, folder: Path) -> list[dict[str, Any]]:
    """Convolutions in 8 bits: how far from the model, how small, how fast."""
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

    from pointillist.inference.engines.onnx import onnx_function
    from pointillist.inference.exports.parity import compare, probes
    from pointillist.training.model_folder import load_model

    model = load_model(run / "model")
    shown = probes(sorted(path for path in images.iterdir() if path.is_file()), model.spec.bands)

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"image": probe.values} for probe in shown if probe.values.shape[0] == 1]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    def static(out: Path) -> None:
        quantize_static(str(file), str(out), Reader(), op_types_to_quantize=["Conv"], per_channel=True)

    def dynamic(out: Path) -> None:
        quantize_dynamic(str(file), str(out), op_types_to_quantize=["Conv"], weight_type=QuantType.QUInt8)

    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 480, 640)).astype(np.float32)
    rows: list[dict[str, Any]] = []
    for name, make in (("float32", None), ("static", static), ("dynamic", dynamic)):
        out = file if make is None else folder / f"{name}.onnx"
        if make is not None:
            make(out)
        run_it = onnx_function(out, threads=1)
        parity = compare(model, run_it, shown)
        times = []
        for _ in range(4):
            begun = time.perf_counter()
            run_it(image)
            times.append(time.perf_counter() - begun)
        rows.append(
            {
                "kind": name,
                "megabytes": round(out.stat().st_size / 1e6, 2),
                "label_agreement": parity.agreement,
                "largest_difference": parity.difference,
                "seconds_480x640": round(min(times[1:]), 4),
            }
        )
    return rows


def architectures() -> list[dict[str, Any]]:
    """Random networks of smp, each behind the same gate, at sizes whose sides are odd, small and 1."""
    import numpy as np
    import torch

    from pointillist.classes import ClassSet
    from pointillist.data.bands import RGB
    from pointillist.data.inputs import InputSpec, Scale
    from pointillist.errors import PointillistError
    from pointillist.inference.exports import targets
    from pointillist.inference.exports.base import Source
    from pointillist.inference.exports.parity import Probe
    from pointillist.training.model_folder import Model
    from pointillist.training.network_settings import NetworkSettings
    from pointillist.training.networks import build_network

    rng = np.random.default_rng(0)
    sizes = ((96, 130), (37, 91), (200, 61), (21, 1), (1, 30))
    probes = [Probe("noise", rng.uniform(0, 255, (1, 3, *size)).astype(np.float32)) for size in sizes]
    rows = []
    for name in ARCHITECTURES:
        torch.manual_seed(0)
        network = build_network(NetworkSettings(architecture=name), 3).eval()
        model = Model(network, ClassSet.create(["a", "b", "c"]), InputSpec(RGB, Scale((160, 160))), {}, None, "")
        row: dict[str, Any] = {"architecture": name}
        for target in TARGETS:
            source = Source(name, Path(), model, {}, "", list)
            source.__dict__["probes"] = probes
            begun = time.perf_counter()
            with tempfile.TemporaryDirectory() as temporary:
                try:
                    parity = targets()[target]().write(source, Path(temporary) / "model")
                except PointillistError as error:
                    row[target] = error.found
                else:
                    assert parity is not None
                    row[target] = f"ok, {parity.difference:.1e}"
            row[f"{target}_s"] = round(time.perf_counter() - begun, 1)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def installed() -> dict[str, Any]:
    """A new environment with the base dependencies and the extra `onnx`: bytes, and seconds until a model is open."""
    model = ROOT / "tests" / "fixtures" / "onnx" / "tiny.onnx"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "venv"
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        before = _bytes(folder)
        begun = time.perf_counter()
        quiet = ("--quiet", "--disable-pip-version-check")
        subprocess.run([python, "-m", "pip", "install", *quiet, f"{ROOT}[onnx]"], check=True, stdout=sys.stderr)
        seconds = time.perf_counter() - begun
        code = (
            "import time; t = time.perf_counter(); import pointillist as pt; p = pt.Predictor;"
            f"a = time.perf_counter() - t; pt.Predictor({str(model)!r}); import sys;"
            "print(a, time.perf_counter() - t, 'torch' in sys.modules)"
        )
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        settings: dict[str, Any] = {"check": True, "capture_output": True, "text": True, "cwd": temporary, "env": own}
        times = [subprocess.run([python, "-c", code], **settings).stdout.split() for _ in range(4)]
        assert {one[2] for one in times} == {"False"}
        listed = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True)
        return {
            "install_megabytes": round((_bytes(folder) - before) / 1e6, 1),
            "install_seconds": round(seconds, 1),
            "import_seconds": round(min(float(one[0]) for one in times[1:]), 3),
            "import_and_open_seconds": round(min(float(one[1]) for one in times[1:]), 3),
            "packages": listed.stdout.split(),
        }


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--architectures", action="store_true")
    parser.add_argument("--install", action="store_true")
    given = parser.parse_args()
    if given.architectures:
        save("export_architectures", {"networks": architectures()})
    elif given.install:
        save("export_install", installed())
    else:
        # Where they lie is nobody's business.
        save(
            "exports",
            {**exported(given.run, given.images), "command": "python benchmarks/inference/exports.py RUN IMAGES"},
        )


if __name__ == "__main__":
    main()
