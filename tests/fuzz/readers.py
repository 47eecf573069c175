"""Every reader of files that strangers write, each with files that it reads, and what makes other files of them.

What a reader may do with any file at all: read it, or raise a `PointillistError`, within `SECONDS`.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from scipy.io import savemat

from pointillist.archives import extract
from pointillist.data.coco import CocoMasks
from pointillist.data.convert import convert
from pointillist.data.images import image_kind, image_size, read_pixels
from pointillist.data.layouts import load_dataset
from pointillist.data.listing import read_split
from pointillist.data.matlab import read_segmentation
from pointillist.data.outputs import manifest_line, predicted
from pointillist.errors import PointillistError
from pointillist.inference.compare import Scored
from pointillist.inference.engines.onnx import open_engine
from pointillist.inference.manifest import Manifest
from pointillist.points.formats import formats
from pointillist.sealed import CHECKSUM
from pointillist.training.checkpoint_file import NAME, read_checkpoint
from pointillist.training.config import make_config
from pointillist.training.model_folder import load_model
from pointillist.training.run_directory import RunDirectory
from pointillist.version import __version__
from tests.conftest import CLASSES, write_tiny
from tests.points.format_contract import made
from tests.points.test_hostile import ABOUT, SUFFIXES, valid

SECONDS = 10
"""Of processor time, for files of a few thousand bytes."""

FIXTURES = Path(__file__).parents[1] / "fixtures"
RUN = FIXTURES / "version_0_1" / "run"


@dataclass(frozen=True)
class Reader:
    """A way for a stranger's file into the program.

    Args:
        seeds: Makes files that it reads, in an empty folder.
        read: Reads a file of these bytes, in an empty folder.
        words: What its files are made of.
    """

    seeds: Callable[[Path], Sequence[bytes]]
    read: Callable[[Path, bytes], object]
    words: Sequence[bytes] = ()


YAML = (
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!timestamp ",
    b"!!int ",
    b"[",
    b"{",
    b"- ",
    b": ",
    b"null",
    b"2020-13-01",
    b"0x",
    b"|\n",
)
JSON = (b"[", b"{", b'"', b"null", b"NaN", b"1e999", b"-1", b"true", b'"\\ud800"', b"{}", b"[[]]", b"9" * 400)


def put(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    """Read bytes as a file of this name."""

    def written(folder: Path, content: bytes) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return written


def pictures(kind: str, **options: Any) -> Callable[[Path], list[bytes]]:
    def make(_: Path) -> list[bytes]:
        noise = Image.effect_noise((9, 7), 80)
        found = []
        for mode in ("RGB", "L", "P") if kind in ("PNG", "TIFF", "GIF", "BMP") else ("RGB",):
            stream = io.BytesIO()
            noise.convert(mode).save(stream, kind, **options)
            found.append(stream.getvalue())
        return found

    return make


def picture(path: Path) -> None:
    for read in (image_size, image_kind):
        with suppress(PointillistError):
            read(path)
    read_pixels(path)


def dataset_seeds(folder: Path) -> list[bytes]:
    write_tiny(folder / "data", 1, 1)
    long = (
        "classes:\n- {name: a, color: '#102030', value: 3}\n- {name: b, value: [4, 5]}\nbackground: {policy: border, "
        "class: b}\nignore_index: 9\nmasks: color\noverlap: smaller\npaths: {images: images, points: points.csv}\n"
        "bands: {names: [r, g, b], range: [0, 255], display: [1, 2, 3]}\n"
    )
    return [(folder / "data" / "dataset.yaml").read_bytes(), long.encode()]


@cache
def home() -> tempfile.TemporaryDirectory[str]:
    """A folder for what every reading needs, and that takes time to make."""
    folder = tempfile.TemporaryDirectory(prefix="pointillist-fuzz-")
    data = write_tiny(Path(folder.name, "data"), 1, 1)
    (data / "points.csv").write_text("image,x,y,class\n")
    return folder


def dataset(_: Path, content: bytes) -> None:
    data = Path(home().name, "data")
    (data / "dataset.yaml").write_bytes(content)
    load_dataset(data)


def nnunet_seeds(folder: Path) -> list[bytes]:
    home = convert(load_dataset(write_tiny(folder / "data", 1, 1)), folder / "nnunet", to="nnunet").root
    return [(home / "dataset.json").read_bytes()]


def nnunet(folder: Path, content: bytes) -> None:
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(exist_ok=True)
    Image.new("RGB", (9, 7)).save(folder / "imagesTr" / "a_0000.png")
    Image.new("L", (9, 7)).save(folder / "labelsTr" / "a.png")
    (folder / "dataset.json").write_bytes(content)
    data = load_dataset(folder, layout="nnunet")
    if (mask := data.items[0].mask) is not None:
        data.masks.read(mask, (7, 9))


def weights() -> tuple[bytes, bytes]:
    """The header of a model's weights, which says what they are called and where they stand, and the rest."""
    data = (RUN / "model" / "model.safetensors").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return data[:end], data[end:]


def model(folder: Path, content: bytes, *, name: str) -> None:
    """A model folder of which a file, or the header of the weights, is foreign, and the hash of the weights right."""
    files = {"model.json": (RUN / "model" / "model.json").read_bytes()}
    header, values = weights()
    files["model.safetensors"] = header + values
    files[name] = content
    if name == "model.safetensors":
        files[name] += values  # what is changed in millions of numbers would seldom be the header
        about = {**json.loads(files["model.json"]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        about.pop(CHECKSUM, None)
        files["model.json"] = json.dumps(about).encode()
    for file, given in files.items():
        (folder / file).write_bytes(given)
    load_model(folder)


def torch_bytes() -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": {"a": torch.zeros(3)}, "epoch": 1, "loops": {"x": [1, 2.5, None, "y"]}}, stream)
    return stream.getvalue()


def checkpoint(folder: Path, content: bytes) -> None:
    """A checkpoint whose checksum is right, and whatever torch is to read in it."""
    rest = json.dumps({"pointillist": __version__, "of": "x"}).encode() + b"\n" + content
    (folder / "last.ckpt").write_bytes(NAME + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
    read_checkpoint(folder / "last.ckpt", {"of": "x"})


def archives(_: Path) -> list[bytes]:
    found = []
    for kind in ("w", "w:gz", "w:xz", "w:bz2"):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=kind) as tar:  # type: ignore[call-overload]
            for name in ("a.txt", "b/c.txt"):
                entry = tarfile.TarInfo(name)
                entry.size = 5
                tar.addfile(entry, io.BytesIO(b"hello"))
        found.append(stream.getvalue())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello" * 20)
        archive.writestr("b/c.txt", "hello")
    return [*found, stream.getvalue()]


def unpack(folder: Path, content: bytes) -> None:
    (folder / "archive").write_bytes(content)
    extract(folder / "archive", folder / f"out-{random.getrandbits(64):x}", max_bytes=2**20)


def manifests(_: Path) -> list[bytes]:
    about = {"model_sha256": "x", "results": ["png"], "settings": {"input": {}}, "among_images": True}
    entry = {"image": "a.png", "state": [1, 2], "height": 3, "width": 4, "png": "a.png"}
    signed = manifest_line({"format": 1, **about}) + manifest_line(entry)
    return [signed.encode(), (json.dumps(about) + "\n" + json.dumps(entry) + "\n").encode()]


def manifest(folder: Path, content: bytes) -> None:
    (folder / "a.png").write_bytes(b"")
    (folder / "manifest.jsonl").write_bytes(content)
    about = {"model_sha256": "x", "results": ["png"], "settings": {"input": {}}}
    Manifest(folder).begin(about, resume=True)
    if (found := predicted(folder)) is not None:
        found.results()
    Manifest(folder).what()


def scores(_: Path) -> list[bytes]:
    image = {"image": "a", "miou": 0.5, "correct": [1, 2], "pixels": [2, 3], "predicted": [3, 2], "ignored_pixels": 0}
    content = {"method": "full", "seed": 0, "pixels": {"a": 2, "b": 3}, "per_image": [image]}
    return [json.dumps(content).encode()]


def segmentations(folder: Path) -> list[bytes]:
    found = []
    for compressed in (False, True):
        savemat(folder / "a.mat", {"GTcls": {"Segmentation": np.eye(4, dtype=np.uint8)}}, do_compression=compressed)
        found.append((folder / "a.mat").read_bytes())
    return found


def coco(_: Path) -> list[bytes]:
    square = [1, 1, 5, 1, 5, 5, 1, 5]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 7}],
        "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [square], "area": 16, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": {"size": [7, 9], "counts": [10, 20, 33]}},
        ],
    }
    return [json.dumps(content).encode()]


def coco_masks(path: Path) -> None:
    masks = CocoMasks(path, CLASSES, ["a.png"])
    for file in masks.files.values():
        masks.read(file, (7, 9))


def label_map(folder: Path, content: bytes) -> None:
    """Of a data set in VOC's layout."""
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7)).save(folder / "JPEGImages" / "a.jpg")
    Image.new("RGB", (9, 7), (0, 128, 0)).save(folder / "SegmentationClass" / "a.png")
    (folder / "labelmap.txt").write_bytes(content)
    data = load_dataset(folder, layout="voc")
    if (mask := data.items[0].mask) is not None:
        data.masks.read(mask, (7, 9))


def run_folder(folder: Path, content: bytes) -> None:
    (folder / "config.yaml").write_bytes(content)
    run = RunDirectory.open(folder)
    run.origin()
    run.read()


def labels_of(name: str) -> Reader:
    def seeds(folder: Path) -> list[bytes]:
        return [valid(name, folder).read_bytes()]

    def read(path: Path) -> object:
        return made(formats()[name]).read(path, ABOUT, allow_non_finite=True)

    text = SUFFIXES[name] in (".json", ".geojson", ".csv", ".txt", ".xml")
    return Reader(seeds, put(f"a{SUFFIXES[name]}", read), JSON if text else ())


READERS: dict[str, Reader] = {
    "dataset.yaml": Reader(dataset_seeds, dataset, YAML),
    "dataset.json of nnU-Net": Reader(nnunet_seeds, nnunet, JSON),
    "settings": Reader(
        lambda _: [(RUN / "config.yaml").read_bytes(), make_config().to_yaml().encode()],
        put("config.yaml", lambda path: make_config(path)),
        YAML,
    ),
    "config.yaml of a run": Reader(lambda _: [(RUN / "config.yaml").read_bytes()], run_folder, YAML),
    "model.json": Reader(
        lambda _: [(RUN / "model" / "model.json").read_bytes()], partial(model, name="model.json"), JSON
    ),
    "model.safetensors": Reader(
        lambda _: [weights()[0], save({"a": torch.zeros(4)})],
        partial(model, name="model.safetensors"),
        JSON,
    ),
    "checkpoint": Reader(lambda _: [torch_bytes()], checkpoint),
    "model.onnx": Reader(
        lambda _: [(FIXTURES / "onnx" / "tiny.onnx").read_bytes()], put("model.onnx", lambda path: open_engine(path))
    ),
    "archive": Reader(archives, unpack),
    "manifest.jsonl": Reader(manifests, manifest, JSON),
    "evaluation.json": Reader(scores, put("a.json", Scored.read), JSON),
    "split": Reader(
        lambda _: [b"a\n# x\n\nb.png\n", b"?.png\n"],
        put("train.txt", lambda path: read_split(path, ["a.png", "b.png"])),
        (b"*", b"[", b"?", b"..", b"/"),
    ),
    "masks of MATLAB": Reader(segmentations, put("a.mat", lambda path: read_segmentation(path, "GTcls"))),
    "masks of COCO": Reader(coco, put("a.json", coco_masks), JSON),
    "labelmap.txt": Reader(
        lambda _: [b"# label:color\nbackground:0,0,0::\nberry:::\nleaf:0,128,0:stem:\nvoid:224,224,192::\n"],
        label_map,
        (b":", b",", b"\n", b"-1", b"256", b"0,0,0", b"leaf"),
    ),
    **{
        f"picture{suffix}": Reader(pictures(kind), put(f"a{suffix}", picture))
        for suffix, kind in (
            *((".png", "PNG"), (".jpg", "JPEG"), (".tif", "TIFF"), (".bmp", "BMP"), (".webp", "WEBP")),
            *((".gif", "GIF"), (".jp2", "JPEG2000")),
        )
    },
    **{f"labels: {name}": labels_of(name) for name in sorted(formats())},
}


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    """A file like those that are read, with a few things changed."""
    content = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        place = chance.randrange(len(content) + 1)
        length = chance.choice((1, 1, 2, 4, 8, 64))
        what = chance.randrange(8)
        if what == 0 and place < len(content):
            content[place] ^= 1 << chance.randrange(8)
        elif what == 1:
            content[place : place + length] = chance.randbytes(length)
        elif what == 2:
            del content[place : place + length]
        elif what == 3:
            content[place:place] = content[place : place + length] * chance.choice((1, 2, 50))
        elif what == 4:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            content[place : place + length] = other[start : start + length]
        elif what == 5 and chance.random() < 0.3:
            del content[place:]
        elif what == 6:
            number = chance.choice((0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63))
            width = 1 if number < 256 else 2 if number < 2**16 else 4 if number < 2**32 else 8
            content[place : place + width] = number.to_bytes(width, chance.choice(("little", "big")))
        elif words:
            content[place : place + chance.choice((0, length))] = chance.choice(words)
    return bytes(content)


def attempt(reader: Reader, folder: Path, content: bytes) -> bool:
    """Whether the file was read; False where it was refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader.read(folder, content)
        except PointillistError:
            return False
    return True
