"""The whole folder predicted, as a process of its own: python -m pointillist.annotator.model.batch_process DATA NUMBER.

It ends when its standard input closes, and goes on where it was when it is started again: the manifest beside the
results knows what is done. What it prints is one JSON object a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pointillist.annotator.folder import open_folder
from pointillist.annotator.model.batches import find_batches
from pointillist.annotator.model.child_process import begin, named
from pointillist.annotator.model.runs import find_runs
from pointillist.annotator.session import error_body
from pointillist.data.folders import Found
from pointillist.errors import RunError
from pointillist.inference.batch import predict_files
from pointillist.inference.predictor import Predictor

INTERRUPTED = 130
"""Exit code of a prediction that was stopped."""

INTERVAL = 0.3
"""Seconds between two lines about how far it is."""


def main(data: Path, number: int) -> int:
    """Predict as the record of the batch says; gives the exit code."""
    # Whatever a library prints goes to the log, not between the lines that are read.
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    ended = threading.Event()

    def end() -> None:
        ended.set()
        signal.raise_signal(signal.SIGINT)

    begin(5, end)
    done, last = 0, 0.0

    def tell(content: dict[str, Any]) -> None:
        told.write(json.dumps(content) + "\n")
        told.flush()

    def count(_name: str) -> None:
        nonlocal done, last
        done += 1
        # A library may have swallowed the interruption, for instance while it looked what it can import.
        if ended.is_set():
            raise KeyboardInterrupt
        if time.monotonic() - last > INTERVAL:
            last = time.monotonic()
            tell({"done": done})

    try:
        folder = open_folder(data)
        batch = next(batch for batch in find_batches(folder) if batch.number == number)
        run = next((run for run in find_runs(folder) if run.number == batch.run), None)
        if run is None:
            raise RunError("the training of this model is not there any more.", hint="Apply another model.")
        found = Found({name: folder.image(name) for name in folder.images}, folder.left_out)
        tell({"total": len(found.images)})
        result = predict_files(Predictor(run.folder), found, batch.out, write=batch.write, resume=True, on_image=count)
        tell({"done": done, "failed": len(result.failed), "together": [path.name for path in result.together]})
    except KeyboardInterrupt:
        tell({"done": done})
        return INTERRUPTED
    except Exception as error:
        body = error_body(named(error, "the prediction"))
        if "--" in body["hint"]:  # said to people at a command line
            body["hint"] = "Mend that, then press Resume."
        tell({"done": done, "error": body})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
