# %% [markdown]
# # Counting berries
#
# A model of berries gives their number, size and place. Also: when such counts are wrong, and how to see it. The berries are
# drawn, so the true numbers are known. It needs `pip install 'pointillist[train,tables]'`.

# %% A drawn image: berries on soil, some of which touch
import csv

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import pointillist as pt

rng = np.random.default_rng(1)


def draw(berries, apart, height=160, width=200):
    """Berries at least `apart` radii from each other: image, mask, middles."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    image = np.array([112.0, 88, 66]) + rng.normal(0, 14, (height, width, 1))
    mask, middles = np.zeros((height, width), np.uint8), []
    while len(middles) < berries:
        x, y = rng.uniform(12, width - 12), rng.uniform(12, height - 12)
        if all(np.hypot(x - p, y - q) > apart * 8 for p, q in middles):
            distance = np.hypot(columns - x, rows - y)
            image[distance < 8] = np.array([190, 30, 52]) * (1 - distance[distance < 8, None] / 20)
            mask[distance < 8] = 1
            middles.append((x, y))
    return np.clip(image, 0, 255).astype(np.uint8), mask, middles


images, points, masks, numbers = [], [], [], []
for _ in range(12):
    number = int(rng.integers(6, 16))
    image, mask, middles = draw(number, apart=2.4)
    places = np.argwhere(mask == 0)
    soil = [(x + 0.5, y + 0.5, "soil") for y, x in places[rng.choice(len(places), number)]]
    images.append(image)
    masks.append(mask)
    points.append([(x, y, "berry") for x, y in middles] + soil)
    numbers.append(number)
Image.fromarray(images[0])

# %% [markdown]
# ## Train
#
# The data set stays in memory here ([more](../data-sets.md#in-memory)). The last four images are kept back.

# %%
data = pt.Dataset.from_arrays(images, points, ["soil", "berry"], masks, splits={"val": [8, 9, 10, 11]})
run = pt.train(
    data, out="runs/berries", device="cpu", size="native", settings={"trainer.steps": 80, "data.window": [96, 96]}
)
print(f"mIoU {pt.evaluate(run, data).miou:.2f}")

# %% [markdown]
# ## Count
#
# `predict` writes a table of objects: an object is what touches and has one class. `smallest` leaves out specks.

# %%
from pathlib import Path

Path("photos").mkdir()
for index in range(8, 12):
    Image.fromarray(images[index]).save(f"photos/{index}.png")

# %%
# !pointillist predict runs/berries photos --out counts --write areas,objects,overlay --set objects.smallest=20 --device cpu

# %%
with Path("counts/objects.csv").open() as file:
    rows = [row for row in csv.DictReader(file) if row["class"] == "berry" and row["object"]]
for index in range(8, 12):
    found = [row for row in rows if row["image"] == f"{index}.png"]
    area = np.mean([float(row["area"]) for row in found])
    print(f"{index}.png: {len(found)} of {numbers[index]} berries, {area:.0f} pixels each")

# %% [markdown]
# A drawn berry has about 200 pixels. Columns and options: [measurements](../predicting.md#measurements).
#
# ## When berries touch
#
# **Two berries that touch are one object.** Where they lie close, counts are too low, however good the model is:

# %% Closely packed berries, and the objects found in them, each in its own colour
from scipy.ndimage import label

image, _, middles = draw(26, apart=1.7)
labels = pt.Predictor(run, device="cpu")(image)
objects, found = label(labels == 1, structure=np.ones((3, 3)))
print(f"{found} objects for {len(middles)} berries")
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
axes[0].imshow(image)
axes[1].imshow(np.ma.masked_equal(objects, 0), cmap="tab20", interpolation="nearest")
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# Semantic segmentation names pixels; it does not tell objects of one class apart. Ways out:
#
# - divide the class's area by the area of one object (`areas.csv`), where sizes are alike;
# - photograph from nearer, so that there is soil between the berries;
# - a program for instances, such as ultralytics or Cellpose, where objects touch as a rule
#   ([beside other programs](../other-programs.md)).
#
# Compare counts by eye on some images before you trust a table: the overlay in `counts/` shows what was counted.
