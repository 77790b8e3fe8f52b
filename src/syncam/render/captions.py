"""What there is in a scene of the full content, in plain words."""

from collections import Counter

from syncam.render.environments import ENVIRONMENTS
from syncam.render.gait import seat_place
from syncam.render.prop_motion import MOVING
from syncam.render.scene import GAITS, PATTERNS, PROPS, SKIES, WEATHERS, Animal, Scene

_SINGULAR = {
    "conifer": "tree",
    "broken column": "column",
    "stump": "tree stump",
}
_UNNAMED = frozenset({"cloud", "rain", "snowflakes", "sea", "room", "green hills", "dune hills", "snowy mountains"}) | {
    "grey mountains",
    "tree line",
    "red house",
    "yellow house",
    "white house",
}
"""Scenery, which the words for the place and the weather already say."""
_MOST = 3
"""Kinds of props that a caption names."""


def caption(scene: Scene) -> str:
    """What is there: "a brown dog with white spots walks on a beach at noon, with palm trees and a ball"."""
    return sentence(doing(scene), place_words(scene), things_around(scene))


def sentence(who: str, place: str, things: list[str]) -> str:
    """Who does what, where, with what around."""
    return f"{who} {place}" + (f", with {listed(things)}" if things else "")


def place_words(scene: Scene) -> str:
    """Where and when it is: "on a beach at noon"."""
    parts = (ENVIRONMENTS[scene.environment].words, SKIES[scene.sky].time, WEATHERS[scene.weather])
    return " ".join(words for words in parts if words)


def character_words(animal: Animal) -> str:
    """Who it is: "an orange cat with black stripes", "a man in a red shirt and blue trousers"."""
    if animal.species == "woman":
        return f"a woman in {with_article(animal.colour)} dress"
    if animal.species in ("man", "child"):
        legs = "trousers" if animal.species == "man" else "shorts"
        return f"a {animal.species} in {with_article(animal.colour)} shirt and {animal.second} {legs}"
    words = f"{with_article(animal.colour)} {animal.species}"
    pattern = PATTERNS[animal.pattern]
    if not pattern:
        return words
    if pattern in ("belly", "saddle"):
        return f"{words} with {with_article(animal.second)} {pattern}"
    return f"{words} with {animal.second} {pattern}"


def doing(scene: Scene) -> str:
    """Who does what: "a red horse walks ahead of a blue dog"."""
    names = [character_words(animal) for animal in scene.animals]
    gait = scene.animals[0].gait
    several = "walk" if gait == "turn" else GAITS[gait][1]
    everyone = listed(names)
    if scene.interaction == "side":
        return f"{everyone} {several} side by side"
    if scene.interaction == "past":
        return f"{everyone} {several} past each other"
    if scene.interaction == "meet":
        return f"{everyone} {several} towards each other and stop"
    if scene.interaction == "circle":
        return f"{everyone} circle each other" if len(names) == 2 else f"{everyone} walk in a ring"
    if scene.interaction == "follow":
        return f"{names[0]} {GAITS[gait][0]} ahead of {listed(names[1:])}"
    return listed([f"{name} {_alone(animal)}" for name, animal in zip(names, scene.animals, strict=True)])


def _alone(animal: Animal) -> str:
    return {"turn": "walks in a circle", "sit": "sits on a stool"}.get(animal.gait, GAITS[animal.gait][0])


def things_around(scene: Scene) -> list[str]:
    """The props that stand around, those that move first, then the most numerous."""
    seats = {seat_place(animal)[:2] for animal in scene.animals if animal.gait == "sit"}
    named = [p for p in scene.props if p.kind not in _UNNAMED and not (p.kind == "stool" and (p.x, p.y) in seats)]
    moving = {PROPS[prop.kind] for prop in named if prop.kind in MOVING}
    counts = Counter(PROPS[prop.kind] for prop in named)
    singular = {PROPS[prop.kind]: _SINGULAR.get(prop.kind, prop.kind) for prop in named}
    order = sorted(counts, key=lambda words: (words not in moving, -counts[words], words))
    return [words if counts[words] > 1 else with_article(singular[words]) for words in order[:_MOST]]


def with_article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
