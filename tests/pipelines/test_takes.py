"""Moves in words become the camera paths of takes."""

import pytest
import torch

from syncam.cameras import parse_rig
from syncam.cameras.presets import PRESETS
from syncam.cameras.rigid import compose_rigid, invert_rigid, rigid_exp
from syncam.errors import InputError
from syncam.pipelines.takes import Takes, check_moves, moved_takes, rig_takes, warnings_of_view

FRAMES, HW = 9, (16, 32)


def shaken(seconds: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A path of a source's own, and a smoother one."""
    screws = torch.zeros(FRAMES, 6, dtype=torch.float64)
    screws[:, 3] = torch.linspace(0, 1, FRAMES)
    smooth = rigid_exp(screws)
    screws[1::2, 1] = 0.1
    return rigid_exp(screws), smooth


def take(*moves: str, distance: float = 4.0) -> Takes:
    settings = {"num_frames": FRAMES, "hw": HW, "distance": distance, "focal_mm": None, "own_path": shaken}
    return moved_takes(moves, **settings)


def travelled(takes: Takes) -> torch.Tensor:
    """Each camera relative to where the source's stands, [T, F, 4, 4]."""
    return compose_rigid(invert_rigid(takes.source), takes.cameras.c2w)


def test_moves_start_where_the_source_stands() -> None:
    takes = take("arc 30", "dolly 1 then pan 10", "3", "arc_left", "preset 9")
    assert takes.cameras.c2w.shape == (5, FRAMES, 4, 4) and takes.cameras.hw == HW
    assert torch.allclose(travelled(takes)[:, 0], torch.eye(4).double(), atol=1e-9)
    assert torch.allclose(takes.cameras.c2w[3], takes.cameras.c2w[4])
    assert travelled(takes)[1, -1, 2, 3] == pytest.approx(1.0)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_by_name_and_number_are_the_published_ones(name: str) -> None:
    published = parse_rig(f"preset {name}", num_frames=FRAMES, hw=HW)
    for move in (name, str(PRESETS.index(name) + 1)):
        assert torch.allclose(take(move).cameras.c2w, published.c2w)


@pytest.mark.parametrize("move", ["arc 30", "9", "preset arc_right"])
@pytest.mark.parametrize("distance", [2.0, 6.0])
def test_the_subject_is_as_far_away_as_it_is_said_to_be(move: str, distance: float) -> None:
    path = travelled(take(move, distance=distance))[0]
    away = path[:, :3, 3] - torch.tensor([0.0, 0.0, distance]).double()
    assert torch.allclose(away.norm(dim=-1)[[0, -1]], torch.tensor(distance).double(), rtol=0.02)
    assert path[-1, :3, 3].norm() > distance / 3


def test_a_move_may_name_its_own_distance() -> None:
    own, other = take("preset 9 distance=2", distance=6.0), take("9", distance=2.0)
    assert torch.allclose(travelled(own)[0], travelled(other)[0])


def test_zooming_is_nearer_at_once_or_gradually() -> None:
    path = travelled(take("zoom-in", "zoom-out 1", "zoom-in 1 m ease"))[:, :, 2, 3]
    assert torch.allclose(path[0], torch.full((FRAMES,), 2.0).double())
    assert torch.allclose(path[1], torch.full((FRAMES,), -1.0).double())
    assert path[2, 0] == 0 and path[2, -1] == pytest.approx(1.0) and bool((path[2].diff() > 0).all())


def test_a_stabilised_take_has_the_smooth_path_and_says_what_the_source_does() -> None:
    takes = take("stabilise", "pan 10")
    own, smooth = shaken()
    begin = invert_rigid(takes.source[0, :1])
    assert torch.allclose(compose_rigid(begin, takes.source[0]), own)
    assert torch.allclose(compose_rigid(begin, takes.cameras.c2w[0]), smooth)
    assert torch.allclose(takes.source[1], takes.source[1, :1]), "for other moves the source stands still"


def test_the_cameras_of_a_rig_are_relative_to_where_its_first_one_starts() -> None:
    rig = parse_rig("arc:views=3,radius=4", num_frames=FRAMES, hw=HW)
    takes = rig_takes(rig, ("a", "b", "c"))
    assert takes.source.shape == rig.c2w.shape and bool((takes.source == rig.c2w[0, 0]).all())


def test_takes_that_lose_sight_of_the_subject_are_warned_of_with_a_figure() -> None:
    assert warnings_of_view(take("arc 20", "pan 5", "zoom-in 1"), 4.0) == []
    (panned,) = warnings_of_view(take("pan 170"), 4.0)
    assert panned.startswith("pan 170: the subject, 4 m ahead") and "out of the picture for" in panned
    (behind,) = warnings_of_view(take("arc 180"), 4.0)
    assert behind.startswith("arc 180: at frame 8 only 0% of what the source shows")


def test_the_share_of_frames_without_the_subject() -> None:
    (message,) = warnings_of_view(take("pan 180"), 4.0)
    assert "for 78% of the frames" in message, "from the third of nine on, at 45 degrees"


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ("arch 30", r"'arch 30' is not a move .did you mean 'arc'..; expected one such as 'arc 30'"),
        ("arc", "move arc needs an amount|'arc' is not a move"),
        ("11", "unknown preset '11'"),
        ("tilt_upp", "did you mean 'tilt_up'"),
        ("stabilize", "did you mean 'stabilise'"),
        ("", "is not a move"),
        ("hemisphere:views=4 then arc 30", "is not a move.*rigs and camera files go to --rig"),
        ("zoom-in fast", r"move 'zoom-in fast' is not understood; expected zoom-in \[METRES\]"),
        ("stabilise 2 m", "is not understood"),
        ("zoom-out 0", "is not understood"),
        ("arc 30 speed=slow", "speed must be constant or ease"),
    ],
)
def test_what_is_no_move(move: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_moves([move])
        take(move)


def test_zooming_into_the_subject() -> None:
    with pytest.raises(InputError, match="4 m lead into the subject, which is 4 m ahead"):
        take("zoom-in 4")
