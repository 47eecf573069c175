"""Trainings of the folder, and what their models say about the next image."""
