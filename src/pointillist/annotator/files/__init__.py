"""`points.csv` and `dataset.yaml`, also when others edit them; label files of other tools."""
