"""ReCamMaster's presets: equal to the published cameras, and to numbers kept here."""

import json
import math

import pytest
import torch

from cameras.examples import DATA
from golden import golden
from syncam.cameras import PRESETS, Cameras, parse_rig, preset, read_extrinsics_json, still
from syncam.cameras.moves import Timing
from syncam.cameras.rotations import rotation_log
from syncam.errors import InputError

EXPECTED = json.loads((DATA / "recammaster_presets.json").read_text())
LEVEL = still(num_frames=81, hw=(48, 80))


@pytest.mark.parametrize("number", range(1, 11))
def test_presets_are_the_published_cameras(number: int) -> None:
    path = golden("recammaster_example_cameras.json")
    if path is None:
        pytest.skip("no golden file recammaster_example_cameras.json: set SYNCAM_GOLDEN to the folder that has it")
    published = read_extrinsics_json(path, cameras=[f"cam{number:02d}"])
    cameras = preset(published.frames(0).repeat_frames(81), number)
    assert (cameras.positions - published.positions).norm(dim=-1).max() < 0.5e-3
    between = cameras.c2w[..., :3, :3].mT @ published.c2w[..., :3, :3]
    assert torch.rad2deg(rotation_log(between).norm(dim=-1)).max() < 0.01


@pytest.mark.parametrize("name", PRESETS)
def test_presets_go_where_the_table_says(name: str) -> None:
    relative = preset(LEVEL, name).relative_to(view=0, frame=0)[0, EXPECTED["frames"]]
    right, down, forward = relative[:, :3, 3].unbind(-1)
    looks_right, looks_down, looks_forward = relative[:, :3, 2].unbind(-1)
    yaw = torch.rad2deg(torch.atan2(looks_right, looks_forward))
    pitch = torch.rad2deg(torch.asin(-looks_down))
    found = torch.stack([right, -down, forward, yaw, pitch], -1)
    torch.testing.assert_close(found, torch.tensor(EXPECTED["presets"][name]).double(), rtol=0, atol=2e-5)


def test_numbers_and_names_are_the_same_in_python_and_in_words() -> None:
    assert list(EXPECTED["presets"]) == list(PRESETS)
    for number, name in enumerate(PRESETS, 1):
        expected = preset(LEVEL, name)
        specs = (f"preset {number}", f"preset {name}", f"recam:{name}", f"recam:{number}", f"still then preset {name}")
        rigs = [preset(LEVEL, number), *(parse_rig(spec, num_frames=81, hw=(48, 80)) for spec in specs)]
        assert all(rig.c2w.equal(expected.c2w) for rig in rigs)


def test_the_subject_stays_in_its_place_at_another_distance_too() -> None:
    near = still(radius=2.5, elevation_deg=20.0, num_frames=9, hw=(48, 80))
    for name in PRESETS[6:]:
        uv, _ = preset(near, name, distance=2.5).project(torch.tensor([[0.0, 0.0, 0.8]], dtype=torch.float64))
        torch.testing.assert_close(uv, torch.tensor([40.0, 24.0]).double().expand_as(uv))


def test_presets_keep_time() -> None:
    late = preset(LEVEL, "zoom_in", timing=Timing(start=0.5, end=1.0))
    travelled = (late.positions - LEVEL.positions).norm(dim=-1)[0]
    assert travelled[:41].max() == 0
    assert float(travelled[-1]) == pytest.approx(2 * 80 / 80.5)
    short: Cameras = preset(still(num_frames=17), "pan_right")
    turned = math.degrees(float(rotation_log(short.relative_to(0, 0)[0, -1, :3, :3]).norm()))
    assert turned == pytest.approx(20 * 16 / 16.5)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (0, "unknown preset 0; expected 1..10 or one of pan_right, pan_left"),
        (11, "unknown preset 11; expected"),
        ("pan_rigth", r"unknown preset 'pan_rigth' \(did you mean 'pan_right'\?\); expected 1..10"),
    ],
)
def test_unknown_presets(which: int | str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        preset(LEVEL, which)
