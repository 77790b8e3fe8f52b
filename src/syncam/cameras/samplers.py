"""Random rigs by the published rules of SynCamVideo and MultiCamVideo, and takes for re-shooting.

The same seed always gives the same cameras.
"""

from collections.abc import Callable
from typing import TypeVar

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.layouts import still
from syncam.cameras.moves.head import pan, tilt
from syncam.cameras.moves.seeded import wander
from syncam.cameras.moves.subject import arc, crane
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.moves.travel import dolly, pedestal, truck
from syncam.cameras.trajectories import LOWEST_EYE, TARGET, check_numbers
from syncam.errors import InputError

__all__ = [
    "MULTICAM_FAMILIES",
    "MULTICAM_FOCALS_MM",
    "MULTICAM_RADII",
    "sample_multicam",
    "sample_syncam",
    "sample_takes",
]

T = TypeVar("T")

MULTICAM_FAMILIES = ("pan_tilt", "translation", "arc", "polyline", "static")
MULTICAM_FOCALS_MM = (18.0, 24.0, 35.0, 50.0)
MULTICAM_RADII = (3.0, 5.0, 7.0, 10.0)
NEAREST = 0.5
"""Metres that MultiCamVideo's cameras keep away from the character."""
STEEPEST_DEG = 45.0
LARGEST_A = 4.0
"""Of the exponential speed; the published rule leaves its range open."""
TRIES = 100
STILL, APART, APART_DEG = 0.75, 0.2, 60.0
"""Of takes: shares of scenes where one camera stands and where cameras begin apart, and how far in azimuth at most."""


def sample_syncam(
    seed: int,
    *,
    views: int,
    num_frames: int,
    hw: tuple[int, int] = (128, 128),
    radius: tuple[float, float] = (3.5, 9.0),
    elevation_deg: tuple[float, float] = (0.0, 45.0),
    focal_mm: float = 24.0,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Cameras of SynCamVideo: still, on a hemisphere about the target, each with a distance and elevation of its own.

    Uniform in azimuth, in elevation and in distance, within the two ranges.
    """
    check_numbers(views=views, num_frames=num_frames)
    for name, (low, high) in {"radius": radius, "elevation_deg": elevation_deg}.items():
        if not low <= high:
            raise InputError(f"{name} must be a range from low to high, got {low:g}..{high:g}")
    draw = _Draw(seed)
    rigs = [
        still(
            radius=draw.between(*radius),
            elevation_deg=draw.between(*elevation_deg),
            azimuth_deg=draw.between(0.0, 360.0),
            num_frames=num_frames,
            hw=hw,
            focal_mm=focal_mm,
            target=target,
        )
        for _ in range(views)
    ]
    return _together(rigs)


def sample_multicam(
    seed: int,
    *,
    views: int,
    num_frames: int,
    hw: tuple[int, int] = (128, 128),
    families: tuple[str, ...] = MULTICAM_FAMILIES,
    target: tuple[float, float, float] = TARGET,
    radius: float | None = None,
    focal_mm: float | None = None,
) -> Cameras:
    """Cameras of MultiCamVideo: each starts somewhere about the character, looks at it, and makes a move of a family.

    The scene has a radius of 3, 5, 7 or 10 m and a lens of 18, 24, 35 or 50 mm. A camera starts 0.5 m to that radius
    away from the character, at an elevation of 0 to 45 degrees. Families: pan_tilt (5-45 and 5-30 degrees), translation
    (sideways, up, down, to or fro by 1/4 to 1 of the distance to the character), arc (15-75 degrees), polyline (smooth,
    through 1-3 points, as long as a translation), static. Half of the moves have constant speed, half the exponential
    one. Moves that would come nearer than 0.5 m or under the ground are drawn again.
    radius, focal_mm: the scene's, where they are known; the other draws of the seed stay the same.

    The rule leaves open, and this function takes as uniform: distances, angles, families, and the speed's a in -4..4.
    """
    unknown = [family for family in families if family not in MULTICAM_FAMILIES]
    if unknown or not families:
        raise InputError(
            f"families must be some of {', '.join(MULTICAM_FAMILIES)}, got {', '.join(families) or 'none'}"
        )
    draw = _Draw(seed)
    drawn_radius, drawn_focal_mm = draw.one_of(MULTICAM_RADII), draw.one_of(MULTICAM_FOCALS_MM)
    radius = drawn_radius if radius is None else radius
    focal_mm = drawn_focal_mm if focal_mm is None else focal_mm
    check_numbers(views=views, num_frames=num_frames, radius=radius, focal=focal_mm)
    if radius <= NEAREST:
        raise InputError(f"radius must be larger than {NEAREST:g}, the least distance of a camera, got {radius:g}")
    centre, rigs = torch.tensor(target, dtype=torch.float64), []
    for _ in range(views):
        family = draw.one_of(families)
        for _ in range(TRIES):
            distance = draw.between(NEAREST, radius)
            start = still(
                radius=distance,
                elevation_deg=draw.between(0.0, STEEPEST_DEG),
                azimuth_deg=draw.between(0.0, 360.0),
                num_frames=num_frames,
                hw=hw,
                focal_mm=focal_mm,
                target=target,
            )
            rig = _FAMILIES[family](draw, start, distance, target)
            near = (rig.positions - centre).norm(dim=-1).min() < NEAREST - 1e-9
            if not near and rig.positions[..., 2].min() >= LOWEST_EYE:
                rigs.append(rig)
                break
        else:
            raise InputError(f"no camera of the family {family} stays above the ground at target {target}; raise it")
    return _together(rigs)


def sample_takes(
    seed: int,
    *,
    scene: int | None = None,
    views: int,
    num_frames: int,
    hw: tuple[int, int] = (128, 128),
    radius: tuple[float, float] = (3.5, 9.0),
    elevation_deg: tuple[float, float] = (0.0, 45.0),
    focal_mm: float = 24.0,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Takes of one shot: all cameras begin at one place, where they look at the target, each with a move of its own.

    So the first frames of a scene coincide, as those of ReCamMaster's data do; in a fifth of the scenes, as there, they
    do not: each camera begins at a distance and elevation of its own, within 60 degrees of azimuth of the others. In
    three scenes of four the first camera stands still; two would film the same. The others, equally likely: pan 5-25
    degrees; tilt 3-12; travel to or fro by 1/8-1/2 of the distance, sideways or up and down by 1/8-1/3; rise or sink by
    as much with the target in its place; arc 10-60 degrees; follow a smooth random path through 1-3 points, 1/8-1/2 of
    the distance long. So the ten basic trajectories are among them, and more of the subject stays in the picture than
    with MultiCamVideo's. Speeds: as there.
    scene: the seed that says where takes begin, where `seed` draws nothing but moves, and the starts of scenes apart;
    of cameras that are drawn again in that way, none stands.
    """
    check_numbers(views=views, num_frames=num_frames, focal=focal_mm)
    for name, (low, high) in {"radius": radius, "elevation_deg": elevation_deg}.items():
        if not low <= high:
            raise InputError(f"{name} must be a range from low to high, got {low:g}..{high:g}")
    shared = _Draw(seed if scene is None else scene)
    apart = shared.between(0.0, 1.0) < APART
    azimuth_deg, distance, up_deg = shared.between(0.0, 360.0), shared.between(*radius), shared.between(*elevation_deg)
    draw, rigs = shared if scene in (None, seed) else _Draw(seed), []
    stands = draw is shared and draw.between(0.0, 1.0) < STILL
    for view in range(views):
        for _ in range(TRIES):
            aside_deg = draw.signed(0.0, APART_DEG / 2) if apart else 0.0
            far, up = (draw.between(*radius), draw.between(*elevation_deg)) if apart else (distance, up_deg)
            start = still(
                radius=far,
                elevation_deg=up,
                azimuth_deg=azimuth_deg + aside_deg,
                num_frames=num_frames,
                hw=hw,
                focal_mm=focal_mm,
                target=target,
            )
            rig = start if stands and view == 0 else _take(draw, start, far, target)
            if rig.positions[..., 2].min() >= LOWEST_EYE:
                rigs.append(rig)
                break
        else:
            raise InputError(f"no take stays above the ground at target {target}; raise it")
    return _together(rigs)


def _take(draw: "_Draw", start: Cameras, distance: float, target: tuple[float, float, float]) -> Cameras:
    """One of the moves of sample_takes."""
    timing = draw.timing()
    kind = draw.one_of(("pan", "tilt", "arc", "dolly", "truck", "pedestal", "crane", "polyline"))
    if kind == "pan":
        return pan(start, draw.signed(5.0, 25.0), timing=timing)
    if kind == "tilt":
        return tilt(start, draw.signed(3.0, 12.0), timing=timing)
    if kind == "arc":
        return arc(start, draw.signed(10.0, 60.0), target=target, timing=timing)
    if kind == "dolly":
        return dolly(start, draw.signed(1 / 8, 1 / 2) * distance, timing=timing)
    if kind == "polyline":
        seed = draw.one_of(tuple(range(2**16)))
        length = draw.between(1 / 8, 1 / 2) * distance
        return wander(start, length, seed=seed, points=draw.one_of((1, 2, 3)), timing=timing)
    amount = draw.signed(1 / 8, 1 / 3) * distance
    if kind == "crane":
        return crane(start, amount, target=target, timing=timing)
    return (truck if kind == "truck" else pedestal)(start, amount, timing=timing)


class _Draw:
    """Uniform draws from a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def between(self, low: float, high: float) -> float:
        share = torch.rand((), generator=self.generator, dtype=torch.float64, device=self.generator.device)
        return low + (high - low) * float(share)

    def one_of(self, things: tuple[T, ...]) -> T:
        return things[int(torch.randint(len(things), (), generator=self.generator, device=self.generator.device))]

    def signed(self, low: float, high: float) -> float:
        return self.between(low, high) * self.one_of((-1.0, 1.0))

    def timing(self) -> Timing:
        return self.one_of((CONSTANT, Timing(a=self.signed(0.0, LARGEST_A))))


def _pan_tilt(draw: _Draw, start: Cameras, distance: float, target: tuple[float, float, float]) -> Cameras:
    timing = draw.timing()
    return tilt(pan(start, draw.signed(5.0, 45.0), timing=timing), draw.signed(5.0, 30.0), timing=timing)


def _translation(draw: _Draw, start: Cameras, distance: float, target: tuple[float, float, float]) -> Cameras:
    move = draw.one_of((truck, pedestal, dolly))
    return move(start, draw.signed(0.25, 1.0) * distance, timing=draw.timing())


def _arc(draw: _Draw, start: Cameras, distance: float, target: tuple[float, float, float]) -> Cameras:
    return arc(start, draw.signed(15.0, 75.0), target=target, timing=draw.timing())


def _polyline(draw: _Draw, start: Cameras, distance: float, target: tuple[float, float, float]) -> Cameras:
    length, seed = draw.between(0.25, 1.0) * distance, draw.one_of(tuple(range(2**16)))
    return wander(start, length, seed=seed, points=draw.one_of((1, 2, 3)), timing=draw.timing())


def _static(draw: _Draw, start: Cameras, distance: float, target: tuple[float, float, float]) -> Cameras:
    return start


_FAMILIES: dict[str, Callable[[_Draw, Cameras, float, tuple[float, float, float]], Cameras]] = {
    "pan_tilt": _pan_tilt,
    "translation": _translation,
    "arc": _arc,
    "polyline": _polyline,
    "static": _static,
}


def _together(rigs: list[Cameras]) -> Cameras:
    return Cameras(torch.cat([rig.c2w for rig in rigs]), torch.cat([rig.K for rig in rigs]), rigs[0].hw)
