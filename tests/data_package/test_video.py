"""Videos on disk and the pictures made of them."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from syncam.data.video import (
    VideoWriter,
    contact_sheet,
    count_frames,
    encode_video,
    read_video,
    side_by_side,
    write_video,
)
from syncam.errors import InputError


def moving_gradient(frames: int = 9, height: int = 32, width: int = 48) -> torch.Tensor:
    """A smooth picture that changes from frame to frame, [F, 3, H, W]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([torch.stack([x, y, torch.full_like(x, t / frames)]) for t in range(frames)])


def test_written_and_read_back(tmp_path: Path) -> None:
    video = moving_gradient()
    write_video(tmp_path / "a.mp4", video, fps=8, crf=10)
    back = read_video(tmp_path / "a.mp4")
    assert back.shape == video.shape
    assert -10 * ((back - video) ** 2).mean().log10() > 35
    assert count_frames(tmp_path / "a.mp4") == (9, 8.0)


def test_chosen_frames_come_in_the_asked_order(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_gradient(), fps=8)
    whole = read_video(tmp_path / "a.mp4")
    assert torch.equal(read_video(tmp_path / "a.mp4", frames=[7, 0, 3]), whole[[7, 0, 3]])


def test_same_video_same_bytes(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, moving_gradient(), fps=8)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("fps", [29.97, 30000 / 1001, 24000 / 1001, 23.976, 59.94, 12.5, 7.5, 1 / 3, 15, 8, 120])
@pytest.mark.parametrize("frames", [1, 2, 17])
def test_frames_and_rate_are_exact(tmp_path: Path, fps: float, frames: int) -> None:
    """No frame more or less, each at its time to the microsecond; the rate is that asked for to a millionth."""
    write_video(tmp_path / "a.mp4", moving_gradient(frames, 16, 16), fps=fps, crf=30)
    rate = Fraction(fps).limit_denominator(1001)
    assert float(rate) == pytest.approx(fps, rel=1e-6)
    with av.open(str(tmp_path / "a.mp4")) as container:
        (stream,) = container.streams.video
        assert (stream.frames, stream.codec_context.pix_fmt, stream.codec_context.name) == (frames, "yuv420p", "h264")
        assert stream.average_rate == rate and len(container.streams) == 1 and stream.time_base is not None
        times = [(frame.pts or 0) * stream.time_base for frame in container.decode(video=0)]
    assert len(times) == frames
    assert all(abs(time - index / rate) < Fraction(1, 10**6) for index, time in enumerate(times))
    assert count_frames(tmp_path / "a.mp4") == (frames, pytest.approx(fps, rel=1e-6))


def test_the_better_the_quality_the_larger_the_file_and_the_smaller_the_error(tmp_path: Path) -> None:
    video = torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    sizes, errors = [], []
    for crf in (0, 10, 30, 51):
        write_video(tmp_path / "a.mp4", video, fps=8, crf=crf)
        sizes.append((tmp_path / "a.mp4").stat().st_size)
        errors.append(float((read_video(tmp_path / "a.mp4") - video).abs().mean()))
    assert sizes == sorted(sizes, reverse=True) and errors == sorted(errors) and len(set(sizes)) == 4


def test_bad_videos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4"):
        read_video(tmp_path / "text.mp4")
    write_video(tmp_path / "a.mp4", moving_gradient(), fps=8)
    with pytest.raises(InputError, match=r"a\.mp4"):
        read_video(tmp_path / "a.mp4", frames=[20])
    with pytest.raises(InputError, match="even height and width"):
        write_video(tmp_path / "odd.mp4", moving_gradient(height=31), fps=8)
    assert not (tmp_path / "odd.mp4").exists()


@pytest.mark.parametrize(("views", "shape"), [(1, (32, 48)), (2, (32, 96)), (4, (32, 192)), (5, (64, 144))])
def test_side_by_side(views: int, shape: tuple[int, int]) -> None:
    videos = torch.stack([moving_gradient()] * views)
    grid = side_by_side(videos)
    assert grid.shape == (9, 3, *shape)
    assert torch.equal(grid[:, :, :32, :48], videos[0])


def test_contact_sheet_has_a_row_per_view() -> None:
    one, two = (contact_sheet(torch.stack([moving_gradient()] * views), num_columns=3) for views in (1, 2))
    assert two.height == 2 * one.height and two.width == one.width
    assert one.width % (3 * 48) == 0


def test_a_video_written_in_pieces_is_the_same_file(tmp_path: Path) -> None:
    video = torch.rand(7, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    with VideoWriter(tmp_path / "pieces.mp4", 10.0) as writer:
        for piece in video.split(3):
            writer.write(piece)
        with pytest.raises(InputError, match="frames of 16x16 do not go into a video of 16x32"):
            writer.write(video[..., :16])
    assert (tmp_path / "pieces.mp4").read_bytes() == encode_video(video, 10.0)
