from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pointillist.training import scoring
from pointillist.training.scoring import labels_at, network_input, upsample_strips


@pytest.mark.parametrize("low", [(9, 12), (1, 1), (40, 5), (1, 30)])
@pytest.mark.parametrize("size", [(30, 40), (31, 17), (5, 90)])
@pytest.mark.parametrize("strip", [2**22, 200])
def test_strips_equal_one_interpolation(
    low: tuple[int, int], size: tuple[int, int], strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "STRIP", strip)
    logits = torch.randn(3, *low, generator=torch.Generator().manual_seed(0))
    whole = F.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]
    strips = list(upsample_strips(logits, size))
    assert [top for top, _ in strips] == list(np.cumsum([0] + [s.shape[1] for _, s in strips[:-1]]))
    assert torch.allclose(torch.cat([s for _, s in strips], dim=1), whole, atol=1e-5)


def test_same_size_is_untouched() -> None:
    logits = torch.randn(3, 4, 5)
    assert torch.equal(labels_at(logits, (4, 5)), logits.argmax(0))


def test_network_input_fits_the_box() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    assert network_input(image, (150, 150)).shape == (3, 112, 150)
    assert network_input(image, None).shape == (3, 300, 400)
