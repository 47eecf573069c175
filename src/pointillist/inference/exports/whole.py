"""A network with everything around it: from values as files have them to probabilities at the image's own size."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointillist.data.transforms import PADDING_VALUE
from pointillist.errors import RunError
from pointillist.training.model_folder import Model


class Core(nn.Module):
    """The network alone: images that need no padding to logits.

    Args:
        model: The model.

    Raises:
        RunError: Its network has no graph for other programs.

    Attributes:
        stride: Sides of images are multiples of it.
        least: Smallest (height, width).
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        if not model.network.has_graph:
            found = f"a {type(model.network).__name__} has no graph that gives the same in other programs."
            raise RunError(found, field="network", hint="Share the model itself: --to archive.")
        self.network = model.network
        self.bands = len(model.spec.bands)
        # Networks of plug-ins take images of any size.
        self.stride = int(getattr(model.network, "stride", 1))
        rows = int(getattr(model.network, "least", 1))
        self.least = (rows, 2 * rows)

    def forward(self, images: Tensor) -> Tensor:
        """B×K×h×w in [0, 1] → B×C×h×w."""
        logits: Tensor = self.network(images).logits
        return logits

    def example(self) -> Tensor:
        """Two images, larger than the smallest."""
        height, width = (side + 3 * self.stride for side in self.least)
        return torch.rand(2, self.bands, height, width, generator=torch.Generator().manual_seed(0))


class Whole(nn.Module):
    """A core with everything around it.

    Args:
        core: The network, as it is or traced.
        model: Where it comes from.
    """

    def __init__(self, core: nn.Module, model: Model) -> None:
        super().__init__()
        own, scale = Core(model), model.spec.scale
        ranges = torch.tensor(model.spec.bands.ranges, dtype=torch.float32)
        self.core = core
        self.low = nn.Buffer(ranges[:, 0, None, None].clone())
        self.span = nn.Buffer((ranges[:, 1] - ranges[:, 0])[:, None, None])
        self.box = scale.box or (0, 0)
        self.least_factor, self.most_factor = float(scale.least), float(scale.most)
        self.stride, self.least = own.stride, own.least
        self.grey = PADDING_VALUE

    def forward(self, image: Tensor) -> Tensor:
        """N×K×H×W float32 values as files have them → N×C×H×W probabilities."""
        height, width = image.shape[2], image.shape[3]
        seen_height, seen_width, rows, columns = self.sizes(height, width)
        x = ((image - self.low) / self.span).clamp(0, 1)
        x = self.resized(x, seen_height, seen_width)
        x = F.pad(x, [0, columns - seen_width, 0, rows - seen_height], value=self.grey)
        logits = self.core(x)[:, :, :seen_height, :seen_width]
        return self.resized(logits, height, width).softmax(1)

    def resized(self, x: Tensor, height: int, width: int) -> Tensor:
        """As Pillow does it."""
        # In its usual order of memory, and of one channel in any, torch 2.14 gives wrong numbers for a width of 1.
        several = x if x.shape[1] > 1 else x.expand(-1, 2, -1, -1)
        ordered = several.contiguous(memory_format=torch.channels_last)
        found = F.interpolate(ordered, [height, width], mode="bilinear", antialias=True, align_corners=False)
        return found[:, : x.shape[1]]

    def sizes(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(height, width) at which the network sees an image, see `Scale.size_of`, and the same with its padding."""
        factor = 1.0
        if self.box[0] > 0:
            factor = min(self.box[0] / height, self.box[1] / width)
        factor = min(max(factor, self.least_factor), self.most_factor)
        # In TorchScript, `round` gives a float.
        rows, columns = max(1, int(round(height * factor))), max(1, int(round(width * factor)))  # noqa: RUF046
        return rows, columns, self.padded(rows, self.least[0]), self.padded(columns, self.least[1])

    def padded(self, side: int, least: int) -> int:
        """The next side that needs no padding."""
        return max((side + self.stride - 1) // self.stride * self.stride, least)


class TracedWhole(Whole):
    """The same for torch.export: sizes come from tensors, because it takes minutes over long formulas of sizes."""

    def sizes(self, height: int, width: int) -> tuple[int, int, int, int]:
        """See `Whole.sizes`."""
        own = torch.stack([torch.scalar_tensor(side, dtype=torch.float64) for side in (height, width)])
        factor = torch.ones((), dtype=torch.float64)
        if self.box[0] > 0:
            factor = (torch.tensor(self.box, dtype=torch.float64) / own).amin()
        seen = (own * factor.clamp(self.least_factor, self.most_factor)).round().clamp(min=1)
        smallest = [side // self.stride for side in self.least]
        cells = torch.maximum((seen / self.stride).ceil(), torch.tensor(smallest, dtype=torch.float64))
        rows, columns, down, across = (side.item() for side in torch.cat([seen, cells]).long())
        # What the exporter cannot know from tensors.
        for side, least in ((rows, 1), (columns, 1), (down, smallest[0]), (across, smallest[1])):
            torch._check(side >= least)
            torch._check(side < 2**15)
        for side, cell in ((rows, down), (columns, across)):
            torch._check(side <= cell * self.stride)
        return rows, columns, down * self.stride, across * self.stride


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out what exporters say of their work, such as sizes that they take for fixed: the gate tries others."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def unsupported(what: str, error: Exception) -> RunError:
    """A network that a format or its exporter cannot take."""
    lines = [line.strip() for line in (str(error) or type(error).__name__).splitlines() if line.strip()]
    found = f"this network cannot be exported to {what}: {lines[0][:300]}"
    hint = "Export to another format with --to, or share the model itself: --to archive."
    return RunError(found, field="network", hint=hint)
