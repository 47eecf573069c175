"""What other programs do to points.csv while it is the annotator's: nothing acknowledged goes unasked."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pointillist.annotator.files import label_files
from pointillist.errors import RunError, SaveError
from tests.annotator.conftest import Hand
from tests.annotator.test_label_files import Open, append_leaf, live, rows


def many(hand: Hand, data: Path, count: int = 20) -> str:
    for number in range(count):
        hand.add(f"point-{number:02}", number, 1)
    hand.session.files.flush()
    return (data / "points.csv").read_text()


def backups(data: Path) -> set[str]:
    return {file.read_text() for file in (data / ".pointillist" / "backups").glob("points-*.csv")}


def test_a_program_that_pauses_amid_writing_takes_no_points_away(hand: Hand, data: Path) -> None:
    """The header first and the rows seconds later, or a copy that was cut off."""
    whole = many(hand, data)
    for half in (whole.splitlines(keepends=True)[0], whole[: len(whole) // 2]):
        (data / "points.csv").write_text(half)
        for _ in range(3):
            with pytest.raises(SaveError, match=r"another program has taken .* of 20 points"):
                hand.session.files.flush()
        assert len(live(hand.session)) == 20
        assert (data / "points.csv").read_text() == half  # it is still theirs
        assert whole in backups(data)
    (data / "points.csv").write_text(whole + "i2.png,9.0,9.0,leaf\n")
    hand.session.files.flush()
    assert len(live(hand.session)) == 21
    assert hand.session.csv_state()["removal"] is None


@pytest.mark.parametrize("remove", [True, False])
def test_somebody_says_whether_many_points_go(hand: Hand, data: Path, opened: Open, remove: bool) -> None:
    whole = many(hand, data)
    theirs = "".join(whole.splitlines(keepends=True)[:6])
    hand.session.close()
    (data / "points.csv").write_text(theirs)
    session = opened(data)  # it is opened all the same
    removal = session.csv_state()["removal"]
    assert (removal["removed"], removal["of"]) == (15, 20)
    with pytest.raises(RunError, match="nobody asks"):
        session.files.decide("0" * 64, remove=True)
    session.files.decide(removal["digest"], remove=remove)
    session.files.flush()
    assert len(live(session)) == len(rows(data)) == (5 if remove else 20)
    assert {whole, theirs} <= backups(data)
    with pytest.raises(RunError, match="nobody asks"):
        session.files.decide(removal["digest"], remove=remove)


def test_a_few_points_are_removed_unasked_and_kept_as_a_backup(hand: Hand, data: Path) -> None:
    whole = many(hand, data)
    (data / "points.csv").write_text("".join(whole.splitlines(keepends=True)[:-5]))
    hand.session.files.flush()
    assert len(live(hand.session)) == 15
    assert whole in backups(data)


@pytest.mark.parametrize("again", [False, True])
def test_an_edit_at_the_last_instant_is_taken_in(
    hand: Hand, data: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Between the last look at the file and the exchange; and once more before theirs is back."""
    hand.add("point-01", 1, 1)
    hand.session.files.flush()
    real, calls = label_files.exchange, itertools.count()

    def late(one: Path, other: Path) -> bool:
        call = next(calls)
        if call == 0:
            append_leaf(data)
        if call == 1 and again:
            (data / "points.csv").write_text("image,x,y,class\ni1.png,7.0,7.0,leaf\n")
        return real(one, other)

    monkeypatch.setattr(label_files, "exchange", late)
    hand.add("point-02", 2, 2)
    hand.session.files.flush()
    assert ("i2.png", 9, 9, "leaf") in live(hand.session)
    assert {("i0.png", 1, 1, "soil"), ("i0.png", 2, 2, "soil")} <= live(hand.session)
    assert set(rows(data)) == live(hand.session)
    assert any("i1.png,7.0,7.0,leaf" in text for text in backups(data)) == again
