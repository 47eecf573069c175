"""A source of randomness for each image."""

from __future__ import annotations

import hashlib

import numpy as np

from pointillist.errors import ConfigError


def rng_for(seed: int, image_name: str) -> np.random.Generator:
    """A generator for one image: adding, removing or reordering images leaves the draws of the others as they were.

    >>> bool(rng_for(0, "a.png").random() == rng_for(0, "a.png").random())
    True
    >>> bool(rng_for(0, "a.png").random() == rng_for(0, "b.png").random())
    False

    Raises:
        ConfigError: The seed is negative.
    """
    if seed < 0:
        raise ConfigError(f"The seed is {seed}.", field="seed", hint="Use a whole number of at least 0.")
    digest = hashlib.sha256(f"{int(seed)}\n{image_name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
