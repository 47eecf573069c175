"""The page of an audit, and its section in the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointillist.classes import ClassSet
from pointillist.errors import RunError
from pointillist.files import read_text, write_text
from pointillist.inference.audit import Audit
from pointillist.inference.estimates import ACCURACY, AREA, IOU, LEFT_OUT, PRECISION, RECALL
from pointillist.inference.intervals import MIOU, Figure
from pointillist.inference.unlearnt import ELSEWHERE, LEARNT, OPEN
from pointillist.points.questions import ANSWERS
from pointillist.report.html import between, figure, percent, render
from pointillist.report.page import protocol_rows
from pointillist.report.tables import MOST_CLASSES

NAMES = {ACCURACY: "accuracy", MIOU: "mIoU"}
BEGIN, END = "<!-- audit: begin -->", "<!-- audit: end -->"
"""Where the page of a run has room for an audit."""


def sentences(audit: Audit) -> list[str]:
    """What an audit says, in plain words."""
    counts, sample = audit.counts, audit.sample
    everything = sample.population == len(sample.mapped)
    images = f"all {sample.population:,}" if everything else f"{len(sample.mapped):,} of {sample.population:,}"
    answers = f"{len(sample.image):,} answers on {images} images of ‘{audit.split}’"
    said = [
        f"{answers}, none of which the model has learnt from. "
        f"The 95 % intervals say where these figures would lie if all {sample.population:,} images had masks."
    ]
    beyond = [
        f"{name} {between(audit.figures[key].beyond)}" for key, name in NAMES.items() if audit.figures[key].beyond
    ]
    if beyond:
        said.append(f"For other images of the same kind: {', '.join(beyond)}.")
    for name, more in audit.more.items():
        where = "" if everything else f" (all questions together on {more.images:,} images)"
        said.append(f"About {more.questions:,} more questions{where} would halve the interval of {NAMES[name]}.")
    unsure = sum(counts[name] for name in ANSWERS)
    if unsure:
        area = audit.figures[LEFT_OUT]
        found = f"{unsure:,} answers are ‘unsure’ or ‘border’: they stand for {percent(area.value)} of the area"
        said.append(f"{found} ({_range(area)}), about which nothing is said.")
    left_out = {
        OPEN: "have no answer yet",
        LEARNT: "are on images that the model has learnt from",
        ELSEWHERE: f"are on images outside ‘{audit.split}’",
    }
    for key, text in left_out.items():
        if counts[key]:
            said.append(f"{counts[key]:,} questions {text}; they do not count.")
    if audit.unmet:
        said.append(f"No answer and no prediction at a question is {', '.join(audit.unmet)}: mIoU is without.")
    return said


def write_audit_page(path: Path, audit: Audit, classes: ClassSet, *, command: str = "") -> None:
    """Write the page of an audit.

    Args:
        path: The page.
        audit: What the answers say.
        classes: Names and colours.
        command: The command line that asked for it.

    Raises:
        SaveError: It cannot be written.
    """
    values = _values(audit, classes)
    shown = len(classes) <= MOST_CLASSES
    content = render(
        "audit.html.jinja",
        **values,
        title=f"{audit.protocol['method']['name']} judged on {audit.dataset}",
        subtitle="Without masks: by answers to questions about single pixels.",
        commands=[("judged with", command)] if command else [],
        legend=classes.swatches(),
        confusion=[
            (swatch, [(percent(value), round(value, 3), real == column) for column, value in enumerate(row)])
            for real, (swatch, row) in enumerate(zip(classes.swatches(), audit.sample.confusion, strict=True))
        ]
        if shown
        else [],
        protocol=protocol_rows(audit.protocol),
    )
    write_text(path, content)


def put_into_report(page: Path, audit: Audit, classes: ClassSet) -> bool:
    """Put an audit into the page of a run, in place of an earlier one.

    Returns:
        Whether it has room for one; pages of earlier versions do not.

    Raises:
        RunError: It cannot be read.
        SaveError: It cannot be written.
    """
    if not page.is_file():
        return False
    text = read_text(page, RunError)
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        return False
    section = render("audit_section.html.jinja", **_values(audit, classes))
    write_text(page, f"{before}{begin}{section}{end}{after}")
    return True


def _values(audit: Audit, classes: ClassSet) -> dict[str, Any]:
    rows = []
    for label, swatch in enumerate(classes.swatches()):
        iou, precision, recall, area = (audit.figures[f"{name} {label}"] for name in (IOU, PRECISION, RECALL, AREA))
        low, high = iou.interval or (None, None)
        rows.append(
            {
                **swatch,
                "iou": (figure(iou.value), between(iou.interval)),
                "at": 0 if iou.value != iou.value else round(100 * iou.value, 1),
                "low": None if low is None else round(100 * low, 1),
                "wide": None if low is None or high is None else round(100 * (high - low), 1),
                "shares": [(figure(one.value), between(one.interval)) for one in (precision, recall)],
                "mapped": percent(audit.mapped[label]),
                "area": (percent(area.value), _range(area)),
            }
        )
    first = [
        (name, figure(audit.figures[key].value), f"95 %: {between(audit.figures[key].interval)}")
        for key, name in NAMES.items()
    ]
    answers = ("answers", f"{len(audit.sample.image):,}", f"on {len(audit.sample.mapped):,} images")
    left_out = ("without a class", percent(audit.figures[LEFT_OUT].value), "of the area")
    return {"figures": [*first, answers, left_out], "said": sentences(audit), "classes": rows}


def _range(one: Figure) -> str:
    """An interval in per cent."""
    return "" if one.interval is None else f"{percent(one.interval[0])} to {percent(one.interval[1])}"
