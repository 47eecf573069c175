"""Predicting on a Ray cluster of two machines: the same as one process, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointillist.data.outputs import LOG, MANIFEST, manifest_lines
from pointillist.errors import ConfigError, ImageWarning, RunError, SaveError
from pointillist.inference.batch import predict_files
from pointillist.inference.on_ray import BYTES, TRIES, _chunks, _must_see, _opened, _Task, _workers, on_ray
from pointillist.inference.pipeline import Job
from pointillist.inference.predictor import Predictor
from pointillist.registry import VARIABLE, use_plugin_files
from pointillist.version import __version__
from tests.conftest import Cli

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("ray.data", reason="Ray Data is not installed")

FIXTURES = Path(__file__).parents[1] / "fixtures"
RUN = FIXTURES / "version_0_1" / "run"
ONNX = FIXTURES / "onnx" / "tiny.onnx"
"""Its workers start in a second: they need no torch."""

PLUGIN = '''
import os, pathlib, signal, warnings
from pointillist.errors import ImageWarning, SaveError
from pointillist.inference.writers.base import Writer
from pointillist.schema import Strict


class Settings(Strict):
    marks: str = ""
    here: int = 0


class Deadly(Writer):
    """Kills the process that writes some images: 'once' the first time only, 'always' each time; fills the disk."""

    name = "deadly"
    title = "for a test"
    suffix = ".txt"
    Options = Settings

    def write(self, result, path):
        mark = pathlib.Path(self.options.marks, pathlib.Path(result.image).stem)
        if os.getpid() != self.options.here:
            if "once" in result.image and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if "always" in result.image:
                with mark.open("a") as stream:
                    stream.write("x")
                os.kill(os.getpid(), signal.SIGKILL)
            if "full" in result.image:
                raise SaveError("could not be written (no space).", where=path, hint="Free some space.")
        if "warned" in result.image:
            warnings.warn("of a test", ImageWarning)
        path.write_text(f"{result.image} {result.prediction.labels.shape}")
'''


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two machines of a core each, joined by this process."""
    from ray.cluster_utils import Cluster

    made = Cluster(True, head_node_args={"num_cpus": 1, "object_store_memory": 2**27, "include_dashboard": False})
    made.add_node(num_cpus=1, object_store_memory=2**27)
    yield made.address
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the writer above, and the folder of its marks beside it."""
    monkeypatch.setenv(VARIABLE, "")
    file = tmp_path / "deadly.py"
    file.write_text(PLUGIN)
    use_plugin_files([file])
    (tmp_path / "marks").mkdir()


def photos(folder: Path, *further: str, number: int = 20) -> Path:
    (folder / "inner").mkdir(parents=True)
    for index in range(number):
        size = (40, 30) if index % 3 else (31, 50)
        Image.effect_noise(size, 60).convert("RGB").save(folder / ("inner" if index % 2 else "") / f"{index:02}.png")
    for name in further:
        Image.effect_noise((40, 30), 60).convert("RGB").save(folder / name)
    return folder


def predictor(run: Path = RUN) -> Predictor:
    made = Predictor(run, "cpu")
    made.take(scale=0.5)
    return made


def content(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    # Whoever is killed leaves a hidden folder with the file that was being written.
    return {str(name): path.read_bytes() for name, path in found.items() if not name.parent.name.startswith(".")}


WRITE = ["png", "confidence", "deadly"]


def deadly(folder: Path) -> dict[str, dict[str, object]]:
    return {"deadly": {"marks": str(folder / "marks"), "here": os.getpid()}}


@pytest.mark.slow
@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("run", [ONNX, pytest.param(RUN, marks=pytest.mark.torture)])
def test_a_worker_is_killed_and_nothing_is_lost_or_done_twice(
    run: Path, cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    images = photos(tmp_path / "photos", "inner/05once.png", "warned.png")
    (images / "11broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    one, many = tmp_path / "one", tmp_path / "many"
    predict_files(predictor(run), [images], one, write=WRITE, options=deadly(tmp_path))
    done: list[str] = []
    monkeypatch.chdir(tmp_path)  # workers run elsewhere
    with pytest.warns(ImageWarning, match="of a test"):
        result = predict_files(
            predictor(run),
            [Path("photos")],
            Path("many"),
            write=WRITE,
            options=deadly(tmp_path),
            on_image=done.append,
            work=on_ray(run, device="cpu", address=cluster),
        )
    assert [path.name for path in (tmp_path / "marks").iterdir()] == ["05once"]
    expected, found = content(one), content(many)
    assert expected.keys() == found.keys()
    for name in expected:
        # Other images go through the network with this one, so sums are rounded otherwise in the last bit: a confidence
        # may fall on the next grey level, and of two classes that tie the other one may win.
        if name.endswith(".png"):
            values = [np.asarray(Image.open(out / name)).astype(int) for out in (one, many)]
            if name.endswith("_confidence.png"):
                assert np.abs(values[0] - values[1]).max() <= 1, name
            else:
                assert (values[0] != values[1]).sum() <= 1, name
        else:
            assert expected[name] == found[name], name
    assert len(done) == len(set(done)) == 23
    assert (result.written, list(result.failed)) == (22, ["11broken.png"])
    assert not ray.is_initialized()
    assert "raylet" not in "".join(capfd.readouterr())


@pytest.mark.slow
@pytest.mark.usefixtures("plugin")
def test_a_full_disk_ends_the_batch_and_resume_goes_on(cluster: str, tmp_path: Path) -> None:
    images, out = photos(tmp_path / "photos", "zfull.png"), tmp_path / "out"
    with pytest.raises(SaveError, match=r"zfull.txt: could not be written \(no space\). Free some space"):
        predict_files(
            Predictor(ONNX), [images], out, write=WRITE, options=deadly(tmp_path), work=on_ray(ONNX, address=cluster)
        )
    noted = {line["image"] for line in list(manifest_lines(out / LOG))[1:]}
    assert noted
    assert "zfull.png" not in noted
    (images / "zfull.png").rename(images / "z.png")
    before = {name: (out / name).with_suffix(".png").stat().st_mtime_ns for name in noted}
    predict_files(
        Predictor(ONNX),
        [images],
        out,
        write=WRITE,
        options=deadly(tmp_path),
        resume=True,
        work=on_ray(ONNX, address=cluster),
    )
    assert before == {name: (out / name).with_suffix(".png").stat().st_mtime_ns for name in noted}
    assert [line["image"] for line in list(manifest_lines(out / MANIFEST))[1:]] == sorted(
        str(path.relative_to(images)) for path in images.rglob("*.png")
    )


@pytest.mark.long
@pytest.mark.usefixtures("plugin")
def test_what_kills_every_worker_counts_as_unreadable(cluster: str, tmp_path: Path) -> None:
    images = photos(tmp_path / "photos", "inner/09always.png", number=20)
    result = predict_files(
        Predictor(ONNX),
        [images],
        tmp_path / "out",
        write=WRITE,
        options=deadly(tmp_path),
        work=on_ray(ONNX, device="cpu", address=cluster),
    )
    assert result.written == 20
    assert "every worker that tried to predict it died" in str(result.failed["inner/09always.png"])
    assert (tmp_path / "marks" / "09always").read_text() == "x" * 2 * TRIES


def unexpected(said: str) -> list[str]:
    """Lines that are no progress; Ray tells of its log level before it can be told not to."""
    known = ("predicting: ", "RAY_BACKEND_LOG_LEVEL")
    return [line for line in said.strip().splitlines() if not any(one in line for one in known)]


@pytest.mark.long
def test_ctrl_c_and_resume_on_a_ray_of_its_own(tmp_path: Path) -> None:
    images, out = photos(tmp_path / "photos", number=400), tmp_path / "out"
    command = [sys.executable, "-m", "pointillist", "predict", ONNX, images, "--out", out, "--write", "png"]
    command += ["--device", "cpu", "--engine", "ray"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    log = out / LOG
    while running.poll() is None and not (log.is_file() and len(log.read_text().splitlines()) > 1):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert unexpected(said) == ["interrupted go on with the same command and --resume"]
    noted = len(log.read_text().splitlines()) - 1
    assert 0 < noted < 400
    done = subprocess.run([*command, "--resume", "--json", "--quiet"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert unexpected(done.stderr) == []
    assert json.loads(done.stdout)["written"] == 400
    assert len({line["image"] for line in list(manifest_lines(out / MANIFEST))[1:]}) == 400


def test_chunks_are_small_and_lose_nothing() -> None:
    jobs = [Job(f"{n}.png", Path(f"/photos/{n}.png"), [BYTES // 2 if 10 <= n < 14 else 1, 0]) for n in range(100)]
    chunks = list(_chunks(jobs, 8))
    assert [Job(name, Path(path), state) for chunk in chunks for name, path, state in chunk] == jobs
    assert max(map(len, chunks)) == 8
    assert [len(chunk) for chunk in chunks[:5]] == [8, 4, 2, 8, 8]


@pytest.mark.parametrize(
    ("machines", "device", "workers"),
    [
        ([{"CPU": 1}, {"CPU": 1}], "auto", (2, 1, 0)),
        ([{"CPU": 16}, {"CPU": 8}], "auto", (6, 4, 0)),
        ([{"CPU": 16, "GPU": 4}, {"CPU": 64}], "auto", (4, 1, 1)),
        ([{"CPU": 16, "GPU": 4}, {"CPU": 64}], "cpu", (20, 4, 0)),
        ([{}, {"CPU": 2}], "auto", (1, 2, 0)),
    ],
)
def test_a_worker_for_each_gpu_or_few_cores(
    machines: list[dict[str, float]], device: str, workers: tuple[int, int, int]
) -> None:
    nodes = [{"Alive": True, "Resources": machine} for machine in machines]
    assert _workers([*nodes, {"Alive": False, "Resources": {"CPU": 2, "GPU": 9}}], device) == workers


def test_a_machine_that_does_not_see_images_or_results_says_so(tmp_path: Path) -> None:
    image, gone = tmp_path / "a.png", tmp_path / "gone.png"
    with pytest.raises(RunError, match=r"a.png: the machine .* does not see this"):
        _must_see([image, gone])
    image.touch()
    _must_see([image, gone])
    task = _Task(__version__, {}, "", {}, "cpu", 1, predictor().spec, {}, tmp_path, tmp_path / ".seen-x")
    with pytest.raises(RunError, match=r"seen-x: the machine .* does not see this"):
        _opened(task)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--engine", "spark"], "'spark' is no engine"),
        (["--address", "auto"], "is for Ray only"),
        (["--engine", "ray", "--address", "127.0.0.1:1"], "Ray could not be reached or started"),
    ],
)
def test_refusals(flags: list[str], message: str, cli: Cli, tmp_path: Path) -> None:
    images = photos(tmp_path / "photos", number=1)
    done = cli("predict", RUN, images, "--out", tmp_path / "out", *flags)
    assert done.code == 2
    assert message in done.err


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"Ray is not installed. Install it with: pip install 'pointillist\[ray\]'"):
        on_ray(RUN)
