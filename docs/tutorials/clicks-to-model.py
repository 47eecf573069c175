# %% [markdown]
# # From clicks to a model
#
# You draw a small data set, look at its clicks, train on them, and see what the model has learnt. It takes a minute and
# needs `pip install 'pointillist[train]'`.
#
# The data set is *embedded*: villages seen from the air, drawn from a seed, with one click on each object. Nothing is
# downloaded.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

import pointillist as pt
from pointillist.data.synthetic import write_dataset

folder = write_dataset("village", train=16, val=4)
data = pt.load(folder)
print(data.classes.names)
print(len(data.items), "images,", len(data.points), "clicks")

# %% [markdown]
# ## What a click is
#
# An image, a place and a class. `x` and `y` are pixels from the top-left corner of the image; the centre of the first
# pixel is (0.5, 0.5). Clicks are kept in `points.csv`, a line for each:

# %%
print("\n".join(Path("village/points.csv").read_text().splitlines()[:5]))


# %% A village from the air with a dot for each click
def colors(labels):
    """A label map in the colours of its classes."""
    picture = Image.fromarray(labels)
    picture.putpalette([part for color in data.classes.colors for part in color])
    return picture.convert("RGB")


name = data.points.images[0]
plt.figure(figsize=(6, 4.8))
plt.imshow(pt.read_image(folder / "images" / name))
for point in data.points.of(name):
    index = data.classes.names.index(point.label)
    color = [part / 255 for part in data.classes.colors[index]]
    plt.plot(point.x - 0.5, point.y - 0.5, "o", color=color, mec="black")
plt.axis("off")
plt.show()

# %% [markdown]
# ## Train
#
# `train` learns from the clicks alone: it makes a pseudo-mask in each step and learns from that, too
# ([how](stages.py)). A real training is as long as the number of images suggests; this one is made very short.

# %%
run = pt.train(
    data,
    out="runs/village",
    size="96x128",
    device="cpu",
    settings={"trainer.steps": 120, "trainer.snapshots": 3},
)
print(*sorted(path.name for path in run.root.iterdir()))

# %% [markdown]
# `runs/village` is the *run directory*: the settings, what was measured, the model in `model/`, and `report.html`, a page
# about the model in one file ([what is on it](../evaluating.md#the-page-of-a-run)).
#
# ## See what it has learnt
#
# The images of the split `val` were kept back from training, and have masks.

# %% Image, prediction, uncertainty and mask of a village that was not learnt from
predictor = pt.Predictor(run)
name = data.split("val")[0].name
image = pt.read_image(folder / "images" / name)
result = predictor.predict(image, uncertainty=True)

pictures = {
    "image": image,
    "prediction": colors(result.labels),
    "bright = unsure": result.uncertainty,
    "mask": Image.open(folder / "masks" / name).convert("RGB"),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3))
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
figure.tight_layout()
plt.show()

# %%
scored = pt.evaluate(run, data, split="val")
print(f"mIoU {scored.miou:.2f}")
for name, iou in zip(data.classes.names, scored.scores.iou, strict=True):
    print(f"{name:10s} {iou:.2f}")

# %% [markdown]
# Large classes come first; small ones such as cars need more steps and more images. Without `size` and `settings`, `train`
# takes the length and scale that measured best.
#
# ## The same on the command line
#
# ```sh
# pointillist train village
# pointillist evaluate runs/village village
# pointillist predict runs/village village/images --out predictions --uncertainty
# ```
#
# Next: [your own photographs](own-photographs.py), or [click in the browser](../annotator.md).
