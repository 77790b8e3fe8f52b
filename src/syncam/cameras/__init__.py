"""Cameras: values, builders, encodings and files. Depends on torch only."""

from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import latent_frame_indices, relative_pose_12d
from syncam.cameras.formats import load_rig, read_extrinsics_json, save_rig, write_extrinsics_json
from syncam.cameras.rig import DEFAULT_RIG, RIG_WORDS, describe, parse_rig
from syncam.cameras.trajectories import arc, hemisphere, look_at, orbit

__all__ = [
    "DEFAULT_RIG",
    "RIG_WORDS",
    "Cameras",
    "arc",
    "describe",
    "hemisphere",
    "latent_frame_indices",
    "load_rig",
    "look_at",
    "orbit",
    "parse_rig",
    "read_extrinsics_json",
    "relative_pose_12d",
    "save_rig",
    "write_extrinsics_json",
]
