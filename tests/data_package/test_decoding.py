"""Frames by number are those of the whole video, wherever the keyframes are; damage is found."""

from pathlib import Path

import av
import pytest
import torch

from syncam.data import decoding
from syncam.data.decoding import check_video, read_header, read_picture, read_video
from syncam.data.transforms import fit_pixels
from syncam.data.video import to_uint8
from syncam.errors import InputError

PYRAMIDS = "scenecut=0:b-adapt=0:bframes=3:b-pyramid=normal"


def encode(
    path: Path, frames: int = 40, codec: str = "libx264", hw: tuple[int, int] = (32, 48), **options: str
) -> Path:
    """Noise that tells frames apart, with the keyframes and the B-frames that `options` of x264 ask for."""
    generator = torch.Generator().manual_seed(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"crf": "12"} | options)
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        for _ in range(frames):
            small = torch.rand(3, 4, 6, generator=generator)
            picture = to_uint8(torch.nn.functional.interpolate(small[None], hw, mode="bilinear")[0])
            array = picture.permute(1, 2, 0).contiguous().numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "options",
    [
        {"g": "8", "bf": "3"},
        {"g": "1"},
        {"g": "250", "bf": "2"},
        {"g": "2", "bf": "2", "x264-params": "open-gop=1:keyint=6:min-keyint=2"},
        {"g": "250", "x264-params": PYRAMIDS},
        {"x264-params": f"{PYRAMIDS}:open-gop=1:keyint=12:min-keyint=4"},
    ],
    ids=["groups of 8", "all keyframes", "one keyframe", "open groups", "pyramids", "open groups of pyramids"],
)
def test_chosen_frames_equal_those_of_the_whole(tmp_path: Path, options: dict[str, str]) -> None:
    path = encode(tmp_path / "a.mp4", **options)
    whole = read_video(path)
    assert whole.shape == (40, 3, 32, 48)
    for frames in ([17, 18, 19, 20], [39], [31, 2, 30], [1, 38], [5, 5, 7], range(0, 40, 3), [0, 1, 2, 3], [1, 0]):
        assert torch.equal(read_video(path, frames), whole[list(frames)]), frames
    assert torch.equal(read_video(path, [0, 39]), whole[[0, 39]])


def test_only_the_group_of_a_frame_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "a.mp4", g="8", bf="0")
    monkeypatch.setattr(decoding, "_from_the_start", lambda *_: pytest.fail("decoded from the start"))
    assert read_video(path, [33, 35]).shape[0] == 2


def test_frames_that_nothing_is_predicted_from_are_skipped(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", **{"g": "250", "x264-params": PYRAMIDS})
    with decoding.opened(path, "decoded") as (container, stream):
        times = [frame.pts for frame in container.decode(stream)]
    with decoding.opened(path, "decoded") as (container, stream):
        needed = [frame.pts for frame in decoding._needed(container, stream, {times[2], times[30]})]
    assert {times[2], times[30]} <= set(needed) and len(needed) < 25


CODECS = [
    ("mpeg4", {"bf": "2", "g": "12"}),
    ("libx265", {"x265-params": "keyint=12:bframes=4:log-level=none"}),
    ("libvpx-vp9", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "16"}),
    ("libsvtav1", {"g": "12", "preset": "12"}),
]


@pytest.mark.parametrize("format", ["mkv", "mp4"])
@pytest.mark.parametrize(("codec", "options"), CODECS, ids=[name for name, _ in CODECS])
def test_other_codecs(
    tmp_path: Path, codec: str, options: dict[str, str], format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / f"a.{format}", codec=codec, hw=(64, 96), **options)
    whole = read_video(path)
    if (codec, format) != ("libx265", "mkv"):  # whose first keyframe has no time of decoding in this format
        monkeypatch.setattr(decoding, "_from_the_start", lambda *_: pytest.fail("decoded from the start"))
    for frames in ([17, 18, 19, 20], [39], [31, 2, 30], range(0, 40, 3)):
        assert torch.equal(read_video(path, frames), whole[list(frames)]), frames


@pytest.mark.parametrize("suffix", ["", ".mp4"])
@pytest.mark.parametrize("format", ["matroska", "mpegts"])
def test_files_of_other_formats_also_under_a_false_name(tmp_path: Path, format: str, suffix: str) -> None:
    path = encode(tmp_path / "a.mp4", **{"g": "10", "x264-params": PYRAMIDS})
    other = tmp_path / f"b.{format}{suffix}"
    with av.open(str(path)) as source, av.open(str(other), "w", format=format) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    whole = read_video(other)
    for frames in ([17, 18, 19, 20], [39], [31, 2, 30], range(0, 40, 3)):
        assert torch.equal(read_video(other, frames), whole[list(frames)]), frames


def test_sound_beside_the_pictures(tmp_path: Path) -> None:
    path, both = encode(tmp_path / "a.mp4", **{"g": "10", "bf": "2"}), tmp_path / "both.MP4"
    with av.open(str(path)) as source, av.open(str(both), "w", format="mp4") as target:
        sound = target.add_stream("aac", rate=8000, layout="mono")
        stream = target.add_stream_from_template(source.streams.video[0])
        noise = av.AudioFrame.from_ndarray(torch.zeros(1, 32000).numpy(), format="fltp", layout="mono")
        noise.sample_rate = 8000
        target.mux([*sound.encode(noise), *sound.encode()])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert torch.equal(read_video(both, [37, 12, 13]), read_video(path)[[37, 12, 13]])


def test_folders_and_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    (tmp_path / "b.mp4").symlink_to("b.mp4")
    (tmp_path / "c.mp4").symlink_to("lost.mp4")
    for name, message in (("a", "is a folder"), ("b", "leads nowhere"), ("c", "leads nowhere"), ("d", "not exist")):
        for read in (read_video, read_header, check_video):
            with pytest.raises(InputError, match=rf"{name}\.mp4 .*{message}"):
                read(tmp_path / f"{name}.mp4")


def test_a_size_crops_and_scales_while_reading(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", frames=3)
    expected = fit_pixels(to_uint8(read_video(path)), (16, 16)).float() / 255
    assert torch.equal(read_video(path, hw=(16, 16)), expected)


def test_too_few_frames_and_bad_numbers(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", frames=5)
    with pytest.raises(InputError, match="has 5 frames but frame 7"):
        read_video(path, [2, 7])
    for bad in ([], [-1]):
        with pytest.raises(InputError, match="non-empty list of indices"):
            read_video(path, bad)


def test_headers_and_whole_files(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", g="8")
    header = read_header(path)
    assert (header.num_frames, header.fps, header.hw) == (40, 10, (32, 48))
    assert check_video(path) == 40
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    position, size = packets[20]
    content[position + 12 : position + size] = bytes(size - 12)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4"):
        check_video(path)


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_files_that_are_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    for read in (read_video, read_header, check_video):
        with pytest.raises(InputError, match=r"a\.mp4 (is empty|cannot be)"):
            read(tmp_path / "a.mp4")


def test_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png cannot be read"):
        read_picture(tmp_path / "a.png")
