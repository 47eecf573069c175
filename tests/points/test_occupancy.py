"""How likely a class is there of which nobody was asked."""

from __future__ import annotations

import numpy as np

from pointillist.points.occupancy import class_presence, occupancy
from pointillist.points.table import Point, PointTable


def question(image: str, label: str, inclusion: float = 0.01, x: float = 0.5) -> Point:
    return Point(image, x, 0.5, label, {"source": "question", "inclusion": repr(inclusion)})


def test_it_is_right_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    share, hit, asked = np.array([0.9, 0.5, 0.2]), np.array([0.4, 0.1, 0.05]), 10
    shows = rng.random((4000, 3)) < share
    # Questions are shared among the classes; what no class takes falls to a fourth one, which is everywhere.
    taken = np.where(shows, hit, 0)
    rows = np.concatenate([taken, 1 - taken.sum(1, keepdims=True)], 1)
    named = np.stack([rng.multinomial(asked, row) for row in rows]).astype(float)
    likely = occupancy(named)
    assert (likely[named > 0] == 1).all()
    for index in range(3):
        unseen = named[:, index] == 0
        said, truth = likely[unseen, index], shows[unseen, index]
        assert np.ptp(said) < 1e-9  # they were all asked as often
        assert abs(said[0] - truth.mean()) < 0.06


def test_only_images_without_clicks_and_with_answers_count() -> None:
    points = [
        *(question("asked", "soil", x=index + 0.5) for index in range(3)),
        question("both", "soil"),
        Point("both", 3.5, 0.5, "weed"),
        Point("clicked", 3.5, 0.5, "crop"),
        question("few", "weed"),
    ]
    unnamed = [question("open", "")]
    found = class_presence(PointTable(points, unnamed=unnamed), ["soil", "crop", "weed"])
    assert set(found) == {"asked", "few"}
    assert (found["asked"][0], found["few"][2]) == (1, 1)
    assert found["asked"][1] == found["few"][1] == 0  # nobody ever named it
    assert 0 < found["asked"][2] < 1
    assert 0 < found["few"][0] < 1
    assert class_presence(PointTable([Point("clicked", 3.5, 0.5, "crop")]), ["soil", "crop"]) == {}


def test_a_pixel_that_was_unlikely_to_be_asked_counts_for_more() -> None:
    def asked(inclusion: float) -> float:
        points = [question(image, "soil", x=index + 0.5) for image in "abc" for index in range(10)]
        points[0] = question("a", "weed", inclusion)
        return float(class_presence(PointTable(points), ["soil", "weed"])["b"][1])

    # The less likely its pixel, the more of an image weed covers, and the surer it is absent where nobody named it.
    assert asked(0.001) < asked(0.01) < asked(0.1)
