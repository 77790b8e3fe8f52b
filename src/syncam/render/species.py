"""The animals by name: silhouettes first, so that each is known at 64 pixels."""

from collections.abc import Callable
from functools import cache

from syncam.errors import InputError
from syncam.render.grazers import bull, camel, deer, horse
from syncam.render.oddities import elephant, giraffe, ostrich, pig
from syncam.render.skeleton import Species

SPECIES: dict[str, Callable[[], Species]] = {
    "horse": horse,
    "elephant": elephant,
    "giraffe": giraffe,
    "deer": deer,
    "bull": bull,
    "pig": pig,
    "camel": camel,
    "ostrich": ostrich,
}
"""Species name -> how it is built; the names are the caption words."""


@cache
def species(name: str) -> Species:
    """The species of that name."""
    if name not in SPECIES:
        raise InputError(f"species is {name!r}; expected one of {', '.join(SPECIES)}")
    return SPECIES[name]()
