"""A training step with pseudo-masks beside the same step with clicks only: loader and distances included."""

from __future__ import annotations

import statistics
from typing import Any

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from measure import alternating, ratio, summary
from rows import scene
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pointillist.pseudomask import PseudoMaskGenerator
from pointillist.training.methods.pseudo_masks import GeodesicDistances

SIDE, CLASSES, PRESENT, CLICKS, BATCH, STEPS = 320, 21, 4, 12, 8, 2


class Clicked(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Synthetic scenes with clicks of four classes; geodesic distances for each, or none."""

    def __init__(self, distances: bool) -> None:
        self.distances_of = GeodesicDistances(CLASSES, gamma=300.0) if distances else None
        self.scenes = [scene(SIDE, SIDE)[0]]

    def __len__(self) -> int:
        return BATCH * STEPS

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        random = torch.Generator().manual_seed(index)
        image = self.scenes[0].roll(int(torch.randint(0, SIDE, (1,), generator=random)), dims=2)
        points = torch.rand(CLICKS, 3, generator=random) * torch.tensor([SIDE, SIDE, 0.0])
        points[:, 2] = torch.arange(CLICKS) % PRESENT * 5
        if self.distances_of is None:
            return image, points, torch.empty(0)
        maps, classes = self.distances_of(image, points)
        distances = torch.full((CLASSES, SIDE, SIDE), torch.inf)
        # They are made with fewer pixels, as in training.
        larger = F.interpolate(maps[None], (SIDE, SIDE), mode="bilinear", align_corners=False)[0]
        distances[classes] = larger * (SIDE / maps.shape[-1])
        return image, points, distances


def click_loss(logits: Tensor, points: Tensor) -> Tensor:
    images = torch.arange(len(points))[:, None].expand(points.shape[:2])
    found = logits[images, :, points[..., 1].long(), points[..., 0].long()]
    return F.cross_entropy(found.flatten(0, 1), points[..., 2].long().flatten())


def training_step() -> dict[str, Any]:
    torch.manual_seed(0)
    network = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    generator = PseudoMaskGenerator(background=0)

    def epoch(pseudo: bool) -> None:
        loader = DataLoader(Clicked(pseudo), BATCH, num_workers=1, multiprocessing_context="fork")
        for image, points, distances in loader:
            logits = network(image)
            loss = click_loss(logits, points)
            if pseudo:
                probabilities = logits.detach().softmax(dim=1)
                labels = generator(image, probabilities, list(points), distances=distances).labels
                kept = (labels != 255).sum().clamp(min=1)
                loss = loss + F.cross_entropy(logits, labels, ignore_index=255, reduction="sum") / kept
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    seconds = alternating({"pseudo-masks": lambda: epoch(True), "clicks only": lambda: epoch(False)})
    clicks = statistics.median(seconds["clicks only"])
    row: dict[str, Any] = {
        "what": f"training step, U-Net/ResNet-18, {BATCH}×{SIDE}×{SIDE}, {PRESENT} present classes of {CLASSES}",
        "against": f"the same step with clicks only ({STEPS} steps and the start of one loader worker a round)",
        "target": "≤ 1.25× wall time",
        "times_slower": round(ratio(seconds, "pseudo-masks", "clicks only"), 3),
        "seconds": summary(seconds),
        "floor": {"binding": "the step with clicks only", "binding_s": round(clicks, 3)},
    }
    row["times_above_floor"] = row["times_slower"]
    row["reached"] = row["times_slower"] <= 1.25
    return row
