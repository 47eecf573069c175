"""Read the conda recipe as rattler-build does; `make lint-files` runs it where rattler-build is."""

from __future__ import annotations

import sys
from pathlib import Path

from rattler_build import Stage0Recipe


def main(file: str) -> None:
    """Parse and render it for this system; what is wrong is an exception."""
    recipe = Stage0Recipe.from_yaml(Path(file).read_text(encoding="utf-8"))
    for variant in recipe.render():
        made = variant.recipe
        print(made.package.name, made.package.version, "can be built from", file)


if __name__ == "__main__":
    main(sys.argv[1])
