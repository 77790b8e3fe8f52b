"""Moves about a subject, which keep it where it is in the picture."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.moves.travel import dolly, pedestal
from syncam.cameras.posed import posed, refuse_infinite
from syncam.cameras.rotations import rotation_about
from syncam.cameras.trajectories import TARGET, look_at
from syncam.errors import InputError

__all__ = ["Point", "ahead", "arc", "crane", "dolly_zoom", "elevate", "keep_aim", "orbit", "spiral", "track"]

Point = tuple[float, float, float] | Float[Tensor, "*#batch 3"]
"""A world point for all cameras, or one per camera: [3], or [*batch, V, F, 3] and what broadcasts to it."""
STEEPEST_DEG = 89.0


def ahead(cameras: Cameras, distance: float) -> Float[Tensor, "*batch V F 3"]:
    """The world points that lie `distance` metres before every camera on its optical axis."""
    if not 0 < distance < math.inf:
        raise InputError(f"distance to the subject must be positive, in metres, got {distance:g}")
    return cameras.positions.double() + distance * cameras.c2w[..., :3, 2].double()


def arc(cameras: Cameras, amount_deg: float, *, target: Point = TARGET, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel on a level circle about the target, to their right where positive, and turn with it.

    Positive is counter-clockwise seen from above. Distance to the target and its place in the picture stay.
    """
    refuse_infinite("arc", amount_deg=amount_deg)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64, device=cameras.c2w.device)
    return _turned(cameras, rotation_about(up, math.radians(amount_deg) * timing.progress(cameras)), target)


def orbit(cameras: Cameras, turns: float = 1.0, *, target: Point = TARGET, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that go around the target that many times: `arc` counted in turns."""
    return arc(cameras, 360 * turns, target=target, timing=timing)


def elevate(cameras: Cameras, amount_deg: float, *, target: Point = TARGET, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel on an upright circle about the target, upwards where positive, and turn with it.

    InputError for cameras that would pass over or under the target.
    """
    refuse_infinite("elevate", amount_deg=amount_deg)
    offset = cameras.positions.double() - _point(cameras, target)
    level = offset[..., :2].norm(dim=-1)
    angle = math.radians(amount_deg) * timing.progress(cameras)
    reached = torch.rad2deg(torch.atan2(offset[..., 2], level) + angle)
    if (reached.abs() > STEEPEST_DEG).any():
        worst = float(reached.flatten()[reached.abs().argmax()])
        raise InputError(f"elevate: a camera comes to {worst:.4g} degrees of elevation; keep it in -89..89")
    x, y, _ = (offset / level[..., None]).unbind(-1)
    return _turned(cameras, rotation_about(torch.stack([y, -x, torch.zeros_like(x)], -1), angle), target)


def crane(cameras: Cameras, amount_m: float, *, target: Point = TARGET, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel vertically, upwards where positive, and turn so that the target stays in its place."""
    return keep_aim(cameras, pedestal(cameras, amount_m, timing=timing), target, target)


def spiral(
    cameras: Cameras,
    amount_deg: float,
    *,
    closer: float = 0.0,
    rise: float = 0.0,
    target: Point = TARGET,
    timing: Timing = CONSTANT,
) -> Cameras:
    """Cameras on an `arc` that also come `closer` to the target and `rise`, both in metres, and keep it in its place.

    InputError where `closer` is as much as the distance to the target.
    """
    refuse_infinite("spiral", closer=closer, rise=rise)
    turned = arc(cameras, amount_deg, target=target, timing=timing)
    centre = _point(cameras, target)
    offset = turned.positions.double() - centre
    distance = offset.norm(dim=-1, keepdim=True)
    if (distance <= closer).any():
        raise InputError(
            f"spiral: closer must be less than the {float(distance.min()):.4g} m between camera and target, "
            f"got {closer:g}"
        )
    share = 1 - closer * timing.progress(cameras)[:, None] / distance
    return crane(posed(turned, position=centre + offset * share), rise, target=target, timing=timing)


def track(cameras: Cameras, path: Float[Tensor, "F 3"]) -> Cameras:
    """Cameras that turn after a subject on its `path`, so that it stays where it is in the picture at frame 0."""
    if len(path) != cameras.num_frames:
        raise InputError(f"track: path has {len(path)} points but the cameras have {cameras.num_frames} frames")
    return keep_aim(cameras, cameras, path[:1], path)


def dolly_zoom(cameras: Cameras, amount_m: float, *, target: Point = TARGET, timing: Timing = CONSTANT) -> Cameras:
    """Cameras on a `dolly` whose lens makes up for it: whatever is as far away as the target keeps its size.

    Far means along the optical axis. InputError for cameras that would reach the target.
    """
    moved = dolly(cameras, amount_m, timing=timing)
    before, after = (
        ((_point(rig, target) - rig.positions.double()) * rig.c2w[..., :3, 2].double()).sum(-1)
        for rig in (cameras, moved)
    )
    if (torch.minimum(before, after) <= 0).any():
        raise InputError(
            f"dolly_zoom: the target must stay before the cameras; it is {float(before.min()):.4g} m before them "
            f"and they travel {amount_m:g} m"
        )
    K = cameras.K.double().clone()
    K[..., :2, :2] *= (after / before)[..., None, None]
    return posed(moved, K=K)


def keep_aim(before: Cameras, after: Cameras, target: Point, target_after: Point) -> Cameras:
    """`after`, turned so that `target_after` lies in each picture where `target` lies in that of `before`.

    The turn is that of a tripod's head: the tilt of the horizon stays. InputError from `look_at`.
    """
    aim = look_at(before.positions, _point(before, target))[..., :3, :3]
    aim_after = look_at(after.positions, _point(after, target_after))[..., :3, :3]
    return posed(after, rotation=aim_after @ aim.mT @ before.c2w[..., :3, :3].double())


def _turned(cameras: Cameras, turn: Float[Tensor, "*#batch 3 3"], target: Point) -> Cameras:
    """The cameras carried about the target by rotations of the world."""
    centre = _point(cameras, target)
    offset = cameras.positions.double() - centre
    return posed(
        cameras,
        rotation=turn @ cameras.c2w[..., :3, :3].double(),
        position=centre + (turn @ offset[..., None])[..., 0],
    )


def _point(cameras: Cameras, target: Point) -> Tensor:
    return torch.as_tensor(target, dtype=torch.float64, device=cameras.c2w.device)
