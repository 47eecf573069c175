"""Print the megabytes that one call takes beyond its arguments; its own process, so that nothing else is counted."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import literal
import torch

from pointillist.pseudomask import refine

CASES = {"literal": literal.refine, "engine": refine}
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", STATUS.read_text())
    return int(found[1]) / 1e3 if found else 0.0


def main(case: str) -> None:
    if not STATUS.exists() or not RESET.exists():
        print(json.dumps(None))
        return
    call = CASES[case]
    call(torch.rand(1, 3, 40, 40), torch.rand(1, 21, 40, 40))  # load kernels and libraries
    image, masks = torch.rand(1, 3, 321, 321), torch.rand(1, 21, 321, 321)
    RESET.write_text("5")  # the high-water mark starts again from here
    before = resident("VmRSS")
    call(image, masks)
    print(json.dumps(round(resident("VmHWM") - before, 1)))


if __name__ == "__main__":
    main(sys.argv[1])
