"""Animals, scenes and independent formulas that the tests of this folder share."""

import dataclasses
from typing import Any

import numpy as np
import torch

from syncam.cameras import Cameras, hemisphere
from syncam.render.gait import bone_matrices
from syncam.render.meshes import Mesh
from syncam.render.scene import Animal, Scene, Sun
from syncam.render.species import species

HW = (64, 64)
SPEED = {"walk": 0.5, "trot": 0.85, "turn": 0.45, "run": 1.15}
TURN_DEG_PER_S = {"turn": 40.0}


def animal(kind: str = "horse", colour: str = "red", gait: str = "walk", **change: Any) -> Animal:
    """An animal that passes the origin at mid-clip on its way to +x."""
    values: dict[str, Any] = {
        "speed": SPEED.get(gait, 0.0),
        "heading_deg": 0.0,
        "turn_deg_per_s": TURN_DEG_PER_S.get(gait, 0.0),
        "phase": 0.3,
    }
    return Animal(kind, colour, gait, **(values | change))


def scene(*animals: Animal, **change: Any) -> Scene:
    """A scene on grass under a blue sky with the sun in the south-west (azimuth 225), mid-clip at zero seconds."""
    values: dict[str, Any] = {
        "seed": 0,
        "ground": "grass",
        "sky": "blue",
        "sun": Sun(225.0, 45.0),
        "animals": animals,
        "props": (),
        "caption": "",
        "middle_s": 0.0,
    }
    return Scene(**(values | change))


def rig(views: int = 2, frames: int = 1, **change: Any) -> Cameras:
    """Still cameras close to the origin, a quarter of a circle around the animal's left."""
    values: dict[str, Any] = {"radius": 4.0, "elevation_deg": 15.0, "azimuth_deg": 90.0, "span_deg": 90.0}
    return hemisphere(views=views, hw=HW, **(values | change)).repeat_frames(frames)


def arrays(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """c2w and K as the renderer takes them."""
    return cameras.c2w.numpy(), cameras.K.numpy()


def skinned(one: Animal, times_s: list[float] | np.ndarray, middle_s: float = 0.0) -> np.ndarray:
    """World positions [F, N, 3] of the animal's vertices: each blends two bones."""
    mesh = species(one.species).mesh
    bones = bone_matrices(one, np.asarray(times_s, dtype=np.float64), middle_s)
    rest = np.concatenate([mesh.position, np.ones((len(mesh.position), 1))], axis=1)
    first, second = (np.einsum("fnij,nj->fni", bones[:, mesh.bones[:, k]], rest)[..., :3] for k in (0, 1))
    return first + (second - first) * mesh.blend[:, None]


def signed_volume(position: np.ndarray, triangles: np.ndarray) -> float:
    """Volume of a closed surface, positive where its faces are counter-clockwise seen from outside."""
    a, b, c = (position[triangles[:, k]] for k in range(3))
    return float(np.einsum("ti,ti->t", a, np.cross(b, c)).sum() / 6)


def shells(mesh: Mesh) -> list[np.ndarray]:
    """The mesh's triangles, one array per connected surface; vertices at the same place count as one."""
    _, vertex = np.unique(mesh.position.round(9), axis=0, return_inverse=True)
    corners = vertex.reshape(-1)[mesh.triangles]
    label = np.arange(corners.max() + 1)
    while True:
        lowest = label[corners].min(axis=1)
        before = label.copy()
        for k in range(3):
            np.minimum.at(label, corners[:, k], lowest)
        if np.array_equal(before, label):
            break
    of_triangle = label[corners[:, 0]]
    return [mesh.triangles[of_triangle == name] for name in np.unique(of_triangle)]


def rasterised(cameras: Cameras, position: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Depth [H, W] at the pixel centres of a single picture, inf where no triangle is: plain loops, no OpenGL."""
    uv, depth = (found[0, 0].numpy() for found in cameras.project(torch.from_numpy(position)))
    picture = np.full(cameras.hw, np.inf)
    for corners in triangles:
        (x0, y0), (x1, y1), (x2, y2) = uv[corners]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        left, top = np.ceil(uv[corners].min(axis=0) - 0.5).astype(int).clip(0)
        right, bottom = np.minimum(np.floor(uv[corners].max(axis=0) - 0.5).astype(int) + 1, cameras.hw[::-1])
        if abs(area) < 1e-12 or right <= left or bottom <= top:
            continue
        rows, columns = np.mgrid[top:bottom, left:right]
        x, y = columns + 0.5, rows + 0.5
        w1 = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area
        w2 = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area
        w0 = 1 - w1 - w2
        inside = (w0 >= 0) & (w1 >= 0) & (w2 >= 0)
        inverse = w0 / depth[corners[0]] + w1 / depth[corners[1]] + w2 / depth[corners[2]]
        rows, columns = rows[inside], columns[inside]
        picture[rows, columns] = np.minimum(picture[rows, columns], 1 / inverse[inside])
    return picture


def silhouettes(renderer: Any, made: Scene, cameras: Cameras, times_s: list[float]) -> np.ndarray:
    """bool [V, F, H, W]: pixels whose centre shows an animal, from the fast engine's depth with and without them."""
    bare = dataclasses.replace(made, animals=())
    with_them, without = (renderer.render(s, *arrays(cameras), times_s, labels=("depth",)).depth for s in (made, bare))
    return with_them < without


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((first & second).sum() / (first | second).sum())


def unprojected(cameras: Cameras, depth: np.ndarray) -> np.ndarray:
    """World points [H, W, 3] of a single picture's depth."""
    height, width = cameras.hw
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    uv = torch.stack([x, y], -1).reshape(1, 1, -1, 2)
    return cameras.unproject(uv, torch.from_numpy(depth).reshape(1, 1, -1)).reshape(height, width, 3).numpy()


def widened(mask: np.ndarray, pixels: int = 1) -> np.ndarray:
    """The mask [..., H, W] and its neighbours up to that distance."""
    for _ in range(pixels):
        padded = np.pad(mask, [(0, 0)] * (mask.ndim - 2) + [(1, 1), (1, 1)])
        height, width = mask.shape[-2:]
        mask = np.logical_or.reduce([padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3)])
    return mask
