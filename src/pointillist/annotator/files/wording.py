"""Messages of the library as a page says them."""

from __future__ import annotations

import re


def without_flags(text: str) -> str:
    """A message as a page shows it, which has fields of these names, and no command line.

    >>> without_flags("Say --set order=yx, or choose another --device.")
    "Say order=yx, or choose another 'device'."
    """
    return re.sub(r"(?<![\w-])--([a-z][a-z-]*)", r"'\1'", re.sub(r"--set (?=\S)", "", text))
