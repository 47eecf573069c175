"""ONNX: one graph for ONNX Runtime and whatever else reads the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pointillist.data.transforms import PADDING_VALUE
from pointillist.errors import ConfigError, RunError
from pointillist.inference.engines.onnx import METADATA, SEAL, onnx_function, sealed
from pointillist.inference.exports.base import Source, Target
from pointillist.inference.exports.parity import Parity, gate
from pointillist.inference.exports.whole import Core, quietly, unsupported
from pointillist.training.model_folder import Model

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET = 20
"""Resize with antialiasing came with 18."""

RESIZE = 'antialias=1, exclude_outside=1, axes=[2,3], coordinate_transformation_mode="half_pixel", mode="linear"'
"""As Pillow resizes: beyond the image there is nothing, so weights at the border are shared out anew."""

BEFORE = f"""
before (float[N,K,H,W] image, int64[2] size, float[2,K] range, double[2] box, double[1] least, double[1] most,
        int64[2] stride, int64[2] smallest) => (float[N,K,h,w] network_x, int64[2] own, int64[2] seen) {{
  low, high = Split<axis=0, num_outputs=2>(range)
  sides = Constant<value_ints=[2,3]>()
  low4 = Unsqueeze(low, sides)
  high4 = Unsqueeze(high, sides)
  above = Sub(image, low4)
  span = Sub(high4, low4)
  share = Div(above, span)
  black = Constant<value_float=0.0>()
  white = Constant<value_float=1.0>()
  shades = Clip(share, black, white)
  own = Shape<start=2>(image)
  exact = Cast<to=11>(own)
  ratio = Div(box, exact)
  wanted = ReduceMin<keepdims=0>(ratio)
  raised = Max(wanted, least)
  factor = Min(raised, most)
  product = Mul(exact, factor)
  rounded = Round(product)
  whole = Cast<to=7>(rounded)
  one = Constant<value_ints=[1]>()
  rule = Max(whole, one)
  none = Constant<value_ints=[0]>()
  given = Greater(size, none)
  seen = Where(given, size, rule)
  resized = Resize<{RESIZE}>(shades, , , seen)
  more = Add(seen, stride)
  rest = Sub(more, one)
  steps = Div(rest, stride)
  multiple = Mul(steps, stride)
  padded = Max(multiple, smallest)
  missing = Sub(padded, seen)
  corner = Constant<value_ints=[0,0]>()
  pads = Concat<axis=0>(corner, missing)
  grey = Constant<value_float={PADDING_VALUE}>()
  network_x = Pad(resized, pads, grey, sides)
}}
"""

AFTER = f"""
after (float[N,C,h,w] network_logits, int64[2] own, int64[2] seen) => (float[N,C,H,W] probabilities) {{
  origin = Constant<value_ints=[0,0]>()
  rows = Constant<value_ints=[2,3]>()
  cut = Slice(network_logits, origin, seen, rows)
  large = Resize<{RESIZE}>(cut, , , own)
  probabilities = Softmax<axis=1>(large)
}}
"""

ABOUT = """\
Semantic segmentation. Input "image": N×K×H×W float32, the values of the bands as image files have them (photographs:
red, green, blue from 0 to 255), any N, H, W. Output "probabilities": N×C×H×W float32; the label is the argmax over C.
Optional inputs: "size", (height, width) at which the network sees the image, (0, 0) for the learnt scale; "range", the
values that are black (first row) and white (second row) in each band. Pixels without data are not known to the graph:
give them the middle of the range, and ignore what comes out."""


class Onnx(Target):
    """See the module."""

    name = "onnx"
    title = "ONNX, for ONNX Runtime and others; predicts without torch"
    suffix = ".onnx"

    def write(self, source: Source, out: Path) -> Parity:
        """See `Target.write`."""
        out.write_bytes(sealed(onnx_model(source.model, source.content).SerializeToString()))
        function = onnx_function(out)

        def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
            try:
                return function(image)
            except RunError as error:  # some graphs hold for the size of the example only
                raise unsupported("ONNX", ValueError(error.found)) from error

        return gate(source.model, run, source.probes, self.name)


def onnx_model(model: Model, content: dict[str, Any]) -> ModelProto:
    """A model as an ONNX graph.

    Args:
        model: The model.
        content: model.json, which becomes part of the metadata.

    Returns:
        The graph, with room for its checksum in the metadata, see `sealed`.

    Raises:
        ConfigError: onnx or onnxscript is missing.
        RunError: The network has something that ONNX or its exporter has not.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 - the exporter of torch needs it
        from onnx import TensorProto, compose, helper, numpy_helper, parser
    except ImportError as error:
        hint = "Install it with: pip install 'pointillist[export]'."
        raise ConfigError(f"{error.name} is not installed.", field="--to", hint=hint) from error
    core, scale, bands = Core(model), model.spec.scale, model.spec.bands
    inner = compose.add_prefix_graph(_core_graph(core), "network_")
    constants: dict[str, NDArray[Any]] = {
        "size": np.zeros(2, np.int64),
        "range": np.array(bands.ranges, np.float32).T,
        "box": np.array(scale.box or (1, 1), np.float64),
        # Without a box, the factor is the same for all images.
        "least": np.array([scale.least if scale.box else scale.factor((1, 1))], np.float64),
        "most": np.array([scale.most if scale.box else scale.factor((1, 1))], np.float64),
        "stride": np.full(2, core.stride, np.int64),
        "smallest": np.array(core.least, np.int64),
    }
    before, after = (parser.parse_graph(text) for text in (BEFORE, AFTER))
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", len(bands), "H", "W"]),
        helper.make_tensor_value_info("size", TensorProto.INT64, [2]),
        helper.make_tensor_value_info("range", TensorProto.FLOAT, [2, len(bands)]),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(model.classes), "H", "W"])]
    graph = helper.make_graph(
        [*before.node, *inner.node, *after.node],
        "pointillist",
        inputs,
        outputs,
        [*(numpy_helper.from_array(value, name) for name, value in constants.items()), *inner.initializer],
        doc_string=ABOUT,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10, producer_name="pointillist"
    )
    made.doc_string = ABOUT
    swatches = model.classes.swatches()
    readable = {
        "classes": [one["name"] for one in swatches],
        "palette": [one["color"] for one in swatches],
        "bands": bands.names,
        "ranges": bands.ranges,
        "no_data": "not in the graph: give such pixels the middle of the range, and ignore their labels",
    }
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in readable.items()}
    helper.set_model_props(made, {METADATA: json.dumps(content), **texts, SEAL: "0" * 64})
    onnx.checker.check_model(made)
    return made


def _core_graph(core: Core) -> GraphProto:
    """The network as a graph from `x` to `logits`, for images of any number and any size that needs no padding."""
    from torch.export import Dim

    rows, columns = (Dim("rows", min=core.least[0] // core.stride), Dim("columns", min=core.least[1] // core.stride))
    try:
        with quietly():
            program = torch.onnx.export(
                core,
                (core.example(),),
                dynamo=True,
                dynamic_shapes=({0: Dim("images", min=1), 2: core.stride * rows, 3: core.stride * columns},),
                input_names=["x"],
                output_names=["logits"],
                opset_version=OPSET,
                verbose=False,
            )
        if program is None:
            raise ValueError("its exporter gives nothing")
        made = program.model_proto
    except Exception as error:  # theirs are of many types
        raise unsupported("ONNX", error) from error
    if made.functions or [(one.domain, one.version) for one in made.opset_import] != [("", OPSET)]:
        raise unsupported("ONNX", ValueError("it needs operators that are not of ONNX itself"))
    for node in made.graph.node:
        # Where in which file the exporter found it: names of folders of this machine.
        del node.metadata_props[:]
        node.ClearField("doc_string")
    return made.graph
