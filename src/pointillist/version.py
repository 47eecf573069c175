"""The version of this package, where everything below the package's own `__init__` can read it."""

__version__ = "0.1.0"
