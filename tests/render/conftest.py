"""One renderer for all tests of the package: its shaders are compiled once."""

import pytest

from render.examples import HW
from syncam.render.rasterizer import Renderer


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """Pictures of 64 x 64 pixels."""
    return Renderer(HW)
