"""Settings and model files are a stranger's data: nothing in them is executed, no path or address in them is opened."""

from __future__ import annotations

import builtins
import copy
import io
import json
import math
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch import nn

from pointillist.data.bands import RGB, Bands
from pointillist.data.inputs import InputSpec, Scale
from pointillist.data.layouts import load_dataset
from pointillist.errors import ConfigError, PointillistError, RunError
from pointillist.inference.predictor import Predictor
from pointillist.training.config import make_config
from pointillist.training.model_file import sha256
from pointillist.training.model_folder import load_model
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import build_network
from pointillist.training.run import fit
from tests.conftest import TINY
from tests.training.test_checkpoints import parts, signed

OLD = Path(__file__).parents[1] / "fixtures" / "version_0_1" / "run"
CONTENT: dict[str, Any] = json.loads((OLD / "model" / "model.json").read_text(encoding="utf-8"))
SEEN: dict[str, Any] = {
    "format": 3,
    "scale": [0.5, 2.0],
    "bands": {
        "names": ["red", "green", "nir"],
        "type": "uint16",
        "range": [[0.0, 1023.0], [0.0, 1023.0], [12.5, 4000.0]],
        "display": [1, 2, 3],
        "select": [3, 2, 5],
        "plane": {"Z": 2},
    },
}
"""What models say since version 3: how they see images."""
NEW = {**CONTENT, **SEEN}


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.marker, "executed"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(OLD / "model", tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that Python code opens, `Path.read_bytes` and `torch.load` included."""
    paths: list[str] = []
    whole = io.open

    def remember(file: Any, *args: Any, **kwargs: Any) -> Any:
        paths.append(str(file))
        return whole(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", remember)
    monkeypatch.setattr(io, "open", remember)
    return paths


def write(folder: Path, content: Any) -> None:
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def network(**changes: Any) -> dict[str, Any]:
    return {**CONTENT, "network": {**CONTENT["network"], **changes}}


@pytest.mark.parametrize("encoder", ["small", "resnet18", "tu-resnet18", "tu-regnety_002"])
@pytest.mark.parametrize("name", ["checkpoint_path", "pretrained_cfg_overlay"])
def test_no_pickle_of_a_model_folder_is_executed(folder: Path, tmp_path: Path, encoder: str, name: str) -> None:
    marker, bomb = tmp_path / "marker", tmp_path / "bomb.pth"
    bomb.write_bytes(pickle.dumps(Bomb(marker)))
    options = {**CONTENT["network"]["options"], name: str(bomb) if name == "checkpoint_path" else {"file": str(bomb)}}
    write(folder, network(encoder=encoder, options=options))
    with pytest.raises(RunError) as caught:
        load_model(folder)
    assert caught.value.field == "network.options"
    assert not marker.exists()


FOREIGN = ["tu-hf-hub:x/y", "hf-hub:x/y", "tu-local-dir:/tmp/x", "local-dir:/tmp/x", "tu-../x", "tu-/tmp/x", "tu-x:y"]


@pytest.mark.parametrize("encoder", FOREIGN)
@pytest.mark.parametrize("architecture", ["fpn", "unet", "dpt"])
def test_encoders_that_lead_elsewhere_are_refused(folder: Path, encoder: str, architecture: str) -> None:
    with pytest.raises(ConfigError, match="is no encoder"):
        build_network(NetworkSettings(architecture=architecture, encoder=encoder), 3)
    write(folder, network(architecture=architecture, encoder=encoder))
    with pytest.raises(RunError, match="is no encoder") as caught:
        load_model(folder)
    assert caught.value.field == "network.encoder"


LOADER = (
    "pretrained pretrained_cfg weights encoder_weights cache_dir features_only in_channels classes in_chans "
    "num_classes scriptable exportable no_jit encoder_name activation aux_params kwargs model_name norm_layer device"
)


@pytest.mark.parametrize("name", LOADER.split())
@pytest.mark.parametrize("encoder", ["small", "resnet18", "tu-resnet18"])
def test_no_loader_option_passes(name: str, encoder: str) -> None:
    with pytest.raises(ConfigError, match="has no option"):
        build_network(NetworkSettings(encoder=encoder, options={name: 1}), 3)


@pytest.mark.parametrize(
    "value",
    ["x" * 33, [1] * 17, [[1]], ["a"], [True], {"a": 1}, 5000, -5000, float("inf"), float("nan"), [None], 10**400],
)
def test_options_are_small_plain_values(value: object) -> None:
    with pytest.raises(ConfigError, match=r"stem_width") as caught:
        make_config(None, {"network.options": {"stem_width": value}})
    assert caught.value.field == "network.options"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("channels", [8]),
            ("channels", []),
            ("channels", 3),
            ("stem_width", 0),
            ("stem_width", -8),
            ("stem_type", 5),
        ),
        *(
            ("encoder_depth", 99),
            ("encoder_depth", True),
            ("decoder_interpolation", "x"),
            ("decoder_merge_policy", "x"),
        ),
        *(("decoder_pyramid_channels", "x"), ("img_size", 3)),
    ],
)
def test_options_that_cannot_be_are_typed_errors(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match="cannot be built"):
        build_network(NetworkSettings(options={name: value}), 3)


def test_weights_named_by_a_model_are_not_opened(folder: Path, opened: list[str]) -> None:
    write(folder, network(weights="/etc/passwd"))
    assert len(Predictor(folder).classes) == 3
    assert any(path.endswith("model.json") for path in opened), "what is opened is seen"
    assert "/etc/passwd" not in opened


def test_weights_named_by_a_run_are_not_opened(tiny_data: Path, tmp_path: Path, opened: list[str]) -> None:
    dataset = load_dataset(tiny_data)
    run = fit(make_config(None, TINY), dataset, tmp_path / "run")
    settings = yaml.safe_load(run.config_file.read_text(encoding="utf-8"))
    settings["network"]["weights"] = "/etc/passwd"
    run.config_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = make_config(run.config_file, resume=True)
    assert config == run.read()[0]
    Predictor(run)
    for file in (run.checkpoint, run.checkpoint_before):  # as a stranger makes one who knows how
        about, body = parts(file)
        file.write_bytes(signed({**about, "config.yaml": sha256(run.config_file)[:16]}, body))
    fit(config, dataset, run.root, resume=True)
    protocol = json.loads((run.model / "model.json").read_text(encoding="utf-8"))["protocol"]
    assert protocol["initialisation"] == "passwd", "the record stays"
    with pytest.raises(ConfigError, match="stranger") as caught:
        make_config(run.config_file)
    assert caught.value.field == "network.weights"
    assert make_config(run.config_file, {"network.weights": "mine.pth"}).network.weights == Path("mine.pth")
    assert make_config(run.config_file, overrides=["network.weights=null"]).network.weights is None
    run.checkpoint.unlink()
    run.checkpoint_before.unlink()
    with pytest.raises(RunError, match="before its first checkpoint"):
        fit(config, dataset, run.root, resume=True)
    assert "/etc/passwd" not in opened


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every number, text and list of a file is."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from leaves(inner, (*path, key))


def replaced(path: tuple[Any, ...], value: Any) -> Any:
    content = copy.deepcopy(NEW)
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return content


def at(path: tuple[Any, ...]) -> Any:
    place: Any = NEW
    for key in path:
        place = place[key]
    return place


RECORD = ("protocol", "method")
"""Settings of the method are only shown."""

NUMBERS = [
    path
    for path in leaves(NEW)
    if isinstance(at(path), int | float)
    and not isinstance(at(path), bool)
    and (path[:2] != RECORD or path[2] == "shift")
    and path != ("protocol", "ema")
]
WRONG: list[Any] = [True, "1", [1], {"a": 1}, "x", float("nan"), -1, 10**30]


@pytest.mark.parametrize("path", NUMBERS, ids=lambda path: ".".join(map(str, path)))
def test_what_is_no_number_is_a_typed_error(folder: Path, path: tuple[Any, ...]) -> None:
    for value in WRONG[:6]:
        write(folder, replaced(path, value))
        with pytest.raises(RunError) as caught:
            load_model(folder)
        assert caught.value.field is not None, value
        assert caught.value.field.split(".")[0] in (path[0], "network", "expected"), value


@pytest.mark.parametrize("path", list(leaves(NEW)), ids=lambda path: ".".join(map(str, path)))
def test_nothing_in_a_model_file_raises_anything_else(
    folder: Path, path: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if path[0] != "network":
        # What is not of the network is read without one; building it takes most of the time.
        monkeypatch.setattr("pointillist.training.model_folder.build_network", lambda *_: nn.Linear(1, 1))
    for value in [*WRONG, None, [], {}, "/etc/passwd", [[[]]], ""]:
        write(folder, replaced(path, value))
        try:
            load_model(folder)
        except PointillistError as error:
            assert error.hint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("bands", "names"), []),
        (("bands", "names"), ["a"] * 2000),
        (("bands", "names", 0), "x" * 10_000),
        (("bands", "names"), "red"),
        (("bands", "type"), "float64"),
        (("bands", "type"), "object"),
        (("bands", "range"), [[0.0, 1.0]]),
        (("bands", "range", 0), [1.0, 0.0]),
        (("bands", "range", 0), [0.0, 1.0, 2.0]),
        (("bands", "range", 0, 1), float("inf")),
        (("bands", "display"), [1, 2]),
        (("bands", "display", 0), 0),
        (("bands", "display", 0), 4),
        (("bands", "select"), [1, 2]),
        (("bands", "select"), []),
        (("bands", "select", 0), 0),
        (("bands", "select", 0), 10**9),
        (("bands", "plane"), {"Z": 0}),
        (("bands", "plane"), [1]),
        (("bands",), []),
        (("scale",), [0.5]),
        (("scale",), 0.5),
        (("scale", 0), -0.5),
        (("scale", 1), 1e9),
        (("scale", 1), float("inf")),
        (("size",), [48]),
        (("size", 0), 2),
        (("size", 0), 10**6),
    ],
    ids=repr,
)
def test_what_cannot_be_seen_is_a_typed_error(folder: Path, path: tuple[Any, ...], value: object) -> None:
    write(folder, replaced(path, value))
    with pytest.raises(RunError) as caught:
        load_model(folder)
    assert caught.value.field is not None
    assert caught.value.field.split(".")[0] == path[0]


def test_how_a_model_sees_images_is_read(folder: Path) -> None:
    write(folder, NEW)
    spec = load_model(folder).spec
    assert spec.scale == Scale((48, 64), 0.5, 2.0)
    ranges = ((0.0, 1023.0), (0.0, 1023.0), (12.5, 4000.0))
    assert spec.bands == Bands(("red", "green", "nir"), "uint16", ranges, (0, 1, 2), (3, 2, 5), {"Z": 2})
    assert spec.bands.to_dict() == SEEN["bands"]
    write(folder, {**NEW, "scale": [0.5, None], "size": None})
    assert load_model(folder).spec.scale == Scale(None, 0.5, math.inf)


def test_more_bands_than_the_network_takes_are_a_typed_error(folder: Path) -> None:
    bands = {**SEEN["bands"], "names": ["a", "b", "c", "d"], "range": [[0.0, 1.0]] * 4, "select": None}
    write(folder, {**NEW, "bands": bands})
    with pytest.raises(RunError):
        load_model(folder)


@pytest.mark.parametrize("size", [[48, 64], None])
def test_models_without_bands_are_of_photographs(folder: Path, size: list[int] | None) -> None:
    """Format 1 has the prior to the power of its correction, format 2 the prior; neither has bands or bounds."""
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    first = {**CONTENT, "size": size}
    second = {name: value for name, value in first.items() if name != "expected"}
    labels = []
    for content in (first, {**second, "format": 2, "class_prior": [0.2, 0.3, 0.5]}):
        write(folder, content)
        predictor = Predictor(folder)
        assert predictor.engine.spec == InputSpec(RGB, Scale.of(1.0) if size is None else Scale((48, 64)))
        labels.append(predictor(image))
    assert np.array_equal(*labels)
    assert predictor.engine.class_prior == (0.2, 0.3, 0.5)


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "{", "[" * 100_000, '{"format": 3}', '{"format": 0}', "{}"])
def test_what_is_no_model_file_is_a_typed_error(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError):
        load_model(folder)


@pytest.mark.parametrize("options", [{"channels": [4096] * 4}, {"decoder_pyramid_channels": 4096}])
def test_a_network_larger_than_its_weights_takes_no_memory(folder: Path, options: dict[str, Any]) -> None:
    content = copy.deepcopy(CONTENT)
    content["network"]["options"] |= options
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match="larger than its weights"):
        load_model(folder)
