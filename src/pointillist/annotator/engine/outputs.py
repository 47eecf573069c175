"""What can be written of a folder's predictions: every output that there is, and why some are not possible here."""

from __future__ import annotations

from typing import Any

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError
from pointillist.inference.writers import STANDARD, writers


def describe_outputs(classes: ClassSet) -> list[dict[str, Any]]:
    """The outputs as the page reads them; `why_not` is None where one can be written of these classes."""
    found = []
    for name, kind in writers().items():
        why_not, writer = None, None
        try:
            writer = kind()
            writer.check(classes)
        except ConfigError as error:
            # What a check of the classes hints at is for the command line.
            why_not = f"{error.found} {error.hint}" if writer is None else error.found
        found.append({"name": name, "title": kind.title, "usual": name in STANDARD, "why_not": why_not})
    return sorted(found, key=lambda output: not output["usual"])
