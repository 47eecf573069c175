"""The web annotator: a page to label a folder of images with points, and the server behind it.

`folder` knows the files, `store` the acknowledged operations, `writer` the one thread that applies them, `label_files`
keeps `points.csv` and `dataset.yaml` current; `layer`, `trainer` and `next_images` show what the clicks mean.
"""
