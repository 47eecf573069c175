"""Run by test_refine_triton.py in a process of its own: Triton decides when it is imported whether it interprets."""

from __future__ import annotations

import sys

import torch

from pointillist.pseudomask import refine_triton

cases = torch.load(sys.argv[1], weights_only=True)
results = [
    refine_triton.refine_planes(c["image"], c["masks"], c["dilations"], c["iterations"], c["counts"]) for c in cases
]
torch.save(results, sys.argv[2])
