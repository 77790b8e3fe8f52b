"""The geometry and light of a scene at given times, in numpy: what every engine draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from syncam.errors import InputError
from syncam.render.buildings import SECOND
from syncam.render.coats import character_mesh, vertex_colours
from syncam.render.gait import bone_matrices
from syncam.render.grounds import GROUND_METRES, ground_pattern, ground_texture
from syncam.render.light import Light, lamps, light_of, linear
from syncam.render.meshes import Mesh
from syncam.render.prop_motion import MOVING, prop_bones
from syncam.render.props import SHADOWLESS, prop_colours, prop_mesh
from syncam.render.scene import GROUNDS, Animal, Prop, Scene

__all__ = ["Solid", "World", "build_world", "checked_cameras"]

SUBJECT, PROP, GROUND = "subject", "prop", "ground"


@dataclass(frozen=True)
class Solid:
    """One thing of a scene.

    position and normal are [F, N, 3] for what moves and [N, 3] for what stands still: world metres, unit length;
    triangles: [T, 3], counter-clockwise seen from outside; colour: [N, 3] linear light; kind: subject, prop or ground;
    instance: its number in label pictures, from 1 (0 is the sky); subjects come first. casts_shadow: False for what
    neither casts shadows nor takes light away from other things.
    """

    name: str
    kind: str
    instance: int
    position: np.ndarray
    normal: np.ndarray
    triangles: np.ndarray
    colour: np.ndarray
    casts_shadow: bool = True
    glow: np.ndarray | None = None
    """[N] 1 where it is a lamp's glass that gives light, else 0; None: it gives none."""

    def at(self, frame: int) -> np.ndarray:
        """Positions [N, 3] at one frame."""
        return self.position if self.position.ndim == 2 else self.position[frame]


@dataclass(frozen=True)
class World:
    """A scene at F times. ground_texture: linear RGB [side, side, 3] of 24 x 24 metres that repeat, rows along +y,
    moved by -ground_shift metres. full: of the full content: cameras see front faces only, the sun's disc and stars."""

    times_s: np.ndarray
    solids: tuple[Solid, ...]
    light: Light
    ground_texture: np.ndarray
    ground_shift: tuple[float, float]
    full: bool

    @property
    def num_subjects(self) -> int:
        """Number of the solids that are subjects; their instances are 1 up to this."""
        return sum(solid.kind == SUBJECT for solid in self.solids)


def build_world(scene: Scene, times_s: Sequence[float] | np.ndarray) -> World:
    """The scene's characters, props and ground, skinned and placed at F times (seconds)."""
    times = np.asarray(times_s, dtype=np.float64)
    solids = [_character(animal, index, times, scene.middle_s) for index, animal in enumerate(scene.animals)]
    shining = len(lamps(scene)) > 0
    solids += [
        _prop(prop, len(scene.animals) + index, times, scene.middle_s, shining and prop.kind == "lamp post")
        for index, prop in enumerate(scene.props)
    ]
    ground = GROUNDS[scene.ground]
    corners = GROUND_METRES * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float64)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    up = np.tile([0.0, 0.0, 1.0], (4, 1))
    colour = np.tile(linear(ground.light), (4, 1))
    solids.append(Solid("ground", GROUND, len(solids) + 1, corners, up, triangles, colour))
    full = bool(scene.environment)
    if full:
        texture = ground_texture(scene.ground)
    else:
        light, dark = linear(ground.light), linear(ground.dark)
        texture = (dark + (light - dark) * (ground_pattern()[..., None] / 255)).astype(np.float32)
    return World(times, tuple(solids), light_of(scene), texture, scene.ground_shift, full)


def checked_cameras(c2w: np.ndarray, K: np.ndarray, times_s: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """c2w [V, F, 4, 4] and K [V, F, 3, 3] in float64; InputError if they do not fit each other and the F times."""
    c2w, K = np.asarray(c2w, dtype=np.float64), np.asarray(K, dtype=np.float64)
    if c2w.shape != (*c2w.shape[:2], 4, 4) or K.shape != (*c2w.shape[:2], 3, 3) or len(times_s) != c2w.shape[1]:
        raise InputError(
            f"c2w is {c2w.shape}, K is {K.shape} and there are {len(times_s)} times;"
            " expected [V, F, 4, 4], [V, F, 3, 3] and F times"
        )
    return c2w, K


def skinned(mesh: Mesh, bones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and unit normals [F, N, 3] of a mesh under bone matrices [F, bones, 4, 4]: each vertex follows the
    blend of its two bones' matrices."""
    first, second = (bones[:, mesh.bones[:, k], :3] for k in (0, 1))  # [F, N, 3, 4]
    rows = first + (second - first) * mesh.blend[:, None, None]
    position = np.einsum("fnij,nj->fni", rows[..., :3], mesh.position) + rows[..., 3]
    normal = np.einsum("fnij,nj->fni", rows[..., :3], mesh.normal)
    return position, _unit(normal)


def _character(animal: Animal, index: int, times_s: np.ndarray, middle_s: float) -> Solid:
    mesh = character_mesh(animal)
    position, normal = skinned(mesh, bone_matrices(animal, times_s, middle_s))
    name = f"{animal.species}{index + 1}"
    return Solid(name, SUBJECT, index + 1, position, normal, mesh.triangles, vertex_colours(animal))


def _prop(prop: Prop, index: int, times_s: np.ndarray, middle_s: float, shines: bool) -> Solid:
    mesh = prop_mesh(prop.kind)
    if prop.kind in MOVING:
        position, normal = skinned(mesh, prop_bones(prop, times_s, middle_s))
    else:
        cos, sin = np.cos(np.deg2rad(prop.yaw_deg)), np.sin(np.deg2rad(prop.yaw_deg))
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        position = prop.scale * mesh.position @ turn.T + np.array([prop.x, prop.y, 0.0])
        normal = _unit(mesh.normal @ turn.T)
    name, shadow = f"{prop.kind}{index + 1}", prop.kind not in SHADOWLESS
    glow = (mesh.material == SECOND).astype(np.float64) if shines else None
    return Solid(name, PROP, index + 1, position, normal, mesh.triangles, prop_colours(prop.kind), shadow, glow)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
