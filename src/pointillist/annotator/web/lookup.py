"""What a request names, found in the folder that is open."""

from __future__ import annotations

from fastapi import HTTPException

from pointillist.annotator.session import Session


def image_name(session: Session, image: str) -> str:
    """The name of an image by its id.

    Raises:
        HTTPException: 404, there is none.
    """
    name = session.catalogue.name(image)
    if name is None:
        raise HTTPException(404, "there is no such image.")
    return name
