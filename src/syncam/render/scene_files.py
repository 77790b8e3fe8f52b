"""One rendered scene on disk: videos, labels, pairs of near views, and a record with checksums."""

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from itertools import groupby, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from syncam import __version__
from syncam.cameras.cameras import Cameras
from syncam.cameras.spherical import common_target, to_spherical
from syncam.data.dataset import scene_in_making, write_mask
from syncam.data.labels import PIXELS, label_writer, write_arrays
from syncam.data.manifest import RECORD, file_sum, file_sums
from syncam.data.scene import read_caption
from syncam.data.video import video_writer
from syncam.errors import InputError
from syncam.files import write_json
from syncam.render.clip import Take
from syncam.render.config import RenderConfig, scene_folder
from syncam.render.labels import characters_seen, joints_in_pictures, shares_seen
from syncam.render.rendering import Picture

__all__ = ["near_pairs", "scene_record", "write_scene"]

PAIRS = "2view_az30_el15_available_list.npy"
"""What SynCamMaster's trainer calls the pairs of views that it may train on together."""
PAIR_AZIMUTH_DEG, PAIR_ELEVATION_DEG = 30.0, 15.0
_KINDS = {"flow": ("flow_forward", "flow_backward")}
"""Label -> the kinds of files that it is; the others are one of their own name."""


def write_scene(config: RenderConfig, index: int, take: Take, pictures: Iterable[Picture], *, attempt: int = 0) -> None:
    """Writes scene number `index`, whole or not at all, in the memory of one view: `pictures` are those of `filmed`.

    `attempt` counts the seeds that it was not rendered with.
    """
    cameras, made_by = take.cameras, {**take.described(), "attempt": attempt, "syncam": __version__}
    target = scene_folder(config, index)
    with scene_in_making(target, cameras, take.scene.caption, config.fps, scene=made_by) as folder:
        with TemporaryDirectory(dir=folder, prefix=".") as seen:
            for view, its_pictures in groupby(pictures, key=lambda picture: picture.view):
                _write_view(config, folder, f"cam{view + 1:02d}", its_pictures, Path(seen))
            write_arrays(folder, _arrays(config, take, Path(seen)))
        np.save(folder / PAIRS, near_pairs(cameras))
        write_json(folder / RECORD, _record(folder, made_by, take.scene.caption))


def _write_view(config: RenderConfig, folder: Path, name: str, pictures: Iterable[Picture], seen: Path) -> None:
    """Video, mask and labels of one view; what visibility needs of it goes to the folder `seen`."""
    kinds = [kind for label in config.labels for kind in _KINDS.get(label, (label,)) if kind in PIXELS]
    masks = []
    with ExitStack() as files:
        video = files.enter_context(video_writer(folder / "videos" / f"{name}.mp4", config.fps, config.crf))
        writers = {kind: files.enter_context(label_writer(folder, name, kind, config.fps)) for kind in kinds}
        for picture in pictures:
            video(torch.from_numpy(picture.rgb).permute(2, 0, 1)[None])
            for kind, write in writers.items():
                write(getattr(picture, kind))
            if config.masks:
                masks.append(picture.instances > 0)
            if "visibility" in config.labels:
                assert picture.depth is not None, "drawn_for"
                np.save(seen / f"{name}-{picture.frame}.npy", characters_seen(picture.depth, picture.instances))
    if masks:
        (folder / "masks").mkdir(exist_ok=True)
        write_mask(folder / "masks" / f"{name}.npz", torch.from_numpy(np.stack(masks)))


def _arrays(config: RenderConfig, take: Take, seen: Path) -> dict[str, np.ndarray]:
    """The labels that are arrays of the whole scene. Visibility is [F, num_characters, V, V], also where the last ones
    are never seen."""
    c2w, K = take.cameras.c2w.numpy(), take.cameras.K.numpy()
    found = {}
    if "joints" in config.labels:
        found |= joints_in_pictures(take.scene, c2w.astype(float), K.astype(float), np.array(config.times_s))
    if "visibility" in config.labels:
        shares = []
        for frame in range(config.num_frames):
            views = [np.load(seen / f"cam{view + 1:02d}-{frame}.npy") for view in range(len(c2w))]
            shares.append(shares_seen(views, c2w[:, frame], K[:, frame], config.hw, take.own.num_characters))
        found["visibility"] = np.stack(shares).astype(np.float32)
    return found


def scene_record(folder: Path) -> dict[str, Any]:
    """What the manifest says of a scene: seed, attempt, caption, version of syncam, assets, files.

    It is written with the scene. Of scenes of older versions it is made now, which reads all of their files. The
    caption is that of today: it may have been written anew.
    """
    try:
        if not (folder / RECORD).is_file():
            made_by = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
            write_json(folder / RECORD, _record(folder, made_by, read_caption(folder / "caption.txt")))
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        caption = read_caption(folder / "caption.txt")
        if caption and caption != record["caption"]:
            record["caption"] = caption
            record["files"]["caption.txt"] = file_sum(folder / "caption.txt")
    except (ValueError, TypeError, KeyError) as err:
        raise InputError(
            f"{folder / RECORD} or scene.json is damaged ({err}); remove the folder to render it again"
        ) from err
    return record


def _record(folder: Path, made_by: Mapping[str, Any], caption: str) -> dict[str, Any]:
    return {
        "seed": made_by.get("seed", made_by["scene"]["seed"]),
        "attempt": made_by.get("attempt", 0),
        "caption": caption.strip(),
        "syncam": made_by.get("syncam"),
        "assets": _assets(made_by.get("assets")),
        "files": file_sums(folder),
    }


def _assets(used: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The assets of others that a scene shows, each once."""
    shown = [] if used is None else [*used["placed"], *([used["environment"]] if used["environment"] else [])]
    told = ({key: one[key] for key in ("name", "words", "licence", "file")} for one in shown)
    return list({tuple(one.values()): one for one in told}.values())


def near_pairs(cameras: Cameras) -> Int64[np.ndarray, "N 2"]:
    """Pairs of different views that stand less than 30 degrees of azimuth and 15 of elevation apart in the first frame.

    Numbers of views count from 1; both orders are there. Angles are about the point that all cameras look at.
    """
    c2w = cameras.c2w[:, 0].double()  # [V, 4, 4]
    azimuth_deg, elevation_deg, _ = to_spherical(c2w, common_target(c2w)[0])
    found = []
    for i, j in permutations(range(cameras.num_views), 2):
        turn_deg = abs(float(azimuth_deg[i] - azimuth_deg[j] + 180) % 360 - 180)
        if turn_deg < PAIR_AZIMUTH_DEG and abs(float(elevation_deg[i] - elevation_deg[j])) < PAIR_ELEVATION_DEG:
            found.append((i + 1, j + 1))
    return np.array(found, dtype=np.int64).reshape(-1, 2)
