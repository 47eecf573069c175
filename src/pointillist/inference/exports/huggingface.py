"""A folder as the Hugging Face Hub has it: to upload, or to open with `Predictor.from_hub`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from pointillist.inference.exports.base import Source, Target
from pointillist.inference.exports.onnx import Onnx
from pointillist.inference.exports.parity import Parity


class HuggingFace(Target):
    """See the module."""

    name = "huggingface"
    title = "a folder for the Hugging Face Hub: card, weights, ONNX"
    suffix = "-huggingface"
    folder = True

    def write(self, source: Source, out: Path) -> Parity:
        """See `Target.write`."""
        about = {
            "library_name": "pointillist",
            "pipeline_tag": "image-segmentation",
            **({} if source.license is None else {"license": source.license.lower()}),
            "tags": ["semantic-segmentation", "point-annotations", "safetensors", "onnx"],
            **_scored(source),
        }
        matter = yaml.safe_dump(about, sort_keys=False, allow_unicode=True)
        (out / "README.md").write_text(f"---\n{matter}---\n\n{source.card}", encoding="utf-8", newline="\n")
        for name in ("model.json", "model.safetensors"):
            shutil.copyfile(source.folder / name, out / name)
        return Onnx().write(source, out / "model.onnx")


def _scored(source: Source) -> dict[str, Any]:
    """What the Hub shows as the results of a model; nothing where there are none."""
    scored = source.validation
    if scored is None or scored.miou is None:
        return {}
    data = {"type": scored.dataset, "name": scored.dataset, "split": scored.split}
    result = {
        "task": {"type": "image-segmentation"},
        "dataset": data,
        "metrics": [{"type": "mean_iou", "name": "mIoU", "value": round(scored.miou, 4)}],
    }
    return {"metrics": ["mean_iou"], "model-index": [{"name": source.name, "results": [result]}]}
