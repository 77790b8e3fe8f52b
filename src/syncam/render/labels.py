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

    def start(self, hw: tuple[int, int], labels: Sequence[str]) -> dict[str, Any]:
        """From now on these labels are drawn; the new programs that draw them, by name."""
        asked = [name for name in ("normals", "flow") if name in labels]
        self.suffix = "_".join(["_label", *asked])
        self.flow = "flow" in asked
        self._layers = ["instances", *asked]
        self._depth = "depth" in labels
        known = self.suffix in self._canvases
        if not known:
            for name in asked:
                if name not in self._pictures:
                    self._pictures[name] = self._ctx.texture(self._size, 4, dtype="f4")
            layers = [self._pictures[name] for name in self._layers]
            self._canvases[self.suffix] = self._ctx.framebuffer(layers, self._pictures["depth"])
        self.canvas = self._canvases[self.suffix]
        if known:
            return {}
        shaders = label_programs(normals="normals" in asked, flow=self.flow)
        programs = {
            name + self.suffix: self._ctx.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in shaders.items()
        }
        for program in programs.values():
            if "hw" in program:
                program["hw"].value = (float(hw[0]), float(hw[1]))
        return programs

    def read(self, tile: tuple[int, int, int, int], *, first: bool, last: bool) -> dict[str, np.ndarray]:
        """What a place of the canvas shows, by its names in Picture; first, last: whether its view begins, or ends."""
        found: dict[str, np.ndarray] = {}
        for name in [*self._layers, *["depth"] * self._depth]:
            shape = (tile[3], tile[2], *([4] if name in ("normals", "flow") else []))
            found[name] = np.empty(shape, np.uint8 if name == "instances" else np.float32)
            self.canvas.read_into(
                found[name],
                tile,
                components=4 if len(shape) == 3 else 1,
                attachment=-1 if name == "depth" else self._layers.index(name),
                dtype="f1" if name == "instances" else "f4",
                alignment=1,
            )
        if "depth" in found:
            found["depth"] = _metres(found["depth"])
        if "normals" in found:
            found["normals"] = found["normals"][..., :3]
        if "flow" in found:
            flow = found.pop("flow")
            if flow.max() >= _NOWHERE:
                flow[flow >= _NOWHERE] = np.nan
            found["flow_forward"], found["flow_backward"] = flow[..., :2], flow[..., 2:]
            for is_end, there in ((last, "flow_forward"), (first, "flow_backward")):
                if is_end:
                    found[there][:] = np.nan
        return found


def _metres(buffer: np.ndarray) -> np.ndarray:
    """Metres along the camera's axis of what a depth buffer holds; inf where it is empty."""
    metres = np.multiply(buffer, FAR - NEAR, dtype=np.float64)
    np.subtract(FAR, metres, out=metres)
    np.divide(FAR * NEAR, metres, out=metres)
    metres[buffer >= 1.0] = np.inf
    return metres.astype(np.float32)


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


def flow_with_lenses(flow: np.ndarray, K: np.ndarray, K_there: np.ndarray) -> np.ndarray:
    """Flow [H, W, 2] to a picture with the lens K_there [3, 3], from one that takes K for it too.

    A change of lens moves a pixel in the same way whatever is seen there: by K_there K^-1.
    """
    if np.array_equal(K, K_there):
        return flow
    height, width = flow.shape[:2]
    here = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    change = K_there @ np.linalg.inv(K)
    end = (here + flow) @ change[:, :2].T + change[:, 2]
    return (end[..., :2] / end[..., 2:] - here).astype(flow.dtype)


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
    share = np.empty((num_frames, int(instances.max(initial=0)), num_views, num_views))
    for f in range(num_frames):
        seen = [characters_seen(depth[view, f], instances[view, f]) for view in range(num_views)]
        share[f] = shares_seen(seen, c2w[:, f], K[:, f], (height, width), share.shape[1], tolerance=tolerance)
    return share


def characters_seen(depth: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """What `shares_seen` needs of a picture's depth and instances [H, W]: a row for every pixel with a character."""
    who = instances.reshape(-1)
    found = np.empty(np.count_nonzero(who), dtype=[("pixel", "<i4"), ("who", "u1"), ("metres", "<f4")])
    found["pixel"] = pixels = np.flatnonzero(who)
    found["who"], found["metres"] = who[pixels], depth.reshape(-1)[pixels]
    return found


def shares_seen(
    seen: Sequence[np.ndarray],
    c2w: np.ndarray,
    K: np.ndarray,
    hw: tuple[int, int],
    num_characters: int,
    *,
    tolerance: float = 0.03,
) -> np.ndarray:
    """pair_visibility of one frame [characters, V, V], from `characters_seen` of every view, c2w [V, 4, 4] and
    K [V, 3, 3]. There may be characters that no view shows.
    """
    height, width = hw
    share = np.full((num_characters, len(seen), len(seen)), np.nan)
    w2c, points = np.linalg.inv(c2w), []
    for i, one in enumerate(seen):
        row, column = np.divmod(one["pixel"].astype(np.int64), width)
        rays = np.linalg.inv(K[i]) @ np.stack([column + 0.5, row + 0.5, np.ones(len(row))])
        points.append(c2w[i, :3, :3] @ (rays * one["metres"]) + c2w[i, :3, 3:])
    for j, other in enumerate(seen):
        ids, metres = np.zeros(height * width, np.uint8), np.zeros(height * width, np.float32)
        ids[other["pixel"]], metres[other["pixel"]] = other["who"], other["metres"]
        for i, (one, world) in enumerate(zip(seen, points, strict=True)):
            who = one["who"]
            total = np.bincount(who, minlength=num_characters + 1)[1:]
            shown = total > 0
            camera = w2c[j, :3, :3] @ world + w2c[j, :3, 3:]
            z = np.maximum(camera[2], 1e-6)
            x, y = (K[j] @ camera)[:2] / z
            # only what passes one test takes the next: most points fail the first two of views far apart
            left = np.flatnonzero((camera[2] > NEAR) & (x >= 0) & (x < width) & (y >= 0) & (y < height))
            there = y[left].astype(int) * width + x[left].astype(int)
            same = ids[there] == who[left]
            left, there = left[same], there[same]
            visible = left[np.abs(metres[there] / z[left] - 1) < tolerance]
            share[shown, i, j] = np.bincount(who[visible], minlength=len(total) + 1)[1:][shown] / total[shown]
    return share
