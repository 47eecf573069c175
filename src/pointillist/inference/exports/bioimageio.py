"""A model package of bioimage.io: one .zip that ilastik, deepImageJ, QuPath and others read."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from pointillist.errors import ConfigError
from pointillist.inference.engines.onnx import onnx_function
from pointillist.inference.exports.base import Source, Target
from pointillist.inference.exports.onnx import OPSET, Onnx
from pointillist.inference.exports.parity import Parity
from pointillist.inference.exports.torchscript import TorchScript

FORMAT = "0.5.4"
"""Version of the description that is written; newer readers read it."""

METHOD = {"text": "The method the program began with.", "url": "https://arxiv.org/abs/2106.10309"}


class BioImageIO(Target):
    """See the module. The description of the format: https://github.com/bioimage-io/spec-bioimage-io."""

    name = "bioimageio"
    title = "a model package of bioimage.io: ONNX and TorchScript, with test images"
    suffix = ".bioimageio.zip"

    def write(self, source: Source, out: Path) -> Parity:
        """See `Target.write`."""
        if not source.authors or source.license is None:
            found = "a model package names its authors and its licence."
            hint = "Give them: --author 'Jane Doe' --license CC-BY-4.0."
            raise ConfigError(found, field="--license" if source.authors else "--author", hint=hint)
        with TemporaryDirectory(prefix="pointillist-") as temporary:
            onnx, script = Path(temporary) / "model.onnx", Path(temporary) / "model.pt"
            parities = [Onnx().write(source, onnx), TorchScript().write(source, script)]
            # The second one is a window: small, and of odd sides.
            given = source.probes[1].values
            files = {
                "model.onnx": onnx.read_bytes(),
                "model.pt": script.read_bytes(),
                "test_input.npy": _npy(given),
                "test_output.npy": _npy(onnx_function(onnx)(given)),
                "README.md": source.card.encode(),
            }
            rdf = yaml.safe_dump(_description(source, files), sort_keys=False, allow_unicode=True)
            with zipfile.ZipFile(out, "w") as package:
                package.writestr("rdf.yaml", rdf)
                for name, content in files.items():
                    package.writestr(name, content)
        return Parity(tuple(row for parity in parities for row in parity.rows))


def _description(source: Source, files: dict[str, bytes]) -> dict[str, Any]:
    """The content of rdf.yaml."""

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    bands, classes = source.model.spec.bands, source.model.classes.names
    given = {
        "id": "image",
        "description": "Values of the bands as image files have them.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": _identifiers(bands.names)},
            *({"type": "space", "id": axis, "size": {"min": 1, "step": 1}} for axis in ("y", "x")),
        ],
        "test_tensor": file("test_input.npy"),
        "data": {"type": "float32"},
    }
    found = {
        "id": "probabilities",
        "description": f"Probability of each class: {', '.join(classes)}."[:1024],
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": _identifiers(classes)},
            *({"type": "space", "id": axis, "size": {"tensor_id": "image", "axis_id": axis}} for axis in ("y", "x")),
        ],
        "test_tensor": file("test_output.npy"),
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }
    protocol = source.content["protocol"]
    name = re.sub(r"[^\w +()-]", " ", source.name)[:100].strip()
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": name if len(name) >= 5 else f"{name} segmentation".strip(),
        "description": f"Semantic segmentation into {len(classes)} classes, learnt from {protocol['images']} images.",
        "authors": [{"name": name} for name in source.authors],
        "cite": [METHOD],
        "license": source.license,
        "documentation": "README.md",
        "tags": ["semantic-segmentation", "point-annotations", "pointillist", "2d"],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [given],
        "outputs": [found],
        "weights": {
            "onnx": {**file("model.onnx"), "opset_version": OPSET, "parent": "torchscript"},
            "torchscript": {**file("model.pt"), "pytorch_version": torch.__version__.partition("+")[0]},
        },
        "config": {"pointillist": source.content},
    }


def _identifiers(names: tuple[str, ...]) -> list[str]:
    """Names of channels, which must be identifiers; the description has the real ones."""
    made: list[str] = []
    for index, name in enumerate(names):
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
        plain = plain if plain.isidentifier() else f"channel_{plain}".rstrip("_")
        made.append(f"{plain}_{index}" if plain in made else plain)
    return made


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
