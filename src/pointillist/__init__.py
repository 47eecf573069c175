"""pointillist: clicks in, segmentation model out."""

__version__ = "0.1.0"
