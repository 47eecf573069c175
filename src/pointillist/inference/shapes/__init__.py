"""What is in a label map: connected objects, their outlines and polygons, and how large they are on the ground."""
