"""A mask value with two meanings stops whoever would take it for one of them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pointillist.data.ambiguous import MOST, check_ambiguous
from pointillist.data.check import check
from pointillist.data.layouts import load_dataset
from pointillist.data.simulated import simulate_dataset
from pointillist.errors import DatasetError
from tests.conftest import write_tiny

NAMES = ("soil", "red berry", "leaf: old", "twig")


def write(root: Path, save, names: tuple[str, ...], labels: list[np.ndarray], **settings: object) -> None:
    for index, mask in enumerate(labels):
        save(root / f"images/{index}.png", mask.shape)
        save(root / f"masks/{index}.png", mask, palette=settings.get("masks") == "palette")
    content = {"classes": [*names], **settings}
    (root / "dataset.yaml").write_text(yaml.safe_dump(content))


@pytest.mark.parametrize("seed", range(12))
def test_one_class_beside_the_ignored_value_is_an_error_and_its_hint_cures_it(tmp_path: Path, save, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = NAMES[: random.integers(2, 5)]
    ignore = int(random.choice([255, 200]))
    used = random.choice([*range(len(names)), ignore], size=random.integers(1, 4), replace=False).astype(np.uint8)
    masks = [random.choice(used, (12, 14)) for _ in range(3)]
    settings = {"masks": str(random.choice(["index", "palette"]))} | ({} if ignore == 255 else {"ignore_index": ignore})
    write(tmp_path, save, names, masks, **settings)
    values = np.concatenate(masks)
    doubtful = ignore == 255 and 255 in values and len(set(values.ravel()) - {ignore}) < 2
    dataset = load_dataset(tmp_path)
    found = [finding for finding in check(dataset).findings if finding.severity == "error"]
    if not doubtful:
        check_ambiguous(dataset)
        assert found == []
        return
    with pytest.raises(DatasetError, match=f"255 is ignored: {(values == 255).mean():.1%} of") as caught:
        check_ambiguous(dataset)
    assert [finding.kind for finding in found] == ["ignored value that may be a class"]
    assert caught.value.found in found[0].detail
    both = re.findall(r"classes: (\[.*?\])\.", caught.value.hint)
    assert len(both) == 2
    for number, text in enumerate(both):
        (tmp_path / "dataset.yaml").write_text(f"classes: {text}\n{yaml.safe_dump(settings)}")
        cured = load_dataset(tmp_path)
        check_ambiguous(cured)
        if number == 0 and 0 in values:
            absent = next(index for index in range(len(names)) if index not in values)
            labels = cured.masks.read(cured.items[0].mask, (12, 14))
            assert np.array_equal(labels == absent, masks[0] == 255)


def test_masks_are_looked_at_only_until_there_is_no_doubt(tmp_path: Path, save, monkeypatch) -> None:
    clear, doubtful = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint8)
    clear[0], doubtful[0] = 1, 255
    write(tmp_path, save, NAMES[:2], [doubtful] * (2 * MOST + 2))
    dataset = load_dataset(tmp_path)
    read = []
    reads = type(dataset.masks).read
    monkeypatch.setattr(type(dataset.masks), "read", lambda *of: read.append(of[1]) or reads(*of))
    with pytest.raises(DatasetError):
        check_ambiguous(dataset)
    assert MOST / 2 <= len(read) <= MOST
    save(dataset.items[0].mask, clear)
    read.clear()
    check_ambiguous(dataset)
    assert len(read) == 1
    with pytest.raises(DatasetError):  # of the images that are used, none is without doubt
        check_ambiguous(dataset, dataset.items[1:])


def test_a_mask_that_cannot_be_read_is_left_to_whoever_needs_it(tmp_path: Path, save) -> None:
    write(tmp_path, save, NAMES[:2], [np.zeros((4, 6), np.uint8)] * 2)
    (tmp_path / "masks/0.png").write_bytes(b"")
    check_ambiguous(load_dataset(tmp_path))


@pytest.mark.parametrize(("split", "method"), [("val", "single-stage"), ("val", "full"), ("train", "full")])
def test_no_training_begins_with_masks_in_doubt(cli, tmp_path: Path, save, split: str, method: str) -> None:
    data = write_tiny(tmp_path / "data")
    dataset = load_dataset(data)
    for item in dataset.split(split):
        save(item.mask, np.where(dataset.masks.read(item.mask, (48, 64)) > 0, 255, 0).astype(np.uint8))
    result = cli("train", data, "--out", tmp_path / "run", "--epochs", "1", "--method", method)
    assert result.code == 2
    assert "255 is ignored" in result.err
    assert not (tmp_path / "run").exists()
    with pytest.raises(DatasetError, match="255 is ignored"):
        simulate_dataset(dataset, split=split)
