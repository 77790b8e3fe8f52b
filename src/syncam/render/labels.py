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
    """Draws who is where, and labels, one sample per pixel, beside the renderer's pictures."""

    def __init__(self, ctx: Any, size: tuple[int, int]) -> None:
        self._ctx, self._size = ctx, size
        self._pictures = {"instances": ctx.texture(size, 1), "depth": ctx.depth_texture(size)}
        self._canvases: dict[str, Any] = {}
        self._read = {"instances": np.empty((0,), np.uint8)}  # what comes from OpenGL, of all tiles
        self._arrays: dict[str, np.ndarray] = {}

    def start(self, count: int, hw: tuple[int, int], columns: int, labels: Sequence[str]) -> dict[str, Any]:
        """Room for the labels of `count` pictures; the new programs that draw them, by name."""
        self._hw, self._columns = hw, columns
        asked = [name for name in ("normals", "flow") if name in labels]
        self.suffix = "_".join(["_label", *asked])
        self.flow = "flow" in asked
        self._layers = ["instances", *asked]
        shapes = {"normals": (3,), "flow": (4,)}
        names = self._layers + ["depth"] * ("depth" in labels)
        self._arrays = {
            name: np.empty((count, *hw, *shapes.get(name, ())), np.uint8 if name == "instances" else np.float32)
            for name in names
        }
        if self.suffix in self._canvases:
            return {}
        for name in asked:
            if name not in self._pictures:
                self._pictures[name] = self._ctx.texture(self._size, 4, dtype="f4")
        layers = [self._pictures[name] for name in self._layers]
        self._canvases[self.suffix] = self._ctx.framebuffer(layers, self._pictures["depth"])
        shaders = label_programs(normals="normals" in asked, flow=self.flow)
        programs = {
            name + self.suffix: self._ctx.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in shaders.items()
        }
        for program in programs.values():
            if "hw" in program:
                program["hw"].value = (float(hw[0]), float(hw[1]))
        return programs

    def begin(self, viewport: tuple[int, int, int, int], *, clear: bool) -> None:
        canvas = self._canvases[self.suffix]
        canvas.use()
        if clear:
            canvas.viewport = (0, 0, *self._size)
            canvas.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        canvas.viewport = viewport

    def collect(self, tiles: list[int], rows: int) -> None:
        """Copies the canvas's tiles into the pictures they belong to."""
        height, width = self._hw
        for name, array in self._arrays.items():
            channels = {"normals": 4, "flow": 4}.get(name, 1)
            shape = (rows, height, self._columns, width, channels)
            if name not in self._read or self._read[name].size < np.prod(shape):
                self._read[name] = np.empty(np.prod(shape), array.dtype)
            sheet = self._read[name][: np.prod(shape)].reshape(shape)
            self._canvases[self.suffix].read_into(
                sheet,
                (0, 0, self._columns * width, rows * height),
                components=channels,
                attachment=-1 if name == "depth" else self._layers.index(name),
                dtype="f1" if name == "instances" else "f4",
                alignment=1,
            )
            for tile, target in enumerate(tiles):
                found = sheet[tile // self._columns, :, tile % self._columns]
                if name == "depth":
                    array[target] = _metres(found[..., 0])
                elif name == "instances":
                    array[target] = found[..., 0]
                else:
                    array[target] = found[..., : array.shape[-1]]
                    if name == "flow" and array[target].max() >= _NOWHERE:
                        array[target][array[target] >= _NOWHERE] = np.nan

    def finished(self, num_views: int, num_frames: int, labels: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
        """Who is where, uint8 [V, F, H, W], and the labels by their names in Rendering."""
        arrays = {name: a.reshape(num_views, num_frames, *a.shape[1:]) for name, a in self._arrays.items()}
        self._arrays = {}
        found = {name: arrays[name] for name in ("depth", "normals", "instances") if name in labels}
        if "flow" in labels:
            flow = arrays["flow"]
            flow[:, -1, ..., :2] = np.nan
            flow[:, 0, ..., 2:] = np.nan
            found["flow_forward"], found["flow_backward"] = flow[..., :2], flow[..., 2:]
        return arrays["instances"], found


def _metres(buffer: np.ndarray) -> np.ndarray:
    """Metres along the camera's axis, float64, of what a depth buffer holds; inf where it is empty."""
    metres = np.multiply(buffer, FAR - NEAR, dtype=np.float64)
    np.subtract(FAR, metres, out=metres)
    np.divide(FAR * NEAR, metres, out=metres)
    metres[buffer >= 1.0] = np.inf
    return metres


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
        w2c = np.linalg.inv(c2w[:, frame])
        metres, ids = depth[:, frame].reshape(num_views, -1), instances[:, frame].reshape(num_views, -1)
        for i in range(num_views):
            pixels = np.flatnonzero(ids[i])
            row, column = np.divmod(pixels, width)
            who = ids[i, pixels]
            rays = np.linalg.inv(K[i, frame]) @ np.stack([column + 0.5, row + 0.5, np.ones(len(row))])
            world = c2w[i, frame, :3, :3] @ (rays * metres[i, pixels]) + c2w[i, frame, :3, 3:]
            total = np.bincount(who, minlength=share.shape[1] + 1)[1:]
            shown = total > 0
            for j in range(num_views):
                camera = w2c[j, :3, :3] @ world + w2c[j, :3, 3:]
                z = np.maximum(camera[2], 1e-6)
                x, y = (K[j, frame] @ camera)[:2] / z
                # only what passes one test takes the next: most points fail the first two of views far apart
                left = np.flatnonzero((camera[2] > NEAR) & (x >= 0) & (x < width) & (y >= 0) & (y < height))
                there = y[left].astype(int) * width + x[left].astype(int)
                same = ids[j, there] == who[left]
                left, there = left[same], there[same]
                seen = left[np.abs(metres[j, there] / z[left] - 1) < tolerance]
                share[frame, shown, i, j] = np.bincount(who[seen], minlength=len(total) + 1)[1:][shown] / total[shown]
    return share
