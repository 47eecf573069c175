"""What classes and images may be called: one rule at every door, so that nothing is written that is refused later."""

from __future__ import annotations

import sys
import unicodedata

LONGEST_CLASS_NAME = 100
"""Characters."""

_JOINERS = "\u200c\u200d"
"""Cannot be seen, but some scripts need them inside words."""


def has_controls(text: str) -> bool:
    """Whether text holds control characters, halves of characters or what XML calls no characters.

    Blanks of any script are in order.
    """
    return not text.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff" for character in text
    )


def class_name_problem(name: str) -> str | None:
    """What is wrong with the name of a class; None when nothing is.

    >>> class_name_problem("road"), class_name_problem(" road")
    (None, "' road' begins or ends with a blank.")
    """
    if not name:
        return "a class has an empty name."
    if len(name) > LONGEST_CLASS_NAME:
        return f"'{name[:20]}…' has {len(name):,} characters; the name of a class has at most {LONGEST_CLASS_NAME}."
    if name != name.strip():
        return f"{name!r} begins or ends with a blank."
    # Marks that turn the direction of writing around make one name look like another.
    hidden = (unicodedata.category(character) in ("Cf", "Zl", "Zp") for character in name if character not in _JOINERS)
    if has_controls(name) or any(hidden) or not name.strip(_JOINERS):
        return f"{name!r} has characters that cannot be seen."
    return None


def class_key(name: str) -> str:
    """What tells classes apart by their names: the same letters, however Unicode writes them.

    >>> class_key("cafe\u0301") == class_key("caf\u00e9")
    True
    """
    return unicodedata.normalize("NFC", name)


def image_name_problem(name: str) -> str | None:
    """Why no label file can name an image; None where it can.

    >>> image_name_problem("a/b.png"), image_name_problem("a\\\\b.png")
    (None, 'a backslash in its name')
    """
    if has_controls(name):
        return "a control character in its name"
    if "\\" in name:  # label files of Windows write it for a slash
        return "a backslash in its name"
    return "a blank at an end of its name" if name != name.strip() else None


def file_key(name: str) -> str:
    """What tells files apart by their names: Windows and macOS see neither case nor Unicode form.

    Elsewhere only the name itself does.
    """
    return unicodedata.normalize("NFC", name).casefold() if sys.platform in ("win32", "darwin") else name
