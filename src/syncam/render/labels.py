"""What every pixel shows besides its colour: depth, normals, instances and flow, drawn; joints, projected."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from syncam.errors import InputError
from syncam.render.gait import bone_matrices
from syncam.render.label_shaders import label_programs
from syncam.render.opengl import FAR, NEAR
from syncam.render.scene import Scene
from syncam.render.skeleton import BODY, NUM_BONES, leg_bone
from syncam.render.species import species

LABELS = ("depth", "normals", "instances", "flow", "joints")
_NOWHERE = 1e30
"""What the shaders write for the flow of a point that is behind the other camera."""


def check_labels(labels: Sequence[str]) -> None:
    """InputError for a label that there is not."""
    if unknown := [label for label in labels if label not in LABELS]:
        raise InputError(f"there is no label {unknown[0]!r}; expected some of {', '.join(LABELS)}")


class LabelCanvas:
    """Draws labels, one sample per pixel, beside the renderer's pictures."""

    def __init__(self, ctx: Any, size: tuple[int, int]) -> None:
        self.programs = {
            name: ctx.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in label_programs().items()
        }
        self._canvas = ctx.framebuffer(
            [ctx.texture(size, 4, dtype="f4"), ctx.texture(size, 4, dtype="f4")], ctx.depth_texture(size)
        )
        self._arrays: dict[str, np.ndarray] = {}

    def start(self, count: int, hw: tuple[int, int], columns: int, drawn: list[str]) -> None:
        """Room for the labels of `count` pictures."""
        self._hw, self._columns = hw, columns
        shapes = {"depth": (), "surface": (4,), "flow": (4,)}
        wanted = {"depth": "depth", "normals": "surface", "instances": "surface", "flow": "flow"}
        names = {wanted[label] for label in drawn}
        self._arrays = {name: np.empty((count, *hw, *shapes[name]), dtype=np.float32) for name in names}

    def begin(self, viewport: tuple[int, int, int, int], *, clear: bool) -> None:
        self._canvas.use()
        if clear:
            self._canvas.viewport = (0, 0, *self._canvas.size)
            self._canvas.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        for name in self.programs:
            self.programs[name]["hw"].value = (float(self._hw[0]), float(self._hw[1]))
        self._canvas.viewport = viewport

    def collect(self, tiles: list[int], rows: int) -> None:
        """Copies the canvas's tiles into the pictures they belong to."""
        height, width = self._hw
        size = (self._columns * width, rows * height)
        for name, array in self._arrays.items():
            channels, attachment = {"depth": (1, -1), "surface": (4, 0), "flow": (4, 1)}[name]
            raw = self._canvas.read((0, 0, *size), components=channels, attachment=attachment, dtype="f4", alignment=1)
            sheet = np.frombuffer(raw, np.float32).reshape(rows, height, self._columns, width, channels)
            for tile, target in enumerate(tiles):
                array[target] = sheet[tile // self._columns, :, tile % self._columns].reshape(array.shape[1:])

    def finished(self, num_views: int, num_frames: int, drawn: list[str]) -> dict[str, np.ndarray]:
        """The labels by their names in Rendering."""
        arrays = {name: a.reshape(num_views, num_frames, *a.shape[1:]) for name, a in self._arrays.items()}
        self._arrays = {}
        found: dict[str, np.ndarray] = {}
        if "depth" in drawn:
            buffer = arrays["depth"].astype(np.float64)
            with np.errstate(divide="ignore"):
                metres = np.where(buffer >= 1.0, np.inf, FAR * NEAR / (FAR - buffer * (FAR - NEAR)))
            found["depth"] = metres.astype(np.float32)
        if "normals" in drawn:
            found["normals"] = arrays["surface"][..., :3]
        if "instances" in drawn:
            found["instances"] = np.rint(arrays["surface"][..., 3]).astype(np.uint8)
        if "flow" in drawn:
            flow = arrays["flow"]
            flow[np.abs(flow) >= _NOWHERE] = np.nan
            flow[:, -1, ..., :2] = np.nan
            flow[:, 0, ..., 2:] = np.nan
            found["flow_forward"], found["flow_backward"] = flow[..., :2], flow[..., 2:]
        return found


def joints_in_pictures(scene: Scene, c2w: np.ndarray, K: np.ndarray, times_s: np.ndarray) -> dict[str, np.ndarray]:
    """joints [V, F, characters, bones, 3] and joints_world [F, characters, bones, 3], as Rendering has them."""
    world = np.full((len(times_s), len(scene.animals), NUM_BONES, 3), np.nan)
    for index, animal in enumerate(scene.animals):
        bones = bone_matrices(animal, times_s, scene.middle_s)
        for bone, (x, y, z) in joint_origins(animal.species).items():
            world[:, index, bone] = (bones[:, bone] @ np.array([x, y, z, 1.0]))[:, :3]
    w2c = np.linalg.inv(c2w)[:, :, None, None]  # [V, F, 1, 1, 4, 4]
    camera = np.einsum("...ij,...j->...i", w2c[..., :3, :3], world) + w2c[..., :3, 3]
    pixels = np.einsum("...ij,...j->...i", K[:, :, None, None], camera)
    joints = np.concatenate([pixels[..., :2] / pixels[..., 2:], camera[..., 2:]], axis=-1)
    return {"joints": joints.astype(np.float32), "joints_world": world.astype(np.float32)}


def flow_with_lenses(flow: np.ndarray, K: np.ndarray, step: int) -> np.ndarray:
    """Flow [V, F, H, W, 2] to the next (step 1) or previous (step -1) picture, from one that takes the lens of every
    picture for that of its neighbour too; K [V, F, 3, 3]. NaN where there is no such picture.

    A change of lens moves a pixel in the same way whatever is seen there: by K_there K_here^-1.
    """
    found = flow.copy()
    num_frames, height, width = flow.shape[1:4]
    here = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    for view in range(len(flow)):
        for frame in range(num_frames):
            there = frame + step
            if not 0 <= there < num_frames:
                found[view, frame] = np.nan
            elif not np.array_equal(K[view, frame], K[view, there]):
                change = K[view, there] @ np.linalg.inv(K[view, frame])
                end = (here + flow[view, frame]) @ change[:, :2].T + change[:, 2]
                found[view, frame] = end[..., :2] / end[..., 2:] - here
    return found


def joint_origins(name: str) -> dict[int, tuple[float, float, float]]:
    """Bone -> the point of the rest pose about which it turns, for the bones that a species has."""
    kind = species(name)
    origins = {BODY: (0.0, 0.0, kind.legs[0].hip[2])}
    origins |= {joint.bone: joint.pivot for joint in kind.joints}
    for leg in kind.legs:
        first = 0 if leg.front else 2
        for side, sign in ((0, 1), (1, -1)):
            for segment, (x, y, z) in enumerate((leg.hip, leg.knee, leg.ankle)):
                origins[leg_bone(first + side, segment)] = (x, sign * y, z)
    return origins


def pair_visibility(
    depth: np.ndarray, instances: np.ndarray, c2w: np.ndarray, K: np.ndarray, *, tolerance: float = 0.03
) -> np.ndarray:
    """[F, characters, V, V] share of each character's pixels in view i whose point is also seen in view j.

    depth, instances: [V, F, H, W] as Rendering has them; c2w [V, F, 4, 4], K [V, F, 3, 3]. A point is seen in view j if
    it lies in that picture, and what is there is the same character at its distance, up to tolerance (relative). NaN
    where view i does not show the character. The last axis is j.
    """
    if depth.shape != instances.shape or depth.shape[:2] != c2w.shape[:2]:
        raise InputError(f"depth is {depth.shape}, instances is {instances.shape}, c2w is {c2w.shape}: not one size")
    num_views, num_frames, height, width = depth.shape
    share = np.full((num_frames, int(instances.max(initial=0)), num_views, num_views), np.nan)
    for frame in range(num_frames):
        for i in range(num_views):
            row, column = np.nonzero(instances[i, frame])
            who = instances[i, frame, row, column]
            rays = np.linalg.inv(K[i, frame]) @ np.stack([column + 0.5, row + 0.5, np.ones(len(row))])
            world = c2w[i, frame, :3, :3] @ (rays * depth[i, frame, row, column]) + c2w[i, frame, :3, 3:]
            for j in range(num_views):
                w2c = np.linalg.inv(c2w[j, frame])
                camera = w2c[:3, :3] @ world + w2c[:3, 3:]
                z = np.maximum(camera[2], 1e-6)
                x, y = np.floor((K[j, frame] @ camera)[:2] / z).astype(int)
                inside = (camera[2] > NEAR) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
                x, y = np.where(inside, x, 0), np.where(inside, y, 0)
                near = np.abs(depth[j, frame, y, x] / z - 1) < tolerance
                seen = inside & near & (instances[j, frame, y, x] == who)
                for number in np.unique(who):
                    share[frame, number - 1, i, j] = seen[who == number].mean()
    return share
