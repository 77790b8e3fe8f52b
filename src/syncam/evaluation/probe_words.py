"""What the probes can tell of a picture in words, and what a caption of the small world says of the same."""

__all__ = ["LABELS", "UNSAID", "said"]

LABELS: dict[str, tuple[str, ...]] = {
    "species": ("horse", "elephant", "giraffe", "deer", "bull", "pig", "camel", "ostrich"),
    "colour": ("red", "yellow", "blue", "purple", "pink", "white", "black"),
    "ground": ("green grass", "pale sand", "white snow", "brown dirt", "grey stone"),
    "sky": ("a blue sky", "a sunset sky", "an overcast sky", "a dusk sky"),
    "action": ("walks", "trots", "turns"),
}
"""What a scene of the basic content can be, as its captions say it; the number of a word is its class."""
UNSAID = -1


def said(caption: str) -> dict[str, int]:
    """The class of each label that a caption names; UNSAID where it names none, or two animals.

    Example:
        >>> said("a red horse walks on green grass under a dusk sky")
        {'species': 0, 'colour': 0, 'ground': 0, 'sky': 3, 'action': 0}
    """
    text = " ".join(caption.lower().replace(",", " ").split())
    found = {label: _only(text, LABELS[label]) for label in ("ground", "sky", "action")}
    words = text.split()
    animals = [number for number, word in enumerate(words) if word in LABELS["species"]]
    species = colour = UNSAID
    if len(animals) == 1:
        [place] = animals
        species = LABELS["species"].index(words[place])
        before = words[place - 1] if place else ""
        colour = LABELS["colour"].index(before) if before in LABELS["colour"] else UNSAID
    return {"species": species, "colour": colour, **found}


def _only(text: str, phrases: tuple[str, ...]) -> int:
    """The one phrase that occurs as whole words."""
    here = [number for number, phrase in enumerate(phrases) if f" {phrase} " in f" {text} "]
    return here[0] if len(here) == 1 else UNSAID
