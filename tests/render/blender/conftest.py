"""Tests that need Blender run where there is one, and say so where there is none."""

import pytest

from syncam.errors import InputError
from syncam.render.blender.environment import Blender, find_blender


@pytest.fixture(scope="session")
def blender() -> Blender:
    """The Blender that SYNCAM_BLENDER names or that `syncam render setup` made."""
    try:
        return find_blender()
    except InputError as err:
        pytest.skip(f"needs Blender: {err}")
