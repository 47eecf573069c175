"""Settings of older versions under their present names, in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

RENAMED = {
    "data.diagnose": "data.log_pseudo_label_accuracy",
    "trainer.panels": "trainer.snapshots",
    "method.balance": "method.class_balance",
    "method.shift": "method.pseudo_mask.prior_correction",
    "method.presence": "method.pseudo_mask.presence",
    "method.dilations": "method.pseudo_mask.refinement.dilations",
    "method.iterations": "method.pseudo_mask.refinement.iterations",
    "method.metric": "method.pseudo_mask.spatial_prior.distance",
    "method.gamma": "method.pseudo_mask.spatial_prior.gamma",
    "method.reach": "method.pseudo_mask.spatial_prior.background_floor",
    "method.exponent": "method.pseudo_mask.spatial_prior.power",
    "method.sigma_start": "method.pseudo_mask.spatial_prior.sigma_start",
    "method.sigma_end": "method.pseudo_mask.spatial_prior.sigma_end",
    "method.reliability": "method.pseudo_mask.selection",
    "method.confidence": "method.pseudo_mask.selection.threshold",
    "method.low": "method.pseudo_mask.selection.absolute",
    "method.cut": "method.pseudo_mask.selection.relative",
    "method.cut_background": "method.pseudo_mask.selection.relative_background",
}
"""Names of version 0.1, and what they are called now."""

GONE = {"optimizer.ema": "a moving average of the weights gained nothing"}
"""Settings of version 0.1 that are no more, and why."""

METRICS_RENAMED = {"agreement": "precision"}
"""Columns of `metrics.csv` of version 0.1, and what they are called now."""

_UNIT = 160


def translate(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Bring settings to today's names.

    Args:
        values: Content of a `config.yaml` or values a user gave, by section.

    Returns:
        The same under today's names, and a line for each name that was another one.
    """
    new: dict[str, Any] = deepcopy(dict(values))
    method = new.get("method")
    lines: list[str] = []
    for old, why in GONE.items():
        section, name = old.split(".")
        if isinstance(new.get(section), dict) and name in new[section]:
            new[section].pop(name)
            lines.append(f"{old} is no longer a setting and is left out: {why}.")
    found = {
        old: new[section].pop(name)
        for old in RENAMED
        for section, name in [old.split(".")]
        # Other methods have settings of the same names.
        if isinstance(new.get(section), dict) and name in new[section] and not _kept(old, method)
    }
    if not found:
        return new, lines
    lines += [f"{old} is now {RENAMED[old]}." for old in found]
    flat = {name.split(".")[1]: value for name, value in found.items() if name.startswith("method.")}
    for name in ("data.diagnose", "trainer.panels", "method.balance"):
        if name in found:
            section, last = RENAMED[name].split(".")
            new[section][last] = found[name]
    flat.pop("balance", None)
    if flat:
        whole = {"metric", "reliability"} <= set(flat)  # all settings of an older run, not a few that a user gave
        new["method"]["pseudo_mask"] = _pseudo_mask(flat, new.get("data", {}), whole)
    return new, lines


def _kept(old: str, method: Any) -> bool:
    section, name = old.split(".")
    if section != "method" or name == "balance":
        return False
    chosen = method.get("name", "single-stage") if isinstance(method, dict) else method
    return chosen not in ("single-stage", "refine-only")


def _pseudo_mask(old: dict[str, Any], data: Any, whole: bool) -> dict[str, Any]:
    """The nested settings of version 0.1's flat ones."""
    new: dict[str, Any] = {
        name: old[was] for was, name in (("shift", "prior_correction"), ("presence", "presence")) if was in old
    }
    refinement = {name: old[name] for name in ("dilations", "iterations") if name in old}
    if refinement:
        new["refinement"] = refinement
    prior, selection = _spatial_prior(old, data, whole), _selection(old, whole)
    if prior is None or prior:
        new["spatial_prior"] = prior
    if selection is None or selection:
        new["selection"] = selection
    return new


def _spatial_prior(old: dict[str, Any], data: Any, whole: bool) -> dict[str, Any] | None:
    if "metric" in old and old["metric"] is None:
        return None
    names = {"metric": "distance", "reach": "background_floor"}
    new = {name: old[was] for was, name in names.items() if was in old}
    gaussian = "exponent" in old and old["exponent"] is None
    if gaussian or ("exponent" not in old and "sigma_start" in old and not whole):
        new["kind"] = "gaussian"
        # They were fractions of the image's scale.
        new.update({name: old[name] * _UNIT for name in ("sigma_start", "sigma_end") if name in old})
    elif "exponent" in old:
        new |= {"kind": "inverse-distance", "power": old["exponent"]}
    if "gamma" in old and new.get("distance") != "euclidean":
        # It was in pixels of an image of the size of training.
        size = data.get("size") if isinstance(data, dict) else None
        sides = size if isinstance(size, list | tuple) and len(size) == 2 else (_UNIT, _UNIT)
        new["gamma"] = old["gamma"] * _UNIT / math.sqrt(sides[0] * sides[1])
    return new


def _selection(old: dict[str, Any], whole: bool) -> dict[str, Any] | None:
    if old.get("reliability") is False:
        return None
    if old.get("confidence") is not None:
        return {"kind": "confidence", "threshold": old["confidence"]}
    names = {"low": "absolute", "cut": "relative", "cut_background": "relative_background"}
    new = {name: old[was] for was, name in names.items() if was in old}
    return {"kind": "per-class", **new} if new or (whole and "confidence" in old) else new
