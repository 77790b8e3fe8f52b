"""The geometry and light of a scene at given times, in numpy: what every engine draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from syncam.errors import InputError
from syncam.render.gait import bone_matrices
from syncam.render.meshes import Mesh
from syncam.render.props import PALETTES, prop_mesh
from syncam.render.scene import COLOURS, GROUNDS, SKIES, Animal, Prop, Rgb, Scene
from syncam.render.species import species

__all__ = ["GROUND_METRES", "PATTERN_METRES", "Light", "Solid", "World", "build_world"]

SUBJECT, PROP, GROUND = "subject", "prop", "ground"
GROUND_METRES = 400.0
"""Half the side of the square of ground."""
PATTERN_METRES = 24.0
"""Side of the ground's pattern, which repeats."""
FOG_METRES = 60.0
"""Things at distance d keep exp(-(d / FOG_METRES)^2) of their colour; the rest is the horizon's."""
_PATTERN_SIZE = 256


@dataclass(frozen=True)
class Solid:
    """One thing of a scene.

    position and normal are [F, N, 3] for what moves and [N, 3] for what stands still: world metres, unit length;
    triangles: [T, 3], counter-clockwise seen from outside; colour: [N, 3] linear light; kind: subject, prop or ground;
    instance: its number in label pictures, from 1 (0 is the sky); subjects come first.
    """

    name: str
    kind: str
    instance: int
    position: np.ndarray
    normal: np.ndarray
    triangles: np.ndarray
    colour: np.ndarray

    def at(self, frame: int) -> np.ndarray:
        """Positions [N, 3] at one frame."""
        return self.position if self.position.ndim == 2 else self.position[frame]


@dataclass(frozen=True)
class Light:
    """Sun and sky, linear RGB [3] each: a white surface that faces the sun reflects sunlight, plus the ambient light
    between ambient_up (facing the sky) and ambient_down (facing the ground). to_sun: unit vector. horizon and zenith
    are what cameras see of the sky."""

    to_sun: np.ndarray
    sunlight: np.ndarray
    ambient_up: np.ndarray
    ambient_down: np.ndarray
    horizon: np.ndarray
    zenith: np.ndarray


@dataclass(frozen=True)
class World:
    """A scene at F times. ground_light, ground_dark: linear RGB [3], mixed by the ground's pattern, which is moved by
    -ground_shift metres."""

    times_s: np.ndarray
    solids: tuple[Solid, ...]
    light: Light
    ground_light: np.ndarray
    ground_dark: np.ndarray
    ground_shift: tuple[float, float]

    @property
    def num_subjects(self) -> int:
        """Number of the solids that are subjects; their instances are 1 up to this."""
        return sum(solid.kind == SUBJECT for solid in self.solids)


def build_world(scene: Scene, times_s: Sequence[float] | np.ndarray) -> World:
    """The scene's animals, props and ground, skinned and placed at F times (seconds)."""
    times = np.asarray(times_s, dtype=np.float64)
    solids = [_animal(animal, index, times, scene.middle_s) for index, animal in enumerate(scene.animals)]
    solids += [_prop(prop, len(solids) + index) for index, prop in enumerate(scene.props)]
    ground = GROUNDS[scene.ground]
    corners = GROUND_METRES * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=np.float64)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    up = np.tile([0.0, 0.0, 1.0], (4, 1))
    colour = np.tile(linear(ground.light), (4, 1))
    solids.append(Solid("ground", GROUND, len(solids) + 1, corners, up, triangles, colour))
    return World(times, tuple(solids), light_of(scene), linear(ground.light), linear(ground.dark), scene.ground_shift)


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


def _animal(animal: Animal, index: int, times_s: np.ndarray, middle_s: float) -> Solid:
    mesh = species(animal.species).mesh
    position, normal = skinned(mesh, bone_matrices(animal, times_s, middle_s))
    colour = animal_palette(animal)[mesh.material]
    return Solid(f"{animal.species}{index + 1}", SUBJECT, index + 1, position, normal, mesh.triangles, colour)


def _prop(prop: Prop, index: int) -> Solid:
    mesh = prop_mesh(prop.kind)
    cos, sin = np.cos(np.deg2rad(prop.yaw_deg)), np.sin(np.deg2rad(prop.yaw_deg))
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    position = prop.scale * mesh.position @ turn.T + np.array([prop.x, prop.y, 0.0])
    colour = palette(PALETTES[prop.kind])[mesh.material]
    return Solid(
        f"{prop.kind}{index + 1}", PROP, index + 1, position, _unit(mesh.normal @ turn.T), mesh.triangles, colour
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def light_of(scene: Scene) -> Light:
    """The scene's sun and sky."""
    sky, ground = SKIES[scene.sky], GROUNDS[scene.ground]
    azimuth, elevation = np.deg2rad(scene.sun.azimuth_deg), np.deg2rad(scene.sun.elevation_deg)
    ambient = linear(sky.ambient) * sky.ambient_strength
    return Light(
        np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]),
        linear(sky.sunlight) * sky.sun_strength,
        ambient,
        ambient * (0.35 * linear(ground.light) + 0.15) * 1.3,
        linear(sky.horizon),
        linear(sky.zenith),
    )


def linear(srgb: Rgb | np.ndarray) -> np.ndarray:
    """Linear light of sRGB colours."""
    colour = np.asarray(srgb, dtype=np.float64)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def palette(colours: Sequence[Rgb]) -> np.ndarray:
    """[6, 3] linear light by material; rows that the palette does not have are black."""
    rows = np.zeros((6, 3))
    rows[: len(colours)] = [linear(colour) for colour in colours]
    return rows


def animal_palette(animal: Animal) -> np.ndarray:
    """Coat, dark (mane, hooves), pale (horns), eye, shade (a little darker than the coat), accent (muzzle)."""
    coat = np.array(COLOURS[animal.colour])
    dark = 0.35 * coat if animal.colour != "black" else np.array([0.27, 0.27, 0.29])
    shade = 0.80 * coat if animal.colour != "black" else np.array([0.18, 0.18, 0.20])
    pale = np.array([0.86, 0.82, 0.72])
    accent = 0.45 * coat + 0.55 * np.array([0.80, 0.66, 0.58])
    eye = np.array([0.03, 0.03, 0.03])
    if animal.colour == "black":
        eye = np.array([0.75, 0.72, 0.60])
    return palette([tuple(c) for c in (coat, dark, pale, eye, shade, accent)])


def ground_pattern() -> np.ndarray:
    """A calm, seamless noise picture (wavelengths of about one to six metres), uint8 [256, 256]: 255 is ground_light.

    Row 0, column 0 is at (x, y) = -ground_shift; columns go along +x, rows along +y.
    """
    noise = np.random.Generator(np.random.PCG64(20)).standard_normal((_PATTERN_SIZE, _PATTERN_SIZE))
    cycles = np.fft.fftfreq(_PATTERN_SIZE, 1 / _PATTERN_SIZE) / PATTERN_METRES  # per metre
    frequency = np.hypot(cycles[:, None], cycles[None])
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((frequency / 0.42) ** 2)) * (frequency > 0.1)).real
    return np.clip(128 + 58 * smooth / smooth.std(), 0, 255).astype(np.uint8)
