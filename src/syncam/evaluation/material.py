"""One clip under evaluation: its pixels, keypoints, matches and estimated cameras, each computed once, when needed."""

import hashlib
import itertools
from functools import cached_property
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.epipolar import pairwise_epipolar_geometry
from syncam.cameras.rigid import compose_rigid
from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.cache import Cache, content_hash
from syncam.evaluation.estimation import RelativePose, Trajectory, estimate_relative_pose, estimate_trajectory
from syncam.evaluation.matching import DETECTOR, Keypoints, Matches, find_keypoints, geometric_inliers, match
from syncam.evaluation.networks import NetworkPaths, Networks
from syncam.evaluation.outcome import NotMeasurable
from syncam.evaluation.timing import likeness_by_shift
from syncam.evaluation.vbench import VbenchScores

__all__ = ["Material"]

T = TypeVar("T")
SAME_PX = 2.0
"""Matches of two moments this near to each other are one point that does not move."""


class Material:
    """What metrics are computed from.

    Views are decoded when a metric wants pixels, and not where the cache knows what is made of them. `num_moments`
    frames, evenly spread from the first to the last, are matched between views. `reference` is the same clip of the
    truth, where there is one.
    """

    def __init__(
        self,
        scene: Scene,
        cache: Cache,
        networks: Networks | None = None,
        *,
        num_moments: int = 8,
        threshold_px: float = 1.0,
        known_lens: bool = True,
        confidence: float = 0.5,
        reference: Scene | None = None,
        vbench: VbenchScores | None = None,
    ) -> None:
        self.scene, self.cache, self.networks = scene, cache, networks or Networks(NetworkPaths())
        self.threshold_px, self.known_lens, self.reference = threshold_px, known_lens, reference
        self.confidence, self.vbench = confidence, vbench or {}
        count = min(num_moments, scene.num_frames)
        self.moments: list[int] = torch.linspace(0, scene.num_frames - 1, count).round().int().tolist()
        self._keypoints: dict[int, dict[int, Keypoints]] = {}
        self._matches: dict[tuple[int, int, int], Matches] = {}
        self._inliers: dict[tuple[int, int, int], Tensor] = {}
        self._poses: dict[tuple[int, int, int | None], RelativePose | NotMeasurable] = {}
        self._likeness: dict[tuple[int, int], dict[int, float] | NotMeasurable] = {}
        self._trajectories: dict[int, Trajectory | NotMeasurable] = {}

    @cached_property
    def hashes(self) -> list[str]:
        """The content of every view's file."""
        return [content_hash(footage) for footage in self.scene.footage]

    @cached_property
    def content(self) -> str:
        """The content of all videos, the cameras, the caption and the masks."""
        digest = hashlib.sha256(" ".join([*self.hashes, self.scene.caption]).encode())
        if self.scene.cameras is not None:
            for tensor in (self.scene.cameras.c2w, self.scene.cameras.K):
                digest.update(tensor.double().numpy().tobytes())
        if self.masks is not None:
            digest.update(self.masks.numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def video(self) -> Float[Tensor, "V F C H W"]:
        """All pixels."""
        return self.scene.read().video

    @cached_property
    def masks(self) -> Bool[Tensor, "V F H W"] | None:
        """Where the subjects are, if the scene says so."""
        masks = [self.scene.read_masks(view) for view in range(self.scene.num_views)]
        found = [mask for mask in masks if mask is not None]
        expected = (self.scene.num_frames, *self.scene.hw)
        for name, mask in zip(self.scene.names, found, strict=False):
            if tuple(mask.shape) != expected:
                raise InputError(f"the mask of {name} in {self.scene.path} is {tuple(mask.shape)}, not {expected}")
        return torch.stack(found) if len(found) == len(masks) else None

    @cached_property
    def cameras(self) -> Cameras:
        """The requested cameras; NotMeasurable where there are none."""
        if self.scene.cameras is None:
            raise NotMeasurable("no cameras; expected cameras.json beside the videos")
        return self.scene.cameras.to("cpu", torch.float64)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of views; NotMeasurable of one view alone."""
        if self.scene.num_views < 2:
            raise NotMeasurable("one view alone; expected two or more")
        return list(itertools.combinations(range(self.scene.num_views), 2))

    def features(self, network: str) -> Float[Tensor, "V F D"]:
        """Of every frame by CLIP or Inception; [V, 1, D] of every view's whole video by I3D."""
        loaded = getattr(self.networks, network)
        found = []
        for view, content in enumerate(self.hashes):
            key = {"content": content, "network": loaded.sha256, "resize": loaded.resize}
            stored = self.cache.tensors(key)
            if stored is None:
                pixels = self.video[view]
                stored = {"features": loaded.videos(pixels[None]) if network == "i3d" else loaded.frames(pixels)}
                self.cache.store(key, stored)
            found.append(stored["features"])
        return torch.stack(found)

    def keypoints(self, view: int, frame: int) -> Keypoints:
        """Of one of the moments; all moments of the view are looked at together and kept in the cache."""
        if view not in self._keypoints:
            key = {"content": self.hashes[view], "what": DETECTOR, "frames": self.moments}
            stored = self.cache.tensors(key)
            if stored is None:
                found = {moment: find_keypoints(self.video[view, moment]) for moment in self.moments}
                stored = {f"{moment}.uv": points.uv for moment, points in found.items()}
                stored |= {f"{moment}.descriptors": points.descriptors.half() for moment, points in found.items()}
                self.cache.store(key, stored)
            self._keypoints[view] = {
                moment: Keypoints(stored[f"{moment}.uv"], stored[f"{moment}.descriptors"].float())
                for moment in self.moments
            }
        return self._keypoints[view][frame]

    def matches(self, first: int, second: int, frame: int) -> Matches:
        """Between two views at one of the moments."""
        key = (first, second, frame)
        if key not in self._matches:
            self._matches[key] = match(self.keypoints(first, frame), self.keypoints(second, frame))
        return self._matches[key]

    def confidences(self, first: int, second: int, frame: int) -> Float[Tensor, "M"]:
        """How sure the matcher is of each of its matches between two views at one of the moments."""
        network = self.networks.matcher
        key = {"content": f"{self.hashes[first]} {self.hashes[second]}", "frame": frame}
        key |= {"network": network.sha256, "resize": network.resize}
        stored = self.cache.tensors(key)
        if stored is None:
            stored = {"confidences": network.confidences(self.video[first, frame], self.video[second, frame])}
            self.cache.store(key, stored)
        return stored["confidences"]

    def inliers(self, first: int, second: int, frame: int) -> Bool[Tensor, "M"]:
        """Which of these matches one geometry, whichever, agrees with."""
        key = (first, second, frame)
        if key not in self._inliers:
            self._inliers[key] = geometric_inliers(self.matches(*key), self.threshold_px)
        return self._inliers[key]

    def requested_pose(self, first: int, second: int, frame: int) -> Float[Tensor, "4 4"]:
        """w2c of the second camera times c2w of the first."""
        return compose_rigid(self.cameras.w2c[second, frame], self.cameras.c2w[first, frame])

    def relative_pose(self, first: int, second: int, frame: int | None) -> RelativePose:
        """Estimated from the matches of one moment, or, of a rig that stands still, of all moments together (None).

        Matches on what the masks cover are left out: a subject that the two views show in different poses says
        nothing about their cameras.
        """
        key = (first, second, frame)
        if key not in self._poses:
            try:
                self._poses[key] = self._estimate(first, second, frame)
            except NotMeasurable as err:
                self._poses[key] = err
        return _known(self._poses[key])

    def _estimate(self, first: int, second: int, frame: int | None) -> RelativePose:
        if frame is None and not self.cameras.is_static:
            raise NotMeasurable("the cameras move")
        matches = [self._still_matches(first, second, one) for one in (self.moments if frame is None else [frame])]
        pooled = Matches(torch.cat([one.first for one in matches]), torch.cat([one.second for one in matches]))
        pooled = _distinct(pooled) if frame is None else pooled
        K = self.cameras.K[:, frame or 0]
        return estimate_relative_pose(pooled, K[first], K[second], self.threshold_px)

    def _still_matches(self, first: int, second: int, frame: int) -> Matches:
        found = self.matches(first, second, frame)
        if self.masks is None:
            return found
        ends = ((first, found.first), (second, found.second))
        moves = [self.masks[view, frame][_pixels(uv, self.scene.hw)] for view, uv in ends]
        return found.at(~(moves[0] | moves[1]))

    @cached_property
    def fundamental(self) -> Float[Tensor, "V V F 3 3"]:
        """Of the requested cameras, from first to second view."""
        return pairwise_epipolar_geometry(self.cameras).fundamental

    def likeness(self, first: int, second: int) -> dict[int, float]:
        """How alike the motion of two views is, by the shift of the second in frames."""
        key = (first, second)
        if key not in self._likeness:
            try:
                chosen = [first, second]
                self._likeness[key] = likeness_by_shift(self.video[chosen], self.cameras.view(chosen))
            except NotMeasurable as err:
                self._likeness[key] = err
        return _known(self._likeness[key])

    def trajectory(self, view: int) -> Trajectory:
        """The estimated path of one camera; what the masks cover is left out."""
        if view not in self._trajectories:
            try:
                self._trajectories[view] = self._map(view)
            except NotMeasurable as err:
                self._trajectories[view] = err
        return _known(self._trajectories[view])

    def _map(self, view: int) -> Trajectory:
        cameras = self.cameras.view(view)
        if cameras.is_static:
            raise NotMeasurable("the camera stands still")
        K = cameras.K[0]
        if self.known_lens and float((K - K[:1]).abs().max()) > 1e-6:
            raise NotMeasurable("the lens zooms; the estimator takes one lens")
        still = None if self.masks is None else ~self.masks[view]
        return estimate_trajectory(self.video[view], K[0] if self.known_lens else None, still)


def _known(found: T | NotMeasurable) -> T:
    """What was found; otherwise the reason why nothing was, raised again."""
    if isinstance(found, NotMeasurable):
        raise found
    return found


def _pixels(uv: Float[Tensor, "N 2"], hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Rows and columns of the pixels that points lie in."""
    return uv[:, 1].long().clamp(0, hw[0] - 1), uv[:, 0].long().clamp(0, hw[1] - 1)


def _distinct(matches: Matches) -> Matches:
    """One of those that lie on the same pixels of both pictures, as of what does not move."""
    if not len(matches):
        return matches
    places = torch.cat([matches.first, matches.second], dim=1).div(SAME_PX).round().int()
    _, group = torch.unique(places, dim=0, return_inverse=True)
    numbers = torch.arange(len(group))
    chosen = torch.full((int(group.max()) + 1,), len(group)).scatter_reduce(0, group, numbers, "amin")
    return Matches(matches.first[chosen], matches.second[chosen])
