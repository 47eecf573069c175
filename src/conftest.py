"""Doctests of the package: modules of what is not installed here are left out by name, so that nothing else is."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("triton") else ["pointillist/pseudomask/refine_triton.py"]
collect_ignore_glob = [] if find_spec("napari") else ["pointillist/napari/*.py"]
