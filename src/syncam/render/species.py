"""The characters by name: silhouettes first, so that each is known at 64 pixels."""

from collections.abc import Callable
from functools import cache

from syncam.errors import InputError
from syncam.render.birds import chicken, duck, flamingo, penguin
from syncam.render.grazers import bull, camel, deer, horse
from syncam.render.oddities import elephant, giraffe, ostrich, pig
from syncam.render.people import child, man, robot, woman
from syncam.render.pets import bear, cat, dog, sheep
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
    "dog": dog,
    "cat": cat,
    "sheep": sheep,
    "bear": bear,
    "chicken": chicken,
    "duck": duck,
    "flamingo": flamingo,
    "penguin": penguin,
    "man": man,
    "woman": woman,
    "child": child,
    "robot": robot,
}
"""Species name -> how it is built; the names are the caption words."""
BASIC_SPECIES = tuple(SPECIES)[:8]


@cache
def species(name: str) -> Species:
    """The species of that name."""
    if name not in SPECIES:
        raise InputError(f"species is {name!r}; expected one of {', '.join(SPECIES)}")
    return SPECIES[name]()
