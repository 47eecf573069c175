"""The work as a process of its own: python -m pointillist.annotator.model.work_process FOLDER.

What is to be done is one line of JSON on its standard input; what it says is lines of JSON on its standard output: how
much is done, and last the result or an error. It ends when its standard input closes: when the annotator does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from pointillist.annotator.folder import open_folder
from pointillist.annotator.model.child_process import begin, named, only_inside
from pointillist.annotator.model.runs import find_runs
from pointillist.annotator.session import error_body
from pointillist.data.ask import cell_means, draw_questions
from pointillist.data.dataset import Dataset
from pointillist.data.gaps import pixels_with_data
from pointillist.data.images import image_size
from pointillist.data.layouts import open_dataset
from pointillist.files import write_text
from pointillist.inference.audit import JSON, PAGE, audit
from pointillist.inference.click_audit import audit_clicks
from pointillist.inference.predictor import Predictor
from pointillist.inference.unlearnt import audit_questions, learnt_images, read_answers, unlearnt
from pointillist.points.questions import INCLUSION
from pointillist.points.table import Point
from pointillist.report.audit_page import put_into_report, sentences, write_audit_page
from pointillist.training.run_directory import RunDirectory

Counted = Callable[[int], Callable[[str], None]]
"""From how many images there are, what is called with each that is done."""


def questions(dataset: Dataset, run: Path, wishes: Mapping[str, Any], counted: Counted) -> Any:
    """Questions to be learnt from, where the model is unsure."""
    items = {item.name: item for item in dataset.items}
    predictor = Predictor(run)
    names, per_image, budget = wishes["images"], wishes["per_image"], wishes["budget"]
    drawn = draw_questions(
        names,
        lambda name: image_size(items[name].image),
        per_image=per_image,
        budget=budget,
        strategy=wishes["strategy"],
        seed=wishes["seed"],
        valid_of=lambda name: pixels_with_data(items[name].image, plane=dataset.declared.plane),
        measure=lambda name: cell_means(predictor.predict(items[name].image, uncertainty=True).map("uncertainty")),
        on_image=counted(len(names) if budget is None else min(len(names), max(1, budget // per_image))),
    )
    return [_told(point) for point in drawn]


def new_audit_questions(dataset: Dataset, run: Path, wishes: Mapping[str, Any], counted: Counted) -> Any:
    """Questions by which the model is judged, on images that it has not learnt from."""
    judged, split = unlearnt(dataset, learnt_images(RunDirectory.open(run), dataset))
    drawn = audit_questions(judged, wishes["questions"], seed=wishes["seed"], on_image=counted(len(judged.items)))
    return {"split": split, "questions": [_told(point) for point in drawn.rows]}


def judged(dataset: Dataset, run: Path, wishes: Mapping[str, Any], counted: Counted) -> Any:
    """What the answers say about the model; its run and report get it, too."""
    home = RunDirectory.open(run)
    asked = read_answers([home], dataset, [Path(file) for file in wishes["files"]])
    (found,) = audit([Predictor(run)], asked, on_image=counted(len(asked.images)))
    found = replace(found, dataset=dataset.root.parent.name)  # not the name of its dataset.yaml
    write_text(run / JSON, found.to_json())
    write_audit_page(run / PAGE, found, dataset.classes, command="the annotator")
    put_into_report(home.report, found, dataset.classes)
    return {**found.to_dict(), "said": sentences(found)}


def clicks(dataset: Dataset, run: Path, wishes: Mapping[str, Any], counted: Counted) -> Any:
    """Clicks that contradict all others, and regions that look like objects without one."""
    dataset = dataset.with_points(Path(wishes["points"]), "csv", strict=False)
    clicked = sum(1 for item in dataset.split(dataset.training_split) if dataset.points.of(item.name))
    return audit_clicks(dataset, Predictor(run), on_image=counted(2 * clicked)).to_dict()


TASKS = {"questions": questions, "audit-questions": new_audit_questions, "audit": judged, "clicks": clicks}


def main(data: Path, out: IO[str]) -> int:
    """Do what the first line says; gives the exit code."""
    wishes = json.loads(sys.stdin.buffer.readline())
    begin(10, lambda: os._exit(1))  # trainings come first

    def say(what: dict[str, Any]) -> None:
        print(json.dumps(what), file=out, flush=True)

    def counted(total: int) -> Callable[[str], None]:
        done = 0

        def one_more(_: str) -> None:
            nonlocal done
            done += 1
            say({"done": done, "total": max(total, done)})

        say({"done": 0, "total": total})
        return one_more

    try:
        folder = open_folder(data)
        run = next(run for run in find_runs(folder) if run.number == wishes["run"])
        dataset = only_inside(open_dataset(folder.dataset_file), set(folder.images))
        say({"result": TASKS[wishes["kind"]](dataset, run.folder, wishes, counted)})
    except Exception as error:
        say({"error": error_body(named(error, "this"))})
        return 2
    return 0


def _told(point: Point) -> list[Any]:
    return [point.image, point.x, point.y, point.extra[INCLUSION]]


if __name__ == "__main__":
    # Whatever a library prints goes to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.exit(main(Path(sys.argv[1]), answers))
