"""Captions of scenes with a user's own content, in the grammar of all others."""

from collections import Counter
from collections.abc import Sequence

from syncam.render.assets import Environment, Placed, Scenery
from syncam.render.captions import doing, listed, place_words, sentence, things_around, with_article
from syncam.render.cast import Actor
from syncam.render.scene import GAITS, GROUNDS, Scene

__all__ = ["own_caption"]

_MOST_THINGS = 3


def own_caption(
    scene: Scene,
    actors: Sequence[Actor],
    together: str,
    pieces: Sequence[Placed],
    stage: Scenery | None,
    environment: Environment | None,
) -> str:
    """What is there: "a fox and a wolf run side by side on a meadow under a sky at dawn, with a barn"."""
    who = _doing(actors, together) if actors else doing(scene)
    if stage is not None:
        place = stage.words if environment is None else f"{stage.words} under {environment.words}"
        return sentence(who, place, [])
    place = place_words(scene)
    if environment is not None:
        place = f"on {GROUNDS[scene.ground].words} under {environment.words}"
    return sentence(who, place, _things(pieces) if pieces else things_around(scene))


def _doing(actors: Sequence[Actor], together: str) -> str:
    names = [_named(actor.asset.words) for actor in actors]
    alone, several = _verbs(actors[0].word)
    if len(actors) == 1 and together == "circle":
        return f"{names[0]} {alone} in a circle"
    if together == "circle":
        return f"{listed(names)} {several} in a ring"
    if together == "follow":
        return f"{names[0]} {alone} ahead of {listed(names[1:])}"
    if together in ("side", "past"):
        return f"{listed(names)} {several} {'side by side' if together == 'side' else 'past each other'}"
    return listed([f"{name} {_verbs(actor.word)[0]}" for name, actor in zip(names, actors, strict=True)])


def _things(pieces: Sequence[Placed]) -> list[str]:
    counts = Counter(piece.asset.name for piece in pieces)
    assets = {piece.asset.name: piece.asset for piece in pieces}
    words = []
    for name in sorted(counts, key=lambda name: (-counts[name], name))[:_MOST_THINGS]:
        asset = assets[name]
        plural = asset.plural if isinstance(asset, Scenery) else None
        words.append(plural if counts[name] > 1 and plural else _named(asset.words))
    return words


def _named(words: str) -> str:
    """With an article, unless the manifest has given one."""
    return words if words.split()[0] in ("a", "an", "the", "some", "two", "three") else with_article(words)


def _verbs(word: str) -> tuple[str, str]:
    """The verb for one and for several; of several words, the first is the verb: "look around", "looks around"."""
    if word in GAITS:
        return GAITS[word]
    if word == "idle":
        return GAITS["stand"]
    verb, space, rest = word.partition(" ")
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        third = verb + "es"
    else:
        third = verb[:-1] + "ies" if verb.endswith("y") and verb[-2:-1] not in "aeiou" else verb + "s"
    return third + space + rest, word
