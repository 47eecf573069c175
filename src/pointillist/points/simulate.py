"""Points from label masks, seeded: the clicks somebody would have made.

An *object* is what gets its own clicks: a connected component of one class (8-connected, so that a diagonal wire stays
one object), or one id of an instance map where there is one. Three placements say where the clicks fall:

- `component`: pixels drawn from the inner part of the object, the deeper half of its pixels. Depth is the city-block
  distance to the nearest pixel of anything else, the outside of the image included; a thin object has depth 1
  everywhere and is clicked anywhere on itself.
- `uniform`: pixels drawn uniformly from the whole object.
- `centroid`: the pixel of the object nearest its centre of mass; on the object also where the centre of mass is not.

What is clicked and how often has names, too: `pointillist.points.protocols`.

Points lie on pixel centres, `(column + 0.5, row + 0.5)`, with the origin at the top-left corner of the image.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError, MaskError, nearest
from pointillist.points.protocols import ObjectClicks
from pointillist.points.questions import ANSWER, INCLUSION, QUESTION, SOURCE, UNSURE, answers
from pointillist.points.seeds import rng_for
from pointillist.points.table import Point

Placement = Literal["component", "uniform", "centroid"]
"""Where on an object its clicks fall; see the module."""

Integers = npt.NDArray[np.integer[Any]]

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)

MIN_AREA = 50
"""Objects of fewer pixels get no click, by default: nobody sees them."""

_EIGHT = np.ones((3, 3), dtype=bool)


def simulate(
    mask: Integers,
    *,
    num_classes: int,
    placement: Placement = "component",
    per_object: int = 1,
    per_class: int = 0,
    min_area: int = MIN_AREA,
    min_share: float = 0.0,
    background: int | None = None,
    equal_background: bool = False,
    ignore_index: int = 255,
    jitter: float = 0.0,
    instances: Integers | None = None,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Draw clicks from a label mask.

    The same mask and generator state give the same points in the same order: by class, then by the first pixel of the
    object in reading order; equal background comes last. An object smaller than `min_area` or `min_share` gets none; a
    class with only such objects is not clicked in this image at all, as somebody would have overlooked it, and there is
    no fallback.

    Args:
        mask: H×W, integer; class indices 0..`num_classes` − 1, or `ignore_index`.
        num_classes: Number of classes.
        placement: Where on the object the clicks fall; see the module.
        per_object: Clicks per object, on distinct pixels; 0 for none. An object of fewer pixels gets one per pixel.
            `component` goes beyond the inner part, deepest pixels first, where that is too small; `centroid` has only
            one.
        per_class: Clicks kept of each class, by chance; 0 keeps all. Equal background is drawn after that.
        min_area: Smallest object that is clicked, in pixels.
        min_share: Smallest object that is clicked, as share of the H·W pixels, 0 to 1.
        background: Index of the background class, for `equal_background`; without it that changes nothing.
        equal_background: Background is clicked as often as all other classes together, and at least once where there is
            any: pixels drawn uniformly from all of it, each at most once, in place of some of each background object.
        ignore_index: Value of pixels that belong to no class; never clicked on purpose, and no part of any object.
        jitter: Standard deviation, in pixels per axis, of a human-like error. A jittered click may miss its object and
            keeps the class that was meant; it is held inside the image, at most on the centre of a border pixel.
        instances: H×W, integer, ≥ 0: pixels of one class and one id > 0 are one object, connected or not; pixels with
            id 0 fall into connected components. `mask + 1` makes one object of each class.
        rng: Source of all randomness; `pointillist.points.seeds.rng_for` makes one per image.

    Returns:
        N×3: x, y (continuous, pixels) and class index.

    Raises:
        MaskError: The mask or the instance map is not H×W integer, or holds a value that names no class.
        ConfigError: An argument that cannot be.
    """
    _check_settings(num_classes, placement, per_object, per_class, min_area, min_share, jitter)
    codes = _codes(mask, num_classes, ignore_index)
    objects, classes = _objects(codes, _checked_instances(instances, codes.shape))
    height, width = codes.shape
    depth = _depth(objects).ravel() if placement == "component" else None

    # One stable sort lays the pixels of each object side by side, in reading order, without a pass per object.
    flat = objects.ravel()
    by_object = np.argsort(flat, kind="stable")
    ends = np.cumsum(np.bincount(flat, minlength=len(classes)))
    apart = background if equal_background else None
    drawn = [np.zeros(0, dtype=np.intp)]
    for index in range(1, len(classes)):
        pixels = by_object[ends[index - 1] : ends[index]]
        # Shares are divided, not multiplied: 10 of 10,000 pixels are exactly the share 0.001.
        if per_object == 0 or len(pixels) < min_area or len(pixels) / codes.size < min_share or classes[index] == apart:
            continue
        if placement == "centroid":
            chosen = _central(pixels, width)
        elif depth is None:
            chosen = _draw(pixels, per_object, rng)
        else:
            chosen = _draw(_inner(pixels, depth[pixels], per_object), per_object, rng)
        drawn.append(chosen)
    clicked = np.concatenate(drawn)
    if per_class and len(clicked):
        label = codes.ravel()[clicked]
        kept = [_draw(np.flatnonzero(label == each), per_class, rng) for each in np.unique(label)]
        clicked = clicked[np.sort(np.concatenate(kept))]
    if per_object and apart is not None and len(pixels := np.flatnonzero(codes == apart + 1)):
        clicked = np.concatenate([clicked, _draw(pixels, max(1, len(clicked)), rng)])
    rows, columns = np.divmod(clicked, max(width, 1))
    result = np.stack([columns + 0.5, rows + 0.5, codes.ravel()[clicked] - 1], axis=1)
    if jitter and len(result):
        missed = result[:, :2] + jitter * rng.standard_normal((len(result), 2))
        result[:, :2] = np.clip(missed, 0.5, (width - 0.5, height - 0.5))
    return result


def simulate_image(
    image: str,
    mask: Integers,
    classes: ClassSet,
    *,
    seed: int,
    instances: Integers | None = None,
    questions: int = 0,
    border_error: float = 0.0,
    **options: Unpack[ObjectClicks],
) -> list[Point]:
    """The clicks of one image of a data set, by class name, and answered questions; independent of all other images.

    Args:
        image: Name of the image, as in `Point.image`; with `seed` it decides the draw.
        mask: H×W, integer; indices into `classes`, or its ignore index.
        classes: Classes of the data set.
        seed: Seed of the data set's clicks, ≥ 0.
        instances: As in `simulate`.
        questions: How many pixels are asked, drawn evenly.
        border_error: See `pointillist.points.questions.answers`.
        options: As in `simulate`; `equal_background` counts under the background policy `points`.

    Raises:
        MaskError: As in `simulate`, with the name of the image.
        ConfigError: An argument that cannot be.
    """
    try:
        drawn = simulate(
            mask,
            num_classes=len(classes),
            background=classes.background if classes.policy == "points" else None,
            ignore_index=classes.ignore_index,
            instances=instances,
            rng=rng_for(seed, image),
            **options,
        )
    except MaskError as error:
        raise MaskError(error.found, where=image, field=error.field, hint=error.hint) from None
    points = [Point(image, float(x), float(y), classes.names[int(label)]) for x, y, label in drawn]
    asked = answers(mask, questions, border_error, ignore_index=classes.ignore_index, rng=rng_for(seed, f"ask {image}"))
    for x, y, chance, index in asked:
        label = classes.names[int(index)] if index >= 0 else ""
        extra = {SOURCE: QUESTION, INCLUSION: repr(float(chance)), ANSWER: "" if label else UNSURE}
        points.append(Point(image, float(x), float(y), label, extra))
    return points


def _check_settings(
    num_classes: int, placement: str, per_object: int, per_class: int, min_area: int, min_share: float, jitter: float
) -> None:
    if placement not in PLACEMENTS:
        raise ConfigError(f"{placement!r} is no placement.", field="placement", hint=nearest(placement, PLACEMENTS))
    whole = {"num_classes": num_classes, "per_object": per_object, "per_class": per_class, "min_area": min_area}
    for name, value in whole.items():
        least = int(name in ("num_classes", "min_area"))
        if value < least:
            raise ConfigError(f"{name} is {value}.", field=name, hint=f"Use a whole number of at least {least}.")
    if not 0 <= min_share <= 1:
        hint = "Give a share of the image's pixels, 0 to 1: 0.001 for 0.1 %."
        raise ConfigError(f"min_share is {min_share}.", field="min_share", hint=hint)
    if placement == "centroid" and per_object > 1:
        found = f"{per_object} clicks per object are asked for, but an object has one centroid."
        raise ConfigError(found, field="per_object", hint="Use 1, or the placement 'component'.")
    if not 0 <= jitter < np.inf:
        raise ConfigError(
            f"jitter is {jitter}.", field="jitter", hint="Give a standard deviation in pixels, 0 or more."
        )


def _codes(mask: Integers, num_classes: int, ignore_index: int) -> npt.NDArray[np.int32]:
    """Class index + 1, and 0 where the mask is to be ignored."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype.kind not in "iu":
        raise MaskError(
            f"A mask must be two-dimensional, of integers. Got: shape {mask.shape}, {mask.dtype}.",
            field="mask",
            hint="Give class indices; decode a coloured mask first.",
        )
    ignored = mask == ignore_index
    wrong = mask[((mask < 0) | (mask >= num_classes)) & ~ignored]
    if wrong.size:
        raise MaskError(
            f"The mask holds the value {int(wrong[0])}, which is no class index below {num_classes} "
            f"and not the ignored {ignore_index}.",
            field="mask",
            hint="List every class, or set ignore_index.",
        )
    codes = mask.astype(np.int32) + 1
    codes[ignored] = 0
    return codes


def _checked_instances(instances: Integers | None, shape: tuple[int, ...]) -> Integers | None:
    if instances is None:
        return None
    instances = np.asarray(instances)
    if instances.shape != shape or instances.dtype.kind not in "iu" or (instances.size and instances.min() < 0):
        raise MaskError(
            f"An instance map must be integers ≥ 0 of the mask's shape {shape}. "
            f"Got: shape {instances.shape}, {instances.dtype}.",
            field="instances",
            hint="Give one id per pixel, 0 for none.",
        )
    return instances


def _objects(codes: npt.NDArray[np.int32], instances: Integers | None) -> tuple[npt.NDArray[np.int32], list[int]]:
    """Object of each pixel, 0 = none, and the class index of each object; ordered by class, then by first pixel."""
    objects = np.zeros(codes.shape, dtype=np.int32)
    classes = [-1]
    for label, box in enumerate(ndimage.find_objects(codes) if codes.size else []):
        if box is None:
            continue
        inside = codes[box] == label + 1
        loose = inside if instances is None else inside & (instances[box] == 0)
        found, count = ndimage.label(loose, structure=_EIGHT)
        if instances is not None:
            ids, inverse = np.unique(instances[box][inside & ~loose], return_inverse=True)
            found[inside & ~loose] = inverse + 1 + count
            count += len(ids)
        # Neither labelling promises an order, so that of the first pixels is imposed: written backwards, they win.
        first = np.empty(count + 1, dtype=np.intp)
        first[found.ravel()[::-1]] = np.arange(found.size)[::-1]
        rank = np.empty(count + 1, dtype=np.int32)
        rank[1 + np.argsort(first[1:], kind="stable")] = np.arange(count) + len(classes)
        objects[box][inside] = rank[found[inside]]
        classes += [label] * count
    return objects, classes


def _depth(objects: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """City-block distance from each pixel to the nearest one of another object or outside the image.

    One transform serves all objects: the last step of a shortest way out leaves from a pixel that touches another
    object, so the distance is one more than that to the nearest such pixel, whichever side it is on.
    """
    padded = np.pad(objects, 1, constant_values=-1)
    rim = np.zeros(objects.shape, dtype=bool)
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        rim |= neighbour != objects
    depth: npt.NDArray[np.int32] = ndimage.distance_transform_cdt(~rim, metric="taxicab") + 1
    return depth


def _inner(pixels: npt.NDArray[np.intp], depth: npt.NDArray[np.int32], at_least: int) -> npt.NDArray[np.intp]:
    """The deeper half of an object's pixels, and whatever is as deep as the shallowest of them."""
    wanted = min(max(at_least, (len(pixels) + 1) // 2), len(pixels))
    threshold = np.partition(depth, len(pixels) - wanted)[len(pixels) - wanted]
    deep: npt.NDArray[np.intp] = pixels[depth >= threshold]
    return deep


def _draw(pixels: npt.NDArray[np.intp], count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    if count == 1:
        return pixels[[int(rng.random() * len(pixels))]]  # the commonest case, at a twentieth of the cost of `choice`
    return rng.choice(pixels, size=min(count, len(pixels)), replace=False)


def _central(pixels: npt.NDArray[np.intp], width: int) -> npt.NDArray[np.intp]:
    rows, columns = np.divmod(pixels, width)
    return pixels[[int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))]]
