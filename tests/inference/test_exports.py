"""Exports: each gives what the model gives, on images of any size, or there is none."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pointillist.classes import ClassSet
from pointillist.data.bands import RGB
from pointillist.data.inputs import InputSpec, Scale
from pointillist.errors import ConfigError, RunError
from pointillist.inference.engines.onnx import SEALED, onnx_function
from pointillist.inference.export import export_model
from pointillist.inference.exports import targets
from pointillist.inference.exports.onnx import Onnx
from pointillist.inference.exports.parity import Parity, Probe, compare, gate
from pointillist.inference.exports.torchscript import TorchScript
from pointillist.inference.exports.whole import Core, TracedWhole, Whole
from pointillist.inference.hub import find_model
from pointillist.inference.predictor import Predictor
from pointillist.training.model_folder import Model, load_model
from pointillist.training.network_settings import NetworkSettings
from pointillist.training.networks import build_network
from tests.conftest import Cli, Result

pytest.importorskip("onnxruntime")

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILE = FIXTURES / "onnx" / "tiny.onnx"
RUN = FIXTURES / "version_0_1" / "run"
IMAGES = FIXTURES / "version_0_1" / "data" / "images"
SIZES = [(48, 64), (37, 91), (130, 70), (1, 5), (5, 1), (100, 31), (3, 200)]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(RUN / "model")


def pillow(values: np.ndarray, model: Model, seen: tuple[int, int]) -> np.ndarray:
    """Probabilities of one image, independently: Pillow resizes planes of floats, numpy does the rest."""

    def resized(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        images = [Image.fromarray(plane.astype(np.float32)) for plane in planes]
        return np.stack([np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR)) for image in images])

    with torch.no_grad():
        network = model.network.double()
        logits = network(torch.from_numpy(resized(values / 255, seen)).double()[None]).logits[0].numpy()
        model.network.float()
    powers = np.exp(resized(logits, values.shape[1:]))
    return powers / powers.sum(0)


@pytest.mark.parametrize("size", SIZES)
def test_the_graph_is_the_pipeline(size: tuple[int, int], model: Model) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, *size)).astype(np.float32)
    factor = min(48 / size[0], 64 / size[1])
    seen = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    found = onnx_function(FILE)(values[None])[0]
    np.testing.assert_allclose(found, pillow(values, model, seen), atol=1e-4)


@pytest.mark.parametrize("kind", [Whole, TracedWhole])
@pytest.mark.parametrize("scale", [Scale((48, 64)), Scale.of(0.5), Scale.of(1.0), Scale((160, 160), 0.3, 2.0)], ids=str)
def test_sizes_are_those_of_the_predictor(kind: type[Whole], scale: Scale) -> None:
    network = build_network(NetworkSettings(), 2)
    model = Model(network, ClassSet.create(["a", "b"]), InputSpec(RGB, scale), {}, None, "")
    whole = kind(Core(model), model)
    for height in (1, 2, 3, 5, 31, 32, 33, 64, 77, 480, 1001):
        for width in (1, 3, 5, 65, 200, 641):
            rows, columns, down, across = whole.sizes(height, width)
            assert (rows, columns) == scale.size_of((height, width))
            assert (down % 32, across % 32) == (0, 0)
            assert down - rows < 32
            assert across - columns < 64


def noisy(values: np.ndarray) -> np.ndarray:
    found = onnx_function(FILE)(values).copy()
    if values.shape[2:] == (20, 30):
        found[:, 0, 4, 7] += 2e-4
    return found


def test_the_gate_says_where_and_how_far(model: Model) -> None:
    rng = np.random.default_rng(0)
    probes = [
        Probe(name, rng.uniform(0, 255, (1, 3, *size)).astype(np.float32))
        for name, size in (("a.png", (48, 64)), ("b.png", (20, 30)))
    ]
    assert gate(model, onnx_function(FILE), probes, "onnx").agreement == 1
    with pytest.raises(RunError) as caught:
        gate(model, noisy, probes, "onnx")
    for text in ("b.png", "30×20", "0.0002", "x=7, y=4"):
        assert text in str(caught.value)
    with pytest.raises(RunError, match=r"up to 1 \(at"):
        gate(model, lambda values: onnx_function(FILE)(values) * np.nan, probes, "onnx")
    with pytest.raises(RunError, match="gives"):
        compare(model, lambda values: values[:, :2], probes)


def test_an_export_that_differs_is_not_there(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Onnx, source: Any, out: Path) -> Parity:
        out.write_bytes(FILE.read_bytes())
        return gate(source.model, noisy, [Probe("a.png", np.ones((1, 3, 20, 30), np.float32))], self.name)

    monkeypatch.setattr(Onnx, "write", write)
    done = cli("export", RUN, "--to", "onnx", "--out", tmp_path / "model.onnx", "--images", IMAGES)
    assert done.code == 2
    assert "a.png (30×20)" in done.err
    assert list(tmp_path.iterdir()) == []


def test_torchscript_runs_without_this_program(cli: Cli, model: Model, tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    done = cli("export", RUN, "--to", "torchscript", "--out", file, "--images", IMAGES)
    assert done.code == 0, done.err
    assert "probabilities differ by at most" in done.out
    assert cli("export", RUN, "--to", "torchscript", "--out", file, "--images", IMAGES).code == 2
    extra = {"model.json": ""}
    module = torch.jit.load(str(file), _extra_files=extra)
    assert json.loads(extra["model.json"])["sha256"] == model.sha256
    for size in SIZES:
        values = np.random.default_rng(1).integers(0, 256, (2, 3, *size)).astype(np.float32)
        seen = model.spec.scale.size_of(size)
        with torch.no_grad():
            found = module(torch.from_numpy(values)).numpy()
        for one, image in zip(found, values, strict=True):
            np.testing.assert_allclose(one, pillow(image, model, seen), atol=2e-4)
    with zipfile.ZipFile(file) as archive:
        assert not any(str(Path(__file__).parents[2]).encode() in archive.read(name) for name in archive.namelist())


def test_an_archive_is_opened_as_it_is(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "berries.zip"
    assert cli("export", RUN, "--to", "archive", "--out", file).code == 0
    image = next(IMAGES.iterdir())
    np.testing.assert_array_equal(Predictor(file)(image), Predictor(RUN)(image))
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["README.md", "model.json", "model.safetensors"]
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../model.json", "{}")
    with pytest.raises(RunError, match="leads out"):
        Predictor(tmp_path / "evil.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("notes.txt", "")
    with pytest.raises(RunError, match="without a model"):
        Predictor(tmp_path / "empty.zip")


@pytest.fixture
def ready_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting to ONNX takes long; here it is done already."""

    def write(self: Onnx, source: Any, out: Path) -> Parity:
        out.write_bytes(FILE.read_bytes())
        return gate(source.model, onnx_function(out), source.probes, self.name)

    monkeypatch.setattr(Onnx, "write", write)


@pytest.mark.usefixtures("ready_onnx")
class TestCardOfTheHub:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        return shutil.copytree(RUN, tmp_path / "berries")

    @staticmethod
    def export(cli: Cli, run: Path, *more: str) -> Result:
        return cli("export", run, "--to", "huggingface", "--out", run / "hub", "--images", IMAGES, *more)

    def test_the_hubs_own_reader_finds_license_tags_and_scores(self, cli: Cli, run: Path) -> None:
        hub = pytest.importorskip("huggingface_hub")
        scores = {"dataset": "fields", "split": "val", "miou": 0.51239, "per_image": []}
        (run / "evaluation.json").write_text(json.dumps(scores))
        assert self.export(cli, run, "--license", "MIT").code == 0
        card = hub.ModelCard.load(run / "hub" / "README.md")
        data = card.data
        assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "pointillist", "image-segmentation")
        assert {"semantic-segmentation", "point-annotations"} <= set(data.tags)
        (result,) = data.eval_results
        assert (result.metric_type, result.metric_value) == (data.metrics[0], 0.5124)
        assert (result.dataset_name, result.dataset_split, data.model_name) == ("fields", "val", "berries")
        assert card.text.lstrip().startswith("# ")

    def test_no_scores_are_made_up(self, cli: Cli, run: Path) -> None:
        assert self.export(cli, run).code == 0
        about = yaml.safe_load((run / "hub" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
        assert not {"license", "metrics", "model-index"} & set(about)

    @pytest.mark.parametrize("text", ["{", "[]", '{"dataset": "a", "split": "val"}', '{"miou": 2}'])
    def test_scores_that_cannot_be_read_are_an_error(self, text: str, cli: Cli, run: Path) -> None:
        (run / "evaluation.json").write_text(text)
        done = self.export(cli, run)
        assert done.code == 2
        assert "evaluation.json" in done.err
        assert not (run / "hub").exists()


@pytest.mark.usefixtures("ready_onnx")
def test_a_folder_of_the_hub(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub"
    done = cli("export", RUN, "--to", "huggingface", "--out", folder, "--images", IMAGES, "--license", "CC-BY-4.0")
    assert done.code == 0, done.err
    text = (folder / "README.md").read_text(encoding="utf-8")
    about = yaml.safe_load(text.split("---\n")[1])
    assert (about["license"], about["library_name"]) == ("cc-by-4.0", "pointillist")
    image = next(IMAGES.iterdir())
    expected = Predictor(RUN)(image)
    np.testing.assert_array_equal(Predictor.from_hub(folder)(image), expected)
    # As the hub's own cache has it.
    commit = "0123456789abcdef" * 2 + "01234567"
    cache = tmp_path / "cache" / "models--someone--berries"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    (cache / "snapshots").mkdir()
    folder.rename(cache / "snapshots" / commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("someone/berries", cache, cache / "snapshots" / commit):
        np.testing.assert_array_equal(Predictor.from_hub(name)(image), expected)
    assert find_model("someone/berries", revision=commit) == cache / "snapshots" / commit
    with pytest.raises(ConfigError, match="no revision"):
        find_model("someone/berries", revision="../../../etc")
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match="huggingface_hub") as caught:
        Predictor.from_hub("someone/other")
    assert "pointillist[hub]" in caught.value.hint
    with pytest.raises(RunError, match="no such run"):
        Predictor.from_hub("some where/../else")


@pytest.mark.usefixtures("ready_onnx")
def test_a_package_of_bioimage_io(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tiny.bioimageio.zip"
    given = ("export", RUN, "--to", "bioimageio", "--out", file, "--images", IMAGES)
    done = cli(*given)
    assert done.code == 2
    assert "--author" in done.err
    done = cli(*given, "--author", "Jane Doe", "--license", "CC-BY-4.0")
    assert done.code == 0, done.err
    spec = pytest.importorskip("bioimageio.spec")
    found = spec.load_description(file, perform_io_checks=True)
    assert not isinstance(found, spec.InvalidDescr), found.validation_summary.format()
    assert found.validation_summary.status in ("passed", "valid-format")
    notes = [one for detail in found.validation_summary.details for one in detail.warnings]
    # Samples for people would be pictures.
    assert all("sample_tensor" in one.loc for one in notes), notes
    with (
        zipfile.ZipFile(file) as package,
        package.open("test_input.npy") as given,
        package.open("test_output.npy") as out,
    ):
        np.testing.assert_allclose(onnx_function(FILE)(np.load(given)), np.load(out), atol=1e-6)


def test_no_images_no_export(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no images to compare on") as caught:
        export_model(RUN / "model", "torchscript", tmp_path / "model.pt")
    assert "--images" in caught.value.hint
    with pytest.raises(ConfigError, match="no export target"):
        export_model(RUN, "onxn")
    with pytest.raises(ConfigError, match=r"a file of onnx ends in \.onnx\. Name it model\.onnx"):
        export_model(RUN, "onnx", tmp_path / "model.pt")
    assert set(targets()) == {"archive", "bioimageio", "huggingface", "onnx", "torch-export", "torchscript"}


@pytest.mark.slow
def test_onnx_leaves_the_house(cli: Cli, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    done = cli("export", RUN, "--to", "onnx", "--out", tmp_path / "model.onnx", "--images", IMAGES)
    assert done.code == 0, done.err
    values = np.random.default_rng(2).integers(0, 256, (2, 3, 50, 40)).astype(np.float32)
    run = onnx_function(tmp_path / "model.onnx")
    np.testing.assert_allclose(run(values), onnx_function(FILE)(values), atol=1e-5)
    made = onnx.load(tmp_path / "model.onnx")
    about = {one.key: one.value for one in made.metadata_props}
    assert json.loads(about["classes"]) == ["ground", "square", "disc"]
    assert json.loads(about["palette"])[1] == "#e69f00"
    assert json.loads(about["ranges"]) == [[0, 255]] * 3
    assert json.loads(about["pointillist"])["protocol"]["clicks"] > 0
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "model.onnx").read_bytes()
    assert len(SEALED.findall((tmp_path / "model.onnx").read_bytes())) == 1


SCALES = {"fpn": Scale((48, 64)), "unet": Scale.of(0.5), "deeplabv3plus": Scale((48, 64)), "segformer": Scale.of(0.5)}


@pytest.mark.long
@pytest.mark.parametrize(
    ("architecture", "target"),
    # Exporting to ONNX begins with torch.export, and takes a minute; that of an FPN is tried above.
    [(name, "torchscript") for name in SCALES]
    + [pytest.param(name, "onnx", marks=pytest.mark.torture) for name in SCALES if name not in ("fpn", "segformer")]
    + [("segformer", "onnx"), ("fpn", "torch-export")],
)
def test_other_architectures(architecture: str, target: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    narrow = {"channels": [8] * 4, "stem_width": 8}
    network = build_network(NetworkSettings(architecture=architecture, options=narrow), 3).eval()
    rng = np.random.default_rng(0)
    probes = [Probe(str(size), rng.uniform(0, 255, (1, 3, *size)).astype(np.float32)) for size in SIZES]
    content = json.loads((RUN / "model" / "model.json").read_text())
    model = Model(network, ClassSet.create(["a", "b", "c"]), InputSpec(RGB, SCALES[architecture]), {}, None, "")
    source = type("Source", (), {"model": model, "content": content, "probes": probes})()
    parity = targets()[target]().write(source, tmp_path / "model")
    assert parity.difference <= 1e-4


def test_torchscript_refuses_what_it_cannot(model: Model, tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        has_graph = True

        def forward(self, images: torch.Tensor) -> Any:
            raise NotImplementedError("an operator of the future")

    source = type("Source", (), {"model": Model(Odd(), *list(vars(model).values())[1:]), "content": {}, "probes": []})()
    with pytest.raises(RunError, match="cannot be exported to TorchScript: an operator of the future"):
        TorchScript().write(source, tmp_path / "model.pt")
