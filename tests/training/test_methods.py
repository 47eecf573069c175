from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from pointillist.classes import ClassSet
from pointillist.data.samples import Batch
from pointillist.errors import ConfigError, DatasetError
from pointillist.training.config import describe_settings
from pointillist.training.methods import Method, Prediction, Step, get_method, methods
from pointillist.training.methods.single_stage import SingleStage

CLASSES = ClassSet.create(["ground", "square", "disc"])


def make_batch(mask: torch.Tensor | None = None) -> Batch:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 24, 32, generator=generator)
    points = (
        torch.tensor([[4.5, 4.5, 0.0], [20.5, 12.5, 1.0]]),
        torch.tensor([[8.5, 8.5, 0.0], [25.5, 20.5, 2.0], [-3.0, 5.0, 1.0]]),
    )
    return Batch(("a", "b"), image, image, points, torch.ones(2, 24, 32, dtype=torch.bool), mask)


def make_step(logits: torch.Tensor, batch: Batch, progress: float = 0.5) -> Step:
    guide = lambda: logits.detach().softmax(1)  # noqa: E731
    return Step(Prediction(logits, logits), batch, progress, guide)


def build(name: str, **options: object) -> Method:
    torch.manual_seed(0)  # some methods have parameters of their own
    kind = get_method(name)
    return kind(kind.Options(**options), CLASSES, 3)


POINT_METHODS = [name for name, kind in methods().items() if kind.supervision == "points"]


def test_every_method_is_listed_with_a_title() -> None:
    peers = {"refine-only", "gated-crf", "tree-energy", "agmm"}
    assert {"full", "points", "single-stage", *peers} <= set(methods())
    assert all(kind.title for kind in methods().values())
    with pytest.raises(ConfigError, match="is no method"):
        get_method("magic")


@pytest.mark.parametrize("name", list(methods()))
@pytest.mark.parametrize("progress", [0.0, 0.5, 0.999])
def test_loss_is_finite_and_reaches_the_logits(name: str, progress: float) -> None:
    logits = torch.randn(2, 3, 24, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    outcome = build(name).loss(make_step(logits, make_batch(torch.zeros(2, 24, 32, dtype=torch.long)), progress))
    outcome.loss.backward()
    assert outcome.loss.isfinite()
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("name", POINT_METHODS)
def test_a_point_method_needs_no_mask_and_ignores_one(name: str) -> None:
    logits = torch.randn(2, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    losses = {
        float(build(name).loss(make_step(logits, make_batch(mask))).loss.detach())
        for mask in (None, torch.zeros(2, 24, 32, dtype=torch.long), torch.ones(2, 24, 32, dtype=torch.long))
    }
    assert len(losses) == 1


@pytest.mark.parametrize("name", POINT_METHODS)
def test_no_click_in_the_window_is_no_loss_on_clicks(name: str) -> None:
    batch = make_batch()
    away = Batch(
        batch.names, batch.view, batch.image, tuple(p + torch.tensor([500.0, 0, 0]) for p in batch.points), batch.valid
    )
    logits = torch.randn(2, 3, 24, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    outcome = build(name).loss(make_step(logits, away, progress=0.0))
    outcome.loss.backward()
    assert outcome.loss.isfinite()
    assert logits.grad.isfinite().all()


def test_the_page_lists_every_option_of_the_peers() -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = dict(part.split("\n", 1) for part in page.split("\n## "))
    assert set(re.findall(r"^\| `([\w-]+)` \|", page.split("\n## ")[0], re.MULTILINE)) == set(methods())
    for name in ("refine-only", "gated-crf", "tree-energy", "agmm"):
        options = {setting.name: setting.default for setting in describe_settings(name)}
        listed = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", sections[name], re.MULTILINE)
        assert {f"method.{option}": default for option, default in listed} == {
            option: default
            for option, default in options.items()
            if option.startswith("method.") and option not in ("method.name", "method.balance")
        }


def test_full_says_when_there_is_no_mask() -> None:
    with pytest.raises(DatasetError, match="has no mask"):
        build("full").loss(make_step(torch.randn(2, 3, 24, 32), make_batch()))


def test_the_pseudo_mask_follows_the_prediction() -> None:
    """Only the logits change, and the pseudo-mask changes with them: it is made inside the step."""
    method = build("single-stage", warmup=0.0).eval()  # in training, what was taught before counts as well
    generator = torch.Generator().manual_seed(3)
    first, second = (
        method.loss(make_step(4 * torch.randn(2, 3, 24, 32, generator=generator), make_batch(), 0.9)).labels
        for _ in range(2)
    )
    assert not torch.equal(first, second)
    again = method.loss(
        make_step(4 * torch.randn(2, 3, 24, 32, generator=torch.Generator().manual_seed(3)), make_batch(), 0.9)
    )
    assert torch.equal(first, again.labels)


@pytest.mark.parametrize("click_head", [True, False])
def test_what_was_taught_is_taken_out_of_the_prediction(click_head: bool) -> None:
    method = build("single-stage", warmup=0.0, metric=None, iterations=0, shift=1.0, click_head=click_head)
    logits = torch.zeros(2, 3, 24, 32)
    if click_head:
        nn.init.zeros_(method.click_head.weight)
        nn.init.zeros_(method.click_head.bias)
    for _ in range(200):
        for loss in (method.on_clicks, method.on_click_head, method.on_pseudo_masks):
            loss(logits, torch.zeros(2, 24, 32, dtype=torch.long))  # class 0 and nothing else
    labels = method.eval().loss(make_step(logits, make_batch(), 0.9)).labels
    assert (labels == 0).sum() <= 2, "undecided pixels must not go to the class that was taught most"
    method.options = method.options.model_copy(update={"shift": 0.0})
    assert method.expected() is None


def test_the_warm_up_learns_from_clicks_alone() -> None:
    logits = torch.randn(2, 3, 24, 32)
    early = build("single-stage", warmup=0.2).loss(make_step(logits, make_batch(), 0.1))
    assert early.labels is None
    assert set(early.parts) == {"loss_clicks"}
    assert torch.equal(early.parts["loss_clicks"], build("points").loss(make_step(logits, make_batch())).loss)


def test_pseudo_masks_do_not_teach_the_head_that_makes_them() -> None:
    method = build("single-stage", warmup=0.0)
    assert isinstance(method, SingleStage)
    logits = torch.randn(2, 3, 24, 32, generator=torch.Generator().manual_seed(1)).requires_grad_()
    features = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()

    def head_gradient() -> torch.Tensor:
        method.zero_grad()
        guide = lambda: pytest.fail("not made from the prediction")  # noqa: E731
        method.loss(Step(Prediction(logits, features), make_batch(), 0.9, guide)).loss.backward()
        gradient: torch.Tensor = method.click_head.weight.grad
        return gradient.clone()

    with_pseudo_masks = head_gradient()
    method.options = method.options.model_copy(update={"warmup": 1.0})
    assert torch.equal(with_pseudo_masks, head_gradient())
    assert with_pseudo_masks.abs().sum() > 0


def test_without_a_second_head_the_prediction_makes_the_pseudo_masks() -> None:
    method = build("single-stage", warmup=0.0, click_head=False)
    asked = []

    def guide() -> torch.Tensor:
        asked.append(True)
        return torch.full((2, 3, 24, 32), 1 / 3)

    logits = torch.randn(2, 3, 24, 32)
    method.loss(Step(Prediction(logits, logits), make_batch(), 0.9, guide))
    assert asked
    assert not list(method.parameters())


def test_clicked_pixels_always_carry_their_class() -> None:
    labels = build("single-stage", warmup=0.0).loss(make_step(torch.randn(2, 3, 24, 32), make_batch())).labels
    assert labels[0, 4, 4] == 0
    assert labels[0, 12, 20] == 1
    assert labels[1, 20, 25] == 2


def test_a_new_method_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pointillist.training.methods as room

    (tmp_path / "constant.py").write_text(
        "from typing import ClassVar, Literal\n"
        "from pointillist.training.methods.base import Method, MethodOptions, Outcome\n"
        "class Options(MethodOptions):\n    name: Literal['constant'] = 'constant'\n"
        "class Constant(Method):\n"
        "    name: ClassVar[str] = 'constant'\n    title: ClassVar[str] = 'nothing'\n    Options = Options\n"
        "    def loss(self, step):\n        return Outcome(step.prediction.logits.sum() * 0)\n"
    )
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    methods.cache_clear()
    try:
        assert "constant" in methods()
    finally:
        methods.cache_clear()
