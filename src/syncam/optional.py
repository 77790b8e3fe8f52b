"""One place for imports of packages that only one verb needs."""

from importlib import import_module
from types import ModuleType

from syncam.errors import InputError


def require(module: str, *, extra: str) -> ModuleType:
    """The module, or an InputError that says which extra of syncam brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as err:
        package = module.partition(".")[0]
        if err.name != package:
            raise  # it is installed; something that it needs is not
        raise InputError(f"{package} is not installed; run: pip install 'syncam[{extra}]'") from err
