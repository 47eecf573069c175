"""`pointillist train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pointillist.cli.display import give, interrupted, log_console, open_console, say
from pointillist.cli.options import Device, Layout, Points
from pointillist.errors import ConfigError, RunError


def train(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Argument(help="Folder of a data set, or a dataset.yaml anywhere; not needed with --resume.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run directory to be made.  [default: runs/ and the name of the data]")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="single-stage, points, full, or a baseline (docs/methods.md).  [default: single-stage]"),
    ] = None,
    points: Points = None,
    layout: Layout = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training images.  [default: by their number]")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Length in minutes in place of --epochs, by the pace of this machine.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Run or model to go on from, for example with new clicks.", metavar="RUN"),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="HxW that images are fitted into, or 'native'.", metavar="HxW")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step, all devices together.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation.")] = None,
    network: Annotated[str | None, typer.Option(help="unet, fpn, deeplabv3plus, …")] = None,
    encoder: Annotated[str | None, typer.Option(help="small, resnet18, tu-convnext_atto, …")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File with pre-trained encoder weights; from scratch without.")
    ] = None,
    background: Annotated[
        str | None, typer.Option(help="points, border or none, in place of the data set's policy.")
    ] = None,
    device: Device = None,
    devices: Annotated[int | None, typer.Option(help="Devices per machine.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines.")] = None,
    precision: Annotated[str | None, typer.Option(help="32-true, 16-mixed, bf16-mixed.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file, like a run's config.yaml.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: key=value; may be repeated.", metavar="KEY=VALUE")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in --out.")] = False,
) -> None:
    """Train a network from clicks.

    Example: **pointillist train berries**

    Without options it uses the recipe that measured best; the number of images decides how long it trains.
    """
    if data is None and not resume:
        raise ConfigError("no data set is named.", field="DATA", hint="pointillist train DATA.")
    from pointillist.data.layouts import load_dataset

    # Before what trains is imported, which takes seconds: mistakes in the data are told at once.
    dataset = None if data is None else load_dataset(data, layout=layout, points=points)
    from pointillist.api import data_of, run_folder, start_from, train_config
    from pointillist.data.folders import describe
    from pointillist.sealed import read_sealed
    from pointillist.training.callbacks import ProgressDisplay
    from pointillist.training.config import make_config
    from pointillist.training.run import is_first_process
    from pointillist.training.run_directory import RunDirectory

    console = open_console()
    settings = {
        "method": method,
        "trainer.epochs": epochs,
        "trainer.minutes": minutes,
        "data.size": size,
        "trainer.batch_size": batch_size,
        "optimizer.lr": lr,
        "trainer.seed": seed,
        "network.architecture": network,
        "network.encoder": encoder,
        "network.weights": weights,
        "data.background": background,
        "trainer.device": device,
        "trainer.devices": devices,
        "trainer.nodes": nodes,
        "trainer.precision": precision,
    }
    if out is None and data is not None:
        out = run_folder(data)
    if out is None:
        raise ConfigError(
            "no run is named.", field="--out", hint="pointillist train --resume --out RUN, or name the data."
        )
    if resume:
        config = config or RunDirectory.open(out).config_file
    start = start_from(from_, resume=resume)
    chosen = make_config(config, settings, set_ or (), resume=resume, base=None if start is None else start.settings)
    if dataset is None:
        dataset = data_of(out, layout=layout, points=points)
    try:
        run = train_config(
            chosen,
            dataset,
            out,
            resume=resume,
            overwrite=overwrite,
            console=console,
            command=context.obj,
            start=start,
            callbacks=[ProgressDisplay(log_console())] if console.is_terminal else [],
        )
    except KeyboardInterrupt:
        begun = RunDirectory(out).config_file.is_file()
        interrupted(
            f"continue with: pointillist train --resume --out {escape(str(out))}" if begun else "nothing was written."
        )
        raise typer.Exit(130) from None
    if not is_first_process():
        return
    console.print(f"[green]done[/] {escape(f'model: {run.model}   report: {run.report}')}", highlight=False)
    predict, evaluate = f"predict {run.root} IMAGES --out predictions", f"evaluate {run.root} {dataset.root}"
    console.print(f"Next: pointillist {predict}    pointillist {evaluate}", highlight=False, markup=False)
    say(describe(len(dataset.items), dataset.left_out))
    mend = "Remove it, and run 'pointillist evaluate'."
    scored = read_sealed(run.evaluation, RunError, mend) if run.evaluation.is_file() else None
    give({"run": run.root, "model": run.model, "report": run.report, "evaluation": scored})
