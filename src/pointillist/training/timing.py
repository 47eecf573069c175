"""How many steps a training can take in so many minutes, from some steps that are timed before it begins."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import lightning as L
import numpy as np
import torch

from pointillist.data.samples import TrainingSamples
from pointillist.training.config import Config
from pointillist.training.methods import StepInput
from pointillist.training.module import TrainingModule

BATCHES = 3
"""So many different batches are read."""

LEAST, SECONDS = 4, 6.0
"""At least so many steps are timed, and more for so many seconds."""


def steps_within(config: Config, module: TrainingModule, samples: TrainingSamples, seconds: float) -> int:
    """Steps that take about so many seconds from now on, the reading of the images with them; at least 1.

    What is timed happens to a copy of the module, and the random states are put back: the run that follows is the one
    that it would be with this number of steps.

    Args:
        config: Settings of the training.
        module: Prepared to train, on the CPU.
        samples: What it learns from.
        seconds: How long it may take.
    """
    end = time.monotonic() + seconds
    with _random_states_kept():
        fabric = L.Fabric(accelerator=config.trainer.device, devices=1, precision=config.trainer.precision)  # type: ignore[arg-type]
        copied = deepcopy(module).to(fabric.device).train()
        made = copied.configure_optimizers()
        optimizer: Any = fabric.setup_optimizers(made["optimizer"])
        read: list[float] = []
        batches = []
        size = config.trainer.batch_size
        for first in range(0, BATCHES * size, size):
            started = time.monotonic()
            keys = [(index % len(samples), index) for index in range(first, first + size)]
            batches.append(samples.collate([samples[key] for key in keys]).to(fabric.device))
            read.append((time.monotonic() - started) / len({index for index, _ in keys}))
        times: list[float] = []
        begun = time.monotonic()
        # The first round is left out: kernels are compiled and memory is found in it.
        while len(times) < LEAST + BATCHES or time.monotonic() - begun < SECONDS:
            started = time.monotonic()
            if fabric.device.type == "cpu":  # elsewhere other processes draw meanwhile
                first = len(times) * size
                samples.collate(
                    [samples[index % (BATCHES * size) % len(samples), first + index] for index in range(size)]
                )
            batch = batches[len(times) % BATCHES]
            with fabric.autocast():
                output = copied.network(batch.augmented)
                seen = batch.for_points() if copied.method.supervision == "points" else batch
                # After the warm-up, when a step does all that it ever does.
                loss = copied.method.loss(StepInput(output, seen, 0.5))
            fabric.backward(loss.loss)
            copied.method.update_class_frequencies(StepInput(output, seen, 0.5), loss)
            torch.nn.utils.clip_grad_norm_(copied.parameters(), config.optimizer.gradient_clip)
            optimizer.step()
            optimizer.zero_grad()
            if fabric.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.monotonic() - started)
    step = statistics.median(times[BATCHES:])
    # Each piece is read once more slowly than it is drawn later; the first one is too slow, as it compiles kernels.
    reading = max(0.0, min(read) - step / size) * max(0, len(samples) - BATCHES * size)
    return max(1, int((end - time.monotonic() - reading) / step))


@contextmanager
def _random_states_kept() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield
    random.setstate(python)
    np.random.set_state(numpy)
