"""What goes to Blender and what comes back: complete, the same for the same pictures, readable."""

import importlib.util
import json
import struct
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from render.examples import HW, animal, arrays, rig, scene
from syncam.errors import InputError
from syncam.render.assets import Placed, Scenery
from syncam.render.blender.job import WORKER, Settings, job_key, make_job, read_frame, write_job
from syncam.render.scene import Prop
from syncam.render.world import build_world

TIMES = [0.0, 0.25, 0.5]
CAMERAS = rig(2, 3)
WORLD = build_world(scene(animal(), props=(Prop("rock", 2.0, 1.0, 10.0, 1.0),)), TIMES)


def job(settings: Settings | None = None, K: np.ndarray | None = None, **more):
    c2w, lenses = arrays(CAMERAS)
    return make_job(WORLD, c2w, lenses if K is None else K, HW, settings or Settings(), ("picture",), **more)


def test_a_job_is_plain_files(tmp_path: Path) -> None:
    told, held = job()
    write_job(tmp_path / "job", told, held)
    read = json.loads((tmp_path / "job" / "job.json").read_text())
    assert [solid["kind"] for solid in read["solids"]] == ["subject", "prop", "ground"]
    assert (read["num_views"], read["num_frames"], read["hw"]) == (2, 3, [64, 64])
    with np.load(tmp_path / "job" / "world.npz") as file:
        assert file["position0"].shape == file["normal0"].shape == (3, len(file["colour0"]), 3)
        assert file["position1"].ndim == 2 and file["c2w"].shape == (2, 3, 4, 4)
        assert {"light_to_sun", "light_fog_metres", "ground_texture", "K"} <= set(file)


def test_writing_a_job_again_keeps_what_was_rendered(tmp_path: Path) -> None:
    write_job(tmp_path / "job", *job())
    (tmp_path / "job" / "frames").mkdir()
    (tmp_path / "job" / "frames" / "v000_f0000.png").write_text("")
    write_job(tmp_path / "job", *job(Settings(threads=1)))
    assert (tmp_path / "job" / "frames" / "v000_f0000.png").exists()
    assert json.loads((tmp_path / "job" / "job.json").read_text())["threads"] == 1


def test_the_key_is_that_of_the_pictures() -> None:
    key = job_key(*job(), "4.5.15")
    assert key == job_key(*job(Settings(threads=1)), "4.5.15")
    assert key != job_key(*job(Settings(samples=5)), "4.5.15")
    assert key != job_key(*job(), "4.5.16")
    told, held = job()
    assert key != job_key(told, held | {"position0": held["position0"] + 1e-6}, "4.5.15")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 0}, "samples and threads must be at least 1"),
        ({"threads": 0}, "got samples 16, threads 0"),
        ({"seed": -1}, "seed -1"),
        ({"device": "tpu"}, "device must be one of auto, cpu, gpu, got 'tpu'"),
    ],
)
def test_bad_settings(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**change)


def test_an_asset_with_too_many_triangles_is_refused_before_blender_starts(tmp_path: Path) -> None:
    """A file that says it has ten million, in a line of JSON."""
    content = {"accessors": [{"count": 30_000_000}], "meshes": [{"primitives": [{"attributes": {}, "indices": 0}]}]}
    (tmp_path / "rock.gltf").write_text(json.dumps(content | {"nodes": [{"mesh": 0}]}))
    rest = {"words": "rock", "licence": "CC0-1.0", "file": tmp_path / "rock.gltf"}
    with pytest.raises(InputError, match=r"^rock\.gltf has 10000000 triangles, more than 1000000"):
        job(placed=[Placed(asset=Scenery(name="rock", **rest))])
    assert job(placed=[Placed(asset=Scenery(name="rock", max_triangles=10**7, **rest))])


def test_lenses_that_blender_does_not_have() -> None:
    K = arrays(CAMERAS)[1].copy()
    K[1, 2, 0, 1] = 3.0
    with pytest.raises(InputError, match="K has skew"):
        job(K=K)
    K[1, 2, 0, 1], K[0, 0, 0, 0] = 0.0, 1e5
    with pytest.raises(InputError, match="at most 100 times as wide"):
        job(K=K)
    with pytest.raises(InputError, match="both aperture and focus_distance"):
        job(aperture=np.ones((2, 3)))
    with pytest.raises(InputError, match=r"aperture must be \[V, F\] = \(2, 3\), got \(2,\)"):
        job(aperture=np.ones(2), focus_distance=np.ones((2, 3)))


def test_a_frame_is_read_with_its_labels(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for view in range(2):
        for frame in range(3):
            name = tmp_path / "frames" / f"v{view:03d}_f{frame:04d}"
            Image.new("RGB", (5, 4), (view, frame, 7)).save(name.with_suffix(".png"))
            np.savez(name.with_suffix(".npz"), depth=np.full((4, 5), 10.0 * view + frame, np.float32))
    rgb, labels = read_frame(tmp_path, 1, 2)
    assert rgb.shape == (4, 5, 3) and rgb[3, 4].tolist() == [1, 2, 7]
    assert labels["depth"].shape == (4, 5) and labels["depth"][0, 0] == 12.0


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The worker's file, with nothing behind `bpy`."""
    for name in ("bpy", "mathutils"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    spec = importlib.util.spec_from_file_location("worker", WORKER)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exr(channels: dict[str, np.ndarray], *, compression: int = 0) -> bytes:
    """An EXR file as its specification says, channels in alphabetical order."""
    height, width = next(iter(channels.values())).shape
    listed = b"".join(name.encode() + b"\0" + struct.pack("<4i", 2, 0, 1, 1) for name in sorted(channels)) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = [
        (b"channels", b"chlist", listed),
        (b"compression", b"compression", bytes([compression])),
        (b"dataWindow", b"box2i", window),
    ]
    header = b"".join(n + b"\0" + k + b"\0" + struct.pack("<i", len(v)) + v for n, k, v in attributes) + b"\0"
    lines = [
        struct.pack("<2i", y, 4 * width * len(channels))
        + b"".join(channels[name][y].astype("<f4").tobytes() for name in sorted(channels))
        for y in range(height)
    ]
    return struct.pack("<2i", 20000630, 2) + header + bytes(8 * height) + b"".join(lines)


def test_blenders_passes_become_labels(worker: ModuleType, tmp_path: Path) -> None:
    """Depth without an end is the sky; flow has our signs: x to the right, y down, this frame to the other."""
    values = {
        "Depth.Z": [2.5, 1e10],
        "IndexOB.X": [3, 0],
        "Normal.X": [0, 0],
        "Normal.Y": [0.3, 0],
        "Normal.Z": [0.4, 0],
    }
    values |= {"Vector.X": [1, 0], "Vector.Y": [2, 0], "Vector.Z": [3, 0], "Vector.W": [4, 0]}
    path = tmp_path / "labels.exr"
    path.write_bytes(exr({f"ViewLayer.{name}": np.array([row], float) for name, row in values.items()}))
    found = worker.label_arrays(worker.read_exr(path))
    np.testing.assert_array_equal(found["depth"], [[2.5, np.inf]])
    np.testing.assert_array_equal(found["instance"], [[3, 0]])
    np.testing.assert_allclose(found["normal"], [[[0, 0.6, 0.8], [0, 0, 0]]], rtol=1e-6)
    np.testing.assert_array_equal(found["flow_backward"][0, 0], [1, -2])
    np.testing.assert_array_equal(found["flow_forward"][0, 0], [-3, 4])


def test_exr_files_that_are_not_ours(worker: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "labels.exr"
    path.write_bytes(exr({"V.Depth.Z": np.ones((2, 2))}, compression=3))
    with pytest.raises(ValueError, match="compressed"):
        worker.read_exr(path)
    path.write_bytes(b"PNG")
    with pytest.raises(ValueError, match="not an EXR"):
        worker.read_exr(path)
