"""Cameras: values, geometry, builders, encodings and files. Depends on torch only."""

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
from syncam.cameras.formats import load_rig, read_extrinsics_json, save_rig, write_extrinsics_json
from syncam.cameras.interpolate import at_times, interpolate_c2w, resample
from syncam.cameras.normalise import normalise_scale
from syncam.cameras.rays import camera_rays, pixel_centres, pluecker
from syncam.cameras.rig import DEFAULT_RIG, RIG_WORDS, describe, parse_rig
from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.cameras.spherical import common_target, from_spherical, to_spherical
from syncam.cameras.trajectories import arc, hemisphere, look_at, orbit

__all__ = [
    "DEFAULT_RIG",
    "RIG_WORDS",
    "Cameras",
    "EpipolarGeometry",
    "arc",
    "at_times",
    "camera_rays",
    "common_target",
    "compose_rigid",
    "describe",
    "epipolar_geometry",
    "epipolar_lines",
    "from_spherical",
    "hemisphere",
    "interpolate_c2w",
    "invert_rigid",
    "latent_frame_indices",
    "line_distance",
    "load_rig",
    "look_at",
    "normalise_scale",
    "orbit",
    "pairwise_epipolar_geometry",
    "parse_rig",
    "pixel_centres",
    "pluecker",
    "read_extrinsics_json",
    "relative_pose_12d",
    "resample",
    "sampson_distance",
    "save_rig",
    "symmetric_epipolar_distance",
    "to_spherical",
    "write_extrinsics_json",
]
