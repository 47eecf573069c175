"""Pages as text: self-contained, and unable to fetch anything or to run what a file brought along."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("pointillist", "report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder; whatever is no `Markup` is escaped.

    A page may run the one script of the project, whose hash is in its policy, and may load nothing from anywhere.
    """
    script = files("pointillist.report").joinpath("page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return _ENVIRONMENT.get_template(template).render(values, script=Markup(script), policy=policy)


def figure(value: float | None, sign: str = "") -> str:
    """A score with three decimals, or a dash where it is not defined."""
    return "–" if value is None or value != value else f"{value:{sign}.3f}"


def percent(value: float, digits: int = 1) -> str:
    """A share, or a dash where it is not defined."""
    return "–" if value != value else f"{value:.{digits}%}".replace("%", "\u202f%")


def between(interval: tuple[float, float] | None, sign: str = "") -> str:
    """A 95 % interval, or "" where there is none."""
    return "" if interval is None else f"{interval[0]:{sign}.3f} to {interval[1]:{sign}.3f}"


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(3725), duration(65), duration(4.26)
    ('1 h 2 min', '1 min 5 s', '4.3 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
