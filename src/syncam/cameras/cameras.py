"""Cameras: the views and frames of one or many scenes as an immutable value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["CameraError", "Cameras"]

ROTATION_TOLERANCE = 1e-3


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
    files or made by builders are float64; networks take what `encodings` makes of them.

    Example:
        >>> cameras = hemisphere(views=4, radius=5.0, elevation_deg=15.0, span_deg=90.0, num_frames=17, hw=(128, 128))
        >>> cameras.view([0, 2]).relative_to(view=0).shape
        torch.Size([2, 17, 4, 4])
    """

    c2w: Float[Tensor, "*batch V F 4 4"]
    K: Float[Tensor, "*batch V F 3 3"]
    hw: tuple[int, int]

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
        exact = c2w.detach().double()
        rotation = exact[..., :3, :3]
        bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64, device=c2w.device)
        gram = rotation.mT @ rotation - torch.eye(3, dtype=torch.float64, device=c2w.device)
        tolerance = max(ROTATION_TOLERANCE, 16 * torch.finfo(c2w.dtype).eps)
        self._refuse(~torch.isfinite(exact).all(-1).all(-1), "c2w has NaN or infinite numbers")
        self._refuse(((exact[..., 3, :] - bottom).abs() > tolerance).any(-1), "the last row of c2w is not 0 0 0 1")
        self._refuse(gram.abs().amax((-2, -1)) > tolerance, "the rotation of c2w is not orthonormal")
        self._refuse(
            torch.linalg.det(rotation) < 0,
            "c2w is left-handed (its rotation has determinant -1; expected +1: mirror one axis of its convention)",
        )
        lens = K.detach().double()
        self._refuse(~torch.isfinite(lens).all(-1).all(-1), "K has NaN or infinite numbers")
        self._refuse((lens[..., 0, 0] <= 0) | (lens[..., 1, 1] <= 0), "K has a focal length that is not positive")
        self._refuse((lens[..., 2, :] != bottom[1:]).any(-1), "the last row of K is not 0 0 1")

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
        """True if no camera moves, turns or zooms."""
        return all(torch.equal(x, x[..., :1, :, :].expand_as(x)) for x in (self.c2w, self.K))

    @property
    def w2c(self) -> Float[Tensor, "*batch V F 4 4"]:
        """World to camera coordinates: the exact inverse of the rigid c2w."""
        return invert_rigid(self.c2w)

    def view(self, index: int | slice | Sequence[int]) -> "Cameras":
        """The chosen views, in the given order; an int keeps V as a dim of size 1."""
        return self._take(index, -4)

    def frames(self, index: int | slice | Sequence[int]) -> "Cameras":
        """The chosen frames, in the given order; an int keeps F as a dim of size 1."""
        return self._take(index, -3)

    def _take(self, index: int | slice | Sequence[int], dim: int) -> "Cameras":
        size = self.c2w.shape[dim]
        if isinstance(index, slice):
            chosen = list(range(size))[index]
        else:
            chosen = [index] if isinstance(index, int) else list(index)
        if not all(-size <= i < size for i in chosen):
            kind = "view" if dim == -4 else "frame"
            raise InputError(f"{kind} index must lie in 0..{size - 1}, got {chosen}")
        picked = torch.tensor([i % size for i in chosen], device=self.c2w.device, dtype=torch.long)
        return Cameras(self.c2w.index_select(dim, picked), self.K.index_select(dim, picked), self.hw)

    def repeat_frames(self, num_frames: int) -> "Cameras":
        """A rig of one frame held still for `num_frames`; a rig of that length is returned as it is."""
        if self.num_frames == num_frames:
            return self
        if self.num_frames != 1:
            raise InputError(f"cameras have {self.num_frames} frames but the video has {num_frames}; give 1 or as many")
        shape = (*self.c2w.shape[:-3], num_frames)
        return Cameras(self.c2w.expand(*shape, 4, 4), self.K.expand(*shape, 3, 3), self.hw)

    def relative_to(self, view: int = 0, frame: int | None = None) -> Float[Tensor, "*batch V F 4 4"]:
        """c2w seen from that view: w2c of the view times c2w, at the same frame, or at `frame` where one is given."""
        return relative_c2w(self.c2w, view, frame)

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
        uv = uv.to(self.c2w)
        rays = F.pad(uv, (0, 1), value=1.0) @ torch.linalg.inv(self.K.to(uv)).mT
        local = rays * depth.to(uv)[..., None]
        return local @ self.c2w[..., :3, :3].mT + self.c2w[..., None, :3, 3]

    def resized(self, hw: tuple[int, int]) -> "Cameras":
        """The same cameras for pictures scaled to `hw`: K is scaled along each axis."""
        scale = torch.tensor([hw[1] / self.hw[1], hw[0] / self.hw[0], 1.0], dtype=self.K.dtype, device=self.K.device)
        return Cameras(self.c2w, self.K * scale[:, None], hw)

    def to(self, *args: Any, **kwargs: Any) -> "Cameras":
        """Moves or casts both tensors, with the arguments of torch.Tensor.to."""
        return Cameras(self.c2w.to(*args, **kwargs), self.K.to(*args, **kwargs), self.hw)


def relative_c2w(
    c2w: Float[Tensor, "*batch V F 4 4"], view: int = 0, frame: int | None = None
) -> Float[Tensor, "*batch V F 4 4"]:
    """c2w in the camera coordinates of `view`, at the same frame or at `frame` where one is given."""
    reference = c2w[..., view, :, :, :].unsqueeze(-4)
    if frame is not None:
        reference = reference[..., frame, :, :].unsqueeze(-3)
    return invert_rigid(reference) @ c2w


def invert_rigid(c2w: Float[Tensor, "... 4 4"]) -> Float[Tensor, "... 4 4"]:
    """The inverse of rigid transforms, without a general matrix inversion and its rounding."""
    rotation = c2w[..., :3, :3].mT
    top = torch.cat([rotation, -rotation @ c2w[..., :3, 3:]], dim=-1)
    return torch.cat([top, c2w[..., 3:, :]], dim=-2)
