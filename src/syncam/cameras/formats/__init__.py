"""Every camera format of the field, read and written: docs/camera-formats.md has the table."""

from syncam.cameras.formats.detect import detect_format
from syncam.cameras.formats.files import (
    read_camera_file,
    read_cameras,
    read_named_cameras,
    write_cameras,
    write_named_cameras,
)
from syncam.cameras.formats.format import Format
from syncam.cameras.formats.named import NamedCameras
from syncam.cameras.formats.rig_json import load_rig, save_rig
from syncam.cameras.formats.syncamvideo import read_extrinsics_json, write_extrinsics_json
from syncam.cameras.formats.table import FORMATS

__all__ = [
    "FORMATS",
    "Format",
    "NamedCameras",
    "detect_format",
    "load_rig",
    "read_camera_file",
    "read_cameras",
    "read_extrinsics_json",
    "read_named_cameras",
    "save_rig",
    "write_cameras",
    "write_extrinsics_json",
    "write_named_cameras",
]
