"""The settings that a page may give to a training; no path, address or option of a loader is among them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from pointillist.schema import Strict


class PageSettings(Strict):
    """What is left out has its usual value; see `engine.methods.page_config` for the check of the whole.

    `epochs` are passes over the images, `minutes` a length in place of them; `size` is HEIGHTxWIDTH, one number,
    `native` or `auto`; `method` learns from points; `seed` is that of weights, order and augmentation; `device` is
    where to train.
    """

    epochs: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    minutes: Annotated[float, Field(gt=0, le=1440)] | None = None
    size: Annotated[str, Field(pattern=r"^(auto|native|[0-9]{1,5}(x[0-9]{1,5})?)$")] | None = None
    method: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,50}$")] | None = None
    seed: Annotated[StrictInt, Field(ge=0, lt=2**32)] | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None

    def dotted(self) -> dict[str, Any]:
        """The settings that were made, by dotted name."""
        sections = {"method": "method", "size": "data.size"}
        return {sections.get(name, f"trainer.{name}"): v for name, v in self.model_dump(exclude_none=True).items()}
