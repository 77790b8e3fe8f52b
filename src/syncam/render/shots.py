"""The rules that cameras of rendered data sets are drawn by: which there are, and the cameras of a scene."""

from dataclasses import dataclass

import numpy as np

__all__ = ["RULES", "Rule", "drawn", "lens_folder"]

HEMI36_RIGS = tuple((radius, elevation) for radius in (4, 5, 6, 7) for elevation in (0, 15, 30, 45))
"""Metres and degrees of the published Hemi36 rigs."""
MULTICAM_LENSES = ((18, 10.0), (24, 5.0), (35, 2.4), (50, 2.4))
"""Focal length in millimetres and f-number of MultiCamVideo's lenses."""


def lens_folder(focal_mm: float, aperture: float = 5.0) -> str:
    """The name of the folder of a lens, as SynCamVideo and MultiCamVideo have it."""
    return f"f{focal_mm:g}_aperture{aperture:g}"


@dataclass(frozen=True)
class Rule:
    """How the cameras of a data set are drawn.

    views: how many there are unless the config says so, and always where the rule is `fixed`; folders: those of the
    split, of which each scene draws one, and with it its lens or its rig.
    """

    about: str
    views: int
    folders: tuple[str, ...]
    fixed: bool = False


RULES = {
    "hemisphere": Rule("on a hemisphere about the middle of the scene, as --radius ... --moving say", 4, ()),
    "syncamvideo": Rule("SynCamVideo's: still, 3.5-9 m away, 0-45 degrees up, 24 mm", 10, (lens_folder(24),)),
    "multicamvideo": Rule(
        "MultiCamVideo's: pans, translations, arcs, paths and still ones, four lenses",
        10,
        tuple(lens_folder(*lens) for lens in MULTICAM_LENSES),
    ),
    "hemi36": Rule(
        "SynCamVideo's validation rigs: 36 cameras all around, 18 mm",
        36,
        tuple(f"Hemi36_{radius}m_{elevation}" for radius, elevation in HEMI36_RIGS),
        fixed=True,
    ),
    "basic": Rule("the ten basic trajectories", 10, ("10basic_trajectories",), fixed=True),
}
"""Name -> rule. Anything else is a rig in words or in a file, the same in every scene."""


def drawn(seed: int, count: int) -> int:
    """Which of `count` equally likely folders a scene draws: a function of the scene's seed alone."""
    return int(np.random.SeedSequence([seed, 3]).generate_state(1)[0]) % count
