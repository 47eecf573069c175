"""What `dataset.yaml` may say as a class name, and what a reader is told about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointillist.classes import ClassSet
from pointillist.data.layouts import load_dataset
from pointillist.errors import DatasetError


@pytest.mark.parametrize(
    ("classes", "place", "found", "hint"),
    [
        ("[soil, no]", "classes.1", "YAML reads no as false", "into quotes: 'no'"),
        ("[On, soil]", "classes.0", "YAML reads On as true", "into quotes: 'On'"),
        ("[soil, ~]", "classes.1", "YAML reads ~ as nothing", "into quotes: '~'"),
        ("[soil, 007]", "classes.1", "YAML reads 007 as a number", "into quotes: '007'"),
        ("[soil, 2024-05-01]", "classes.1", "YAML reads 2024-05-01 as no text", "into quotes: '2024-05-01'"),
        ("[{name: soil}, {name: no, color: '#ffffff'}]", "classes.1.name", "YAML reads no as false", "'no'"),
        (
            "[soil, berry]\nbackground: {policy: points, class: off}",
            "background.class",
            "YAML reads off as false",
            "'off'",
        ),
        ("[soil, ]\n- x", None, "not valid YAML", "line"),
        ("\n- soil\n-", "classes.1", "is empty", "name"),
        ("[soil, [berry]]", "classes.1", "is no class name", "classes: [soil, berry]"),
        ("soil, berry", "classes", "is no list of classes", "classes: [soil, berry]"),
        ("{soil: 0, berry: 1}", "classes", "is no list of classes", "classes: [soil, berry]"),
    ],
)
def test_a_name_that_yaml_does_not_read_as_text_is_shown_as_it_is_written(
    tiny_data: Path, classes: str, place: str | None, found: str, hint: str
) -> None:
    (tiny_data / "dataset.yaml").write_text(f"classes: {classes}\n")
    with pytest.raises(DatasetError) as caught:
        load_dataset(tiny_data)
    assert (caught.value.where, caught.value.field) == (str(tiny_data / "dataset.yaml"), place)
    assert found in caught.value.found
    assert hint in caught.value.hint


def test_a_background_of_no_class_has_a_class_of_nothing(tiny_data: Path) -> None:
    (tiny_data / "dataset.yaml").write_text(
        "classes: [ground, square, disc]\nbackground: {policy: none, class: null}\n"
    )
    assert load_dataset(tiny_data).classes.background is None


def test_names_in_quotes_are_names(tiny_data: Path) -> None:
    (tiny_data / "dataset.yaml").write_text("classes: ['no', \"0\", ground, square, disc]\n")
    assert load_dataset(tiny_data).classes.names[:2] == ("no", "0")


def test_two_forms_of_one_name_are_one_name() -> None:
    with pytest.raises(DatasetError, match="listed twice"):
        ClassSet.create(["gr\u00fcn", "gru\u0308n"])
