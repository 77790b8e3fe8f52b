"""Cameras: the views and frames of one or many scenes as an immutable value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.rigid import compose_rigid, invert_rigid, relative_c2w, rigid, rigid_faults, upcast
from syncam.errors import InputError

__all__ = ["CameraError", "Cameras"]


class CameraError(InputError):
    """One camera of many is none; `complaint`, `view` and `frame` let readers of files say where it stands there."""

    def __init__(self, complaint: str, view: int, frame: int, scene: tuple[int, ...] = ()) -> None:
        self.complaint, self.view, self.frame = complaint, view, frame
        place = f"scene {scene}, " if scene else ""
        super().__init__(f"cameras: {complaint} ({place}view {view}, frame {frame})")


@dataclass(frozen=True, eq=False)  # tensors have no single truth value to compare by
class Cameras:
    """V pinhole cameras over F frames, for any leading batch of scenes; checked when made.

    `c2w` maps camera to world coordinates: OpenCV camera axes (x right, y down, z forward), a right-handed world with z
    up, metres. `K` is in pixels of pictures of size `hw` = (height, width), with pixel centres at +0.5. Poses read from
    files or made by builders are float64; networks take what `encodings` makes of them. Operations keep the
    precision of each tensor; what is computed from half precision otherwise, such as pixels, comes in float32.

    `aperture` is the f-number and `focus_distance` the distance of the sharp plane along z in metres, for pictures with
    a depth of field; None says nothing about it. They change no projection and are carried through every operation.

    Example:
        >>> cameras = hemisphere(views=4, radius=5.0, elevation_deg=15.0, span_deg=90.0, num_frames=17, hw=(128, 128))
        >>> cameras.view([0, 2]).relative_to(view=0).shape
        torch.Size([2, 17, 4, 4])
    """

    c2w: Float[Tensor, "*batch V F 4 4"]
    K: Float[Tensor, "*batch V F 3 3"]
    hw: tuple[int, int]
    aperture: Float[Tensor, "*batch V F"] | None = None
    focus_distance: Float[Tensor, "*batch V F"] | None = None

    def __post_init__(self) -> None:
        c2w, K = self.c2w, self.K
        if c2w.ndim < 4 or c2w.shape[-2:] != (4, 4) or not c2w.is_floating_point():
            raise InputError(f"c2w must be floating-point [..., V, F, 4, 4], got {c2w.dtype} {tuple(c2w.shape)}")
        if K.shape != (*c2w.shape[:-2], 3, 3):
            raise InputError(f"K must be [..., V, F, 3, 3] for c2w of shape {tuple(c2w.shape)}, got {tuple(K.shape)}")
        if c2w.shape[-4] == 0 or c2w.shape[-3] == 0:
            raise InputError(f"a rig needs at least one view and one frame, got shape {tuple(c2w.shape)}")
        if len(self.hw) != 2 or any(int(size) != size or size < 1 for size in self.hw):
            raise InputError(f"hw must be (height, width) in whole pixels, got {self.hw}")
        object.__setattr__(self, "hw", (int(self.hw[0]), int(self.hw[1])))
        for bad, complaint in rigid_faults(c2w, "c2w"):
            self._refuse(bad, complaint)
        lens = K.detach().double()
        self._refuse(~torch.isfinite(lens).all(-1).all(-1), "K has NaN or infinite numbers")
        self._refuse((lens[..., 0, 0] <= 0) | (lens[..., 1, 1] <= 0), "K has a focal length that is not positive")
        bottom = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64, device=lens.device)
        self._refuse((lens[..., 2, :] != bottom).any(-1), "the last row of K is not 0 0 1")
        for name in ("aperture", "focus_distance"):
            numbers = getattr(self, name)
            if numbers is None:
                continue
            if numbers.shape != c2w.shape[:-2] or not numbers.is_floating_point():
                raise InputError(
                    f"{name} must be floating-point [..., V, F] for c2w of shape {tuple(c2w.shape)}, "
                    f"got {numbers.dtype} {tuple(numbers.shape)}"
                )
            self._refuse(~(torch.isfinite(numbers) & (numbers > 0)), f"{name} has a number that is not positive")

    def _refuse(self, bad: Tensor, complaint: str) -> None:
        if bad.any():
            *scene, view, frame = bad.nonzero()[0].tolist()
            raise CameraError(complaint, view, frame, tuple(scene))

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading dims, () for one scene."""
        return tuple(self.c2w.shape[:-4])

    @property
    def num_views(self) -> int:
        """Number of cameras V."""
        return self.c2w.shape[-4]

    @property
    def num_frames(self) -> int:
        """Number of frames F; 1 for a rig whose length is not fixed yet."""
        return self.c2w.shape[-3]

    @property
    def positions(self) -> Float[Tensor, "*batch V F 3"]:
        """The camera centres in the world, metres."""
        return self.c2w[..., :3, 3]

    @property
    def is_static(self) -> bool:
        """True if no camera moves, turns, zooms or changes its focus or aperture."""
        dim = self.c2w.ndim - 3
        return all(torch.equal(x, x.narrow(dim, 0, 1).expand_as(x)) for x in self._tensors().values())

    @property
    def w2c(self) -> Float[Tensor, "*batch V F 4 4"]:
        """World to camera coordinates: the exact inverse of the rigid c2w."""
        return invert_rigid(self.c2w)

    def view(self, index: int | slice | Sequence[int]) -> "Cameras":
        """The chosen views, in the given order; an int keeps V as a dim of size 1."""
        return self._take(index, "view", self.c2w.ndim - 4)

    def frames(self, index: int | slice | Sequence[int]) -> "Cameras":
        """The chosen frames, in the given order; an int keeps F as a dim of size 1."""
        return self._take(index, "frame", self.c2w.ndim - 3)

    def _take(self, index: int | slice | Sequence[int], kind: str, dim: int) -> "Cameras":
        size = self.c2w.shape[dim]
        if isinstance(index, slice):
            chosen = list(range(size))[index]
        else:
            chosen = [index] if isinstance(index, int) else list(index)
        if not all(-size <= i < size for i in chosen):
            raise InputError(f"{kind} index must lie in 0..{size - 1}, got {chosen}")
        picked = torch.tensor([i % size for i in chosen], device=self.c2w.device, dtype=torch.long)
        return self._map(lambda tensor: tensor.index_select(dim, picked))

    def _tensors(self) -> dict[str, Tensor]:
        """The tensors that there are; each starts with the dims [*batch, V, F]."""
        tensors = {name: getattr(self, name) for name in ("c2w", "K", "aperture", "focus_distance")}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Cameras":
        return replace(self, **{name: change(tensor) for name, tensor in self._tensors().items()})

    def repeat_frames(self, num_frames: int) -> "Cameras":
        """A rig of one frame held still for `num_frames`; a rig of that length is returned as it is."""
        if self.num_frames == num_frames:
            return self
        if self.num_frames != 1:
            raise InputError(f"cameras have {self.num_frames} frames but the video has {num_frames}; give 1 or as many")
        dim = self.c2w.ndim - 3
        return self._map(lambda tensor: tensor.expand(*tensor.shape[:dim], num_frames, *tensor.shape[dim + 1 :]))

    def relative_to(self, view: int | None = 0, frame: int | None = None) -> Float[Tensor, "*batch V F 4 4"]:
        """c2w seen from that view: w2c of the view times c2w, at the same frame, or at `frame` where one is given.

        View None takes each view itself: with frame 0, every trajectory starts at the identity.
        """
        return relative_c2w(self.c2w, view, frame)

    def relative(self, view: int | None = 0, frame: int | None = None) -> "Cameras":
        """The same cameras with the poses of `relative_to`: the world is the camera of that view."""
        return replace(self, c2w=self.relative_to(view, frame).to(self.c2w.dtype))

    def transformed(self, world: Float[Tensor, "... 4 4"], scale: float | Float[Tensor, "..."] = 1.0) -> "Cameras":
        """The rig moved as one: points p of the old world lie at world @ (scale p) in the new one.

        `world` is rigid, [4, 4] or one per scene [*batch, 4, 4]; `scale` a positive number or one per scene [*batch].
        Pixels stay, depths and focus distances grow by `scale`.
        """
        if world.shape[:-2] not in (torch.Size(), self.c2w.shape[:-4]):
            raise InputError(f"world must be [4, 4] or {[*self.batch_shape, 4, 4]}, got {list(world.shape)}")
        for bad, complaint in rigid_faults(world, "world"):
            if bad.any():
                raise InputError(f"transformed: {complaint}")
        c2w = upcast(self.c2w)
        factor = torch.as_tensor(scale, dtype=c2w.dtype, device=c2w.device)
        positive = bool((torch.isfinite(factor) & (factor > 0)).all())
        if factor.shape not in (torch.Size(), c2w.shape[:-4]) or not positive:
            expected = f"a positive number, or one per scene {list(self.batch_shape)}"
            raise InputError(f"scale must be {expected}, got {factor.tolist()}")
        factor = factor[..., None, None]  # [*batch, V, F]
        scaled = rigid(c2w[..., :3, :3], c2w[..., :3, 3] * factor[..., None])
        moved = compose_rigid(world[..., None, None, :, :].to(c2w), scaled).to(self.c2w.dtype)
        focus = self.focus_distance
        return replace(self, c2w=moved, focus_distance=None if focus is None else (focus * factor).to(focus.dtype))

    def project(
        self, points: Float[Tensor, "... N 3"]
    ) -> tuple[Float[Tensor, "*batch V F N 2"], Float[Tensor, "*batch V F N"]]:
        """Pixels (x, y) and depth along the camera's z, in metres, of world points [N, 3] or [*batch, N, 3].

        Points behind a camera have negative depth; their pixels mean nothing.
        """
        w2c, K = self.w2c, self.K
        points = points.to(w2c)[..., None, None, :, :]
        local = points @ w2c[..., :3, :3].mT + w2c[..., None, :3, 3]
        homogeneous = local @ K.to(local).mT
        return homogeneous[..., :2] / homogeneous[..., 2:], local[..., 2]

    def unproject(
        self, uv: Float[Tensor, "*batch V F N 2"], depth: Float[Tensor, "*batch V F N"]
    ) -> Float[Tensor, "*batch V F N 3"]:
        """World points of pixels (x, y) at the given depth along the camera's z: the inverse of `project`."""
        c2w = upcast(self.c2w)
        rays = F.pad(uv.to(c2w), (0, 1), value=1.0) @ torch.linalg.inv(self.K.to(c2w)).mT
        local = rays * depth.to(c2w)[..., None]
        return local @ c2w[..., :3, :3].mT + c2w[..., None, :3, 3]

    def resized(self, hw: tuple[int, int]) -> "Cameras":
        """The same cameras for pictures scaled to `hw`: K is scaled along each axis."""
        K = upcast(self.K)
        scale = torch.tensor([hw[1] / self.hw[1], hw[0] / self.hw[0], 1.0], dtype=K.dtype, device=K.device)
        return replace(self, K=(K * scale[:, None]).to(self.K.dtype), hw=hw)

    def crop(self, top: int, left: int, hw: tuple[int, int]) -> "Cameras":
        """The same cameras for the part of their pictures of size `hw` that starts `top` and `left` pixels in."""
        if not (0 <= top <= self.hw[0] - hw[0] and 0 <= left <= self.hw[1] - hw[1]):
            raise InputError(
                f"a crop of {hw[0]}x{hw[1]} pixels at top {top}, left {left} leaves the picture of "
                f"{self.hw[0]}x{self.hw[1]} (height x width)"
            )
        K = upcast(self.K)
        corner = torch.tensor([[0, 0, left], [0, 0, top], [0, 0, 0]], dtype=K.dtype, device=K.device)
        return replace(self, K=(K - corner).to(self.K.dtype), hw=hw)

    def center_crop(self, hw: tuple[int, int]) -> "Cameras":
        """The same cameras for the middle part of their pictures; of an odd margin the smaller half is above, left."""
        return self.crop((self.hw[0] - hw[0]) // 2, (self.hw[1] - hw[1]) // 2, hw)

    def to(self, *args: Any, **kwargs: Any) -> "Cameras":
        """Moves or casts all tensors, with the arguments of torch.Tensor.to."""
        return self._map(lambda tensor: tensor.to(*args, **kwargs))
