"""Click protocols: how simulated clicks are drawn, by name.

A name fixes what is clicked and how often, so that results say it in one word. `Protocol.options` are arguments of
`pointillist.data.simulated.simulate_dataset`; `pointillist points simulate --protocol NAME` uses them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from pointillist.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pointillist.points.simulate import Placement


class ObjectClicks(TypedDict, total=False):
    """What can be said about clicks; the arguments of `pointillist.points.simulate.simulate` of the same names."""

    placement: Placement
    per_object: int
    per_class: int
    min_area: int
    min_share: float
    equal_background: bool
    jitter: float


class ClickOptions(ObjectClicks, total=False):
    """The same, and what can be said about questions; arguments of `pointillist.points.simulate.simulate_image`."""

    questions: int
    border_error: float


@dataclass(frozen=True)
class Protocol:
    """A named way to click.

    Args:
        name: What the user types.
        description: What is clicked, in a line.
        source: Who clicks like that, and what of it is this project's reading.
        options: What differs from the defaults of `simulate`.
    """

    name: str
    description: str
    source: str
    options: ClickOptions


_PROTOCOLS = (
    Protocol(
        "seen",
        "one click per object of at least 0.1 % of the image's pixels, and as many on background",
        "This project: what a person sees where the whole image fits the screen; background as in craid.",
        {"min_area": 1, "min_share": 0.001, "equal_background": True},
    ),
    Protocol(
        "components",
        "one click per object of at least 50 px; background like any class",
        "This project; the defaults of simulate_dataset.",
        {},
    ),
    Protocol(
        "per-class",
        "one click per class and image, on a random object of at least 50 px; background like any class",
        "One point per class: Bearman et al., What's the Point, ECCV 2016, where people choose the object.",
        {"per_class": 1},
    ),
    Protocol(
        "craid",
        "one click per object of at least 50 px, and as many on background",
        "This project's reading of Akiva, Dana, Oudemans, Mars, Finding Berries, CVPR workshops 2020.",
        {"equal_background": True},
    ),
    Protocol(
        "questions",
        "no clicks, but 20 pixels of each image that were drawn evenly, and named",
        "Stratified random point annotation, as CoralNet has it: Beijbom et al., PLoS ONE 2015; the number is ours.",
        {"per_object": 0, "questions": 20},
    ),
)

PROTOCOLS = {protocol.name: protocol for protocol in _PROTOCOLS}
"""All click protocols by name."""


def draw_options(name: str, given: ClickOptions | None = None) -> tuple[ClickOptions, str]:
    """The options of a protocol with some of one's own, which go first, and what to call them.

    Examples:
        >>> draw_options("craid", {"per_object": 2})
        ({'equal_background': True, 'per_object': 2}, 'craid with per_object 2')
        >>> draw_options("craid")[1]
        'craid'

    Raises:
        ConfigError: There is no protocol of this name.
    """
    if name not in PROTOCOLS:
        hint = f"{nearest(name, PROTOCOLS)} Where on an object the clicks fall is said by 'placement'."
        raise ConfigError(f"{name!r} is no click protocol.", field="protocol", hint=hint)
    own = given or {}
    said = ", ".join(f"{option} {value}" for option, value in own.items())
    return {**PROTOCOLS[name].options, **own}, f"{name} with {said}" if said else name
