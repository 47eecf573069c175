"""Run by test_refine_triton.py in a process of its own: Triton decides when it is imported whether it interprets."""

from __future__ import annotations

import sys

import torch


def main(cases: str, results: str) -> None:
    from pointillist.pseudomask import refine_triton

    found = [
        refine_triton.refine_channels(c["image"], c["masks"], c["dilations"], c["iterations"], c["counts"])
        for c in torch.load(cases, weights_only=True)
    ]
    torch.save(found, results)


if __name__ == "__main__":
    main(*sys.argv[1:])
