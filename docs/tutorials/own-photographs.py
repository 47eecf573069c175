# %% [markdown]
# # Your own photographs
#
# From a folder of photographs and a table of clicks to predictions, on the command line. Here the photographs are drawn
# (berries on soil); put your own in their place.

# %% A drawn photograph: red berries on brown soil
from pathlib import Path

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)
Path("berries/images").mkdir(parents=True)


def photograph(height=240, width=320, berries=9):
    """Berries on soil, and the middles of the berries."""
    rows, columns = np.mgrid[:height, :width]
    image = np.array([112, 88, 66]) + rng.normal(0, 14, (height, width, 1))
    middles = []
    while len(middles) < berries:
        x, y = rng.uniform(20, width - 20), rng.uniform(20, height - 20)
        radius = rng.uniform(10, 16)
        if all(np.hypot(x - other[0], y - other[1]) > 34 for other in middles):
            distance = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
            shade = 1 - 0.5 * (distance / radius) ** 2
            berry = np.array([190, 30, 52]) * shade[..., None]
            image = np.where((distance < radius)[..., None], berry, image)
            middles.append((x, y))
    noisy = image + rng.normal(0, 6, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), middles


clicks = ["image,x,y,class"]
for number in range(8):
    image, middles = photograph()
    Image.fromarray(image).save(f"berries/images/photo_{number}.jpg", quality=92)
    clicks += [f"photo_{number}.jpg,{x:.1f},{y:.1f},berry" for x, y in middles]
Image.fromarray(image)

# %% [markdown]
# ## Name the classes
#
# `init` writes `dataset.yaml`. The first class is the background: whatever is none of your objects.

# %%
# !pointillist init berries --classes soil,berry

# %% [markdown]
# ## Click
#
# In the browser: `pointillist annotate berries`. Clicks from labelme, CVAT, Label Studio, QuPath or a GIS come in with
# `pointillist points import` ([label formats](../label-formats.md)). Or write `berries/points.csv`, as here.
#
# **Click the background too, about as often as all objects together.** Soil is clicked between the berries:

# %%
for number in range(8):
    image = np.asarray(Image.open(f"berries/images/photo_{number}.jpg")).astype(int)
    soil = image[..., 0] - image[..., 1] < 50
    places = np.argwhere(soil)
    for y, x in places[rng.choice(len(places), 9, replace=False)]:
        clicks.append(f"photo_{number}.jpg,{x + 0.5},{y + 0.5},soil")
Path("berries/points.csv").write_text("\n".join(clicks) + "\n")
print(*clicks[:4], sep="\n")

# %% [markdown]
# ## Check
#
# `points check` says what does not fit, and which class is clicked too rarely. Nothing is changed.

# %%
# !pointillist points check berries

# %% [markdown]
# ## Train
#
# Without options, `train` takes the recipe that measured best, and a length that follows from the number of images. The
# options here make it short.

# %%
# !pointillist train berries --device cpu --size 96x128 --set trainer.steps=70

# %% [markdown]
# ## Predict
#
# Images and folders of any depth. The files, and what else can be written: [predicting](../predicting.md).

# %%
# !pointillist predict runs/berries berries/images --out predictions --uncertainty
# !ls predictions

# %% A photograph of berries under the colours of the predicted classes
Image.open("predictions/photo_0_overlay.jpg")

# %% [markdown]
# ## Better
#
# - Look at `runs/berries/report.html`.
# - Click where the model is wrong or unsure, and train again: the tabs *Next* and *Train* of the
#   [annotator](../annotator.md), or `pointillist train berries --from runs/berries --out runs/berries-2`.
# - Know how good it is: with [masks of some images](../evaluating.md), or with [200 answers](../audit.md).
