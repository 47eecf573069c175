"""Models in ONNX files: opened without torch, never trusted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.inputs import Scale
from pointillist.errors import PointillistError, RunError
from pointillist.inference import predictor as predictors
from pointillist.inference.engines.onnx import METADATA, SEAL, open_engine, sealed
from pointillist.inference.predictor import Predictor
from pointillist.training import tiling
from tests.conftest import draw_tiny, write_tiny

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILE = FIXTURES / "onnx" / "tiny.onnx"
"""Exported from the run in `version_0_1`."""
RUN = FIXTURES / "version_0_1" / "run"

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "lightning", "segmentation_models_pytorch", "timm", "torchmetrics", "tensorboard",
             "numba", "llvmlite", "matplotlib", "jinja2", "safetensors", "onnx", "onnxscript", "rasterio"):
    sys.modules[name] = None
sys.argv = ["pointillist", *sys.argv[1:]]
from pointillist.cli import main
main()
"""
"""The command line where no module but those of the extra `onnx` can be imported."""


def without_torch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("size", [(48, 64), (37, 91), (130, 70), (1, 5), (5, 1)])
def test_the_file_predicts_what_the_run_predicts(size: tuple[int, int]) -> None:
    image = np.asarray(Image.fromarray(draw_tiny(3, 96, 130)[0]).resize(size[::-1]))
    expected = Predictor(RUN, "cpu").predict(image, probabilities=True)
    found = Predictor(FILE).predict(image, probabilities=True)
    assert (found.labels == expected.labels).mean() >= 0.9999
    # float16 of the maps has steps of 5e-4 near 1.
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=6e-4)


def test_large_images_are_blended_from_the_same_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "LARGEST_PASS", 64 * 64)
    image = np.asarray(Image.fromarray(draw_tiny(0, 96, 130)[0]).resize((260, 192)))
    labels = []
    for model in (RUN, FILE):
        predictor = Predictor(model, "cpu")
        predictor.spec = type(predictor.spec)(predictor.spec.bands, Scale.of(1.0))
        labels.append(predictor(image))
    assert (labels[0] == labels[1]).mean() >= 0.9999


def test_predict_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for index in range(2):
        Image.fromarray(draw_tiny(index)[0]).save(tmp_path / "images" / f"{index}.png")
    done = without_torch("predict", FILE, tmp_path / "images", "--out", tmp_path / "out", "--write", "png,overlay")
    assert done.returncode == 0, done.stderr
    for index in range(2):
        expected = Predictor(RUN, "cpu")(tmp_path / "images" / f"{index}.png")
        with Image.open(tmp_path / "out" / f"{index}.png") as labels:
            assert (np.asarray(labels) == expected).mean() >= 0.9999
    # What does need it says so.
    train = ("train", write_tiny(tmp_path / "tiny"))
    for command in (train, ("predict", RUN, tmp_path / "images", "--out", tmp_path / "other")):
        done = without_torch(*command)
        assert done.returncode == 2
        assert "pip install 'pointillist[train]'" in done.stderr
        assert "Traceback" not in done.stderr
    assert without_torch("info").returncode == 0


def test_no_gpu_is_promised() -> None:
    with pytest.raises(PointillistError, match="CPU"):
        open_engine(FILE, "cuda")


def changed(folder: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(FILE)
    change(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def test_no_flipped_bit_goes_unseen(tmp_path: Path) -> None:
    model = onnx.load(FILE)
    model.metadata_props.add(key=SEAL, value="0" * 64)
    content = sealed(model.SerializeToString())
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    open_engine(file)
    for place in (0, len(content) // 3, len(content) // 2, len(content) - 1, content.index(SEAL.encode()) + 30):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(RunError):
            open_engine(file)
    weights = next(one for one in model.graph.initializer if len(one.raw_data) > 1000).raw_data
    changed = bytearray(content)
    changed[content.index(weights) + 500] ^= 0x40
    file.write_bytes(changed)
    with pytest.raises(RunError, match="something in it has changed"):
        open_engine(file)


def external(tensor: onnx.TensorProto, place: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)


def weights_elsewhere(model: onnx.ModelProto) -> None:
    external(next(one for one in model.graph.initializer if one.name.startswith("network_")), "other.bin")


def constant_elsewhere(model: onnx.ModelProto) -> None:
    """In a graph inside a node, where it is easily overlooked."""
    inner = onnx.helper.make_graph([onnx.helper.make_node("Constant", [], ["c"])], "inner", [], [])
    attribute = inner.node[0].attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.dims.append(1)
    attribute.t.data_type = onnx.TensorProto.FLOAT
    external(attribute.t, "/etc/passwd")
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def function_elsewhere(model: onnx.ModelProto) -> None:
    function = model.functions.add(name="f", domain="d")
    node = function.node.add(op_type="Constant", output=["c"])
    external(node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t, "../other.bin")


@pytest.mark.parametrize("change", [weights_elsewhere, constant_elsewhere, function_elsewhere])
def test_no_other_file_is_opened(change: Callable[[onnx.ModelProto], None], tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(bytes(2**20))
    with pytest.raises(RunError, match="takes weights from another file"):
        open_engine(changed(tmp_path, change))


def set_metadata(text: str | None) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        kept = [(one.key, one.value) for one in model.metadata_props if one.key != METADATA]
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, dict(kept) | ({} if text is None else {METADATA: text}))

    return change


def other(**values: object) -> str:
    model = onnx.load(FILE)
    content = json.loads(next(one.value for one in model.metadata_props if one.key == METADATA))
    return json.dumps(content | values)


TWO = [{"name": "a", "color": [0, 0, 0]}, {"name": "b", "color": [1, 1, 1]}]


def rename(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "picture"


def foreign(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "stranger"
    model.opset_import.add(domain="stranger", version=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_metadata(None), "no model of this program"),
        (set_metadata("["), "is damaged"),
        (set_metadata(other(format=99)), "format 99"),
        (set_metadata(other(classes=TWO, expected=None)), "any×2×any×any called 'probabilities'"),
        (set_metadata(other(bands=3)), "bands"),
        (rename, "cannot be run|called 'image'"),
        (foreign, "cannot be run"),
        (lambda model: model.graph.ClearField("node"), "cannot be run"),
    ],
    ids=["none", "no-json", "future", "classes", "bands", "name", "operator", "empty"],
)
def test_a_strangers_file_is_refused(change: Callable[[onnx.ModelProto], None], message: str, tmp_path: Path) -> None:
    file = changed(tmp_path, change)
    with pytest.raises(RunError, match=message) as caught:
        open_engine(file)
    assert caught.value.hint
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("operator", "values"),
    [("Slice", ([0], [5], [2])), ("Slice", ([0], [0], [0])), ("Mul", (np.float32([np.nan]),))],
    ids=["size", "count", "values"],
)
def test_a_graph_that_does_not_do_what_it_declares(operator: str, values: tuple[object, ...], tmp_path: Path) -> None:
    """Such results would be whatever was in the memory before."""

    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.output[:] = ["before" if name == "probabilities" else name for name in node.output]
        names = [f"stranger{number}" for number in range(len(values))]
        model.graph.initializer.extend(map(onnx.numpy_helper.from_array, map(np.array, values), names))
        model.graph.node.append(onnx.helper.make_node(operator, ["before", *names], ["probabilities"]))

    predictor = Predictor(changed(tmp_path, change))
    with pytest.raises(RunError, match="gives no probabilities of 1×3×48×64"):
        predictor(np.zeros((48, 64, 3), np.uint8))


def test_metadata_that_are_no_text(tmp_path: Path) -> None:
    data, file = FILE.read_bytes(), tmp_path / "model.onnx"
    assert b'"classes"' in data
    file.write_bytes(data.replace(b'"classes"', b'"cl\xcfsses"'))
    with pytest.raises(RunError, match="can't decode"):
        open_engine(file)


def test_damaged_files_are_typed_errors(tmp_path: Path) -> None:
    data, rng, file = FILE.read_bytes(), np.random.default_rng(0), tmp_path / "model.onnx"
    for _ in range(20):
        broken = bytearray(data[: int(rng.integers(1, len(data)))])
        for place in rng.integers(0, len(broken), 30):
            broken[place] = int(rng.integers(0, 256))
        file.write_bytes(broken)
        with pytest.raises(RunError):
            open_engine(file)
    with pytest.raises(RunError):
        predictors.open_model(tmp_path / "none.onnx", "cpu")
