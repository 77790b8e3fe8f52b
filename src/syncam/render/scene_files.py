"""One rendered scene on disk: the clip, its labels, pairs of near views, and a record with checksums."""

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from syncam import __version__
from syncam.cameras.cameras import Cameras
from syncam.cameras.spherical import common_target, to_spherical
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import scene_in_making
from syncam.data.labels import write_labels
from syncam.data.manifest import RECORD, file_sum, file_sums
from syncam.data.scene import read_caption
from syncam.errors import InputError
from syncam.files import write_json
from syncam.render.config import RenderConfig, scene_folder
from syncam.render.labels import pair_visibility

__all__ = ["drawn_for", "labels_to_store", "near_pairs", "scene_record", "write_scene"]

PAIRS = "2view_az30_el15_available_list.npy"
"""What SynCamMaster's trainer calls the pairs of views that it may train on together."""
PAIR_AZIMUTH_DEG, PAIR_ELEVATION_DEG = 30.0, 15.0


def drawn_for(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that an engine has to make for these: visibility follows from depth and instances."""
    more = ("depth", "instances") if "visibility" in labels else ()
    return tuple(dict.fromkeys([label for label in (*labels, *more) if label != "visibility"]))


def labels_to_store(
    rendering: Any, labels: Sequence[str], c2w: np.ndarray, K: np.ndarray, num_characters: int
) -> dict[str, np.ndarray]:
    """Kind -> array of a Rendering, of the labels asked for; flow is two kinds, and joints too.

    Visibility is [F, num_characters, V, V], also where the last ones are never seen.
    """
    kinds = {"flow": ("flow_forward", "flow_backward"), "joints": ("joints", "joints_world"), "visibility": ()}
    stored = {kind: getattr(rendering, kind) for label in labels for kind in kinds.get(label, (label,))}
    if "visibility" in labels:
        share = pair_visibility(rendering.depth, rendering.instances, c2w, K).astype(np.float32)
        unseen = max(0, num_characters - share.shape[1])
        stored["visibility"] = np.pad(share, ((0, 0), (0, unseen), (0, 0), (0, 0)), constant_values=np.nan)
    return stored


def write_scene(
    config: RenderConfig,
    index: int,
    clip: MultiViewClip,
    made_by: Mapping[str, Any],
    labels: Mapping[str, np.ndarray],
    *,
    attempt: int = 0,
) -> None:
    """Writes scene number `index`, whole or not at all; `attempt` counts the seeds that it was not rendered with."""
    made_by = {**made_by, "attempt": attempt, "syncam": __version__}
    with scene_in_making(scene_folder(config, index), clip, scene=made_by, crf=config.crf) as folder:
        names = sorted(path.stem for path in (folder / "videos").iterdir())
        write_labels(folder, names, labels, clip.fps)
        if clip.cameras is not None:
            np.save(folder / PAIRS, near_pairs(clip.cameras))
        write_json(folder / RECORD, _record(folder, made_by, clip.caption))


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
