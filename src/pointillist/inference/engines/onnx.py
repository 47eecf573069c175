"""A model in an ONNX file, run by ONNX Runtime; no torch is imported.

The file may be a stranger's: what it says about itself is checked like a model.json, it may not name other files, and
no library of operators is loaded for it. Its graph is arithmetic, which cannot read or write files, but can take as
much time and memory as it likes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pointillist.errors import ConfigError, RunError
from pointillist.inference.engines.base import Engine
from pointillist.training.model_file import read_model_file, sha256

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

METADATA = "pointillist"
"""Key of the metadata that holds model.json."""

SEAL = "pointillist_sha256"
"""Key of the metadata that holds the SHA-256 of the file, taken while zeros stood in its place."""

SEALED = re.compile(re.escape(SEAL.encode()) + rb"\x12\x40([0-9a-f]{64})")
"""Its entry as the format writes it: the key, and then the tag and the length of the value."""

LEAST = np.float32(1e-38)
"""A smaller probability has no logarithm that counts."""


def open_engine(file: Path, device: str = "auto", *, threads: int | None = None) -> Engine:
    """Open an ONNX file that `pointillist export` made.

    Args:
        file: The file.
        device: auto or cpu.
        threads: CPU threads; None leaves the choice to ONNX Runtime.

    Raises:
        RunError: It is missing, damaged, from a newer version, no model of this program, or names other files; also
            from the engine, when what the graph gives is not what it should be.
        ConfigError: ONNX Runtime is missing, or the device is another.
    """
    if device not in ("auto", "cpu"):
        hint = "Leave --device out, or predict with the run directory."
        raise ConfigError(f"an ONNX file is run on the CPU, not on {device!r}.", field="--device", hint=hint)
    session = open_session(file, threads)
    try:  # names and metadata are decoded only when they are asked for
        text = session.get_modelmeta().custom_metadata_map.get(METADATA)
        if text is None:
            found = "is no model of this program: it says nothing about classes and bands."
            raise RunError(found, where=file, hint="Give a file that 'pointillist export --to onnx' made.")
        saved, content = read_model_file(text, file)
        spec, classes = saved.spec(), saved.class_set(file)
        _check_shapes(session, file, len(spec.bands), len(classes))
    except UnicodeDecodeError as error:
        raise _damaged(file, error) from error
    # The network's own range: black is 0, white is 1.
    unit = np.repeat(np.array([[0.0], [1.0]], np.float32), len(spec.bands), axis=1)

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        # Its own size: nothing is resized, and windows of large images fit together.
        size = np.array(image.shape[2:], np.int64)
        probabilities = _run(session, file, {"image": image, "size": size, "range": unit})
        # What it declares need not be what it does, and memory that nothing is written to holds anything.
        wanted = (len(image), len(classes), *image.shape[2:])
        if probabilities.shape != wanted or not np.isfinite(probabilities).all():
            found = f"gives no probabilities of {'×'.join(map(str, wanted))}."
            raise RunError(found, where=file, hint="Export the model again: pointillist export --to onnx.")
        return np.log(np.maximum(probabilities, LEAST))

    return Engine(classes, spec, content["protocol"], sha256(file), saved.prior(), run)


def onnx_function(file: Path, threads: int | None = None) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The graph of a file as one function: N×K×H×W values as image files have them → N×C×H×W probabilities.

    Raises:
        RunError, ConfigError: See `open_engine`.
    """
    session = open_session(file, threads)
    return lambda image: _run(session, file, {"image": image})


def open_session(file: Path, threads: int | None = None) -> InferenceSession:
    """A file in ONNX Runtime, on the CPU.

    Raises:
        RunError, ConfigError: See `open_engine`.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        hint = "Install it with: pip install 'pointillist[onnx]'."
        raise ConfigError("onnxruntime is not installed.", where=file, hint=hint) from error
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RunError(f"could not be read ({error.strerror or error}).", where=file, hint="Check the path.") from error
    _check_seal(data, file)
    options = ort.SessionOptions()
    options.log_severity_level = 3  # what its optimiser thinks of the graph is nothing to the user
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    try:
        other = _names_of_files(data)
        if other:
            found = f"takes weights from another file, {other[0]!r}."
            raise RunError(found, where=file, hint="Export the model again: pointillist export --to onnx.")
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except RunError:
        raise
    except Exception as error:  # theirs are of many types
        raise _damaged(file, error) from error


def sealed(data: bytes) -> bytes:
    """The content of a file whose metadata has zeros under `SEAL`, with its checksum there."""
    (found,) = SEALED.finditer(data)
    return data[: found.start(1)] + hashlib.sha256(data).hexdigest().encode() + data[found.end(1) :]


def _check_seal(data: bytes, file: Path) -> None:
    """Refuse a file in which something has changed; earlier versions wrote no checksum."""
    for found in re.finditer(re.escape(SEAL.encode()), data):
        entry = SEALED.match(data, found.start())
        digest = hashlib.sha256()
        if entry is not None:
            for part in (memoryview(data)[: entry.start(1)], b"0" * 64, memoryview(data)[entry.end(1) :]):
                digest.update(part)
        if entry is None or digest.hexdigest().encode() != entry[1]:
            hint = "Export the model again: pointillist export --to onnx."
            raise RunError("is not what was written: something in it has changed.", where=file, field=SEAL, hint=hint)


def _run(session: InferenceSession, file: Path, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    try:
        found: NDArray[np.float32] = session.run(["probabilities"], inputs)[0]
    except Exception as error:
        raise _damaged(file, error) from error
    return found


def _damaged(file: Path, error: Exception) -> RunError:
    text = (str(error) or type(error).__name__).splitlines()[0][:300]
    return RunError(f"cannot be run: {text}", where=file, hint="Export the model again: pointillist export --to onnx.")


def _check_shapes(session: InferenceSession, file: Path, bands: int, classes: int) -> None:
    inputs = {one.name: one for one in session.get_inputs() + session.get_overridable_initializers()}
    outputs = {one.name: one for one in session.get_outputs()}
    wanted = [
        (inputs, "image", "tensor(float)", (None, bands, None, None)),
        (inputs, "size", "tensor(int64)", (2,)),
        (inputs, "range", "tensor(float)", (2, bands)),
        (outputs, "probabilities", "tensor(float)", (None, classes, None, None)),
    ]
    for known, name, kind, shape in wanted:
        one = known.get(name)
        fits = (
            one is not None
            and one.type == kind
            and len(one.shape) == len(shape)
            and all(side is None or side == given for side, given in zip(shape, one.shape, strict=True))
        )
        if not fits:
            text = "×".join("any" if side is None else str(side) for side in shape)
            hint = "Give a file that 'pointillist export --to onnx' made."
            raise RunError(f"has no {kind} of {text} called '{name}'.", where=file, hint=hint)


TENSORS: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {"graph": (7, "Graph"), "training": (20, "Training"), "functions": (25, "Function")},
    "Training": {"initialization": (1, "Graph"), "algorithm": (2, "Graph")},
    "Function": {"node": (7, "Node"), "attribute": (11, "Attribute")},
    "Graph": {"node": (1, "Node"), "initializer": (5, "Tensor"), "sparse": (15, "Sparse")},
    "Node": {"attribute": (5, "Attribute")},
    "Attribute": {
        "t": (5, "Tensor"),
        "g": (6, "Graph"),
        "tensors": (10, "Tensor"),
        "graphs": (11, "Graph"),
        "sparse": (22, "Sparse"),
        "sparses": (23, "Sparse"),
    },
    "Sparse": {"values": (1, "Tensor"), "indices": (2, "Tensor")},
    "Tensor": {"external": (13, "Entry")},
    "Entry": {"key": (1, ""), "value": (2, "")},
}
"""Where an ONNX file has tensors, by numbers of fields (onnx.proto, Apache-2.0), and what names other files."""


def _names_of_files(data: bytes) -> list[str]:
    """What the tensors of an ONNX file say about other files."""
    message = _onnx_file().FromString(data)
    found: list[str] = []
    waiting = [message]
    while waiting:
        one = waiting.pop()
        for field, value in one.ListFields():
            if field.message_type is not None:
                waiting += value
            elif field.name == "value":
                found.append(value.decode(errors="replace")[:100])
    return found


@cache
def _onnx_file() -> Any:
    """A message that knows no more of ONNX files than `TENSORS`; onnx itself is not needed to predict."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="pointillist/tensors.proto", package="pointillist.onnx")
    for name, fields in TENSORS.items():
        message = file.message_type.add(name=name)
        for label, (number, kind) in fields.items():
            field = message.field.add(name=label, number=number)
            if kind:
                field.type_name = f".pointillist.onnx.{kind}"
            field.type = field.TYPE_MESSAGE if kind else field.TYPE_BYTES
            field.label = field.LABEL_REPEATED if kind else field.LABEL_OPTIONAL
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("pointillist.onnx.Model"))
