"""One file that holds a model: to send by mail, to publish, to predict with."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pointillist.inference.exports.base import Source, Target


class Archive(Target):
    """See the module."""

    name = "archive"
    title = "the model and its card in one .zip, which predict opens"
    suffix = ".zip"

    def write(self, source: Source, out: Path) -> None:
        """See `Target.write`."""
        with zipfile.ZipFile(out, "w") as archive:  # weights do not get smaller
            archive.writestr("README.md", source.card)
            for name in ("model.json", "model.safetensors"):
                archive.write(source.folder / name, name)
