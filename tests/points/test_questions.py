"""Questions: every pixel is asked as often as is said, whatever the strategy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointillist.classes import ClassSet
from pointillist.errors import ConfigError, PointsError
from pointillist.points.check import check_points
from pointillist.points.formats.native import NativeCsv, write_csv
from pointillist.points.names import ImageNames
from pointillist.points.questions import draw_pixels, even_pixels, inclusion_of, is_question
from pointillist.points.simulate import simulate_image

SIZE = (9, 14)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20, 100, 126, 200])
@pytest.mark.parametrize("size", [(9, 14), (1, 126), (126, 1), (14, 9)])
def test_even_questions_are_one_per_cell_and_every_pixel_is_asked_as_often_as_is_said(
    size: tuple[int, int], count: int
) -> None:
    rng = np.random.default_rng(0)
    asked, said = np.zeros(size), np.zeros(size)
    for _ in range(400):
        drawn = even_pixels(size, count, rng)
        assert len(drawn) == min(count, 126)
        for x, y, chance in drawn:
            asked[int(y), int(x)] += 1 / 400
            said[int(y), int(x)] = chance
    # Cells are nearly of one size, and so are their pixels' probabilities: a share of the grid's, but for rounding.
    assert (said[said > 0] * 126 / min(count, 126)).min() > 0.3
    assert abs((asked / np.where(said > 0, said, 1)).sum() - 126) < 20
    assert abs((asked[said > 0] - said[said > 0]) / np.sqrt(said[said > 0] / 400)).max() < 5.5


@pytest.mark.parametrize("strategy", ["mixed", "uncertain"])
def test_totals_are_unbiased_where_a_model_is_unsure(strategy: str) -> None:
    rng = np.random.default_rng(1)
    measure, mask = rng.random((5, 7)) ** 4, rng.random(SIZE) < 0.3
    measure[2, 3] = 40  # an outlier whose chance would be above 1
    totals, areas = [], []
    for _ in range(3000):
        drawn = draw_pixels(SIZE, 9, strategy, rng, measure)  # type: ignore[arg-type]
        assert len(drawn) == 9
        assert ((drawn[:, 2] > 0) & (drawn[:, 2] <= 1)).all()
        hit = mask[drawn[:, 1].astype(int), drawn[:, 0].astype(int)]
        totals.append((hit / drawn[:, 2]).sum())
        areas.append((1 / drawn[:, 2]).sum())
    for values, truth in ((totals, mask.sum()), (areas, mask.size)):
        assert abs(np.mean(values) - truth) < 4 * np.std(values) / 3000**0.5


def test_a_strategy_needs_its_measure() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="unsure"):
        draw_pixels(SIZE, 3, "mixed", rng)
    with pytest.raises(ConfigError, match="no strategy"):
        draw_pixels(SIZE, 3, "evenly", rng)  # type: ignore[arg-type]


def test_a_file_keeps_questions_with_and_without_answer(tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text(
        "image,x,y,class,source,inclusion,answer,answered_by,seconds\n"
        "a.png,1.5,1.5,soil,,,,,\n"
        "a.png,1.5,1.5,soil,question,0.25,,eva,1.4\n"
        "a.png,2.5,1.5,,question,0.25,border,eva,3.0\n"
        "b.png,2.5,1.5,,question,0.5,,,\n"
    )
    table = NativeCsv().read(file)
    assert [(p.label, is_question(p), inclusion_of(p)) for p in table] == [("soil", False, 0.0), ("soil", True, 0.25)]
    assert [p.extra["answer"] for p in table.unnamed] == ["border", ""]
    checked = check_points(table, names=ImageNames(["a.png"]), classes=["soil"], size_of=lambda _: (4, 4))
    assert (len(checked.points), len(checked.points.unnamed), checked.total) == (2, 1, 4)
    assert [r.point.image for r in checked.rejections] == ["b.png"]
    write_csv(table, tmp_path / "again.csv")
    again = NativeCsv().read(tmp_path / "again.csv")
    assert [dict(p.extra) for p in again.rows] == [dict(p.extra) for p in table.rows]
    assert again == table


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("a.png,1,1,soil,question,0,", "inclusion"),
        ("a.png,1,1,soil,question,nan,", "inclusion"),
        ("a.png,1,1,soil,question,,", "inclusion"),
        ("a.png,1,1,soil,question,1.5,", "inclusion"),
        ("a.png,1,1,soil,question,0.5,border", "answer"),
        ("a.png,1,1,,question,0.5,perhaps", "answer"),
        ("a.png,1,1,,click,,", "class"),
    ],
)
def test_what_cannot_be_an_answer_is_refused(tmp_path: Path, row: str, field: str) -> None:
    (tmp_path / "points.csv").write_text(f"image,x,y,class,source,inclusion,answer\n{row}\n")
    with pytest.raises(PointsError) as caught:
        NativeCsv().read(tmp_path / "points.csv")
    assert (caught.value.line, caught.value.field) == (2, field)


def test_simulated_answers_err_near_borders_alone() -> None:
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[:, 20:] = 1
    mask[30:] = 255
    classes = ClassSet.create(["left", "right"])
    points = simulate_image("a", mask, classes, seed=0, per_object=0, questions=1600, border_error=1.0)
    assert len(points) == 1600
    for point in points:
        assert is_question(point)
        row, column = point.pixel
        truth = classes.names[mask[row, column]] if row < 30 else ""
        if row < 30 and 18 <= column < 22:
            assert point.label not in (truth, "")
        else:
            assert point.label == truth


def gaps(size: tuple[int, int]) -> np.ndarray:
    """Data in a slanted part, as a satellite's swath, with holes."""
    rows, columns = np.indices(size)
    return (columns > rows / 2 + 1) & ((rows * 7 + columns * 3) % 11 > 1)


@pytest.mark.parametrize("strategy", ["even", "mixed", "uncertain"])
@pytest.mark.parametrize("count", [1, 5, 40, 500])
def test_only_pixels_with_data_are_asked_each_as_often_as_is_said(strategy: str, count: int) -> None:
    rng = np.random.default_rng(2)
    valid, measure, turns = gaps((19, 23)), rng.random((5, 7)) ** 3, 1500
    measure[4, 0] = np.nan  # no model says anything where there are no data
    mask = (np.indices(valid.shape)[0] > 8) & valid
    asked, said, totals, areas = np.zeros(valid.shape), np.zeros(valid.shape), [], []
    for _ in range(turns):
        drawn = draw_pixels(valid.shape, count, strategy, rng, measure, valid)  # type: ignore[arg-type]
        rows, columns = drawn[:, 1].astype(int), drawn[:, 0].astype(int)
        assert valid[rows, columns].all()
        assert len(set(zip(rows, columns, strict=True))) == len(drawn)
        if strategy == "even" or count <= 5:
            assert len(drawn) == min(count, int(valid.sum()))
        asked[rows, columns] += 1 / turns
        said[rows, columns] = drawn[:, 2]
        totals.append((mask[rows, columns] / drawn[:, 2]).sum())
        areas.append((1 / drawn[:, 2]).sum())
    seen = said > 0
    spread = np.sqrt(np.maximum(said * (1 - said), 1e-12) / turns)
    assert (np.abs(asked - said) / np.maximum(spread, 1e-3))[seen].max() < 5.5
    for values, truth in ((totals, mask.sum()), (areas, valid.sum())):
        assert abs(np.mean(values) - truth) <= 4 * np.std(values) / turns**0.5 + 1e-6


def test_even_questions_on_pixels_with_data_lie_apart() -> None:
    valid = np.ones((60, 80), bool)
    valid[:, :30] = False
    rng = np.random.default_rng(3)
    halves = [(draw_pixels(valid.shape, 20, "even", rng, None, valid)[:, 1] < 30).sum() for _ in range(300)]
    # By plain chance the standard deviation were √5.
    assert np.std(halves) < 1.3
    assert len(draw_pixels(valid.shape, 20, "even", rng, None, ~np.ones_like(valid))) == 0
