"""A folder as the Hugging Face Hub has it: to upload, or to open with `Predictor.from_hub`."""

from __future__ import annotations

import shutil
from pathlib import Path

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
        }
        matter = yaml.safe_dump(about, sort_keys=False, allow_unicode=True)
        (out / "README.md").write_text(f"---\n{matter}---\n\n{source.card}", encoding="utf-8", newline="\n")
        for name in ("model.json", "model.safetensors"):
            shutil.copyfile(source.folder / name, out / name)
        return Onnx().write(source, out / "model.onnx")
