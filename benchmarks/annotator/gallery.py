"""Measure how the gallery of predictions scrolls in a real browser, and write `results/gallery.json`.

    python benchmarks/annotator/gallery.py [--images 1000]

Once all images are predicted, the wheel is turned from the first row to the last and back. A stall is a long time
between two frames of the page. Pictures in sight: how long after the turning those of the last rows are there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from drawn import draw_folder
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.driver import ARGUMENTS, annotator, installed_browser, served

RESULTS = Path(__file__).parent / "results" / "gallery.json"
PREDICTED = 1_800_000  # milliseconds
TURN = 400
"""CSS pixels a turn of the wheel moves, about two rows; a hand turns it some 20 times a second."""

WATCH = """() => {
  window.frames_seen = [];
  const look = (now) => { window.frames_seen.push(now); requestAnimationFrame(look); };
  requestAnimationFrame(look);
}"""
IN_SIGHT = """() => {
  const box = document.querySelector(".gallery-box").getBoundingClientRect();
  const shown = [...document.querySelectorAll(".gallery-item")].filter((item) => {
    const { top, bottom } = item.getBoundingClientRect();
    return bottom > box.top && top < box.bottom;
  });
  return shown.length > 0 && shown.every((item) => item.querySelector(".overlay[src]"));
}"""


def scrolled(page: Page, turns: int, step: int) -> dict[str, float]:
    """Turn the wheel so often; frames meanwhile, and how long the pictures at the end took."""
    page.evaluate("() => { window.frames_seen.length = 0; }")
    for _ in range(turns):
        page.mouse.wheel(0, step)
        page.wait_for_timeout(50)
    frames = page.evaluate("() => window.frames_seen")
    gaps = sorted(later - earlier for earlier, later in pairwise(frames))
    begun = time.perf_counter()
    while not page.evaluate(IN_SIGHT):
        page.wait_for_timeout(20)
    return {
        "frames": len(frames),
        "frame_median_ms": round(gaps[len(gaps) // 2], 1),
        "frame_p99_ms": round(gaps[int(0.99 * len(gaps))], 1),
        "frame_longest_ms": round(gaps[-1], 1),
        "pictures_in_sight_after_ms": round(1000 * (time.perf_counter() - begun)),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        folder = draw_folder(Path(home) / "village", given.images, 1)
        chromium = playwright.chromium.launch(executable_path=installed_browser(playwright), args=ARGUMENTS)
        with served(folder) as server, annotator(chromium, server) as person:
            page = person.open().page
            page.keyboard.press("o")
            every = f"{given.images:,} of {given.images:,} images predicted"
            expect(page.locator("#gallery-count")).to_contain_text(every, timeout=PREDICTED)
            page.locator(".gallery-box").hover()
            page.evaluate(WATCH)
            height = page.evaluate("() => document.querySelector('.gallery-box').scrollHeight")
            found = {
                "cores": os.cpu_count(),
                "load": round(os.getloadavg()[0], 1),
                "images": given.images,
                "down": scrolled(page, height // TURN + 1, TURN),
                "up": scrolled(page, height // TURN + 1, -TURN),
                "elements_in_the_document": page.locator(".gallery-item").count(),
            }
            person.expect_no_fault()
        chromium.close()
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
