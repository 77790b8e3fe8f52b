"""A Chromium for the tests marked browser; where there is none, they are skipped with that reason."""

import os
import shutil
from collections.abc import Iterator

import pytest

ARGUMENTS = (
    "--no-sandbox --disable-gpu --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS = 240_000  # all cores may be busy


def chromium_path() -> str | None:
    """SYNCAM_CHROMIUM, or a Chromium that is installed."""
    return os.environ.get("SYNCAM_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def skip_without_chromium(items: list[pytest.Item]) -> None:
    if chromium_path() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="needs Chromium (or its path in SYNCAM_CHROMIUM)"))


@pytest.fixture(scope="session")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=ARGUMENTS.split(), timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser) -> Iterator:
    """A small window; `page.complaints` collects its console errors, `page.addresses` what it loads."""
    context = browser.new_context(viewport={"width": 900, "height": 620}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.complaints, page.addresses = [], []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.addresses.append(request.url))
    yield page
    context.close()
