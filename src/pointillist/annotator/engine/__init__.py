"""Layers and uncertainty, computed in a process of their own, and the way there."""
