"""torch.export: the graph of a network as .pt2, which torch.export.load and AOTInductor take."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch.export import Dim

from pointillist.inference.exports.base import Source, Target
from pointillist.inference.exports.parity import Parity, gate
from pointillist.inference.exports.torchscript import as_function
from pointillist.inference.exports.whole import Core, TracedWhole, quietly, unsupported


class TorchExport(Target):
    """See the module."""

    name = "torch-export"
    title = "torch.export, for torch.export.load and AOTInductor"
    suffix = ".pt2"

    def write(self, source: Source, out: Path) -> Parity:
        """See `Target.write`."""
        core = Core(source.model)
        whole = TracedWhole(core, source.model).eval()
        # None of the sizes may be 1 or equal to another: the exporter would take that for a rule.
        example = torch.rand(2, core.bands, 38, 50)
        sizes = {0: Dim("images", min=1), 2: Dim("height", min=1), 3: Dim("width", min=1)}
        try:
            with quietly():
                program = torch.export.export(
                    whole,
                    (example,),
                    dynamic_shapes=(sizes,),
                    # What it finds out about sizes is checked when an image comes, and no rule for all of them.
                    prefer_deferred_runtime_asserts_over_guards=True,
                )
                for node in program.graph.nodes:
                    node.meta.pop("stack_trace", None)  # names of source files, and so of folders of this machine
                with out.open("wb") as stream:  # a path would be its name inside, and this one is temporary
                    torch.export.save(program, stream, extra_files={"model.json": json.dumps(source.content)})
                run = as_function(torch.export.load(out).module())
        except Exception as error:  # theirs are of many types
            raise unsupported("torch.export", error) from error
        return gate(source.model, run, source.probes, self.name)
