"""Label files in a zip: what annotation tools give out, and what this program gives out of formats with many files."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pointillist.archives import extract
from pointillist.errors import DatasetError, PointsError, SaveError
from pointillist.files import regular, replacing
from pointillist.points.formats.files import MAX_BYTES


def is_zip(path: Path) -> bool:
    """Whether a path is called like a zip and is no folder."""
    return path.suffix.lower() == ".zip" and not path.is_dir()


@contextmanager
def unzipped(path: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Give a folder with the label files of a zip, there for the block; its errors name the zip and the file inside.

    Args:
        path: The zip.
        suffixes: Endings of label files, lower case; others, such as the images, stay packed.

    Raises:
        PointsError: It is missing or no zip, leads out of the folder, or unpacks to more than a label file may have.
    """

    def is_wanted(name: str) -> bool:
        hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
        return PurePosixPath(name).suffix.lower() in suffixes and not hidden

    if not zipfile.is_zipfile(regular(path, PointsError)):
        raise PointsError("is no zip file, or damaged.", where=path, hint="Check the path, or export the file again.")
    with TemporaryDirectory(prefix="pointillist-", ignore_cleanup_errors=True) as home:
        folder = Path(home, "content")
        try:
            extract(path, folder, max_bytes=MAX_BYTES, wanted=is_wanted)
        except DatasetError as error:
            hint = "Export it again, or unpack it and name the folder."
            raise PointsError(error.found, where=path, hint=hint) from error
        try:
            yield folder
        except PointsError as error:
            inside = Path(error.where or "")
            where = path / inside.relative_to(folder) if inside.is_relative_to(folder) else error.where
            raise PointsError(error.found, where=where, line=error.line, field=error.field, hint=error.hint) from error


@contextmanager
def zipping(path: Path, name: str) -> Iterator[Path]:
    """Give a path of this name for files or a folder; when the block ends well, they are in a new zip.

    Raises:
        SaveError: There is a file already, or it cannot be written.
    """
    if path.exists():
        raise SaveError("is there already, and a zip is only written new.", where=path, hint="Choose another name.")
    with TemporaryDirectory(prefix="pointillist-", ignore_cleanup_errors=True) as home:
        inside = Path(home, name)
        yield inside
        root = inside if inside.is_dir() else inside.parent
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(root.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(root).as_posix())
