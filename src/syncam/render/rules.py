"""The rules by which data sets draw their cameras: how many there are, what their pictures show, where scenes lie."""

from dataclasses import dataclass

import numpy as np

from syncam.render.framing import Framing

__all__ = ["HEMI36_RIGS", "MULTICAM_LENSES", "OWN_RIG", "RULES", "Rule", "choice", "lens_folder"]

HEMI36_RIGS = tuple((radius, elevation) for radius in (4.0, 5.0, 6.0, 7.0) for elevation in (0.0, 15.0, 30.0, 45.0))
"""Metres and degrees of the published Hemi36 rigs."""
MULTICAM_LENSES = ((18.0, 10.0), (24.0, 5.0), (35.0, 2.4), (50.0, 2.4))
"""Focal length in millimetres and f-number of MultiCamVideo's lenses."""
FOLDER, RADIUS, ATTEMPT = 3, 4, 5
"""What is drawn with a scene's seed alone, beside the scene and its cameras."""


def lens_folder(focal_mm: float, aperture: float = 5.0) -> str:
    """The name of the folder of a lens, as SynCamVideo and MultiCamVideo have it."""
    return f"f{focal_mm:g}_aperture{aperture:g}"


@dataclass(frozen=True)
class Rule:
    """How the cameras of a data set are drawn.

    views: how many there are unless the config says so, and always where the rule is `fixed`: then the cameras stand
    the same way about every subject, and where they do not suit a scene, another scene is drawn instead of other
    cameras. folders: those of the split, of which each scene has one, and with it its lens or its rig; () where the
    config's lens says it. least_frames: what its cameras need to move. options: a hemisphere's settings that it has.
    """

    views: int
    framing: Framing
    folders: tuple[str, ...] = ()
    fixed: bool = False
    least_frames: int = 1
    options: tuple[str, ...] = ()


_ALWAYS = Framing(joints=0.5, frames=1.0)

RULES = {
    "hemisphere": Rule(4, _ALWAYS, options=("radius", "elevation_deg", "focal_mm", "moving")),
    "syncamvideo": Rule(10, _ALWAYS, (lens_folder(24.0),)),
    "multicamvideo": Rule(
        10,
        Framing(joints=0.1, frames=0.25, clear_m=0.5),
        tuple(lens_folder(*lens) for lens in MULTICAM_LENSES),
        least_frames=2,
    ),
    "takes": Rule(
        4,
        Framing(joints=0.1, frames=0.5),
        least_frames=2,
        options=("radius", "elevation_deg", "focal_mm"),
    ),
    "hemi36": Rule(36, _ALWAYS, tuple(f"Hemi36_{radius:g}m_{up:g}" for radius, up in HEMI36_RIGS), fixed=True),
    "basic": Rule(10, Framing(joints=0.3, frames=1.0), ("10basic_trajectories",), fixed=True, least_frames=2),
}
"""Name -> rule."""
OWN_RIG = Rule(0, Framing(joints=0.1, frames=0.25, centred=False), fixed=True)
"""What holds for a rig in words or in a file; it says itself how many views it has."""


def choice(seed: int, count: int, what: int = FOLDER) -> int:
    """Which of `count` equally likely folders (or radii) a scene has: a function of the scene's seed alone."""
    return int(np.random.SeedSequence([seed, what]).generate_state(1)[0]) % count
