# %% [markdown]
# # Multispectral images
#
# Images of any number of bands, of 8 to 32 bits, are learnt as they are. It needs `pip install 'pointillist[train,geo]'`.
#
# The images here are drawn: five bands of 16 bits, as a drone's camera has them. Plants and green stones look alike in
# red, green and blue; plants alone are bright in the infrared.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from scipy.ndimage import gaussian_filter

import pointillist as pt

rng = np.random.default_rng(0)
BANDS = ["red", "green", "blue", "red edge", "infrared"]
SPECTRA = np.array(
    [
        [900, 850, 700, 1000, 1300],  # soil
        [400, 900, 350, 1800, 3400],  # plant
        [410, 880, 360, 420, 450],  # green stone
    ]
)


def draw(size=96):
    """16-bit image of five bands, and its mask: 0 soil, 1 plant, 2 stone."""
    mask = np.zeros((size, size), np.uint8)
    rows, columns = np.mgrid[:size, :size]
    for number in range(8):
        x, y = rng.uniform(8, size - 8, 2)
        mask[np.hypot(columns - x, rows - y) < rng.uniform(5, 9)] = 1 + number % 2
    light = 1 + 0.15 * gaussian_filter(rng.normal(size=(size, size)), 12) * 30
    noise = rng.normal(1, 0.08, (size, size, 5))
    return np.clip(SPECTRA[mask] * light[..., None] * noise, 0, 4095).astype(np.uint16), mask


Path("field/images").mkdir(parents=True)
Path("field/masks").mkdir()
Path("field/splits").mkdir()
clicks = ["image,x,y,class"]
for number in range(10):
    image, mask = draw()
    settings = {"driver": "GTiff", "height": 96, "width": 96}
    with rasterio.open(f"field/images/{number}.tif", "w", count=5, dtype="uint16", **settings) as file:
        file.write(image.transpose(2, 0, 1))
        file.descriptions = BANDS
    with rasterio.open(f"field/masks/{number}.tif", "w", count=1, dtype="uint8", **settings) as file:
        file.write(mask, 1)
    for index, name in enumerate(["soil", "plant", "stone"]):
        places = np.argwhere(mask == index)
        for y, x in places[rng.choice(len(places), (8, 4, 4)[index])]:
            clicks.append(f"{number}.tif,{x + 0.5},{y + 0.5},{name}")
Path("field/points.csv").write_text("\n".join(clicks) + "\n")
_ = Path("field/splits/val.txt").write_text("8\n9\n")

# %% [markdown]
# ## Say what the bands are
#
# `display` names the three that people see as red, green and blue; networks see all bands. Black and white are measured:
# the 0.1th and 99.9th percentile of each band ([all keys](../data-sets.md#bands-depth-pages)).

# %%
_ = Path("field/dataset.yaml").write_text("""\
classes:
  - {name: soil, color: "#8c6d46"}
  - {name: plant, color: "#2e9e4f"}
  - {name: stone, color: "#4575b4"}
bands:
  names: [red, green, blue, red edge, infrared]
  display: [infrared, red, green]
""")

# %%
# !pointillist data check field

# %% The same image as red, green, blue and as infrared, red, green, and its mask
image, mask = draw()
figure, axes = plt.subplots(1, 3, figsize=(9, 3))
pictures = {
    "red, green, blue": image[..., :3] / 1300,
    "infrared, red, green": image[..., [4, 0, 1]] / [4000, 1300, 1300],
    "mask": SPECTRA[mask][..., [4, 0, 1]] / [4000, 1300, 1300],
}
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(np.clip(picture, 0, 1))
    axis.set_title(title)
    axis.axis("off")
plt.show()

# %% [markdown]
# ## What the further bands are worth
#
# `select` takes bands of the files, counted from 1. Once with three, once with all:

# %%
yaml = Path("field/dataset.yaml")
everything = yaml.read_text()
settings = {"trainer.steps": 50, "data.window": [64, 64]}
for name, select in {"three": "[1, 2, 3]", "five": "[1, 2, 3, 4, 5]"}.items():
    chosen = everything.replace("display: [infrared, red, green]", f"select: {select}")
    if name == "three":
        chosen = chosen.replace(", red edge, infrared]", "]")
    yaml.write_text(chosen)
    run = pt.train("field", out=f"runs/{name}", device="cpu", size="native", settings=settings)
    soil, plant, stone = pt.evaluate(run, "field").scores.iou
    print(f"IoU with {name} bands: soil {soil:.2f}, plant {plant:.2f}, stone {stone:.2f}")

# %% [markdown]
# With red, green and blue alone a plant and a stone cannot be told apart, and the scores say so.
#
# ## Predict
#
# Files must have the bands that were learnt, else they are refused. `--bands 5,1,2` says which bands of other files are
# the model's, `--range 0,4000` which values are black and white.

# %%
# !pointillist predict runs/five field/images --out maps --write geotiff,confidence --device cpu
# !ls maps
