"""The probabilities of all classes."""

from __future__ import annotations

from pathlib import Path

from numpy.lib import format as npy

from pointillist.files import replacing
from pointillist.inference.prediction import STRIP
from pointillist.inference.writers.base import Result, Writer


class Probabilities(Writer):
    """A NumPy file of C×H×W float16; `numpy.load(…, mmap_mode="r")` opens one of any size."""

    name = "probabilities"
    title = "the probabilities of all classes, for NumPy"
    suffix = "_probabilities.npy"
    needs = frozenset({"probabilities"})

    def write(self, result: Result, path: Path) -> None:
        """See `Writer.write`."""
        prediction = result.prediction
        values = prediction.map("probabilities")
        rows = max(1, STRIP // prediction.size[1])
        with replacing(path) as temporary, temporary.open("wb") as stream:
            header = {"descr": npy.dtype_to_descr(values.dtype), "fortran_order": False, "shape": values.shape}
            npy.write_array_header_1_0(stream, header)
            # One class after the other, as the file has them.
            for one in values:
                for top in range(0, prediction.size[0], rows):
                    stream.write(one[top : top + rows].tobytes())
                    prediction.release()
