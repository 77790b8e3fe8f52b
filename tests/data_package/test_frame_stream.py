"""Frames at even times out of any video or picture: what players would show, or one line of what is wrong."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from syncam.data.decoding import read_picture, read_video
from syncam.data.fitting import Fit, size_near
from syncam.data.frame_stream import FrameStream, open_stream
from syncam.errors import InputError

HW = (16, 32)


def write(
    path: Path,
    grays: list[int],
    times_ms: list[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    turn: int = 0,
    shape: Fraction | None = None,
) -> Path:
    """A video whose frames have one grey each and a white top left corner."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"crf": "1"} if codec == "libx264" else {})
        stream.height, stream.width, stream.pix_fmt = *HW, pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        if shape:
            stream.codec_context.sample_aspect_ratio = shape
        if turn:
            stream.set_display_rotation(turn)
        for number, gray in enumerate(grays):
            pixels = np.full((*HW, 4), gray, np.uint8)
            pixels[..., 3] = 255
            pixels[:4, :8] = 255
            if pix_fmt in ("bgra", "rgba", "argb"):
                pixels[:, 16:, 3] = 0
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format=pix_fmt)
            frame.pts = 100 * number if times_ms is None else times_ms[number]
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grays(stream: FrameStream) -> list[int]:
    """The grey of every frame, to the nearest ten."""
    return [round(float(frame[0, -1, 8]) * 25.5) * 10 for frame in stream.frames(lambda pixels: pixels)]


def test_frames_are_those_of_the_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [10, 50, 100, 150, 200])
    stream = open_stream(path)
    assert (stream.num_frames, stream.fps, stream.hw, stream.notes) == (5, 10.0, HW, ())
    assert torch.equal(torch.stack(list(stream.frames(lambda pixels: pixels))), read_video(path))


def test_frames_at_uneven_times_are_those_on_the_screen_at_even_times(tmp_path: Path) -> None:
    stream = open_stream(write(tmp_path / "a.mkv", [10, 50, 100, 150, 200], [0, 100, 400, 450, 800]))
    assert stream.num_frames == 5 and stream.fps == pytest.approx(5.0)
    assert "uneven times: those shown at 5 per second" in stream.notes[0]
    assert grays(stream) == [10, 50, 100, 150, 200]  # at 0, 200, 400, 600 and 800 ms
    stream = open_stream(write(tmp_path / "b.mkv", [10, 50, 100, 150, 200], [0, 20, 40, 60, 800]))
    assert grays(stream) == [10, 150, 150, 150, 200]


def test_a_little_jitter_is_no_unevenness(tmp_path: Path) -> None:
    stream = open_stream(write(tmp_path / "a.mkv", [10, 50, 100, 150], [0, 110, 190, 300]))
    assert stream.shown is None and stream.fps == pytest.approx(10.0)


@pytest.mark.parametrize(("turn", "corner"), [(90, (-1, 0)), (-90, (0, -1)), (180, (-1, -1))])
def test_a_rotation_flag_is_followed(tmp_path: Path, turn: int, corner: tuple[int, int]) -> None:
    path = write(tmp_path / "a.mp4", [0, 0], turn=turn)
    stream = open_stream(path)
    assert stream.hw == (HW[::-1] if turn != 180 else HW)
    assert f"turned by {turn % 360} degrees counter-clockwise" in stream.notes[0]
    for frame in (*stream.frames(lambda pixels: pixels), *read_video(path)):
        assert frame.shape[1:] == stream.hw
        assert frame[:, corner[0], corner[1]].min() > 0.8, "the corner that was top left"
        assert frame.mean() < 0.2


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mov", [200, 200], codec="qtrle", pix_fmt="argb")
    stream = open_stream(path)
    assert stream.notes == ("it is transparent: what is behind it is black",)
    frame = next(iter(stream.frames(lambda pixels: pixels)))
    assert frame[:, -1, 0].min() > 0.7 and frame[:, :, 16:].max() == 0


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    stream = open_stream(write(tmp_path / "a.mp4", [50, 200], pix_fmt="yuv420p10le"))
    assert stream.notes == ("its colours are rounded to 8 bits",)
    assert grays(stream) == [50, 200]


def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    stream = open_stream(write(tmp_path / "a.mp4", [50, 200], shape=Fraction(3, 2)))
    assert stream.hw == (16, 48) and stream.notes == ("its pixels are not square: 16x32 is shown as 16x48",)
    assert [frame.shape for frame in stream.frames(lambda pixels: pixels)] == [(3, 16, 48)] * 2
    assert open_stream(write(tmp_path / "b.mp4", [50, 200], shape=Fraction(3, 2), turn=90)).hw == (48, 16)


def test_pictures_are_frames_as_they_are_meant_to_be_seen(tmp_path: Path) -> None:
    pixels = np.full((*HW, 4), 200, np.uint8)
    pixels[..., 3] = np.where(np.arange(32) < 16, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    stream = open_stream(tmp_path / "a.png")
    assert stream.is_picture and (stream.num_frames, stream.fps, stream.hw) == (1, 0.0, (32, 16))
    frames = list(stream.lengthened(3, "hold").frames(lambda pixels: pixels))
    assert len(frames) == 3 and torch.equal(frames[0], frames[2])
    assert frames[0][:, :16].min() > 0.7 and frames[0][:, 16:].max() == 0
    assert read_picture(tmp_path / "a.png").shape == (3, *HW), "other readers take pictures as they are stored"


def test_short_videos_go_on(tmp_path: Path) -> None:
    stream = open_stream(write(tmp_path / "a.mp4", [10, 100, 200]))
    assert grays(stream.lengthened(7, "loop")) == [10, 100, 200, 10, 100, 200, 10]
    assert grays(stream.lengthened(5, "hold")) == [10, 100, 200, 200, 200]
    assert stream.lengthened(5, "hold").length == 5


def audio(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def empty(path: Path) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *HW, "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (audio, "a.mp4 holds no video that can be decoded; expected a video file"),
        (empty, r"a.mp4 cannot be opened as a video \(End of file\); the file is damaged"),
        (lambda path: path.write_text("no video"), "a.mp4 cannot be opened as a video"),
        (lambda path: None, "a.mp4 does not exist"),
    ],
)
def test_what_is_no_video(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=message):
        open_stream(tmp_path / "a.mp4")


@pytest.mark.parametrize("source_hw", [(1080, 1920), (1920, 1080), (37, 301), (480, 832)])
@pytest.mark.parametrize("mode", ["crop", "pad"])
def test_fitting_never_squeezes(source_hw: tuple[int, int], mode: str) -> None:
    fit = Fit(source_hw, (48, 64), mode)
    top, left, (height, width) = fit.inner
    fitted = fit.apply(torch.full((3, *source_hw), 255, dtype=torch.uint8))
    assert fitted.shape == (3, 48, 64)
    assert fit.cut(fitted).shape == (3, height, width) and fit.cut(fitted).min() == 255
    assert int(fitted.sum()) == 3 * 255 * height * width, "black around it"
    assert height % 2 == width % 2 == 0 and (mode == "pad" or (height, width) == (48, 64))
    if mode == "pad":  # all of it, in its proportions to within the nearest even number of pixels
        exact = source_hw[0] / source_hw[1]
        assert abs(height - width * exact) <= 1 + exact or height == 2


def test_sizes_near_a_number_of_pixels() -> None:
    assert size_near((480, 832), 480 * 832, (16, 16)) == (480, 832)
    height, width = size_near((1920, 1080), 480 * 832, (16, 16))
    assert height % 16 == width % 16 == 0 and height / width == pytest.approx(16 / 9, rel=0.03)
    assert height * width == pytest.approx(480 * 832, rel=0.05)
    assert size_near((10, 1000), 128 * 128, (16, 16))[0] == 16
