"""Have a Chromium for the browser tests: one of this machine, else Playwright's, else Debian's (`make browser`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

from tests.browser.driver import ARGUMENTS, installed_browser

WAYS = [
    [[sys.executable, "-m", "playwright", "install", "chromium"]],
    [
        ["apt-get", "update", "--quiet"],
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "chromium"],
    ],
]
"""Tried one after another; the second needs Debian or Ubuntu and root."""


def main() -> None:
    """Find or install, then start it once."""
    with sync_playwright() as playwright:
        path = installed_browser(playwright)
        for way in WAYS:
            if path is None and shutil.which(way[0][0]) and (way[0][0] != "apt-get" or os.geteuid() == 0):
                for command in way:
                    if subprocess.run(command).returncode:
                        break
                path = installed_browser(playwright)
        if path is None:
            sys.exit("No Chromium could be set up. Install one, or name one in POINTILLIST_CHROMIUM.")
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        print(f"== browser: {path}, {running.version}")
        running.close()


if __name__ == "__main__":
    main()
