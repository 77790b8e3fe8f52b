"""Frames out of video files and pictures, and only those that are asked for; the only code that decodes video."""

import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISDIR

import av
import av.error
import numpy as np
import torch
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import Float, UInt8, UInt16
from PIL import Image, ImageOps
from torch import Tensor

from syncam.data.tar_member import TarMember
from syncam.data.transforms import fit_pixels
from syncam.errors import InputError

__all__ = [
    "VideoHeader",
    "VideoSource",
    "as_floats",
    "check_gray",
    "check_video",
    "count_frames",
    "frame_pixels",
    "has_alpha",
    "new_floats",
    "opened",
    "quarter_turns",
    "read_gray",
    "read_header",
    "read_picture",
    "read_video",
]

VideoSource = str | Path | TarMember
"""A video file: on its own, or inside a tar file."""
GRAY = {"uint8": "gray", "uint16": "gray16le"}
"""Type of the numbers of a grey video without loss -> its pixel format."""
SUMS = "crc32"
"""The tag of such a file with the checksums of its frames."""
SKIPPING = ("h264", "hevc", "mpeg4", "vp9")
"""Decoders that take in a packet as it is given if they have one thread: what to skip can be said for each packet."""
ISO = (".mp4", ".m4v", ".mov")
"""Ends of names of files that say of themselves how far frames are out of order, which else a decoder has to guess."""


@dataclass(frozen=True)
class VideoHeader:
    """What a video file states of itself, without a frame decoded."""

    num_frames: int
    """0 where the file does not say."""
    fps: float
    """0 where the file does not say."""
    hw: tuple[int, int]
    """As stored: frames that a rotation flag turns on their side have the two in the other order."""


def read_video(
    path: VideoSource, frames: Sequence[int] | None = None, hw: tuple[int, int] | None = None
) -> Float[Tensor, "F C H W"]:
    """Decoded frames of a video file as RGB in [0, 1]; `frames` chooses and orders them, None takes all.

    Frames are turned as the file's rotation flag says; what is transparent is black.
    Chosen frames are decoded from the keyframe before them on, and of the others only those that they are predicted
    from. With `hw`, every frame is cropped about its centre and scaled to that size at once, as `transforms.fit` does,
    so that only small frames are held in memory.
    Raises InputError naming the file when it is missing, is not a video, or is shorter than `frames` asks for.
    """
    wanted = None if frames is None else set(frames)
    if wanted is not None and (not wanted or min(wanted) < 0):
        raise InputError(f"frames of {path} must be a non-empty list of indices from 0 up, got {list(frames or ())}")
    found = None
    if wanted is not None and max(wanted) >= len(wanted):  # not simply the first frames
        known = (path.name if isinstance(path, TarMember) else str(path)).lower().endswith(ISO)
        with opened(path, "decoded", probed=not known) as (container, stream):
            found = _after_keyframes(container, stream, wanted, hw)
    if found is None:
        with opened(path, "decoded") as (container, stream):
            found = _from_the_start(container, stream, wanted, hw)
    decoded, count = found
    if wanted is not None and len(decoded) < len(wanted):
        raise InputError(f"{path} has {count} frames but frame {max(wanted)} was asked for")
    if not decoded:
        raise InputError(f"{path} holds no frames; the file is damaged or empty")
    order = sorted(decoded) if frames is None else frames
    return as_floats([decoded[number] for number in order])


def read_header(path: VideoSource) -> VideoHeader:
    """Number of frames, frames per second and size that the header of a video file states."""
    with opened(path, "opened") as (_, stream):
        return VideoHeader(stream.frames, float(stream.average_rate or 0), (stream.height, stream.width))


def count_frames(path: str | Path) -> tuple[int, float]:
    """Number of frames and frames per second that the header of a video file states (0 frames: it does not say)."""
    header = read_header(path)
    return header.num_frames, header.fps


def check_video(path: VideoSource) -> int:
    """The number of frames that a file really holds, all decoded.

    InputError with the first damaged frame, also where players would show something in its place.
    """
    count = 0
    with opened(path, "decoded") as (container, stream):
        stream.codec_context.options = {"err_detect": "explode"}
        for frame in container.decode(stream):
            if frame.is_corrupt:
                raise InputError(f"{path} is damaged: frame {count} cannot be decoded without errors")
            count += 1
    return count


def read_gray(
    path: VideoSource, frames: Sequence[int] | None = None
) -> UInt8[np.ndarray, "F H W"] | UInt16[np.ndarray, "F H W"]:
    """The very numbers that `video.write_gray` stored, of the chosen frames or of all.

    Only the chosen frames are decoded. InputError naming the file if it is missing, is no such video, is damaged in
    these frames, or is shorter than `frames` asks for.
    """
    if frames is not None and (not frames or min(frames) < 0):
        raise InputError(f"frames of {path} must be a non-empty list of indices from 0 up, got {list(frames)}")
    decoded = dict(_gray(path, None if frames is None else set(frames)))
    return np.stack([decoded[i] for i in (sorted(decoded) if frames is None else frames)])


def check_gray(path: VideoSource) -> tuple[int, tuple[int, int]]:
    """Number of frames and size of what `video.write_gray` stored, all decoded; InputError for the first damage."""
    shapes = [picture.shape for _, picture in _gray(path, None)]
    return len(shapes), shapes[0]


def _gray(path: VideoSource, wanted: set[int] | None) -> Iterator[tuple[int, np.ndarray]]:
    """Number and content of the wanted frames, each held against its checksum: FFV1 conceals what is damaged."""
    with opened(path, "decoded") as (container, stream):
        codec, tag = stream.codec_context, container.metadata.get(SUMS, container.metadata.get(SUMS.upper(), ""))
        if codec.name != "ffv1" or codec.pix_fmt not in GRAY.values() or not tag:
            raise InputError(f"{path} was not written by syncam, or its start is damaged; expected grey FFV1 with sums")
        sums = tag.split()
        if wanted is not None and max(wanted) >= len(sums):
            raise InputError(f"{path} has {len(sums)} frames but frame {max(wanted)} was asked for")
        last = len(sums) - 1 if wanted is None else max(wanted)
        count = 0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if wanted is None or count in wanted:
                pictures = [frame.to_ndarray() for frame in codec.decode(packet)]
                if len(pictures) != 1 or gray_sum(pictures[0]) != sums[count]:
                    raise InputError(f"{path} is damaged: frame {count} is not what was written")
                yield count, pictures[0]
            count += 1
            if count > last:
                return
        raise InputError(f"{path} is cut short: it has {count} frames of {len(sums)}")


def gray_sum(picture: UInt8[np.ndarray, "H W"] | UInt16[np.ndarray, "H W"]) -> str:
    """CRC-32 of one frame's numbers, little-endian, as eight hexadecimal digits."""
    return f"{zlib.crc32(picture.tobytes()):08x}"


def read_picture(path: str | Path, *, as_seen: bool = False) -> UInt8[Tensor, "C H W"]:
    """An image file as 8-bit RGB; InputError naming the file if it is missing or damaged.

    `as_seen` turns it as its Exif tag says, and puts what is transparent in front of black.
    """
    if not Path(path).is_file():
        raise InputError(f"picture {path} does not exist; expected an image file")
    try:
        with Image.open(path) as image:
            shown = ImageOps.exif_transpose(image) if as_seen else image
            pixels = np.array(shown.convert("RGBA" if as_seen else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        raise InputError(f"{path} cannot be read as a picture ({err}); the file is damaged or no picture") from err
    picture = torch.from_numpy(pixels).permute(2, 0, 1)
    return on_black(picture) if as_seen else picture


def as_floats(pictures: Sequence[UInt8[Tensor, "C H W"]]) -> Float[Tensor, "F C H W"]:
    """8-bit pictures of one size as one video in [0, 1]."""
    video = new_floats(len(pictures), *pictures[0].shape)
    for place, picture in zip(video, pictures, strict=True):
        place.copy_(picture.contiguous()).div_(255)
    return video


def new_floats(*shape: int) -> Float[Tensor, "..."]:
    """Memory for pixels. NumPy asks the system for large pages, which torch does not: that saves most of the time that
    it takes to get memory for a video, which is a third of the time to read it."""
    return torch.from_numpy(np.empty(shape, np.float32))


def _file_size(path: str | Path) -> int:
    """Bytes of a file; InputError if there is none to read."""
    try:
        status = Path(path).stat()
    except OSError as err:
        known = {FileNotFoundError: "does not exist", PermissionError: "may not be read"}
        what = "is a link that leads nowhere" if Path(path).is_symlink() else known.get(type(err), _reason(err))
        raise InputError(f"video {path} {what}; expected a video file") from err
    if S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder; expected a video file")
    return status.st_size


@contextmanager
def opened(path: VideoSource, verb: str, *, probed: bool = True) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open file and its video stream; whatever goes wrong inside is an InputError that names the file.

    As it is opened its first frames are decoded, so that all is known that the header does not say; not so if it is not
    `probed`, which takes a twentieth of the time.
    """
    inside = isinstance(path, TarMember)
    if not (path.size if inside else _file_size(path)):
        raise InputError(f"{path} is empty (0 bytes); expected a video file")
    try:
        whole = path.open() if inside else nullcontext(str(path))
        options = {} if probed else {"skip_frame": "all"}
        with whole as file, av.open(file, "r", metadata_errors="replace", options=options) as container:
            if not container.streams.video or container.streams.video[0].codec_context is None:  # None: not known
                raise InputError(f"{path} holds no video that can be decoded; expected a video file such as an mp4")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # many small files are read side by side
            yield container, stream
    except (av.error.FFmpegError, IndexError) as err:
        raise InputError(
            f"{path} cannot be {verb} as a video ({_reason(err)}); the file is damaged or not a video"
        ) from err


Found = tuple[dict[int, Tensor], int]
"""Frames by number as uint8 [C, H, W], perhaps with strides, and how many frames the file was seen to have."""


def _from_the_start(
    container: InputContainer, stream: VideoStream, wanted: set[int] | None, hw: tuple[int, int] | None
) -> Found:
    decoded: dict[int, Tensor] = {}
    pixels = partial(frame_pixels, VideoReformatter(), hw=hw)
    count = 0
    for frame in container.decode(stream):
        if wanted is None or count in wanted:
            decoded[count] = pixels(frame)
        count += 1
        if wanted is not None and len(decoded) == len(wanted):
            break
    return decoded, count


def _after_keyframes(
    container: InputContainer, stream: VideoStream, wanted: set[int], hw: tuple[int, int] | None
) -> Found | None:
    """The wanted frames, each run of them decoded from the keyframe before; None where time stamps do not allow it."""
    stamps: list[int | None] = []
    keys: list[tuple[int | None, int | None]] = []
    for packet in container.demux(stream):  # reads the file without decoding it
        if packet.size and not packet.is_discard:
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append((packet.pts, packet.dts))
    times = sorted(stamp for stamp in stamps if stamp is not None)  # packets come in the order of decoding
    starts = sorted((pts, dts) for pts, dts in keys if pts is not None and dts is not None)
    if len(set(times)) < len(stamps) or not starts or starts[0][0] > times[0]:
        return None
    if max(wanted) >= len(times):
        return {}, len(times)
    decoded: dict[int, Tensor] = {}
    pixels = partial(frame_pixels, VideoReformatter(), hw=hw)
    for run in _runs(sorted(wanted), times, [pts for pts, _ in starts]):
        key = bisect_right(starts, times[run[0]], key=lambda start: start[0]) - 1
        numbers = {times[number]: number for number in run}
        container.seek(starts[key][1], stream=stream)
        for frame in _needed(container, stream, set(numbers)):
            if frame.pts in numbers:
                number = numbers.pop(frame.pts)
                decoded[number] = pixels(frame)
            if not numbers:
                break
        if numbers:
            return None
    return decoded, len(times)


def _needed(container: InputContainer, stream: VideoStream, times: set[int]) -> Iterator[av.VideoFrame]:
    """Frames from the keyframe at hand on, without those that none is predicted from and whose time is not wanted."""
    context = stream.codec_context
    for packet in container.demux(stream):
        if context.name in SKIPPING:
            wanted = packet.pts is None or packet.pts in times
            context.skip_frame = "DEFAULT" if wanted else "NONREF"
        yield from packet.decode()  # pyright: ignore[reportReturnType]: the packets of a video stream give pictures


def _runs(wanted: list[int], times: list[int], keys: list[int]) -> list[list[int]]:
    """Frame numbers in ascending order, split where it pays to seek: where a whole group of pictures lies between."""
    runs: list[list[int]] = []
    last = -2
    for number in wanted:
        group = bisect_right(keys, times[number]) - 1
        if group > last + 1:
            runs.append([])
        runs[-1].append(number)
        last = group
    return runs


def frame_pixels(
    reformatter: VideoReformatter, frame: av.VideoFrame, hw: tuple[int, int] | None = None
) -> UInt8[Tensor, "C H W"]:
    """A decoded frame as it is meant to be seen: turned as the file's rotation flag says, what is transparent black."""
    # one thread: by default a picture would be cut into slices for as many threads as there are CPUs
    clear = has_alpha(frame)
    picture = reformatter.reformat(frame, format="rgba" if clear else "rgb24", threads=1)
    pixels = torch.from_numpy(picture.to_ndarray()).permute(2, 0, 1)
    if clear:
        pixels = on_black(pixels)
    if turns := quarter_turns(frame):
        pixels = torch.rot90(pixels, turns, (-2, -1))
    return pixels if hw is None else fit_pixels(pixels, hw)


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether the pixels of a frame are more or less transparent."""
    return any(component.is_alpha for component in frame.format.components)


def on_black(pixels: UInt8[Tensor, "4 H W"]) -> UInt8[Tensor, "3 H W"]:
    """RGB with alpha in front of black."""
    return (pixels[:3].float() * pixels[3:] / 255).round_().to(torch.uint8)


def quarter_turns(frame: av.VideoFrame) -> int:
    """How many quarter turns counter-clockwise, 0 to 3, the rotation flag of a file asks for."""
    return round(frame.rotation / 90) % 4


def _reason(err: Exception) -> str:
    return getattr(err, "strerror", None) or str(err)
