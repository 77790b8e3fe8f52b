"""Whether a rig can film a scene: cameras clear of all that is there, the subject in their pictures. No pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from syncam.render.assets import Placed
from syncam.render.gait import bone_matrices
from syncam.render.labels import joint_origins
from syncam.render.meshes import Mesh
from syncam.render.prop_motion import MOVING, placed, prop_bones
from syncam.render.props import prop_mesh
from syncam.render.scene import Prop, Scene
from syncam.render.species import species

__all__ = ["CLEAR_M", "Box", "Cast", "Framing", "cast_of", "cast_of_placed", "faults_of_cast", "faults_of_props"]

Box = tuple[tuple[float, float, float], tuple[float, float, float]]
"""The lowest and the highest corner."""
CLEAR_M = 0.25
"""Metres between a camera and anything: nearer things would be cut open by the plane where pictures begin."""
_RINGS = frozenset({"green hills", "dune hills", "snowy mountains", "grey mountains", "tree line"})
"""Kinds that stand all around: nothing of them is nearer to their middle than their innermost vertex."""
_NO_THINGS = frozenset({"rain", "snowflakes", "sea"})
"""Kinds that a camera may be in, or that lie on the ground."""
_ROOM, _CEILING = 0.98, 0.62
"""How far from its middle a room's walls with all that hangs there begin, and its ceiling; metres at scale 1."""
_FASTEST = 0.8
"""Metres per second of the fastest prop, a cloud."""
_LEAST_DEPTH = 0.15
"""Metres ahead of a camera at which its picture begins."""


@dataclass(frozen=True)
class Framing:
    """What is asked of every camera of a rule.

    A picture shows the subject if at least the share `joints` of the characters' joints is in it and, if `centred`, the
    middle of the box around all of them too; every camera does so in at least the share `frames` of its pictures.
    clear_m: metres that it keeps away from characters at all times.
    """

    joints: float
    frames: float
    centred: bool = True
    clear_m: float = CLEAR_M


@dataclass(frozen=True)
class _Body:
    """Something that moves as bones do: matrices [F, B, 4, 4] (F is 1 for what stands still) and a box around the
    vertices of each bone, low and high [B, 3] in the rest pose, which `scale` makes larger."""

    name: str
    matrices: np.ndarray
    boxes: np.ndarray
    scale: float

    def corners(self) -> np.ndarray:
        """Those of all boxes in the world at each time, [F, 8 B, 3] metres."""
        pick = np.array([[(k >> axis) & 1 for axis in range(3)] for k in range(8)])
        corners = self.boxes[:, pick, np.arange(3)]  # [B, 8, 3]
        world = np.einsum("fbij,bkj->fbki", self.matrices[..., :3, :3], corners) + self.matrices[:, :, None, :3, 3]
        return world.reshape(len(world), -1, 3)

    def bounds(self) -> np.ndarray:
        """The lowest and highest corner in the world at each time, [F, 2, 3] metres."""
        world = self.corners()
        return np.stack([world.min(1), world.max(1)], axis=1)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Metres [V, F] from points [V, F, 3] to the nearest of the boxes; 0 within one."""
        away = points[:, :, None] - self.matrices[None, ..., :3, 3]  # [V, F, B, 3]
        local = np.einsum("fbji,vfbj->vfbi", self.matrices[..., :3, :3], away, optimize=True) / self.scale**2
        outside = np.maximum(np.maximum(self.boxes[:, 0] - local, local - self.boxes[:, 1]), 0.0)
        return self.scale * np.linalg.norm(outside, axis=-1).min(-1)


@dataclass(frozen=True)
class Cast:
    """The characters of a scene at F times: what cameras keep away from and look at.

    centre: [F, 3], the middle of the box around all of them; joints: [F, J, 3]; both in world metres.
    """

    bodies: tuple[_Body, ...]
    centre: np.ndarray
    joints: np.ndarray


def cast_of(scene: Scene, times_s: Sequence[float] | np.ndarray) -> Cast:
    """The scene's characters at F times (seconds)."""
    times = np.asarray(times_s, dtype=np.float64)
    bodies, joints = [], []
    for animal in scene.animals:
        matrices = bone_matrices(animal, times, scene.middle_s)
        bones, boxes = _character_boxes(animal.species)
        bodies.append(_Body(animal.species, matrices[:, bones], boxes, animal.scale))
        for bone, origin in joint_origins(animal.species).items():
            joints.append(matrices[:, bone, :3, :3] @ np.array(origin) + matrices[:, bone, :3, 3])
    bounds = np.stack([body.bounds() for body in bodies])  # [characters, F, 2, 3]
    centre = 0.5 * (bounds[:, :, 0].min(0) + bounds[:, :, 1].max(0))
    return Cast(tuple(bodies), centre, np.stack(joints, axis=1))


def cast_of_placed(
    placed: Sequence[Placed], boxes: Sequence[Box | None], times_s: Sequence[float] | np.ndarray
) -> Cast | None:
    """What a user's assets add: all that has a box is to be kept away from, and of the characters, the corners of a box
    of half the size, which they fill, count as joints. None if there are no characters among them.

    boxes: lowest and highest corner of each in its own axes, metres; None for what one may be in.
    """
    times = np.asarray(times_s, dtype=np.float64)
    bodies, joints, bounds = [], [], []
    for one, box in zip(placed, boxes, strict=True):
        if box is None:
            continue
        x, y, heading = one.places(times).T
        matrices = np.tile(np.eye(4), (len(times), 1, 1, 1))
        matrices[:, 0, 0, 0], matrices[:, 0, 0, 1] = np.cos(heading), -np.sin(heading)
        matrices[:, 0, 1, 0], matrices[:, 0, 1, 1] = np.sin(heading), np.cos(heading)
        matrices[:, 0, 0, 3], matrices[:, 0, 1, 3], matrices[:, 0, 2, 3] = x, y, one.z
        corners = np.array(box, dtype=np.float64)
        bodies.append(_Body(one.asset.name, matrices, corners[None], 1.0))
        if one.clip is not None:
            inner = _Body(one.asset.name, matrices, (0.5 * corners + 0.5 * corners.mean(0))[None], 1.0)
            joints.append(inner.corners())
            bounds.append(bodies[-1].bounds())
    if not joints:
        return None
    centre = 0.5 * (np.stack(bounds)[:, :, 0].min(0) + np.stack(bounds)[:, :, 1].max(0))
    return Cast(tuple(bodies), centre, np.concatenate(joints, axis=1))


def faults_of_cast(cast: Cast, c2w: np.ndarray, K: np.ndarray, hw: tuple[int, int], framing: Framing) -> dict[int, str]:
    """View -> what is wrong with it for these characters; c2w [V, F, 4, 4] and K [V, F, 3, 3] at the cast's times."""
    eyes = c2w[..., :3, 3]
    found: dict[int, str] = {}
    for view in np.flatnonzero((eyes[..., 2] < CLEAR_M - 1e-6).any(1)):
        found[int(view)] = f"within {CLEAR_M:g} m of the ground"
    for body in cast.bodies:
        for view in _too_near(body, eyes, framing.clear_m):
            found.setdefault(view, f"within {framing.clear_m:g} m of the {body.name}")
    points = np.concatenate([cast.centre[:, None], cast.joints], axis=1)  # [F, 1 + J, 3]
    camera = np.einsum("vfji,vfkj->vfki", c2w[..., :3, :3], points[None] - eyes[:, :, None], optimize=True)
    pixels = np.einsum("vfij,vfkj->vfki", K, camera / np.maximum(camera[..., 2:], 1e-6), optimize=True)[..., :2]
    seen = (camera[..., 2] > _LEAST_DEPTH) & (pixels >= 0).all(-1) & (pixels < np.array(hw[::-1])).all(-1)
    shows = seen[..., 1:].mean(-1) >= framing.joints  # [V, F]
    if framing.centred:
        shows &= seen[..., 0]
    for view in np.flatnonzero(shows.mean(1) < framing.frames - 1e-9):
        found.setdefault(int(view), "the subject is out of the picture")
    return found


def faults_of_props(scene: Scene, times_s: Sequence[float] | np.ndarray, eyes: np.ndarray) -> dict[int, str]:
    """View -> the prop or the scenery that one of the camera's places is too near to or in; eyes [V, F, 3]."""
    times, found = np.asarray(times_s, dtype=np.float64), dict[int, str]()
    for prop in scene.props:
        for view in _near_prop(prop, times, scene.middle_s, eyes):
            found.setdefault(view, f"within {CLEAR_M:g} m of a {prop.kind}")
    return found


def _near_prop(prop: Prop, times: np.ndarray, middle_s: float, eyes: np.ndarray) -> list[int]:
    """The views of eyes [V, F, 3] that are too near to a prop."""
    if prop.kind in _NO_THINGS:
        return []
    across = np.hypot(eyes[..., 0] - prop.x, eyes[..., 1] - prop.y)
    if prop.kind == "room":
        sideways = np.abs(eyes[..., :2] - np.array([prop.x, prop.y])).max(-1)
        room = prop.scale * _ROOM - np.maximum(sideways, eyes[..., 2] + prop.scale * (_ROOM - _CEILING))
        return np.flatnonzero((room < CLEAR_M).any(1)).tolist()
    inner, outer = _ring(prop.kind)
    if prop.kind in _RINGS:
        return np.flatnonzero((across > prop.scale * inner - CLEAR_M).any(1)).tolist()
    travel = _FASTEST * float(np.abs(times - middle_s).max()) if prop.kind in MOVING else 0.0
    if across.min() > prop.scale * outer + CLEAR_M + travel:
        return []
    bones, boxes = _prop_boxes(prop.kind)
    matrices = prop_bones(prop, times, middle_s)[:, bones] if prop.kind in MOVING else placed(prop)[None, None]
    return _too_near(_Body(prop.kind, matrices, boxes, prop.scale), eyes, CLEAR_M)


def _too_near(body: _Body, eyes: np.ndarray, clear_m: float) -> list[int]:
    """The views of eyes [V, F, 3] that are nearer than clear_m to a body."""
    bounds = body.bounds()
    gap = np.maximum(np.maximum(bounds[:, 0] - eyes, eyes - bounds[:, 1]), 0.0)
    close = np.flatnonzero((np.linalg.norm(gap, axis=-1) < clear_m).any(1))
    if not len(close):
        return []
    return close[(body.distance(eyes[close]) < clear_m - 1e-6).any(1)].tolist()


@cache
def _character_boxes(name: str) -> tuple[np.ndarray, np.ndarray]:
    return _boxes(species(name).mesh)


@cache
def _prop_boxes(kind: str) -> tuple[np.ndarray, np.ndarray]:
    return _boxes(prop_mesh(kind))


@cache
def _ring(kind: str) -> tuple[float, float]:
    """How near and how far the vertices of a kind of prop are from its middle, seen from above; metres at scale 1."""
    across = np.hypot(*prop_mesh(kind).position[:, :2].T)
    return float(across.min()), float(across.max())


def _boxes(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """The bones [B] of a mesh, and the boxes [B, 2, 3] around the vertices that mostly follow each."""
    bones, boxes = np.unique(mesh.bones), []
    for bone in bones:
        share = np.where(mesh.bones[:, 0] == bone, 1 - mesh.blend, 0.0) + (mesh.bones[:, 1] == bone) * mesh.blend
        own = mesh.position[share >= 0.5]
        if len(own):
            boxes.append((bone, own.min(0), own.max(0)))
    return np.array([bone for bone, _, _ in boxes]), np.array([(low, high) for _, low, high in boxes])
