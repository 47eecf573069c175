# %% [markdown]
# # A GeoTIFF to polygons
#
# An orthophoto and clicks made in a GIS become a layer of polygons, in one command. It needs
# `pip install 'pointillist[train,geo]'`. The tile here is drawn: four villages beside each other, at 20 cm a pixel.

# %% The tile: four drawn villages
import json
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from pointillist.data.synthetic import CLASSES, draw_scene
from pointillist.points.simulate import simulate_image

scenes = [draw_scene(seed=0, index=index) for index in range(4)]


def mosaic(parts):
    """Four equal pictures as one."""
    return np.vstack([np.hstack(parts[:2]), np.hstack(parts[2:])])


image = mosaic([scene.image for scene in scenes])
mask = mosaic([scene.mask for scene in scenes])
height, width = mask.shape
transform = from_origin(west=500_000, north=5_400_000, xsize=0.2, ysize=0.2)
with rasterio.open(
    "tile.tif", "w", driver="GTiff", height=height, width=width, count=3, dtype="uint8",
    crs="EPSG:32632", transform=transform,
) as file:  # fmt: skip
    file.write(image.transpose(2, 0, 1))
Image.fromarray(image)

# %% [markdown]
# ## Clicks on the map
#
# In QGIS you would make a layer of points with a field `class`, in any coordinate system. Here the clicks are drawn from
# the true classes and written as such a layer, in metres of UTM zone 32.

# %%
features = []
for point in simulate_image("tile.tif", mask, CLASSES, seed=0):
    east, north = transform * (point.x, point.y)
    geometry = {"type": "Point", "coordinates": [east, north]}
    features.append({"type": "Feature", "geometry": geometry, "properties": {"class": point.label}})
crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
layer = {"type": "FeatureCollection", "crs": crs, "features": features}
Path("clicks.geojson").write_text(json.dumps(layer))
print(len(features), "clicks; the first:", features[0]["geometry"], features[0]["properties"])

# %% [markdown]
# ## From clicks to a map
#
# Each pixel of the map gets one of the clicked classes, so click on everything there is. `ground` lies around all
# others. Without the two `--set`, the training has the length and scale that measured best.

# %%
# !pointillist map tile.tif --points clicks.geojson --out result.gpkg --background ground --device cpu --set trainer.steps=100 --set data.window=[96,96]

# %% The tile with the outlines of the predicted classes, the clicks as rings, and a legend
Image.open("result.jpg")

# %% [markdown]
# ## The polygons
#
# `result.gpkg` opens in any GIS. A polygon for each region of a class, in the coordinate system of the tile; neighbours
# share their points, so there are no gaps.

# %%
from pyogrio.raw import read

meta, _, geometries, fields = read("result.gpkg")
table = dict(zip(meta["fields"], fields, strict=True))
print(meta["crs"], "·", len(geometries), "polygons ·", *meta["fields"])
for name in CLASSES.names:
    chosen = table["class"] == name
    print(f"{name:10s} {chosen.sum():4d} polygons {table['area_m2'][chosen].sum():8.0f} m²")

# %% [markdown]
# Small regions and smoother lines: `--write geopackage --set geopackage.smallest=20` of `predict`
# ([options](../predicting.md#maps-and-polygons)). The model is in `runs/tile`; other tiles of the same kind:
#
# ```sh
# pointillist predict runs/tile more-tiles --out maps --write geopackage,geotiff
# ```
