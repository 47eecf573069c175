"""Masks that were accepted on the page: painted exactly, written whole, and never over the work of others."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pointillist.annotator.files import label_files, mask_files
from pointillist.annotator.files.label_files import LabelFiles
from pointillist.annotator.files.mask_files import MaskFiles
from pointillist.annotator.labels.applying import Applied
from pointillist.annotator.labels.painting import paint
from pointillist.annotator.labels.shown import ShownLabels
from pointillist.annotator.session import Session
from pointillist.api import load_dataset
from pointillist.data.ambiguous import check_ambiguous
from tests.annotator.conftest import HEIGHT, WIDTH, Hand, Serve

Open = Callable[[Path], Session]


def shown_labels(seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).choice(np.array([0, 1, 255], np.uint8), size)


def show(hand: Hand, labels: NDArray[np.uint8], name: str = "i0.png") -> str:
    """Have labels shown on an image, as a layer is; gives their token."""
    stream = io.BytesIO()
    Image.fromarray(labels).save(stream, format="PNG")
    return hand.session.shown.keep(ShownLabels(name, stream.getvalue(), ("class-soil", "class-berry")))


def accept(
    hand: Hand, labels: NDArray[np.uint8], mask: str = "mask-0001", name: str = "i0.png", **more: Any
) -> Applied:
    return hand.do("mask", mask=mask, image=hand.image(name), layer=show(hand, labels, name), **more)


def brush(hand: Hand, stroke: str, *path: float, label: str | None = "berry", mask: str = "mask-0001") -> Applied:
    given = None if label is None else f"class-{label}"
    return hand.do("stroke", stroke=stroke, mask=mask, class_=given, radius=2.6, path=list(path))


def read(data: Path, name: str = "i0.png") -> NDArray[np.uint8]:
    """The mask as everybody else reads it."""
    dataset = load_dataset(data)
    check_ambiguous(dataset)
    item = next(item for item in dataset.items if item.name == name)
    assert item.mask is not None
    return dataset.masks.read(item.mask, (HEIGHT, WIDTH))


def slow_paint(labels: NDArray[np.uint8], path: list[float], radius: float, value: int) -> None:
    """The same by many dots: every pixel whose centre is near one."""
    corners = np.array(path).reshape(-1, 2)
    dots = np.concatenate([np.linspace(a, b, 4000) for a, b in pairwise(corners)] or [corners])
    rows, columns = np.indices(labels.shape)
    for row, column in zip(rows.ravel(), columns.ravel(), strict=True):
        distance = np.hypot(*(dots - (column + 0.5, row + 0.5)).T).min()
        if distance <= radius:
            labels[row, column] = value


@pytest.mark.parametrize("path", [[5.5, 5.5], [2, 3, 30, 20], [4, 4, 20, 4, 20, 22.5, -9, 40], [900, -900, -900, 900]])
def test_the_brush_paints_what_is_near_its_path(path: list[float]) -> None:
    fast, slow = (np.full((HEIGHT, WIDTH), 255, np.uint8) for _ in range(2))
    paint(fast, path, 3.2, 1)
    slow_paint(slow, path, 3.2, 1)
    assert (fast == slow).mean() > 0.998  # dots miss what lies exactly on the rim
    assert (fast == 1).any()


def test_no_stroke_paints_nothing() -> None:
    for x, y in ((5, 5), (5.01, 5.99), (5.5, 5)):
        labels = np.zeros((9, 9), np.uint8)
        paint(labels, [x, y], 0.75, 1)
        assert labels[5, 5] == 1


def test_an_accepted_layer_is_a_mask_of_the_data_set(hand: Hand, data: Path) -> None:
    hand.add("point-01")
    labels = shown_labels()
    assert accept(hand, labels).status == "done"
    hand.session.files.flush()
    assert (read(data) == labels).all()
    assert [item.mask is not None for item in load_dataset(data).items] == [True, False, False]
    assert hand.session.mask("i0.png")["file"] == "masks/i0.png"
    assert hand.session.mask("i0.png")["written"] is True
    # A smaller layer becomes as large as the image.
    small = shown_labels(1, (HEIGHT // 2, WIDTH // 2))
    accept(hand, small, "mask-0002", "i1.png")
    hand.session.files.flush()
    assert (read(data, "i1.png") == np.kron(small, np.ones((2, 2), np.uint8))).all()


def test_strokes_are_painted_in_order_and_undone_one_by_one(hand: Hand, data: Path) -> None:
    other = Hand(hand.session, "tab-two-0")
    expected = shown_labels()
    accept(hand, expected)
    brush(hand, "stroke-01", 4, 4, 20, 12)
    hand.session.files.flush()
    brush(other, "stroke-02", 10, 2, 10, 20, label="soil")
    hand.session.files.flush()
    brush(hand, "stroke-03", 12, 12, label=None)
    slow_paint(expected, [4, 4, 20, 12], 2.6, 1)
    without = expected.copy()
    slow_paint(expected, [10, 2, 10, 20], 2.6, 0)
    for labels in (expected, without):
        slow_paint(labels, [12, 12], 2.6, 255)
    hand.session.files.flush()
    assert (read(data) == expected).mean() > 0.995
    assert hand.do("take-back", item="stroke-02").status == "done"
    hand.session.files.flush()
    assert (read(data) == without).mean() > 0.995
    assert hand.do("bring-back", item="stroke-02").status == "done"
    hand.session.files.flush()
    assert (read(data) == expected).mean() > 0.995
    told = hand.session.mask("i0.png")
    assert [stroke["id"] for stroke in told["strokes"]] == ["stroke-01", "stroke-02", "stroke-03"]
    assert told["strokes"][2]["class"] is None


def test_taking_a_mask_back_gives_back_what_was_before(hand: Hand, data: Path) -> None:
    first, second = shown_labels(1), shown_labels(2)
    accept(hand, first)
    accept(hand, second, "mask-0002")
    hand.session.files.flush()
    assert (read(data) == second).all()
    hand.do("take-back", item="mask-0002")
    hand.session.files.flush()
    assert (read(data) == first).all()
    hand.do("take-back", item="mask-0001")
    hand.session.files.flush()
    assert not (data / "masks" / "i0.png").exists()
    assert load_dataset(data).items[0].mask is None
    assert brush(hand, "stroke-01", 1, 1).status == "rejected"
    hand.do("bring-back", item="mask-0001")
    hand.session.files.flush()
    assert (read(data) == first).all()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_mask_of_others_is_replaced_only_when_told_and_comes_back(hand: Hand, data: Path, suffix: str) -> None:
    theirs = data / "masks" / f"i0{suffix}"
    theirs.parent.mkdir()
    Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).save(theirs)
    before = theirs.read_bytes()
    assert hand.session.mask("i0.png")["foreign"] == theirs.name
    refused = accept(hand, shown_labels())
    assert refused.status == "rejected"
    assert refused.error is not None
    assert (refused.error.field, theirs.name in refused.error.found) == ("replace", True)
    hand.session.files.flush()
    assert theirs.read_bytes() == before
    assert accept(hand, shown_labels(), replace=True).status == "done"
    hand.session.files.flush()
    assert (read(data) == shown_labels()).all()
    assert [path.name for path in (data / "masks").iterdir()] == ["i0.png"]
    (copy,) = (data / ".pointillist" / "backups" / "masks").iterdir()
    assert copy.read_bytes() == before
    # Undone, all is as it was.
    hand.do("take-back", item="mask-0001")
    hand.session.files.flush()
    assert theirs.read_bytes() == before
    assert [path.name for path in (data / "masks").iterdir()] == [theirs.name]
    hand.do("bring-back", item="mask-0001")
    hand.session.files.flush()
    assert (read(data) == shown_labels()).all()


def test_what_others_change_in_our_file_stays_until_somebody_agrees(hand: Hand, data: Path) -> None:
    accept(hand, shown_labels())
    hand.session.files.flush()
    file = data / "masks" / "i0.png"
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(file)
    edited = file.read_bytes()
    brush(hand, "stroke-01", 3, 3)
    hand.session.files.flush()
    assert file.read_bytes() == edited
    told = hand.session.mask("i0.png")
    assert (told["written"], "another program" in told["problem"]["found"]) == (False, True)
    hand.do("take-back", item="mask-0001")
    hand.session.files.flush()
    assert file.read_bytes() == edited
    accept(hand, shown_labels(3), "mask-0002", replace=True)
    hand.session.files.flush()
    assert (read(data) == shown_labels(3)).all()
    assert hand.session.mask("i0.png")["problem"] is None


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written when a test says so, not by the thread that does it otherwise."""
    monkeypatch.setattr(label_files, "LOOK", 1000)
    monkeypatch.setattr(LabelFiles, "changed", lambda _: None)


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize("step", range(4))
def test_killed_at_any_step_the_next_start_finishes_it(data: Path, opened: Open, tmp_path: Path, step: int) -> None:
    theirs = data / "masks" / "i0.tif"
    theirs.parent.mkdir()
    Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).save(theirs)
    hand = Hand(opened(data))
    hand.classes("soil", "berry")
    accept(hand, shown_labels(), replace=True)
    calls = iter(range(99))

    class Killed(BaseException):
        pass

    def dies(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if next(calls) == step:
                raise Killed
            return real(*args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        # Before each note about the file, and before the old one is removed.
        patch.setattr(MaskFiles, "_keep", dies(MaskFiles._keep))
        patch.setattr(Path, "unlink", dies(Path.unlink))
        with pytest.raises(Killed):
            hand.session.masks.write(hand.session.store.reading())
    # What a killed program leaves is what is on the disk now.
    left = tmp_path / "left"
    shutil.copytree(data, left)
    session = opened(left)
    session.files.flush()
    assert session.masks.problems == {}
    assert (read(left) == shown_labels()).all()
    assert [path.name for path in (left / "masks").iterdir()] == ["i0.png"]


@pytest.mark.usefixtures("by_hand")
def test_a_full_disk_is_told_and_passes(data: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(opened(data))
    hand.classes("soil", "berry")
    accept(hand, shown_labels())
    hand.session.files.flush()
    before = (data / "masks" / "i0.png").read_bytes()
    brush(hand, "stroke-01", 3, 3, 9, 9)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(mask_files.shutil, "copyfile", full)
        hand.session.masks.write(hand.session.store.reading())
        told = hand.session.mask("i0.png")
        assert (told["written"], "No space left" in told["problem"]["found"]) == (False, True)
        assert (data / "masks" / "i0.png").read_bytes() == before
        assert not hand.session.masks.current(hand.session.store.reading())
    hand.session.files.flush()
    assert hand.session.mask("i0.png")["written"] is True
    assert read(data)[3, 3] == 1


def test_masks_follow_their_classes(hand: Hand, data: Path) -> None:
    labels = shown_labels()
    accept(hand, labels)
    hand.session.files.flush()
    assert hand.do("class-remove", class_="class-berry").status == "rejected"
    hand.do("class-add", class_="class-leaf", name="leaf")
    brush(hand, "stroke-01", 20, 20, label="leaf")
    hand.session.files.flush()
    assert read(data)[20, 20] == 2
    hand.do("class-merge", class_="class-berry", into="class-soil")
    hand.session.files.flush()
    dataset = load_dataset(data)
    assert dataset.classes.names == ("soil", "leaf")
    merged = read(data)
    assert merged[20, 20] == 1
    # Away from the stroke, what was berry is soil.
    assert (merged[:15][labels[:15] != 255] == 0).all()
    assert (merged[:15][labels[:15] == 255] == 255).all()


@pytest.mark.parametrize(
    ("described", "found"),
    [
        ("masks: coco\npaths: {masks: a.json}", "in a COCO file"),
        ("masks: color", "no colour for what is undecided"),
        ("paths: {masks: images}", "lie in one folder"),
    ],
)
def test_where_no_mask_can_be_written_none_is_accepted(data: Path, opened: Open, described: str, found: str) -> None:
    (data / "a.json").write_text("{}")
    (data / "dataset.yaml").write_text(f"classes: [soil, berry]\n{described}\n")
    hand = Hand(opened(data))
    refused = accept(hand, shown_labels())
    assert refused.error is not None
    assert found in refused.error.found


@pytest.mark.parametrize("kind", ["color", "palette", "index"])
def test_masks_are_written_as_the_data_set_declares_them(data: Path, opened: Open, kind: str) -> None:
    ignored = "ignore_colors: ['#ffffff']" if kind == "color" else "ignore_index: 7"
    described = "classes: [{name: soil, color: '#102030'}, {name: berry, color: '#ff0000'}]"
    (data / "dataset.yaml").write_text(f"{described}\nmasks: {kind}\n{ignored}\n")
    (data / "masks").mkdir()
    theirs = Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).convert("P")
    theirs.putpalette([16, 32, 48])
    (theirs.convert("RGB") if kind == "color" else theirs).save(data / "masks" / "i1.png")
    session = opened(data)
    hand = Hand(session)
    ids = tuple(row.id for row in session.store.reading().classes())
    stream = io.BytesIO()
    Image.fromarray(shown_labels()).save(stream, format="PNG")
    token = session.shown.keep(ShownLabels("i0.png", stream.getvalue(), ids))
    assert hand.do("mask", mask="mask-0001", image=hand.image(), layer=token).status == "done"
    session.files.flush()
    assert (read(data) == shown_labels()).all()
    with Image.open(data / "masks" / "i0.png") as picture:
        assert picture.mode == {"color": "RGB", "palette": "P", "index": "L"}[kind]


def test_a_mask_that_is_written_while_it_is_looked_at_is_ours(
    serve: Serve, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = serve(data)
    hand = Hand(live.session)
    hand.classes("soil", "berry")
    masks, tables = live.session.masks, live.session.store.reading()
    looked = masks._there

    def meanwhile(image: str) -> list[Path]:
        if threading.current_thread() is here and not told:
            told.append(image)
            accept(hand, shown_labels())
            live.session.files.flush()
        return looked(image)

    here, told = threading.current_thread(), list[str]()
    monkeypatch.setattr(masks, "_there", meanwhile)
    assert masks.foreign(tables, "i0.png") == {}
    assert told
    assert masks.about(tables, "i0.png")["written"]


def test_a_page_gets_the_mask_and_its_picture(serve: Serve, data: Path) -> None:
    live = serve(data)
    hand = Hand(live.session)
    hand.classes("soil", "berry")
    labels = shown_labels()
    accept(hand, labels)
    image = hand.image()
    told = live.client.get(f"/api/images/{image}/mask").json()
    assert (told["mask"], told["strokes"], told["foreign"]) == ("mask-0001", [], None)
    answer = live.client.get(f"/api/images/{image}/mask/mask-0001")
    picture = np.array(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
    berry = next(row for row in live.session.store.reading().classes() if row.name == "berry")
    assert (picture[..., 3] == np.where(labels == 255, 0, 255)).all()
    assert {tuple(color) for color in picture[labels == 1][:, :3]} == {tuple(bytes.fromhex(berry.color[1:]))}
    assert live.client.get(f"/api/images/{hand.image('i1.png')}/mask/mask-0001").status_code == 404
    op = {"id": "op-odd-0001", "kind": "stroke", "stroke": "stroke-09", "mask": "mask-0001", "class": None}
    odd = live.client.post("/api/ops", json={"client": "tab-x-00", "ops": [{**op, "radius": 3, "path": [1, 2, 3]}]})
    assert odd.status_code == 400
    tiny = live.client.post("/api/ops", json={"client": "tab-x-00", "ops": [{**op, "radius": 0.1, "path": [1, 2]}]})
    assert tiny.status_code == 400


@pytest.mark.usefixtures("by_hand")
def test_what_others_write_while_a_mask_is_painted_stays(
    data: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(opened(data))
    hand.classes("soil", "berry")
    accept(hand, shown_labels())
    real = MaskFiles._picture
    theirs = data / "masks" / "i0.png"

    def meanwhile(self: MaskFiles, *given: Any) -> Image.Image:
        Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).save(theirs)
        return real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(MaskFiles, "_picture", meanwhile)
        hand.session.files.flush()
    assert (read(data) == 1).all()
    told = hand.session.mask("i0.png")
    assert (told["written"], told["foreign"]) == (False, "i0.png")
    assert "another program" in told["problem"]["found"]
