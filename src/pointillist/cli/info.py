"""`pointillist info`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from pointillist.cli.display import give, open_console
from pointillist.cli.options import Layout, Points
from pointillist.version import __version__


def info(
    path: Annotated[
        Path | None, typer.Argument(help="A data set or a run; without it: versions, devices, methods.")
    ] = None,
    points: Points = None,
    layout: Layout = None,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting with its default.")] = False,
) -> None:
    """Describe this installation, a data set, or a run.

    Example: **pointillist info berries**
    """
    table = Table(Column(style="dim"), "", show_header=False, box=None)
    if settings:
        from pointillist.training.config import describe_settings

        table.add_column(style="dim")
        found = describe_settings()
        rows: Iterable[tuple[str, ...]] = found
        content: dict[str, Any] = {"settings": [one._asdict() for one in found]}
    elif path is None:
        rows = _installation()
        content = {"installation": dict(rows)}
    elif (path / "config.yaml").is_file():
        rows, content = _run(path)
    else:
        rows, content = _dataset(path, points, layout)
    for row in rows:
        table.add_row(*map(escape, row))
    open_console().print(table)
    give(content)


def _installation() -> list[tuple[str, str]]:
    import platform

    from pointillist.data.layouts import layouts
    from pointillist.inference.writers import writers
    from pointillist.points.formats import formats

    return [
        ("pointillist", __version__),
        ("python", platform.python_version()),
        *(_training() if find_spec("torch") else [("torch", "missing: pip install 'pointillist[train]'")]),
        *((f"layout {name}", kind.title) for name, kind in layouts().items()),
        *((f"output {name}", kind.title) for name, kind in writers().items()),
        *((f"points {name}", kind.title) for name, kind in formats().items()),
    ]


def _training() -> list[tuple[str, str]]:
    import torch

    from pointillist.inference.exports import targets
    from pointillist.pseudomask.stages import STAGES
    from pointillist.training.methods import methods
    from pointillist.training.networks import families

    return [
        ("torch", torch.__version__),
        ("CPU threads", str(torch.get_num_threads())),
        ("GPU", torch.cuda.get_device_name() if torch.cuda.is_available() else "none"),
        *((f"method {name}", kind.title) for name, kind in methods().items()),
        *((f"networks {name}", ", ".join(kind.architectures)) for name, kind in families().items()),
        *((f"stage {name}", kind.__doc__.splitlines()[0]) for name, kind in STAGES.all().items() if kind.__doc__),
        *((f"export {name}", kind.title) for name, kind in targets().items()),
    ]


def _run(path: Path) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    from pointillist.report.page import protocol_rows
    from pointillist.training.metrics_table import describe, read_metrics
    from pointillist.training.run_directory import RunDirectory

    run = RunDirectory.open(path)
    config, record = run.read()
    rows = read_metrics(run)
    last = {name: float(value) for name, value in rows[-1].items() if value} if rows else {}
    finished = (run.model / "model.json").is_file()
    content = {
        "state": "finished" if finished else "unfinished",
        "epochs": len(rows),
        "last_epoch": last,
        "dataset": record.model_dump(),
        "settings": config.to_dict(),
    }
    return [
        ("state", "finished" if finished else "unfinished: continue it with 'train --resume'"),
        ("epochs done", str(len(rows))),
        ("last epoch", describe(last)),
        ("data set", record.path),
        ("images, clicks", f"{record.images:,}, {record.clicks:,}"),
        *protocol_rows(config.to_dict()),
    ], content


def _dataset(path: Path, points: Path | None, layout: str | None) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    from pointillist.data.layouts import load_dataset
    from pointillist.data.next_command import command, to_get_clicks
    from pointillist.points.questions import is_question

    dataset = load_dataset(path, layout=layout, points=points)
    counts = dataset.points.counts()
    asked = sum(map(is_question, dataset.points))
    policy, background = dataset.classes.policy, dataset.classes.background
    splits = ", ".join(f"{name} {len(images):,}" for name, images in dataset.splits.items())
    rows = [
        ("data set", str(dataset.root)),
        ("layout", dataset.layout),
        ("images", f"{len(dataset.items):,}"),
        ("with mask", f"{sum(item.mask is not None for item in dataset.items):,}"),
        ("with clicks", f"{len(dataset.points.images):,}"),
        ("splits", splits or "none: all images are trained on"),
        ("background", policy if background is None else f"{policy} ({dataset.classes.names[background]})"),
        ("clicks", f"{len(dataset.points) - asked:,}"),
        *[("answered questions", f"{asked:,}")] * bool(asked),
        *((f"  {name}", f"{counts[name]:,}") for name in dataset.classes.names),
    ]
    if dataset.rejected is not None and dataset.rejected.rejections:
        rows += [(f"  rejected: {reason}", f"{count:,}") for reason, count in dataset.rejected.reasons().items()]
    given = [
        word for option, value in (("--points", points), ("--layout", layout)) if value for word in (option, str(value))
    ]
    train = command("train", path, *given)
    rows.append(("next", train if len(dataset.points) else to_get_clicks(dataset)))
    content = {
        "dataset": dataset.root,
        "layout": dataset.layout,
        "images": len(dataset.items),
        "masks": sum(item.mask is not None for item in dataset.items),
        "splits": {name: len(images) for name, images in dataset.splits.items()},
        "background": policy,
        "clicks": {name: counts[name] for name in dataset.classes.names},
        "questions": asked,
        "rejected": {}
        if dataset.rejected is None
        else {str(key): count for key, count in dataset.rejected.reasons().items()},
    }
    return rows, content
