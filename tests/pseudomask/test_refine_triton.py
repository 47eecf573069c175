"""The Triton kernel without a GPU: interpreted on the CPU, compiled for a GPU that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pointillist.pseudomask import refine

pytest.importorskip("triton", reason="Triton is not installed")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def case(
    image: Tensor, classes: int, dilations: list[int], iterations: int, counts: list[int] | None
) -> dict[str, Any]:
    masks = noise(image.shape[0], classes, *image.shape[2:], seed=1).softmax(1)
    if counts is not None:
        for plane, count in zip(masks, counts, strict=True):
            plane[count:] = 0
    return {"image": image, "masks": masks, "dilations": dilations, "iterations": iterations, "counts": counts}


CASES = {
    "two images": case(noise(2, 3, 3, 35), 3, [1, 24], 1, None),
    "present channels": case(noise(2, 3, 4, 6), 5, [1, 4], 2, [2, 5]),
    "more channels than one program takes": case(noise(1, 3, 3, 4), 35, [1], 1, None),
    "five features": case(noise(1, 5, 4, 7), 2, [1], 1, None),
    "flat": case(torch.full((1, 3, 4, 5), 0.3), 2, [1, 2, 4], 1, None),
    "near grey": case(0.5 + 1e-3 * noise(1, 3, 4, 9), 2, [1, 2, 4, 8, 12, 24], 3, None),
    **{f"{bands} bands": case(noise(1, bands, 3, 7), 2, [1, 24], 2, None) for bands in (1, 2, 13)},
    "one column": case(noise(1, 3, 4, 1), 2, [1, 30], 2, None),
}


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    folder = tmp_path_factory.mktemp("triton")
    torch.save(list(CASES.values()), folder / "cases.pt")
    command = [sys.executable, str(Path(__file__).with_name("triton_interpreted.py"))]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    subprocess.run([*command, str(folder / "cases.pt"), str(folder / "results.pt")], check=True, env=environment)
    return dict(zip(CASES, torch.load(folder / "results.pt", weights_only=True), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_equals_the_formulas(name: str, interpreted: dict[str, Tensor], literal_refine: Callable[..., Tensor]) -> None:
    c = CASES[name]
    expected = literal_refine(c["image"], c["masks"], c["dilations"], c["iterations"])
    torch.testing.assert_close(interpreted[name].double(), expected, atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_on_a_gpu(literal_refine: Callable[..., Tensor]) -> None:
    image, masks = noise(2, 3, 60, 70), noise(2, 21, 60, 70, seed=1).softmax(1)
    result = refine(image.cuda(), masks.cuda()).double().cpu()
    torch.testing.assert_close(result, literal_refine(image, masks, (1, 2, 4, 8, 12, 24), 10), atol=1e-5, rtol=0)


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("name", ["_measure", "_average"])
@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_compiles_for_a_gpu_without_spills(name: str, capability: int, lanes: int) -> None:
    """Types, layouts and registers are checked by the real compiler, whatever machine the tests run on."""
    from triton import compile as build
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from pointillist.pseudomask import refine_triton

    kernel = getattr(refine_triton, name)
    constants = {"LANES": lanes, "PLANES": 32, "ROWS": refine_triton.ROWS, "COLUMNS": refine_triton.COLUMNS}
    constants = {key: value for key, value in constants.items() if key in kernel.arg_names}
    kinds = dict.fromkeys(("features", "scales", "softmax", "source", "target"), "*fp32")
    kinds |= dict.fromkeys(("steps", "present"), "*i32") | dict.fromkeys(constants, "constexpr")
    signature = {key: kinds.get(key, "i32") for key in kernel.arg_names}
    binary = build(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", capability, 32))
    assert binary.asm["cubin"]
    # Triton 3.6 changes layouts through shared memory, newer ones do not; a block has 48 KiB without asking for more.
    assert binary.metadata.shared <= 48 * 1024
    assert ".local" not in binary.asm["ptx"]
