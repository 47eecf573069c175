"""Each thing that docs/architecture.md says costs one file is added here as one file, and used by the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pointillist import registry
from tests.conftest import TINY_FLAGS, Cli

FORMAT = """
from typing import ClassVar
from pointillist.points.formats.base import PointFormat
from pointillist.points.table import Point, PointTable


class Lines(PointFormat):
    name: ClassVar[str] = "lines"
    title: ClassVar[str] = "image|x|y|class, a line each"
    origin: ClassVar[str] = "corner"
    suffixes: ClassVar[tuple[str, ...]] = (".lines",)

    def recognise(self, path):
        return path.suffix == ".lines"

    def _read(self, path, context):
        rows = [line.split("|") for line in path.read_text().splitlines()]
        return PointTable([Point(image, float(x), float(y), label) for image, x, y, label in rows])

    def _write(self, table, path, context):
        path.write_text("".join(f"{p.image}|{p.x}|{p.y}|{p.label}\\n" for p in table))
"""

LAYOUT = """
from typing import ClassVar
from pointillist.classes import ClassSet
from pointillist.data.dataset import Dataset, Item
from pointillist.data.layouts.base import Layout
from pointillist.data.layouts import load_dataset


class Boxes(Layout):
    name: ClassVar[str] = "boxes"
    title: ClassVar[str] = "a folder that says BOXES"

    def recognise(self, root):
        return (root / "BOXES").is_file()

    def load(self, root):
        from dataclasses import replace
        from pointillist.data.layouts import LAYOUTS
        return replace(LAYOUTS.get("folder")().load(root), layout="boxes")
"""

NETWORK = """
from typing import ClassVar
from torch import nn
from pointillist.training.methods.base import NetworkOutput
from pointillist.training.networks.base import Network, NetworkFamily


class Line(Network):
    feature_channels = 8

    def __init__(self, num_classes, bands):
        super().__init__()
        self.features, self.head = nn.Conv2d(bands, 8, 3, padding=1), nn.Conv2d(8, num_classes, 1)

    def forward(self, images):
        features = self.features(images - 0.5).relu()
        return NetworkOutput(self.head(features), features)


class Lines(NetworkFamily):
    name: ClassVar[str] = "lines"
    architectures: ClassVar[tuple[str, ...]] = ("line",)

    @classmethod
    def build(cls, settings, num_classes, bands):
        return Line(num_classes, bands)
"""

STAGE = """
from typing import ClassVar, Literal
from pointillist.pseudomask.stages.base import Stage


class Sharpen(Stage):
    name: ClassVar[str] = "sharpen"
    kind: Literal["sharpen"] = "sharpen"
    power: float = 2.0

    def __call__(self, scores, given):
        return scores ** self.power
"""

TARGET = """
from pathlib import Path
from typing import ClassVar
from pointillist.inference.exports.base import Source, Target


class Names(Target):
    name: ClassVar[str] = "names"
    title: ClassVar[str] = "the names of the classes"
    suffix: ClassVar[str] = ".txt"

    def write(self, source: Source, out: Path) -> None:
        out.write_text(", ".join(source.model.classes))
"""


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for the plug-in, and an environment without others."""
    monkeypatch.setenv(registry.VARIABLE, "")
    return tmp_path / "plugin.py"


def test_a_label_format(plug: Path, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    plug.write_text(FORMAT)
    out = tmp_path / "clicks.lines"
    result = cli("points", "export", tiny_data, out, "--format", "lines", "--plugin", plug)
    assert result.code == 0, result.err
    before = (tiny_data / "points.csv").read_text()
    assert len(out.read_text().splitlines()) == len(before.splitlines()) - 1
    (tiny_data / "points.csv").unlink()
    result = cli("--plugin", plug, "points", "import", tiny_data, out)
    assert result.code == 0, result.err
    assert (tiny_data / "points.csv").read_text() == before


def test_a_layout(plug: Path, cli: Cli, tiny_data: Path) -> None:
    plug.write_text(LAYOUT)
    (tiny_data / "BOXES").touch()
    result = cli("info", tiny_data, "--layout", "boxes", "--plugin", plug)
    assert result.code == 0, result.err
    assert "boxes" in result.out


def test_an_export_target(plug: Path, cli: Cli, tmp_path: Path) -> None:
    plug.write_text(TARGET)
    run = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "run"
    result = cli("export", run, "--to", "names", "--out", tmp_path / "names.txt", "--plugin", plug)
    assert result.code == 0, result.err
    assert (tmp_path / "names.txt").read_text() == "ground, square, disc"


def test_a_network_also_where_it_predicts_and_is_exported(
    plug: Path, cli: Cli, tiny_data: Path, tmp_path: Path
) -> None:
    plug.write_text(NETWORK)
    run, flags = tmp_path / "run", [flag for flag in TINY_FLAGS if "network.options" not in flag]
    flags = [*flags[: flags.index("--set")], "--set", "trainer.snapshots=0", "--set", "network.architecture=line"]
    result = cli("train", tiny_data, "--out", run, *flags, "--plugin", plug)
    assert result.code == 0, result.err
    out = tmp_path / "out"
    assert cli("predict", run, tiny_data / "images", "--out", out, "--plugin", plug).code == 0
    assert np.asarray(Image.open(out / "tiny_0.png")).shape == (48, 64)
    result = cli("export", run, "--to", "torchscript", "--out", tmp_path / "line.pt", "--plugin", plug)
    assert result.code == 0, result.err
    registry.os.environ[registry.VARIABLE] = ""
    result = cli("predict", run, tiny_data / "images", "--out", tmp_path / "other")
    assert result.code == 2
    assert "'line' is no architecture" in result.err


def test_a_stage_with_settings_of_its_own(plug: Path, cli: Cli, tiny_data: Path, tmp_path: Path) -> None:
    plug.write_text(STAGE)
    setting = "method.pseudo_mask.stages=[{kind: sharpen, power: 3}]"
    run = tmp_path / "run"
    result = cli("train", tiny_data, "--out", run, *TINY_FLAGS, "--set", setting, "--plugin", plug)
    assert result.code == 0, result.err
    saved = yaml.safe_load((run / "config.yaml").read_text())["method"]["pseudo_mask"]["stages"]
    assert saved == [{"kind": "sharpen", "power": 3.0}]
    result = cli(
        "train", tiny_data, "--out", run, *TINY_FLAGS, "--set", setting.replace("power", "pwer"), "--overwrite"
    )
    assert result.code == 2
    assert "pwer" in result.err
