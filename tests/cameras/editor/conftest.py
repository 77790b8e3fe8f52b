"""A Chromium for the tests marked browser; where there is none, they are skipped with that reason."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from cameras.editor.browser import crooked_rig, open_page, reset
from syncam.cameras import NamedCameras
from syncam.cameras.editor.content import rig_content
from syncam.cameras.editor.server import serving
from syncam.cameras.editor.session import Session

ARGUMENTS = (
    "--no-sandbox --disable-gpu --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_MS = 240_000  # all cores may be busy


def chromium_path() -> str | None:
    """SYNCAM_CHROMIUM, or a Chromium that is installed."""
    return os.environ.get("SYNCAM_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
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


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    named = NamedCameras(("cam01", "cam02", "cam03"), crooked_rig(), 8.0)
    return Session(rig_content(named), tmp_path_factory.mktemp("rig") / "out.json", "test")


@pytest.fixture(scope="module")
def opened(page, session: Session) -> Iterator[Any]:
    with serving(session) as address:
        assert open_page(page, address) == 3
        yield page


@pytest.fixture
def editor(opened) -> Iterator[Any]:
    reset(opened)
    yield opened
    assert opened.complaints == []
