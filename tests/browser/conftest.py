"""One browser for all tests here. Without one they skip and say why; with POINTILLIST_BROWSER=required they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.driver import ARGUMENTS, Annotator, Server, annotator, installed_browser, served, write_village


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine."""
    with sync_playwright() as playwright:
        path = installed_browser(playwright)
        if path is None:
            reason = "no Chromium on this machine: 'make browser' sets one up, or name one in POINTILLIST_CHROMIUM"
            if os.environ.get("POINTILLIST_BROWSER") == "required":
                pytest.fail(reason)
            pytest.skip(reason)
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def village(tmp_path: Path) -> Path:
    """A folder with four images and nothing else."""
    return write_village(tmp_path / "village", 4)


@pytest.fixture
def server(village: Path) -> Iterator[Server]:
    """The annotator's server on `village`."""
    with served(village) as running:
        yield running


@pytest.fixture
def person(browser: Browser, server: Server) -> Iterator[Annotator]:
    """Somebody at the page, who in the end has seen no fault."""
    with annotator(browser, server) as page:
        page.open()
        yield page
        page.expect_no_fault()
