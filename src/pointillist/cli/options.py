"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Argument(help="Folder of a data set, or a dataset.yaml anywhere.", show_default=False)]
Run = Annotated[Path, typer.Argument(help="Run directory made by 'train'.", show_default=False)]
Points = Annotated[
    Path | None, typer.Option(help="Label file in place of the data set's own clicks.", show_default=False)
]
Layout = Annotated[
    str | None,
    typer.Option(help="Layout of the data set, see 'pointillist info'; recognised when not given.", show_default=False),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default=False)]
