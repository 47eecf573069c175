"""YAML that means ill: one error, at once."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pointillist.errors import ConfigError, DatasetError, PointillistError
from pointillist.files import read_yaml
from pointillist.training.config import config_from, make_config
from pointillist.yamltext import MAX_BYTES, MAX_DEPTH, MAX_VALUES, parse_yaml

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: " + "[" * 900_000, "nested more than 32 deep"),
        ("a: " + "[" * 900 + "]" * 900, "nested more than 32 deep"),
        ("a: " + "{a: " * 400 + "}" * 400, "nested more than 32 deep"),
        ("".join(" " * depth + "a:\n" for depth in range(900)), "nested more than 32 deep"),
        (LAUGHS, "more than 50,000 values"),
        ("a: &a [*a]", "names nothing above"),
        ("a: *b", "names nothing above"),
        ("a: [" + "1," * 200_000 + "]", "more than 50,000 values"),
        ("a: 2020-13-45", "a date or a number that cannot be"),
        ("a: !!timestamp x", "a date or a number that cannot be"),
        ("a: " + "1" * 5000, "a date or a number that cannot be"),
        ("a: !!int x", "a date or a number that cannot be"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("? [a]\n: b", "unhashable"),
        ("%YAML 9.9\n---\na: 1", "incompatible"),
        ("a: 1\0", "special characters are not allowed"),
    ],
)
def test_hostile(text: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(DatasetError, match=found) as caught:
        read_yaml(path, DatasetError)
    assert time.process_time() - began < 5
    assert caught.value.where == str(path)
    assert len(str(caught.value)) < 600


def test_what_people_write_is_read() -> None:
    deep: object = 1
    for _ in range(MAX_DEPTH - 2):  # inside a mapping, and around a number
        deep = [deep]
    content = {"classes": [{"name": f"class {i}", "color": "#aabbcc"} for i in range(5000)], "deep": deep}
    text = yaml.safe_dump(content)
    assert len(text) < MAX_BYTES
    assert parse_yaml(text, ConfigError) == content
    merged = "base: &b {a: 1, day: 2020-12-31}\nother: {<<: *b, c: [*b, *b]}\n"
    base = {"a": 1, "day": date(2020, 12, 31)}
    assert parse_yaml(merged, ConfigError) == {"base": base, "other": {**base, "c": [base, base]}}


@given(st.text("abc:-[]{}&*!<>|#\n \t'\"0123.~%@`?,", max_size=60))
@settings(max_examples=400)
def test_any_text_is_what_pyyaml_says_or_one_error(text: str) -> None:
    try:
        found = parse_yaml(text, ConfigError)
    except ConfigError:
        return
    assert repr(found) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "give",
    [
        lambda deep, _: make_config(None, {"data.size": deep}),
        lambda _, text: make_config(None, None, [f"data.size={text}"]),
        lambda _, text: make_config(None, None, [f"network.options.x={text}"]),
        lambda deep, _: config_from({"method": {"name": "single-stage", "x": deep}}, "file"),
        lambda _, text: make_config(None, None, ["a." * len(text) + "b=1"]),
    ],
)
@pytest.mark.parametrize("depth", [33, 900, 100_000])
def test_settings_nested_deeply(give: object, depth: int) -> None:
    deep: object = 1
    for number in range(depth):
        deep = {"a": deep} if number % 2 else [deep]
    assert callable(give)
    with pytest.raises(PointillistError, match="deep"):
        give(deep, "[" * depth + "]" * depth)
    while isinstance(deep, dict | list):  # its end would recurse as well
        deep = deep.pop() if isinstance(deep, list) else deep.pop("a")


def test_a_value_on_the_command_line_names_its_option() -> None:
    with pytest.raises(ConfigError, match=r"field 'data.size'.*Quote it"):
        make_config(None, None, ["data.size=[1"])
    assert MAX_VALUES > 10_000
