"""Sixteen float32 lanes as one value in compiled kernels, so that sums stay in registers.

Numba has no vector type of its own, and its loops over arrays load and store every partial sum. Each function here is
one LLVM instruction (or, for `exp`, a dozen) on `<16 x float>`, which LLVM fits to the processor: one AVX-512
register, two of AVX2, four of NEON. They exist only inside functions under `@compiled`.

Compiled kernels are kept on disk until **their own** file changes: touch `refine_cpu.py` after an edit here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

LANES = 16
"""Pixels of one row that are worked on at once."""

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)

Emit = Callable[[Any, Any, Any, Sequence[Any]], Any]
"""Numba's code generator: context, builder, signature, argument values → result value."""


class VectorType(types.Type):
    """Type of sixteen float32 lanes."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)  # type: ignore[no-untyped-call]


register_model(VectorType)(_VectorModel)
vector = VectorType()


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [float(np.float32(value))] * LANES)


def _emit_call(builder: Any, name: str, *values: Any) -> Any:
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(values))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f32")  # type: ignore[no-untyped-call]
    return builder.call(function, values)


def _operation(arguments: int, emit: Callable[..., Any]) -> Any:
    """An intrinsic of one to three vectors to a vector; `emit(builder, *values)` writes its code."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Sequence[Any]) -> Any:
        return emit(builder, *values)

    result = vector(*[vector] * arguments)
    if arguments == 1:
        return intrinsic(lambda _typing, _a: (result, generate))
    if arguments == 2:
        return intrinsic(lambda _typing, _a, _b: (result, generate))
    return intrinsic(lambda _typing, _a, _b, _c: (result, generate))


def _emit_exp(builder: Any, value: Any) -> Any:
    """e^x = 2^n·e^r with n = round(x·log2 e): the polynomial of Cephes' expf, within 2 units in the last place."""
    value = _emit_call(builder, "maxnum", value, _constant(-87.0))
    power = _emit_call(builder, "rint", builder.fmul(value, _constant(1.44269504088896341)))
    rest = _emit_call(builder, "fmuladd", power, _constant(-0.693359375), value)
    rest = _emit_call(builder, "fmuladd", power, _constant(2.12194440e-4), rest)
    series = _constant(1.9875691500e-4)
    for factor in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        series = _emit_call(builder, "fmuladd", series, rest, _constant(factor))
    series = _emit_call(builder, "fmuladd", builder.fmul(series, rest), rest, rest)
    series = builder.fadd(series, _constant(1.0))
    exponent = builder.add(builder.fptosi(power, _INTS), ir.Constant(_INTS, [127] * LANES))
    scale = builder.bitcast(builder.shl(exponent, ir.Constant(_INTS, [23] * LANES)), _FLOATS)
    return builder.fmul(series, scale)


add = _operation(2, lambda builder, a, b: builder.fadd(a, b))
sub = _operation(2, lambda builder, a, b: builder.fsub(a, b))
mul = _operation(2, lambda builder, a, b: builder.fmul(a, b))
div = _operation(2, lambda builder, a, b: builder.fdiv(a, b))
larger = _operation(2, lambda builder, a, b: _emit_call(builder, "maxnum", a, b))
root = _operation(1, lambda builder, a: _emit_call(builder, "sqrt", a))
magnitude = _operation(1, lambda builder, a: _emit_call(builder, "fabs", a))
exp = _operation(1, _emit_exp)
"""e^x for −87 ≤ x ≤ 0; below, e^−87."""
fma = _operation(3, lambda builder, a, b, c: _emit_call(builder, "fmuladd", a, b, c))
"""a·b + c."""


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _FLOATS.as_pointer())


def _load(_typing: Any, array: Any, _index: Any) -> tuple[Any, Emit]:
    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        return builder.load(_address(context, builder, signature.args[0], values[0], values[1]), align=4)

    return vector(array, types.intp), generate


def _store(_typing: Any, array: Any, _index: Any, _value: Any) -> tuple[Any, Emit]:
    def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
        builder.store(values[2], _address(context, builder, signature.args[0], values[0], values[1]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


def _every(_typing: Any, _value: Any) -> tuple[Any, Emit]:
    def generate(_context: Any, builder: Any, _signature: Any, values: Sequence[Any]) -> Any:
        empty = ir.Constant(_FLOATS, ir.Undefined)
        first = builder.insert_element(empty, values[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, empty, ir.Constant(_INTS, [0] * LANES))

    return vector(types.float32), generate


load: Any = intrinsic(_load)
"""`load(array, index)`: lanes from `array[index]` on, of a contiguous float32 array of one dimension."""
store: Any = intrinsic(_store)
"""`store(array, index, value)`."""
every: Any = intrinsic(_every)
"""`every(number)`: the same float32 in each lane."""
