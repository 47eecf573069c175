"""Files as other tools write them, with more in them than points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


LABELME = {
    "version": "5.4.1",
    "flags": {"reviewed": True},
    "shapes": [
        {"label": "berry", "points": [[10.25, 20.5]], "group_id": 3, "shape_type": "point", "flags": {"ripe": True}},
        {"label": "leaf", "points": [[1, 1], [9, 1], [9, 9]], "group_id": None, "shape_type": "polygon", "flags": {}},
        {"label": "soil", "points": [[-4.0, 5.0]], "group_id": None, "shape_type": "point", "flags": {}},
    ],
    "imagePath": "..\\images\\a.png",
    "imageData": None,
    "imageHeight": 60,
    "imageWidth": 90,
    "season": "autumn",
}


COCO = {
    "info": {"description": "mine", "year": 2024},
    "licenses": [{"id": 1, "name": "CC"}],
    "images": [
        {"id": 11, "file_name": "photos/a.png", "width": 90, "height": 60, "date_captured": "yesterday"},
        {"id": 12, "file_name": "photos/b.png", "width": 90, "height": 60},
    ],
    "categories": [{"id": 5, "name": "berry", "supercategory": "fruit", "keypoints": ["stem", "tip"], "skeleton": []}],
    "annotations": [
        {
            "id": 1,
            "image_id": 11,
            "category_id": 5,
            "keypoints": [10, 20, 2, 30, 40, 1],
            "num_keypoints": 2,
            "mood": "ok",
        },
        {"id": 2, "image_id": 11, "category_id": 5, "keypoints": [0, 0, 0, 7, 8, 2], "num_keypoints": 1},
        {"id": 9, "image_id": 12, "category_id": 5, "bbox": [1, 1, 5, 5]},
    ],
}
