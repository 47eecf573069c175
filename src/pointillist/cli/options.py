"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Argument(help="Folder of a data set, or a dataset.yaml anywhere.")]
Run = Annotated[Path, typer.Argument(help="Run directory made by 'train'.")]
Points = Annotated[Path | None, typer.Option(help="Label file in place of the data set's own clicks.")]
Layout = Annotated[
    str | None,
    typer.Option(help="Layout of the data set, see 'pointillist info'; recognised when not given."),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
