# %% [markdown]
# # A method of your own
#
# A new way to learn is one file. It is trained, listed, saved and scored like the built-in ones. Here: cross-entropy on
# the clicks, and everywhere else the network is asked to make up its mind (low entropy).
#
# ## Write it
#
# A method has a `name`, its options, and `loss`. A step brings the batch, the logits, and the clicks. Base classes:
# [reference](../reference/extending.md).

# %%
from pathlib import Path

_ = Path("entropy.py").write_text('''\
from typing import ClassVar, Literal

from pydantic import Field

from pointillist.training.losses import masked_mean
from pointillist.training.methods.base import LossOutput, Method, MethodOptions, StepInput


class EntropyOptions(MethodOptions):
    name: Literal["entropy"] = "entropy"
    weight: float = Field(default=0.1, ge=0)
    """Weight of the entropy beside the cross-entropy."""


class Entropy(Method):
    name: ClassVar[str] = "entropy"
    title: ClassVar[str] = "clicks, and low entropy everywhere else"
    Options: ClassVar[type[MethodOptions]] = EntropyOptions

    def __init__(self, options, classes, feature_channels):
        super().__init__(options, classes, feature_channels)
        self.weight = options.weight

    def loss(self, step: StepInput) -> LossOutput:
        clicks = self.click_loss(step)
        log_p = step.output.logits.float().log_softmax(1)
        entropy = masked_mean(-(log_p.exp() * log_p).sum(1), step.batch.valid.float())
        loss = clicks + self.weight * entropy
        return LossOutput(loss, {"loss_clicks": clicks, "loss_entropy": entropy})
''')

# %% [markdown]
# ## Use it
#
# Name the file with `--plugin`, in any command. The options are checked: a wrong one is an error that names the right ones.

# %%
from pointillist.data.synthetic import write_dataset

write_dataset("village", train=8, val=3)

# %%
# !pointillist --plugin entropy.py train village --method entropy --set method.weight=0.2 --device cpu --size 64x80 --set trainer.steps=40 --out runs/entropy

# %% The losses of the method over the training
import csv

import matplotlib.pyplot as plt

with Path("runs/entropy/metrics.csv").open() as file:
    rows = list(csv.DictReader(file))
for name in ("loss_clicks", "loss_entropy"):
    found = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    plt.plot(*zip(*found, strict=True), label=name)
plt.xlabel("step")
plt.legend()
plt.show()

# %% [markdown]
# ## Compare it
#
# The same network, data, clicks, steps and seed, and one thing different:

# %%
import pointillist as pt

settings = {"trainer.steps": 40}
run = pt.train("village", out="runs/points", method="points", size="64x80", device="cpu", settings=settings)

# %%
# !pointillist compare runs/points runs/entropy village --split val

# %% [markdown]
# If the interval of the difference has 0 inside, these images do not tell which is better. How to compare so that others
# believe it: [comparing methods](comparing.py).
#
# ## Share it
#
# The trained model predicts without the plug-in. To share the method, give your package an entry point
# ([three ways to use it](../plugins.md#three-ways-to-use-it)). From Python, `pt.register(Entropy)` is enough.
