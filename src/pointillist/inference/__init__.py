"""Use of a trained network: predict images, evaluate, write files."""
