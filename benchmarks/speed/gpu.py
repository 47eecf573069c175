"""The GPU row: the Triton kernel against the literal version and against the memory floors of the device."""

from __future__ import annotations

import statistics
from typing import Any

import literal
import torch
from measure import alternating, ratio, summary

from pointillist.pseudomask import refine

BATCH, CLASSES, SIDE, ITERATIONS, NEIGHBOURS, COLOURS = 16, 21, 321, 10, 48, 3
NOT_MEASURED = "not measured"


def floors(dram_gbs: float, l1_gbs: float) -> dict[str, Any]:
    """Least time of all iterations, by traffic at each level.

    DRAM: masks read and written, colours, scales and softmax read. First-level cache: 48 times the masks and colours
    of a neighbour. The second level sees what the first misses, between the two; its floor needs a profiler.
    """
    pixels = BATCH * SIDE * SIDE
    dram = 4.0 * pixels * (2 * CLASSES + 2 * COLOURS + 2) * ITERATIONS
    l1 = 4.0 * pixels * NEIGHBOURS * (CLASSES + COLOURS) * ITERATIONS
    result = {"dram_gb": round(dram / 1e9, 2), "l1_gb": round(l1 / 1e9, 2)}
    times = {"dram_s": dram / dram_gbs / 1e9, "l1_s": l1 / l1_gbs / 1e9}
    binding = max(times, key=lambda name: times[name])
    return {**result, **{k: round(v, 6) for k, v in times.items()}, "binding": binding, "binding_s": times[binding]}


def triton_row() -> dict[str, Any]:
    row: dict[str, Any] = {
        "what": f"refine in Triton, {BATCH}×{CLASSES}×{SIDE}×{SIDE}, T={ITERATIONS}",
        "against": "literal on the same GPU; the binding floor of its memory traffic",
        "target": "≥ 100× faster, ≥ 40 % of the floor's rate",
    }
    if not torch.cuda.is_available():
        return {**row, "times_faster": NOT_MEASURED, "share_of_floor": NOT_MEASURED, "reached": NOT_MEASURED}
    image, masks = torch.rand(BATCH, 3, SIDE, SIDE).cuda(), torch.rand(BATCH, CLASSES, SIDE, SIDE).cuda()
    wait = torch.cuda.synchronize
    seconds = alternating(
        {"literal": lambda: literal.refine(image, masks), "engine": lambda: refine(image, masks)}, wait=wait
    )
    buffer = torch.empty(1 << 28, device="cuda")
    copy = alternating({"copy": lambda: buffer.clone()}, rounds=10, wait=wait)["copy"]
    properties = torch.cuda.get_device_properties(0)
    clock = getattr(properties, "clock_rate", 1_500_000) * 1e3
    rates = {
        "dram_gbs": 2 * 4 * buffer.numel() / min(copy) / 1e9,
        "l1_gbs": properties.multi_processor_count * 128 * clock / 1e9,
    }
    floor = floors(**rates)
    return {
        **row,
        "times_faster": round(ratio(seconds, "literal", "engine"), 1),
        "seconds": summary(seconds),
        "rates": {name: round(rate, 1) for name, rate in rates.items()},
        "floor": floor,
        "share_of_floor": round(floor["binding_s"] / statistics.median(seconds["engine"]), 3),
        "largest_difference": float((literal.refine(image, masks) - refine(image, masks)).abs().max()),
    }
