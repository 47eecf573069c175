"""The images of the folder: names, sizes, tiles, thumbnails."""
