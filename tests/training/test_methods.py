from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from pointillist.errors import ConfigError, DatasetError
from pointillist.pseudomask import PseudoMaskSettings
from pointillist.training.config import describe_settings
from pointillist.training.methods import get_method, methods
from pointillist.training.methods.single_stage import SingleStage
from tests.training.steps import POINTS, build, make_batch, make_step, noise

POINT_METHODS = [name for name, kind in methods().items() if kind.supervision == "points"]


def test_every_method_is_listed_with_a_title() -> None:
    peers = {"refine-only", "gated-crf", "tree-energy", "agmm", "dmpls"}
    assert {"full", "points", "single-stage", *peers} <= set(methods())
    assert all(kind.title for kind in methods().values())
    with pytest.raises(ConfigError, match="is no method"):
        get_method("magic")


def test_the_page_lists_every_option_of_the_peers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in page.split("\n## "))
    assert set(re.findall(r"^\| `([\w-]+)` \|", page.split("\n## ")[0], re.MULTILINE)) == set(methods())
    for name in ("refine-only", "gated-crf", "tree-energy", "agmm", "dmpls", "forest"):
        options = {setting.name: setting.default for setting in describe_settings(name)}
        listed = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", sections[name], re.MULTILINE)
        assert {f"method.{option}": default for option, default in listed} == {
            option: default
            for option, default in options.items()
            if option.startswith("method.")
            and not option.startswith(("method.name", "method.class_balance", "method.pseudo_mask"))
        }


def test_full_says_when_there_is_no_mask() -> None:
    with pytest.raises(DatasetError, match="has no mask"):
        build("full").loss(make_step(torch.randn(2, 3, 24, 32), make_batch()))


PLAIN = PseudoMaskSettings(refinement=None, spatial_prior=None, prior_correction=1.0)


def test_pseudo_labels_follow_the_prediction() -> None:
    """Only the logits change, and the labels change with them: they are made inside the step."""
    method = build("single-stage", warmup=0.0)
    steps = [make_step(4 * noise(2, 3, 24, 32, seed=seed), make_batch(), 0.9) for seed in (3, 4, 3)]
    first, second, again = (method.pseudo_labels(step) for step in steps)
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


@pytest.mark.parametrize("click_head", [True, False])
def test_what_was_taught_is_taken_out_of_the_prediction(click_head: bool) -> None:
    method = build("single-stage", warmup=0.0, pseudo_mask=PLAIN, click_head=click_head)
    assert isinstance(method, SingleStage)
    logits = torch.zeros(2, 3, 24, 32)
    if method.click_head is not None:
        nn.init.zeros_(method.click_head.weight)
        nn.init.zeros_(method.click_head.bias)
    for counted in (method.frequencies, method.pseudo_label_frequencies):
        counted.update(torch.zeros(2, 24, 32, dtype=torch.long))  # class 0 and nothing else
    labels = method.pseudo_labels(make_step(logits, make_batch(), 0.9))
    assert (labels == 0).sum() <= 2, "undecided pixels must not go to the class that was taught most"
    prior = method.class_prior()
    assert prior is not None
    assert prior.argmax() == 0
    assert build("single-stage", pseudo_mask={"prior_correction": 0.0}).class_prior() is None


def test_the_warm_up_learns_from_clicks_alone() -> None:
    step = make_step(noise(2, 3, 24, 32), make_batch(), 0.1)
    early = build("single-stage", warmup=0.2).loss(step)
    assert early.pseudo_labels is None
    assert set(early.parts) == {"loss_clicks"}
    assert torch.equal(early.parts["loss_clicks"], build("points").loss(step).loss)


def test_pseudo_masks_do_not_teach_the_head_that_makes_them() -> None:
    logits, features = noise(2, 3, 24, 32), noise(2, 3, 6, 8, seed=2)

    def head_gradient(warmup: float) -> torch.Tensor:
        method = build("single-stage", warmup=warmup)
        assert isinstance(method, SingleStage)
        assert method.click_head is not None
        method.loss(make_step(logits, make_batch(), 0.9, features)).loss.backward()
        assert method.click_head.weight.grad is not None
        return method.click_head.weight.grad

    assert torch.equal(head_gradient(0.0), head_gradient(1.0))
    assert head_gradient(0.0).abs().sum() > 0


def test_without_a_second_head_the_prediction_makes_the_pseudo_masks() -> None:
    method = build("single-stage", warmup=0.0, click_head=False, pseudo_mask=PLAIN)
    assert not list(method.parameters())
    logits = torch.zeros(1, 3, 24, 32)
    logits[:, 1] = 9.0
    labels = method.pseudo_labels(make_step(logits, make_batch(POINTS[:1])))
    assert (labels == 1).float().mean() > 0.99


def test_clicked_pixels_always_carry_their_class() -> None:
    labels = build("single-stage", warmup=0.0).pseudo_labels(make_step(noise(2, 3, 24, 32), make_batch()))
    assert labels is not None
    assert labels[0, 4, 4] == 0
    assert labels[0, 12, 20] == 1
    assert labels[1, 20, 25] == 2


def test_a_new_method_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pointillist.training.methods as room

    (tmp_path / "constant.py").write_text(
        "from typing import ClassVar, Literal\n"
        "from pointillist.training.methods.base import Method, MethodOptions, LossOutput\n"
        "class Options(MethodOptions):\n    name: Literal['constant'] = 'constant'\n"
        "class Constant(Method):\n"
        "    name: ClassVar[str] = 'constant'\n    title: ClassVar[str] = 'nothing'\n    Options = Options\n"
        "    def loss(self, step):\n        return LossOutput(step.output.logits.sum() * 0)\n"
    )
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    assert "constant" in methods()
