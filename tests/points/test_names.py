from __future__ import annotations

import pytest

from pointillist.points.names import ImageNames, class_finder, rivals

NAMES = ImageNames(
    [
        "a.jpg",
        "field/a.jpg",
        "field/b.JPG",
        "other/c.png",
        "d.tar.png",
        "x/e.png",
        "y/e.png",
        "u\u0308.png",
        "0a1b2c3d-f.png",
    ]
)
THERE = "Add the image"


@pytest.mark.parametrize(
    ("given", "by", "found"),
    [
        ("a.jpg", "path", "a.jpg"),
        ("field/a.jpg", "path", "field/a.jpg"),
        ("./a.jpg", "path", "a.jpg"),
        ("images/a.jpg", "path", "a.jpg"),
        (r"images\field\a.jpg", "path", "field/a.jpg"),
        (r"C:\photos\field\a.jpg", "path", "field/a.jpg"),
        ("photos/a.jpg", "path", None),
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
        # any: names are compared in NFC, an upload has a hash in front, and nothing else is forgiven
        ("\u00fc.png", "path", "u\u0308.png"),
        ("there/\u00fc.png", "tail", "u\u0308.png"),
        ("\u00fc", "stem", "u\u0308.png"),
        ("0123abcd-a.jpg", "path", "a.jpg"),
        ("0123abcd-c.png", "tail", "other/c.png"),
        ("0123abcd-a", "stem", None),
        ("0a1b2c3d-f.png", "tail", "0a1b2c3d-f.png"),
        ("f.png", "tail", None),
        ("images", "path", None),
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
    ("given", "by", "named"),
    [
        ("A.jpg", "path", ["'a.jpg'"]),
        ("field/b.jpg", "path", ["'field/b.JPG'"]),
        ("other/c.jpeg", "path", ["'other/c.png'"]),
        ("wrong/c.png", "tail", ["'other/c.png'"]),
        ("U\u0308.PNG", "path", ["'u\u0308.png'"]),
        ("f.jpg", "path", ["'0a1b2c3d-f.png'"]),
        ("e.png", "tail", ["'x/e.png'", "'y/e.png'"]),
        ("E", "stem", ["'x/e.png'", "'y/e.png'"]),
    ],
)
def test_the_hint_names_the_images_that_are_there_and_asks_for_no_other(given: str, by: str, named: list[str]) -> None:
    hint = NAMES.hint(given, by)  # type: ignore[arg-type]
    assert all(name in hint for name in named)
    assert THERE not in hint


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("nothing.png", None), ("", None), ("..", None), ("d.taf.png", "d.tar.png"), ("xd.tar.jpg", "d.tar.png")],
)
def test_the_hint_about_an_image_that_is_missing_names_the_nearest(given: str, nearest: str | None) -> None:
    hint = NAMES.hint(given)
    assert THERE in hint
    assert hint.partition("The nearest is ")[2] == (f"'{nearest}'." if nearest else "")


def test_names_that_lead_to_one_image_are_rivals_unless_they_are_its_path() -> None:
    assert rivals({"x/a.png": "a.png", "y/a.png": "a.png", "b.png": "b.png"}) == {
        name: ["x/a.png", "y/a.png"] for name in ("x/a.png", "y/a.png")
    }
    assert list(rivals({"x/a.png": "a.png", "a.png": "a.png"})) == ["x/a.png"]
    assert not rivals({"images/a.png": "a.png", "a.png": "a.png"})
    assert not rivals({"\u00fc.png": "u\u0308.png", "u\u0308.png": "u\u0308.png", "c.png": None, "d.png": None})


def test_classes_are_found_in_any_unicode_form() -> None:
    find = class_finder(["gr\u00fcn", "soil"], {"g\u0301ras": "gru\u0308n"})
    assert [find(name) for name in ("gru\u0308n", "\u01f5ras", "weed")] == ["gr\u00fcn", "gr\u00fcn", "weed"]


def test_no_images() -> None:
    assert ImageNames([]).find("a.png", "stem") is None
