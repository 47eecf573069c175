# %% [markdown]
# # The method in pictures
#
# What happens within a training step of `single-stage`: from a few clicks and a half-trained network to labels for most
# pixels. The idea, pseudo-masks made on the fly in a single stage, is Akiva and Dana's
# ([arXiv 2106.10309](https://arxiv.org/abs/2106.10309)); the stages and their order are this project's. The pictures are made
# by the very code that trains (all of it is in the notebook below); all numbers and options: [pseudo-masks](../pseudomask.md).
#
# ## An image, its clicks, and a network that knows a little

# %% A village and its clicks, and what a network says after a short training tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image

import pointillist as pt
from pointillist.data.synthetic import draw_scene, write_dataset
from pointillist.pseudomask import PseudoMaskGenerator, distance_fields
from pointillist.pseudomask.selection import Rule

data = pt.load(write_dataset("village", train=16, val=0))
run = pt.train(
    data, out="runs/clicks", method="points", size="96x128", device="cpu",
    settings={"trainer.steps": 120, "trainer.snapshots": 0},
)  # fmt: skip
name = data.points.images[2]
image = pt.read_image(data.root / "images" / name)
truth = draw_scene(0, int(name[-9:-4])).mask
clicks = data.points.of(name)
names, palette = data.classes.names, [part for color in data.classes.colors for part in color]
probabilities = pt.Predictor(run, device="cpu").predict(image, probabilities=True).probabilities


def colors(labels):
    """A label map in its colours; white where there is no label."""
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette([*palette, *[255] * (768 - len(palette))])
    return picture.convert("RGB")


def show(pictures, **options):
    """Pictures side by side, with the clicks."""
    figure, axes = plt.subplots(1, len(pictures), figsize=(4 * len(pictures), 3.4))
    for axis, (title, picture) in zip(np.atleast_1d(axes), pictures.items(), strict=True):
        axis.imshow(picture, **options)
        for point in clicks:
            color = np.array(data.classes.colors[names.index(point.label)]) / 255
            axis.plot(point.x - 0.5, point.y - 0.5, "o", color=color, mec="black", ms=6)
        axis.set_title(title)
        axis.axis("off")
    figure.tight_layout()
    plt.show()


show({"image and clicks": image, "what the network says": colors(probabilities.argmax(0)), "truth": colors(truth)})

# %% [markdown]
# The network here has learnt from clicked pixels alone. In the training a second head plays this part: it shares the features,
# learns from clicks alone and makes the pseudo-masks, so that their mistakes do not come back and grow.
#
# ## All stages at once
#
# `trace=True` keeps the scores after each stage. The title says how many pixels of the most probable class are right.

# %% The most probable class after each stage, side by side
tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
given = torch.from_numpy(np.asarray(probabilities, np.float32))[None]
points = [torch.tensor([[point.x, point.y, names.index(point.label)] for point in clicks])]
counts = data.points.counts()
prior = torch.tensor([counts[name] for name in names], dtype=torch.float32)
made = PseudoMaskGenerator(background=0)(tensor, given, points, class_prior=prior / prior.sum(), trace=True)
stages = {name: maps[0].argmax(0).numpy() for name, maps in made.trace.scores.items()}
show({f"{name}: {(labels == truth).mean():.0%}": colors(labels) for name, labels in stages.items()})

# %% [markdown]
# **Prior correction and presence.** People click objects, not pixels, so a network taught by clicks expects small things too
# often: probabilities are divided by the class prior to a power. Then classes without a click in the image are set to 0. A
# click says more than where something is: it says what is in the image at all.
#
# **Refinement.** Scores are averaged along pixels of the same colour, ten times, so that regions follow the edges of the image.
#
# **Spatial prior.** Scores are multiplied by what the distance from the clicks says. The distance is *geodesic*: a way
# through pixels of one colour is short, a way across an edge is long.

# %% Geodesic distances to the nearest click of three classes: dark is near
fields = distance_fields(points, image.shape[:2], len(names), metric="geodesic", image=tensor)[0].numpy()
clicked = [index for index in range(len(names)) if np.isfinite(fields[index]).all()][1:4]
show({f"distance to {names[index]}": np.log1p(fields[index]) for index in clicked}, cmap="magma")

# %% [markdown]
# **Evidence.** In a training, scores are further multiplied by what a second kind of classifier says: perceptrons on
# colour, edges, texture and place, learnt from the clicks in seconds before the first step. It errs in other ways than
# the network; where both agree, they are right more often. The pictures here are without it.
#
# ## Selection
#
# What is in doubt gets no label: a pixel is kept where one class has more than 0.6 of all scores. Clicked pixels have
# the class of their click.

# %% The pseudo-mask with undecided pixels white, where it is right and wrong, and the truth
labels = made.labels[0].numpy()
kept = labels != 255
right = np.where(kept[..., None], np.where((labels == truth)[..., None], (60, 160, 90), (200, 50, 60)), 255)
show({"pseudo-mask": colors(labels), "right, wrong, undecided": right.astype(np.uint8), "truth": colors(truth)})
print(f"{kept.mean():.0%} of the pixels have a label; {(labels == truth)[kept].mean():.0%} of these are right")
print({rule.name.lower(): int((made.trace.rules == int(rule)).sum()) for rule in Rule})

# %% [markdown]
# The loss is the cross-entropy on the clicks plus that on this pseudo-mask, and both head and features learn. In the next
# step everything is made anew, from a network that knows a little more. There is no second training and no file between.
#
# How each stage was chosen, and what did not help: [what was tried](../experiments.md). How good the result is:
# [results](../results.md).
