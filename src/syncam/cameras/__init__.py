"""Cameras: values, geometry, builders, moves, encodings and files. Depends on torch only."""

from syncam.cameras import moves
from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import latent_frame_indices, relative_pose_12d
from syncam.cameras.epipolar import (
    EpipolarGeometry,
    epipolar_geometry,
    epipolar_lines,
    line_distance,
    pairwise_epipolar_geometry,
    sampson_distance,
    symmetric_epipolar_distance,
)
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
    write_named_cameras,
)
from syncam.cameras.interpolate import at_times, interpolate_c2w, resample
from syncam.cameras.layouts import film, hemi36, linear, stereo, still
from syncam.cameras.normalise import normalise_scale
from syncam.cameras.presets import PRESETS, preset
from syncam.cameras.rays import camera_rays, pixel_centres, pluecker
from syncam.cameras.rig import DEFAULT_RIG, RIG_WORDS, describe, parse_rig
from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.cameras.samplers import sample_multicam, sample_syncam, sample_takes
from syncam.cameras.spherical import common_target, from_spherical, to_spherical
from syncam.cameras.spreads import spread_out
from syncam.cameras.trajectories import arc, hemisphere, look_at, orbit

__all__ = [
    "DEFAULT_RIG",
    "FORMATS",
    "PRESETS",
    "RIG_WORDS",
    "Cameras",
    "EpipolarGeometry",
    "Format",
    "NamedCameras",
    "arc",
    "at_times",
    "camera_rays",
    "common_target",
    "compose_rigid",
    "describe",
    "detect_format",
    "epipolar_geometry",
    "epipolar_lines",
    "film",
    "from_spherical",
    "hemi36",
    "hemisphere",
    "interpolate_c2w",
    "invert_rigid",
    "latent_frame_indices",
    "line_distance",
    "linear",
    "load_rig",
    "look_at",
    "moves",
    "normalise_scale",
    "orbit",
    "pairwise_epipolar_geometry",
    "parse_rig",
    "pixel_centres",
    "pluecker",
    "preset",
    "read_camera_file",
    "read_cameras",
    "read_extrinsics_json",
    "read_named_cameras",
    "relative_pose_12d",
    "resample",
    "sample_multicam",
    "sample_syncam",
    "sample_takes",
    "sampson_distance",
    "save_rig",
    "spread_out",
    "stereo",
    "still",
    "symmetric_epipolar_distance",
    "to_spherical",
    "write_cameras",
    "write_extrinsics_json",
    "write_named_cameras",
]
