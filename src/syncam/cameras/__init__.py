"""Cameras: values, builders, moves, encodings and files. Depends on torch only."""

from syncam.cameras import moves
from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import latent_frame_indices, relative_pose_12d
from syncam.cameras.formats import load_rig, read_extrinsics_json, save_rig, write_extrinsics_json
from syncam.cameras.layouts import film, hemi36, linear, stereo, still
from syncam.cameras.presets import PRESETS, preset
from syncam.cameras.rig import DEFAULT_RIG, RIG_WORDS, describe, parse_rig
from syncam.cameras.samplers import sample_multicam, sample_syncam
from syncam.cameras.spreads import spread_out
from syncam.cameras.trajectories import arc, hemisphere, look_at, orbit

__all__ = [
    "DEFAULT_RIG",
    "PRESETS",
    "RIG_WORDS",
    "Cameras",
    "arc",
    "describe",
    "film",
    "hemi36",
    "hemisphere",
    "latent_frame_indices",
    "linear",
    "load_rig",
    "look_at",
    "moves",
    "orbit",
    "parse_rig",
    "preset",
    "read_extrinsics_json",
    "relative_pose_12d",
    "sample_multicam",
    "sample_syncam",
    "save_rig",
    "spread_out",
    "stereo",
    "still",
    "write_extrinsics_json",
]
