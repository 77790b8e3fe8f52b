"""The versions of what computes, as results carry them."""

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["versions"]


def versions(*packages: str) -> dict[str, str]:
    """The versions of syncam, of Python and of those of the packages that are installed."""
    from syncam import __version__

    found = {"syncam": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
