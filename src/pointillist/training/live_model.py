"""A model that can be used while its training goes on, and that a stopped training leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import lightning as L


class Stop:
    """How a program asks the training of another thread to end.

    Attributes:
        stepping: Whether the training is at its steps; before and after them it looks at nothing.
    """

    def __init__(self) -> None:
        self._asked, self._heard = threading.Event(), threading.Event()
        self.stepping = False

    def ask(self, patience: float) -> bool:
        """Ask, and wait so many seconds at most; says whether the training ends after its present step."""
        self._asked.set()
        return self.stepping and self._heard.wait(patience)

    def heard(self) -> bool:
        """Whether it was asked for; whoever asked is told that it was heard."""
        if self._asked.is_set():
            self._heard.set()
        return self._heard.is_set()


class LiveModel(L.Callback):
    """Saves the model with each checkpoint and when it is to stop, always between two steps.

    Args:
        save: Writes `model/` from the weights as they are.
        stop: Asked after each step.
    """

    def __init__(self, save: Callable[[], None], stop: Stop) -> None:
        self._save = save
        self._stop = stop

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """From now on a wish to stop is heard."""
        self._stop.stepping = True

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the same weights; those of the last epoch are saved by the training itself."""
        if trainer.is_global_zero and trainer.current_epoch + 1 != trainer.max_epochs:
            self._save()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """End here if that was asked for.

        Raises:
            KeyboardInterrupt: It was.
        """
        if self._stop.heard():
            if trainer.is_global_zero and trainer.global_step:
                self._save()
            raise KeyboardInterrupt

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """The same, as a validation may take long."""
        self.on_train_batch_end(trainer)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """What follows hears nothing."""
        self._stop.stepping = False
