"""Where the curves of a training go beside `metrics.csv`. Nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from pointillist.errors import ConfigError
from pointillist.files import make_folder, saving
from pointillist.training.run_directory import RunDirectory


def _tensorboard(run: RunDirectory) -> Logger:
    return TensorBoardLogger(run.root, name="", version="tensorboard")


def _csv(run: RunDirectory) -> Logger:
    return CSVLogger(run.root, name="", version="csv")


def _wandb(run: RunDirectory) -> Logger:
    import wandb

    # Its own lines, and those of this program in its files, are in nobody's way.
    return WandbLogger(
        name=run.root.resolve().name,
        project="pointillist",
        save_dir=run.root,
        offline=True,
        settings=wandb.Settings(silent=True, console="off"),
    )


def _mlflow(run: RunDirectory) -> Logger:
    folder = make_folder((run.root / "mlflow").resolve())
    # A folder of plain files is what newer versions of MLflow refuse.
    return MLFlowLogger(
        "pointillist",
        run_name=run.root.resolve().name,
        tracking_uri=f"sqlite:///{(folder / 'mlflow.db').as_posix()}",
        artifact_location=folder.as_uri(),
    )


EXTRAS = {"wandb": ("wandb",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
"""What loggers import that an extra of the same name installs."""

LOGGERS: dict[str, Callable[[RunDirectory], Logger]] = {
    "tensorboard": _tensorboard,
    "csv": _csv,
    "wandb": _wandb,
    "mlflow": _mlflow,
}


def check_loggers(names: Sequence[str]) -> None:
    """See that the libraries of loggers are there, before anything is written.

    Raises:
        ConfigError: One is not installed.
    """
    for name in names:
        for module in EXTRAS.get(name, ()):
            if find_spec(module) is None:
                hint = f"Install it with: pip install 'pointillist[{name}]'; or choose another logger."
                raise ConfigError(f"'{module}' is not installed.", field="trainer.logger", hint=hint)


@contextmanager
def open_loggers(names: Sequence[str], run: RunDirectory) -> Iterator[list[Logger]]:
    """Loggers by name, which write below the run directory, for the length of a training.

    Raises:
        SaveError: What the system refuses in the block.
    """
    made: list[Logger] = []
    try:
        with saving(run.root, "Free some space, then continue with --resume."):
            made += [LOGGERS[name](run) for name in names]
            yield made
    finally:
        for logger in made:
            # Lightning leaves it open, and the next training of this process would go on with it.
            if isinstance(logger, WandbLogger) and logger._experiment is not None:
                logger.experiment.finish()
