from __future__ import annotations

import pytest

from pointillist.points.names import ImageNames

NAMES = ImageNames(["a.jpg", "field/a.jpg", "field/b.JPG", "other/c.png", "d.tar.png", "x/e.png", "y/e.png"])


@pytest.mark.parametrize(
    ("given", "by", "found"),
    [
        ("a.jpg", "path", "a.jpg"),
        ("field/a.jpg", "path", "field/a.jpg"),
        ("./a.jpg", "path", None),
        ("c.png", "path", None),
        ("A.jpg", "path", None),
        # tail: one path is the end of the other, the longest agreement wins
        ("c.png", "tail", "other/c.png"),
        ("/home/me/photos/other/c.png", "tail", "other/c.png"),
        ("photos/field/a.jpg", "tail", "field/a.jpg"),
        ("photos/a.jpg", "tail", "a.jpg"),
        ("../images/x/e.png", "tail", "x/e.png"),
        ("e.png", "tail", None),
        ("z/e.png", "tail", None),
        ("somewhere/c.png", "tail", None),
        (r"C:\photos\other\c.png", "tail", "other/c.png"),
        ("s3://bucket/other/c.png", "tail", "other/c.png"),
        ("c", "tail", None),
        # stem: without extension
        ("c", "stem", "other/c.png"),
        ("other/c", "stem", "other/c.png"),
        ("c.png", "stem", "other/c.png"),
        ("d.tar", "stem", "d.tar.png"),
        ("d", "stem", None),
        ("a", "stem", None),
        ("field/a", "stem", "field/a.jpg"),
        ("e", "stem", None),
        ("", "stem", None),
        ("..", "stem", None),
        ("/", "tail", None),
    ],
)
def test_find(given: str, by: str, found: str | None) -> None:
    assert NAMES.find(given, by) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("A.jpg", "'a.jpg'"),
        ("field/b.jpg", "'field/b.JPG'"),
        ("other/c.jpeg", "'other/c.png'"),
        ("nothing.png", "Add the image"),
        ("", "Add the image"),
        ("..", "Add the image"),
    ],
)
def test_hint_names_what_differs_in_case_or_extension(given: str, hint: str) -> None:
    assert hint in NAMES.hint(given)


def test_no_images() -> None:
    assert ImageNames([]).find("a.png", "stem") is None
