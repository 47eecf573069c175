from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pointillist.errors import ConfigError
from pointillist.training.config import config_from, describe_settings, make_config


def test_defaults_and_round_trip() -> None:
    config = make_config()
    assert config.method.name == "single-stage"
    assert config_from(yaml.safe_load(config.to_yaml()), "here") == config


def test_later_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("optimizer: {lr: 0.5}\ntrainer: {seed: 3, epochs: 7}\n")
    config = make_config(file, {"trainer.seed": 4, "trainer.epochs": None}, ["trainer.seed=5"])
    assert (config.optimizer.lr, config.trainer.seed, config.trainer.epochs) == (0.5, 5, 7)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("144x192", (144, 192)), ("160", (160, 160)), ("144×192", (144, 192)), ("[96, 64]", (96, 64))),
        *(("native", None), ("auto", "auto")),
    ],
)
def test_sizes(text: str, size: tuple[int, int] | str | None) -> None:
    assert make_config(overrides=[f"data.size={text}"]).data.size == size
    assert make_config().data.size == "auto"


def test_a_window_has_a_size_of_its_own() -> None:
    assert make_config(overrides=["data.window=64x96"]).data.window == (64, 96)
    with pytest.raises(ConfigError) as caught:
        make_config(overrides=["data.window=auto"])
    assert caught.value.field == "data.window"


@pytest.mark.parametrize(
    ("override", "field", "hint"),
    [
        ("trainer.sead=1", "trainer.sead", "'trainer.seed'"),
        ("optimiser.lr=1", "optimiser", "optimizer"),
        ("lr=0.1", "lr", "'optimizer.lr'"),
        ("method=singel-stage", "method.name", "'single-stage'"),
        ("method.weigth=1", "method.weigth", "'method.weight'"),
        ("method.pseudo_mask.spatial_prior.pwer=1", "method.pseudo_mask.spatial_prior.pwer", "spatial_prior.power"),
        ("method.pseudo_mask.selection=magic", "method.pseudo_mask.selection", "Valid: confidence, per-class, none"),
        ("method.pseudo_mask.spatial_prior.distance=manhattan", "method.pseudo_mask.spatial_prior.distance", "Correct"),
        ("optimizer.lr=-1", "optimizer.lr", "Correct"),
        ("optimizer.lr=fast", "optimizer.lr", "Correct"),
        ("trainer.epochs=0", "trainer.epochs", "Correct"),
        ("data.size=big", "data.size", "Correct"),
        ("data.size=8", "data.size.0", "Correct"),
        ("data.balanced=1.5", "data.balanced", "Correct"),
        ("data.zoom=[0, 1]", "data.zoom.0", "Correct"),
        ("data.cache_disk_mb=-1", "data.cache_disk_mb", "Correct"),
        ("optimizer.lr=.nan", "optimizer.lr", "Correct"),
        ("nonsense", None, "key=value"),
    ],
)
def test_a_wrong_setting_is_named_with_the_nearest_right_one(override: str, field: str | None, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config(overrides=[override])
    assert caught.value.field == field
    assert hint in caught.value.hint


def test_another_method_drops_the_options_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("method: {name: single-stage, warmup: 0.5}\n")
    assert make_config(file, {"method": "points"}).method.name == "points"
    assert make_config(file, {"method": "single-stage"}).to_dict()["method"]["warmup"] == 0.5


def test_nested_settings_are_reached_from_a_file_and_by_name(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("method: {name: single-stage, pseudo_mask: {spatial_prior: none, selection: per-class}}\n")
    config = make_config(file, overrides=["method.pseudo_mask.selection.relative=0.5"])
    pseudo_mask = config.to_dict()["method"]["pseudo_mask"]
    assert pseudo_mask["spatial_prior"] is None
    assert (pseudo_mask["selection"]["kind"], pseudo_mask["selection"]["relative"]) == ("per-class", 0.5)
    config = make_config(file, overrides=["method.pseudo_mask.spatial_prior.power=2"])
    assert config.to_dict()["method"]["pseudo_mask"]["spatial_prior"]["power"] == 2
    assert config_from(yaml.safe_load(config.to_yaml()), "here") == config


def test_batches_are_shared_evenly() -> None:
    with pytest.raises(ConfigError, match="cannot be shared evenly by 3 devices; 6 can"):
        make_config(overrides=["trainer.batch_size=8", "trainer.devices=3"])


def test_every_setting_is_described() -> None:
    settings = describe_settings()
    names = {setting.name for setting in settings}
    assert {"data.size", "method.warmup", "optimizer.lr", "trainer.seed", "network.encoder"} <= names
    for setting in settings:
        assert setting.text or setting.name == "method.name", setting.name


def test_the_page_of_settings_is_up_to_date() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, default, text in describe_settings():
        assert f"| `{name}` | `{default}` | {text} |" in page, "run: make docs"


@pytest.mark.parametrize(
    ("given", "images", "epochs"),
    [
        ({}, 8, 500),  # 1,000 steps at least
        ({}, 400, 100),
        ({}, 4_000, 20),  # 20,000 steps at most
        ({"trainer.epochs": 7}, 8, 7),
        ({"trainer.steps": 601}, 80, 31),
    ],
)
def test_a_run_is_sized_to_its_data(given: dict[str, int], images: int, epochs: int) -> None:
    config = make_config(None, given).sized_to(images)
    assert config.trainer.epochs == epochs
    assert config.sized_to(images) == config
