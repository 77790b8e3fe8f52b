"""Trajectories from files of their own, joined to one rig whose cameras all start at the same place."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import FORMATS, NamedCameras, detect_format, read_named_cameras
from syncam.cameras.formats.named import default_names
from syncam.cameras.layouts import still
from syncam.data.transforms import fit_cameras
from syncam.errors import InputError

__all__ = ["join_trajectories"]


def join_trajectories(
    paths: Sequence[Path],
    *,
    hw: tuple[int, int],
    source_hw: tuple[int, int] | None = None,
    num_frames: int | None = None,
    focal_mm: float | None = None,
) -> NamedCameras:
    """All cameras of all files, each seen from its own first frame, which is that of the rig `still`.

    Lenses are those of pictures of `source_hw` (None: of the size that the file says), whose largest middle part of the
    proportions of `hw` is scaled to `hw`. `num_frames` takes the first frames; None takes all. Lengths stay those of
    the files: trajectories of RealEstate10K have no known unit. Views keep their names, or are named after
    their files, or cam01, ... where that names two alike.
    """
    if not paths:
        raise InputError("give the files of at least one trajectory")
    for path in paths:
        if source_hw is None and path.exists() and "size" not in FORMATS[detect_format(path)].keeps:
            raise InputError(
                f"{path} does not say how large its pictures are; give their size (source_hw, --source-size)"
            )
    views = [read_named_cameras(path, hw=source_hw, focal_mm=focal_mm) for path in paths]
    names: list[str] = []
    parts: list[Cameras] = []
    for path, named in zip(paths, views, strict=True):
        length = named.cameras.num_frames if num_frames is None else num_frames
        if named.cameras.num_frames < length:
            raise InputError(f"{path} has {named.cameras.num_frames} frames, expected {length} or more")
        parts.append(fit_cameras(named.cameras.frames(slice(length)), hw).to(torch.float64))
        if parts[-1].num_frames != parts[0].num_frames:
            raise InputError(
                f"{path} has {length} frames, but {paths[0]} has {parts[0].num_frames}; say how many of the first ones "
                "to take"
            )
        names += named.names if named.cameras.num_views > 1 else (path.stem,)
    if len(set(names)) < len(names):
        names = list(default_names(len(names)))
    c2w, K = (torch.cat([getattr(part.relative(view=None, frame=0), name) for part in parts]) for name in ("c2w", "K"))
    joined = replace(parts[0], c2w=c2w, K=K, aperture=None, focus_distance=None)
    return NamedCameras(tuple(names), joined.transformed(still(num_frames=1, hw=hw).c2w[0, 0].double()))
