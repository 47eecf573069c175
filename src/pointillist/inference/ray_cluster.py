"""Joining a Ray cluster, or starting one on this machine, quietly."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from typing import Any

from pointillist.errors import ConfigError


@contextmanager
def connected(address: str | None, model_bytes: int) -> Iterator[None]:
    """Ray, quiet; what was started or joined here is left at the end.

    Raises:
        ConfigError: There is no cluster at the address.
    """
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what it says is raised, too, or made good
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    # Rows are small; unless told, Ray would take a third of the memory, and report its use to its makers.
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 2**27 + 2 * model_bytes}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it says one line about this, and no more
    host, _, port = address.rpartition(":")
    try:
        if host and "/" not in address:  # Ray itself would try for minutes
            create_connection((host, int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(own if address == "local" else {}))
    except (OSError, ValueError, RuntimeError) as error:
        found = f"Ray could not be reached or started: {str(error).strip().splitlines()[0]}"
        raise ConfigError(found, field="--address", hint="Check that it runs: ray status --address …") from error
    worker: Any = sys.modules["ray._private.worker"]
    printer = getattr(worker, "print_to_stdstream", None)
    worker.print_to_stdstream = _say_nothing  # there is no setting for what it says of dead workers
    try:
        yield
    finally:
        ray.shutdown()
        worker.print_to_stdstream = printer


def _say_nothing(*what: Any, **how: Any) -> None:
    pass
