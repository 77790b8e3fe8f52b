"""The rig editor in the browser of the tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from cameras.editor.browser import crooked_rig, open_page, reset
from syncam.cameras import NamedCameras
from syncam.cameras.editor.content import rig_content
from syncam.cameras.editor.server import serving
from syncam.cameras.editor.session import Session


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
