"""What other arithmetic of the network costs: channels last, compiled, bfloat16, beside the plain step.

    python benchmarks/speed/arithmetic.py [--device cuda]

A step is a forward and backward pass of the network that `train` builds, on a batch of windows, and the optimiser's
update. Ratios are medians over three alternating rounds of one process; it writes `results/arithmetic.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from measure import alternating, machine, ratio, summary

from pointillist.training.config import make_config
from pointillist.training.networks import build_network

CLASSES, BATCH, SIDES, STEPS = 7, 4, (128, 512), {128: 8, 512: 1}
ROUNDS = 3
VARIANTS = ("plain", "channels last", "compiled", "bfloat16", "bfloat16, channels last")


def step_of(variant: str, side: int, device: str) -> Callable[[], None]:
    """Some steps; what is compiled has been so before."""
    torch.manual_seed(0)
    network = build_network(make_config(None, {}).network, CLASSES).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    images = torch.rand(BATCH, 3, side, side, device=device)
    labels = torch.randint(CLASSES, (BATCH, side, side), device=device)
    if "channels last" in variant:
        network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    called: Any = torch.compile(network, dynamic=False) if variant == "compiled" else network

    def steps() -> None:
        for _ in range(STEPS[side]):
            with torch.autocast(device, torch.bfloat16) if "bfloat16" in variant else nullcontext():
                loss = F.cross_entropy(called(images).logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    steps()
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "arithmetic.json")
    arguments = parser.parse_args()
    rows = []
    for side in SIDES:
        calls = {variant: step_of(variant, side, arguments.device) for variant in VARIANTS}
        wait = torch.cuda.synchronize if arguments.device == "cuda" else None
        seconds = alternating(dict(calls), ROUNDS, wait)
        times = {one: round(ratio(seconds, one, "plain"), 3) for one in VARIANTS[1:]}
        print(f"{BATCH}×3×{side}×{side}: {times}", flush=True)
        rows.append({"side": side, "steps": STEPS[side], "times_plain": times, "seconds": summary(seconds)})
    report = {
        "what": f"a step of the network that train builds, {BATCH} windows, {CLASSES} classes",
        "protocol": "median of 3 alternating rounds in one process, wall time; compiling not counted",
        "device": arguments.device,
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "rows": rows,
    }
    arguments.output.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
