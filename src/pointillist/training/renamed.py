"""Settings of older versions under their present names, in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pointillist.errors import ConfigError

PRIOR, SELECTION = "method.pseudo_mask.spatial_prior", "method.pseudo_mask.selection"

RENAMED = {
    "data.scale": "data.zoom",
    "data.diagnose": "data.log_pseudo_label_accuracy",
    "trainer.panels": "trainer.snapshots",
    "method.balance": "method.class_balance",
    "method.shift": "method.pseudo_mask.prior_correction",
    "method.presence": "method.pseudo_mask.presence",
    "method.dilations": "method.pseudo_mask.refinement.dilations",
    "method.iterations": "method.pseudo_mask.refinement.iterations",
    "method.metric": f"{PRIOR}.distance",
    "method.gamma": f"{PRIOR}.gamma",
    "method.reach": f"{PRIOR}.background_floor",
    "method.exponent": f"{PRIOR}.power",
    "method.sigma_start": f"{PRIOR}.sigma_start",
    "method.sigma_end": f"{PRIOR}.sigma_end",
    "method.reliability": SELECTION,
    "method.confidence": f"{SELECTION}.threshold",
    "method.low": f"{SELECTION}.absolute",
    "method.cut": f"{SELECTION}.relative",
    "method.cut_background": f"{SELECTION}.relative_background",
}
"""Names of version 0.1, and what they are called now."""

GONE = {"optimizer.ema": "a moving average of the weights gained nothing"}
"""Settings of version 0.1 that are no more, and why."""

METRICS_RENAMED = {"agreement": "precision"}
"""Columns of `metrics.csv` of version 0.1, and what they are called now."""


def translate(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Bring settings to today's names.

    Args:
        values: Content of a `config.yaml`, or values that a user gave, by section.

    Returns:
        The same under today's names, and a line for each name that was another one.
    """
    new: dict[str, Any] = deepcopy(dict(values))
    method = new.get("method")
    chosen = method.get("name", "single-stage") if isinstance(method, dict) else method
    found: dict[str, Any] = {}
    for old in (*RENAMED, *GONE):
        section, name = old.split(".")
        # Other methods have settings of the same names.
        foreign = section == "method" and name != "balance" and chosen not in ("single-stage", "refine-only")
        if isinstance(new.get(section), dict) and name in new[section] and not foreign:
            found[old] = new[section].pop(name)
    lines = [f"{old} is now {RENAMED[old]}." for old in found if old in RENAMED]
    lines += [f"{old} is no longer a setting and is left out: {GONE[old]}." for old in found if old in GONE]
    prior, selection = _spatial_prior(found, new.get("data")), _selection(found)
    for old, value in found.items():
        if old in RENAMED and not RENAMED[old].startswith((PRIOR, SELECTION)):
            put(new, RENAMED[old], value)
    for path, nested in ((PRIOR, prior), (SELECTION, selection)):
        if nested is None or nested:
            put(new, path, nested)
    if all(old in found for old, today in RENAMED.items() if "pseudo_mask" in today):
        # All that a run of then says about pseudo-masks, which knew no evidence.
        put(new, "method.pseudo_mask.evidence", "none")
        lines.append("method.pseudo_mask.evidence is none, because there was none then.")
    return new, lines


def _spatial_prior(found: Mapping[str, Any], data: Any) -> dict[str, Any] | None:
    prior = {path.rpartition(".")[2]: found[old] for old, path in RENAMED.items() if PRIOR in path and old in found}
    if "distance" in prior and prior["distance"] is None:
        return None
    if prior.get("power") is not None:
        prior = {"kind": "inverse-distance", **prior}
        prior.pop("sigma_start", None), prior.pop("sigma_end", None)
    elif "power" in prior or "sigma_start" in prior or "sigma_end" in prior:
        prior = {"kind": "gaussian", **prior}
        prior.pop("power", None)
        # They were fractions of the image's scale, which is 160 unit lengths.
        prior.update({name: prior[name] * 160 for name in ("sigma_start", "sigma_end") if name in prior})
    if "gamma" in prior:
        # It was in pixels of an image of the size of training.
        size = data.get("size") if isinstance(data, dict) else None
        sides = size if isinstance(size, list | tuple) and len(size) == 2 else (160, 160)
        prior["gamma"] *= 160 / math.sqrt(sides[0] * sides[1])
        if prior.get("distance") == "euclidean":
            prior.pop("gamma")
    return prior


def _selection(found: Mapping[str, Any]) -> dict[str, Any] | None:
    if found.get("method.reliability") is False:
        return None
    if found.get("method.confidence") is not None:
        return {"kind": "confidence", "threshold": found["method.confidence"]}
    names = {"low": "absolute", "cut": "relative", "cut_background": "relative_background"}
    chosen = {new: found[f"method.{old}"] for old, new in names.items() if f"method.{old}" in found}
    return {"kind": "per-class", **chosen} if chosen or "method.confidence" in found else {}


def put(values: dict[str, Any], name: str, value: Any) -> None:
    """Set a value by its dotted name.

    Raises:
        ConfigError: A part of the name holds no settings.
    """
    *sections, last = name.split(".")
    place = values
    for section in sections:
        inner = place.setdefault(section, {})
        if inner is None or isinstance(inner, str):  # a bare name, or what was switched off
            kind = "name" if section == "method" else "kind"
            inner = place[section] = {} if inner in (None, "none") else {kind: inner}
        if not isinstance(inner, dict):
            raise ConfigError(f"'{section}' has no settings below it.", field=name, hint="Check the name.")
        place = inner
    if name == "method" and isinstance(place.get("method"), dict):
        # Another method has other options; those of the same one stay.
        same = place["method"].get("name") == value
        place["method"] = {**place["method"], "name": value} if same else {"name": value}
    else:
        place[last] = value
