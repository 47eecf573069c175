"""The web annotator: a page to label a folder of images with points, and the server behind it.

Its packages are layers, from the ground: `images`, `labels`, `files`, `engine`, `model`, `web`. See
docs/annotator-internals.md.
"""
