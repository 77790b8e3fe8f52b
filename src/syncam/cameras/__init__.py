"""Cameras: values, builders, encodings and files. Depends on torch only."""

from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import latent_frame_indices, relative_pose_12d
from syncam.cameras.formats import (
    FORMATS,
    Format,
    NamedCameras,
    detect_format,
    load_rig,
    read_camera_file,
    read_cameras,
    read_extrinsics_json,
    read_named_cameras,
    save_rig,
    write_cameras,
    write_extrinsics_json,
)
from syncam.cameras.rig import DEFAULT_RIG, RIG_WORDS, describe, parse_rig
from syncam.cameras.trajectories import arc, hemisphere, look_at, orbit

__all__ = [
    "DEFAULT_RIG",
    "FORMATS",
    "RIG_WORDS",
    "Cameras",
    "Format",
    "NamedCameras",
    "arc",
    "describe",
    "detect_format",
    "hemisphere",
    "latent_frame_indices",
    "load_rig",
    "look_at",
    "orbit",
    "parse_rig",
    "read_camera_file",
    "read_cameras",
    "read_extrinsics_json",
    "read_named_cameras",
    "relative_pose_12d",
    "save_rig",
    "write_cameras",
    "write_extrinsics_json",
]
