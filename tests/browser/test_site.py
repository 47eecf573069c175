"""The built site in a browser: no broken link, nothing from other hosts, no fault, and a phone shows all of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Request, expect

pytestmark = [pytest.mark.long, pytest.mark.browser]

SITE = Path(__file__).parents[2] / "build" / "site"
PHONE = {"width": 390, "height": 844}
LOOK = """() => ({
    ids: [...document.querySelectorAll('[id], a[name]')].map((one) => one.id || one.name),
    links: [...document.querySelectorAll('a[href], img[src]')].map((one) => one.href || one.src),
    unnamed: [...document.images].filter((one) => !one.alt.trim() || one.alt === 'png').map((one) => one.src),
    broken: [...document.images].filter((one) => one.complete && !one.naturalWidth).map((one) => one.src),
    width: document.documentElement.scrollWidth,
    title: document.title,
    language: document.documentElement.lang,
})"""


class Seen(NamedTuple):
    """What a page has."""

    ids: set[str]
    links: list[str]
    unnamed: list[str]
    broken: list[str]
    width: int
    title: str
    language: str


class Site(NamedTuple):
    """All pages, and what went wrong while they were opened."""

    pages: dict[Path, Seen]
    faults: list[str]


def missing(request: Request) -> bool:
    """Whether something could not be loaded, and was not just given up for the next page."""
    return request.failure != "net::ERR_ABORTED"


@pytest.fixture(scope="module")
def site(browser: Browser) -> Site:
    """Every page, opened from the disk on a phone."""
    if not (SITE / "index.html").is_file():
        reason = "the site is not built: 'make site' does it"
        if os.environ.get("POINTILLIST_SITE") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    page, faults, pages = context.new_page(), [], {}
    page.on(
        "console", lambda message: faults.append(f"{page.url}: {message.text}") if message.type == "error" else None
    )
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("requestfailed", lambda request: faults.append(f"{page.url}: {request.url}") if missing(request) else None)
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    for file in sorted(SITE.rglob("*.html")):
        if file.name != "404.html":  # it is for servers, and names its files from their root
            page.goto(file.as_uri())
            found = page.evaluate(LOOK)
            pages[file] = Seen(**{**found, "ids": set(found["ids"])})
    context.close()
    return Site(pages, faults)


def test_no_fault_and_nothing_from_other_hosts(site: Site) -> None:
    assert site.faults == []


def test_every_link_leads_somewhere(site: Site) -> None:
    wrong = []
    for file, seen in site.pages.items():
        for link in seen.links:
            parts = urlsplit(link)
            if parts.scheme != "file":
                continue
            there, anchor = Path(unquote(parts.path)), unquote(parts.fragment)
            if not there.is_file() or (anchor and there in site.pages and anchor not in site.pages[there].ids):
                wrong.append(f"{file.relative_to(SITE)}: {link}")
    assert wrong == []


def test_a_phone_shows_the_whole_width(site: Site) -> None:
    assert {str(file.relative_to(SITE)): seen.width for file, seen in site.pages.items() if seen.width > 390} == {}


def test_pictures_are_there_and_have_a_text(site: Site) -> None:
    assert [url for seen in site.pages.values() for url in (*seen.broken, *seen.unnamed)] == []


def test_pages_have_a_title_and_a_language(site: Site) -> None:
    assert [str(file) for file, seen in site.pages.items() if not seen.title or not seen.language] == []


def test_search_finds_a_setting(browser: Browser, site: Site) -> None:
    assert site.pages
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((SITE / "index.html").as_uri())
    page.locator("input.md-search__input").click()
    expect(page.locator(".md-search-result__meta")).to_have_text("Type to start searching")  # the index is there
    page.keyboard.type("prior_correction")
    expect(page.locator(".md-search-result__item").first).to_contain_text("prior_correction")
    context.close()
