"""The stage of evidence: a second opinion by which scores are multiplied."""

from __future__ import annotations

import pytest
import torch

from pointillist.errors import TensorError
from pointillist.pseudomask import Evidence, PseudoMaskGenerator, PseudoMaskSettings
from tests.pseudomask.test_generator import batch


def alone(weight: float) -> PseudoMaskGenerator:
    """Nothing but presence and evidence, so that what comes out can be told by hand."""
    settings = PseudoMaskSettings(
        prior_correction=0.0, refinement=None, spatial_prior=None, selection=None, evidence=Evidence(weight=weight)
    )
    return PseudoMaskGenerator(None, settings)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_scores_are_multiplied_by_its_power(weight: float) -> None:
    image, probabilities, points = batch()
    evidence = torch.rand(probabilities.shape, generator=torch.Generator().manual_seed(3))
    made = alone(weight)(image, probabilities, points, evidence=evidence, trace=True)
    trace = made.trace
    assert trace is not None
    before, after = trace.scores["presence"], trace.scores["evidence"]
    torch.testing.assert_close(after, before * evidence.clamp(min=1e-4) ** weight)
    assert not after[before == 0].any(), "evidence must not bring back a class that is not there"


def test_it_decides_where_the_network_does_not_and_never_against_a_click() -> None:
    image, points = torch.rand(1, 3, 8, 8), [torch.tensor([[1.5, 1.5, 0.0], [6.5, 6.5, 1.0]])]
    undecided = torch.full((1, 2, 8, 8), 0.5)
    evidence = torch.stack([torch.full((8, 8), 0.1), torch.full((8, 8), 0.9)])[None]
    labels = alone(1.0)(image, undecided, points, evidence=evidence).labels
    assert labels[0, 1, 1] == 0
    assert (labels == 1).sum() == 63


def test_without_evidence_the_stage_is_left_out_and_wrong_evidence_is_refused() -> None:
    image, probabilities, points = batch()
    without = PseudoMaskGenerator(None)(image, probabilities, points, trace=True)
    assert without.trace is not None
    assert "evidence" not in without.trace.scores
    switched_off = PseudoMaskGenerator(None, PseudoMaskSettings(evidence=None))(image, probabilities, points)
    assert torch.equal(without.labels, switched_off.labels)
    with pytest.raises(TensorError, match="evidence"):
        PseudoMaskGenerator(None)(image, probabilities, points, evidence=probabilities[:, :2])
    with pytest.raises(TensorError, match="evidence"):
        PseudoMaskGenerator(None, PseudoMaskSettings(evidence=None, stages=(Evidence(),)))(image, probabilities, points)
