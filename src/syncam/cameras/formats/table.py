"""The table of all camera formats."""

from syncam.cameras.formats.blender import read_blender, write_blender
from syncam.cameras.formats.colmap import read_colmap, write_colmap
from syncam.cameras.formats.csv_table import read_csv, write_csv
from syncam.cameras.formats.format import Format, Kept, Layout
from syncam.cameras.formats.gltf import read_gltf, write_gltf
from syncam.cameras.formats.nerfstudio import read_nerfstudio, write_nerfstudio
from syncam.cameras.formats.npz import read_npz, write_npz
from syncam.cameras.formats.realestate10k import read_realestate10k, write_realestate10k
from syncam.cameras.formats.rig_json import read_rig, write_rig
from syncam.cameras.formats.spherical import read_spherical, write_spherical
from syncam.cameras.formats.syncamvideo import read_syncamvideo, write_syncamvideo
from syncam.cameras.formats.tum import read_tum, write_tum

__all__ = ["FORMATS"]


def _format(name: str, about: str, suffixes: str, keeps: list[Kept], layout: Layout, read, write) -> Format:
    return Format(name, about, tuple(suffixes.split()), frozenset(keeps), layout, read, write)


FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        _format(
            "syncam",
            "our own rig JSON, with every digit",
            ".json",
            ["lens", "size", "names", "fps"],
            "one file",
            read_rig,
            write_rig,
        ),
        _format(
            "syncamvideo",
            "camera_extrinsics.json of SynCamVideo and MultiCamVideo",
            "camera_extrinsics.json",
            ["names"],
            "one file",
            read_syncamvideo,
            write_syncamvideo,
        ),
        _format(
            "realestate10k",
            "19 numbers a line, w2c: RealEstate10K, CameraCtrl",
            ".txt",
            ["lens", "names", "time"],
            "file per view",
            read_realestate10k,
            write_realestate10k,
        ),
        _format(
            "nerfstudio",
            "transforms.json of nerfstudio, instant-ngp and NeRF",
            "transforms.json",
            ["lens", "size", "names"],
            "file per view",
            read_nerfstudio,
            write_nerfstudio,
        ),
        _format(
            "colmap",
            "a COLMAP model folder, text or binary; written as text",
            "",
            ["lens", "size", "names"],
            "model folder",
            read_colmap,
            write_colmap,
        ),
        _format(
            "tum",
            "8 numbers a line, c2w as a quaternion: TUM RGB-D, SLAM programs",
            ".tum .txt",
            ["names", "time"],
            "file per view",
            read_tum,
            write_tum,
        ),
        _format(
            "npz",
            "NumPy arrays of c2w and K: ViPE, MegaSaM, GEN3C",
            ".npz",
            ["lens", "size", "names", "fps"],
            "either",
            read_npz,
            write_npz,
        ),
        _format(
            "spherical",
            "theta, phi, r a line: degrees and metres around the target",
            ".sph .txt",
            ["names"],
            "file per view",
            read_spherical,
            write_spherical,
        ),
        _format(
            "blender",
            "what blender_script.py exports from Blender and imports there",
            ".blender.json",
            ["lens", "size", "names", "fps"],
            "one file",
            read_blender,
            write_blender,
        ),
        _format(
            "gltf",
            "a glTF 2.0 scene with one animated camera node per view",
            ".gltf",
            ["lens", "size", "names", "time"],
            "one file",
            read_gltf,
            write_gltf,
        ),
        _format(
            "csv",
            "a table with one row per view and frame",
            ".csv",
            ["lens", "size", "names", "time"],
            "one file",
            read_csv,
            write_csv,
        ),
    )
}
"""Every format by its name."""
