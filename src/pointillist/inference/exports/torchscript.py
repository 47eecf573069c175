"""TorchScript: one file for libtorch in C++, and for torch without this program."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pointillist.inference.exports.base import Source, Target
from pointillist.inference.exports.parity import Parity, Run, gate
from pointillist.inference.exports.whole import Core, Whole, quietly, unsupported


class TorchScript(Target):
    """See the module."""

    name = "torchscript"
    title = "TorchScript, for libtorch and torch.jit.load"
    suffix = ".pt"

    def write(self, source: Source, out: Path) -> Parity:
        """See `Target.write`."""
        core = Core(source.model)
        try:
            with quietly():
                traced = torch.jit.trace(core, core.example(), check_trace=False)  # type: ignore[no-untyped-call]
                scripted = torch.jit.script(Whole(traced, source.model).eval())
                buffer = BytesIO()
                torch.jit.save(scripted, buffer, {"model.json": json.dumps(source.content)})
                _without_paths(buffer, out)
                run = as_function(torch.jit.load(str(out)))  # type: ignore[no-untyped-call]
        except Exception as error:  # theirs are of many types
            raise unsupported("TorchScript", error) from error
        return gate(source.model, run, source.probes, self.name)


def as_function(module: Callable[[torch.Tensor], torch.Tensor]) -> Run:
    """A module that takes tensors as a function of arrays."""

    @torch.inference_mode()
    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = module(torch.from_numpy(image)).numpy()
        return found

    return run


def _without_paths(saved: BytesIO, out: Path) -> None:
    """Leave out what serves debuggers only: names of source files, and so of folders of this machine."""
    with zipfile.ZipFile(saved) as given, zipfile.ZipFile(out, "w") as kept:
        for entry in given.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                kept.writestr(entry, given.read(entry))
