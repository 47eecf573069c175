"""What happens beside the training step: exact checkpoints, the table of metrics, the progress bar."""

from __future__ import annotations

import random
import time
from typing import Any

import lightning as L
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pointillist.errors import SaveError
from pointillist.files import make_folder, replacing, write_text
from pointillist.sealed import LARGEST_NUMBER, sealed_rows
from pointillist.training.metrics_table import COLUMNS, VAL_IOU, describe, read_metrics
from pointillist.training.run_directory import RunDirectory


class Checkpoint(L.Callback):
    """Keeps `checkpoints/last.ckpt`, written whole or not at all, and the one before.

    Weights, optimiser, schedule and counters are Lightning's; the states of all random generators are added, because
    Lightning does not keep them.

    Args:
        run: Where.
        every: Least seconds between two checkpoints; the last epoch always writes one.
        steps: Steps after which one is written in any case; None leaves it to `every`.
    """

    def __init__(self, run: RunDirectory, every: float, steps: int | None = None) -> None:
        self.run = run
        self.every = every
        self.steps = steps
        self.restored = False
        """Whether a checkpoint was taken up whole."""
        self._saved_at = time.monotonic()
        self._random: dict[str, Any] | None = None

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save within an epoch when it is time.

        Raises:
            SaveError: It could not be written; the one before still stands.
        """
        if batch_idx + 1 >= trainer.num_training_batches or not module.automatic_optimization:
            return
        due = self.steps is not None and trainer.global_step % self.steps == 0
        # Processes ask each other for the time, which is not free.
        if trainer.world_size == 1 or (batch_idx + 1) % 10 == 0:
            due = trainer.strategy.broadcast(due or time.monotonic() - self._saved_at >= self.every)
        if due:
            self._save(trainer)

    def epoch_ended(self, trainer: L.Trainer) -> None:
        """Save when it is time; see `EpochCheckpoint`.

        Raises:
            SaveError: It could not be written; the one before still stands.
        """
        ends = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        due = ends or time.monotonic() - self._saved_at >= self.every
        # All processes must come to the same decision, or they would wait for each other for ever.
        if trainer.strategy.broadcast(due):
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        path = self.run.checkpoint
        if trainer.is_global_zero:
            make_folder(path.parent)
            with replacing(path) as temporary:
                trainer.save_checkpoint(temporary)
                # Lightning has been seen to swallow a failed write.
                if not temporary.is_file() or temporary.stat().st_size == 0:
                    raise SaveError("came out empty.", where=path, hint="Free space on this disk.")
                if path.exists():
                    path.replace(self.run.checkpoint_before)
        else:
            trainer.save_checkpoint(path)  # takes part in gathering, writes nothing
        self._saved_at = time.monotonic()

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the random states."""
        version, numbers, gauss = random.getstate()
        _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
        checkpoint["random"] = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "python": [version, list(numbers), gauss],
            "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        }

    def on_load_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the random states until training begins; Lightning draws numbers in between."""
        self._random = checkpoint["random"]

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Whatever a checkpoint holds has been taken up."""
        self.restored = True

    def on_train_epoch_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Put the random states back."""
        self._put_back()

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        """Put the random states back, in an epoch that was interrupted."""
        self._put_back()

    def _put_back(self) -> None:
        if self._random is None:
            return
        states, self._random = self._random, None
        torch.set_rng_state(states["torch"])
        if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(states["cuda"])
        version, numbers, gauss = states["python"]
        random.setstate((version, tuple(numbers), gauss))
        keys, position, has_gauss, cached = states["numpy"]
        np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))


class EpochCheckpoint(L.Callback):
    """Has a checkpoint written when an epoch has ended, after all other callbacks.

    A training that goes on from there does not come back to that epoch: what belongs to it must be on the disk before.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Save when it is time."""
        self.checkpoint.epoch_ended(trainer)


class MetricsTable(L.Callback):
    """Writes `metrics.csv`, one line per epoch; after an interruption it continues where the checkpoint stands.

    Args:
        run: Where.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._rows: list[dict[str, str]] = []
        self._started = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Take over the lines of epochs that are done."""
        rows = read_metrics(self.run)
        self._rows = [row for row in rows if int(row["epoch"]) <= trainer.current_epoch]
        self._started = time.monotonic() - (float(self._rows[-1]["seconds"]) if self._rows else 0.0)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Add a line."""
        if not trainer.is_global_zero:
            return
        groups = trainer.optimizers[0].param_groups  # none for a method without steps
        row = {
            "epoch": str(trainer.current_epoch + 1),
            "step": str(trainer.global_step),
            "seconds": f"{time.monotonic() - self._started:.2f}",
            "lr": f"{groups[0]['lr']:.4g}" if groups else "",
        }
        measured = trainer.callback_metrics
        fresh = set(measured) if _validated(trainer) else {name for name in measured if not name.startswith("val_")}
        further = sorted(name for name in fresh if name.startswith(("loss_", VAL_IOU)) and name not in COLUMNS)
        values = {name: float(measured[name]) for name in (*COLUMNS, *further) if name in fresh}
        row.update({name: f"{value:.6g}" for name, value in values.items() if abs(value) <= LARGEST_NUMBER})
        self._rows.append(row)
        further = sorted({name for row in self._rows for name in row} - set(COLUMNS))
        write_text(self.run.metrics_file, sealed_rows((*COLUMNS, *further), self._rows))


def _validated(trainer: L.Trainer) -> bool:
    every = trainer.check_val_every_n_epoch
    return bool(trainer.val_dataloaders) and every is not None and (trainer.current_epoch + 1) % every == 0


class ProgressDisplay(L.Callback):
    """A progress bar that says what matters; where there is no terminal, a line now and then.

    Args:
        console: Where it is shown.
        lines: Number of lines over the whole run, without a terminal.
    """

    def __init__(self, console: Console, lines: int = 10) -> None:
        self.console = console
        self.lines = lines
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._seen: dict[str, float] = {}

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Show the bar."""
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
        )
        self._task = self._progress.add_task("training", total=trainer.estimated_stepping_batches, status="")
        self._progress.update(self._task, completed=trainer.global_step)
        self._progress.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move on."""
        if self._progress is not None:
            self._progress.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Show the epoch's figures."""
        if not trainer.is_global_zero:
            return
        self._seen.update({name: float(value) for name, value in trainer.callback_metrics.items()})
        status = describe(self._seen)
        if self._progress is not None:
            self._progress.update(self._task, status=status)
            return
        epochs, done = trainer.max_epochs or 1, trainer.current_epoch + 1
        if done == epochs or done % max(1, epochs // self.lines) == 0:
            self.console.print(f"epoch {done}/{epochs}  {status}", highlight=False, soft_wrap=True)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        """Leave the terminal as it was."""
        self.on_train_end(trainer, module)
