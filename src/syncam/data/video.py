"""Video files written, with loss and without, and pictures made of videos: grids of views and contact sheets."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.stream import VideoStream
from einops import rearrange
from jaxtyping import Float, UInt8, UInt16
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from syncam.data.decoding import GRAY, SUMS, count_frames, gray_sum, read_video
from syncam.errors import InputError
from syncam.files import atomic_path

__all__ = [
    "VideoWriter",
    "contact_sheet",
    "count_frames",
    "encode_video",
    "gray_writer",
    "read_video",
    "side_by_side",
    "video_writer",
    "write_gray",
    "write_video",
]

SHEET_WIDTH = 1200  # pixels: a contact sheet of tiny videos is enlarged by a whole factor to about this width
LABEL_HEIGHT = 22  # pixels above each row of the contact sheet


def encode_video(video: Float[Tensor, "F C H W"], fps: float, crf: int = 18) -> bytes:
    """An mp4 file (H.264, yuv420p) in memory. `video` is RGB in [0, 1]; `crf` 0 is best, 51 worst.

    Height and width must be even, which yuv420p demands: InputError otherwise, never a silent crop.
    """
    buffer = io.BytesIO()
    with VideoWriter(buffer, fps, crf) as writer:
        writer.write(video)
    return buffer.getvalue()


class VideoWriter:
    """An mp4 file that is written piece by piece, as encode_video makes it of a whole video; a context manager.

    Example:
        >>> with VideoWriter(temporary, fps=15) as writer:
        ...     for piece in pieces:  # [F, C, H, W]
        ...         writer.write(piece)
    """

    def __init__(self, file: str | Path | io.BytesIO, fps: float, crf: int = 18) -> None:
        if fps <= 0:
            raise InputError(f"fps must be positive, got {fps}")
        self.rate, self.crf = Fraction(fps).limit_denominator(1001), crf
        self.container = av.open(file if isinstance(file, io.BytesIO) else str(file), "w", format="mp4")
        self.stream: VideoStream | None = None

    def __enter__(self) -> "VideoWriter":
        return self

    def write(self, video: Float[Tensor, "F C H W"] | UInt8[Tensor, "F C H W"]) -> None:
        """Adds frames, RGB in [0, 1] or in 8 bits; all of one size, which is even: InputError otherwise."""
        num_frames, channels, height, width = video.shape
        if channels != 3 or num_frames < 1:
            raise InputError(f"video must be [F, 3, H, W] with at least one frame, got shape {tuple(video.shape)}")
        if height % 2 or width % 2:
            raise InputError(
                f"video is {height}x{width} but H.264 needs an even height and width; crop or pad it first"
            )
        if self.stream is None:
            # The same pictures must give the same bytes: one thread, and no macroblock tree, whose sums vary.
            exact = "threads=1:mbtree=0"
            options = {"crf": str(self.crf), "preset": "veryfast", "threads": "1", "x264-params": exact}
            self.stream = self.container.add_stream("libx264", rate=self.rate, options=options)
            self.stream.height, self.stream.width, self.stream.pix_fmt = height, width, "yuv420p"
            self.stream.codec_context.thread_count = 1
        if (self.stream.height, self.stream.width) != (height, width):
            raise InputError(
                f"frames of {height}x{width} do not go into a video of {self.stream.height}x{self.stream.width}"
            )
        for picture in video:  # one at a time: a video in 8 bits beside the video would be a quarter more memory
            image = to_uint8(picture).permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            self.container.mux(self.stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if kind is None and self.stream is not None:
            self.container.mux(self.stream.encode())
        self.container.close()


def write_video(path: str | Path, video: Float[Tensor, "F C H W"], fps: float, crf: int = 18) -> None:
    """Writes an mp4 file whole or not at all; see encode_video."""
    with video_writer(path, fps, crf) as write:
        write(video)


@contextmanager
def video_writer(path: str | Path, fps: float, crf: int = 18) -> Iterator[Callable[[Tensor], None]]:
    """Writes an mp4 file whole or not at all, piece by piece: yields VideoWriter's `write`."""
    # Encoding to memory keeps disk errors plain OSErrors of one write instead of half-reported muxer states.
    buffer = io.BytesIO()
    with VideoWriter(buffer, fps, crf) as writer:
        yield writer.write
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def write_gray(
    path: str | Path, frames: UInt8[np.ndarray, "F H W"] | UInt16[np.ndarray, "F H W"], fps: float, comment: str
) -> None:
    """Writes numbers as a grey video without loss (FFV1 in Matroska), whole or not at all; `read_gray` reads it.

    Every frame is a keyframe. `comment` says in the file what the numbers mean.
    """
    with gray_writer(path, fps, comment) as write:
        for picture in frames:
            write(picture)


@contextmanager
def gray_writer(
    path: str | Path, fps: float, comment: str
) -> Iterator[Callable[[UInt8[np.ndarray, "H W"] | UInt16[np.ndarray, "H W"]], None]]:
    """Writes numbers as write_gray does, picture by picture: yields what takes the next one.

    Only what they are encoded to is held in memory, because the file begins with the sums of all of them.
    """
    buffer, sums, packets = io.BytesIO(), list[str](), list[av.Packet]()
    # bitexact: no random names, no versions; the same numbers give the same bytes
    with av.open(buffer, "w", format="matroska", container_options={"fflags": "+bitexact"}) as container:
        options = {"level": "3", "g": "1", "slices": "4", "slicecrc": "1", "threads": "1", "flags": "+bitexact"}
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.codec_context.thread_count = 1

        def write(picture: np.ndarray) -> None:
            if not sums:
                stream.height, stream.width = picture.shape
                stream.pix_fmt = GRAY[picture.dtype.name]
            sums.append(gray_sum(picture))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=GRAY[picture.dtype.name])
            packets.extend(stream.encode(frame))

        yield write
        packets.extend(stream.encode())
        container.metadata.update({"comment": comment, SUMS: " ".join(sums)})
        while packets:
            container.mux(packets.pop(0))
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def side_by_side(video: Float[Tensor, "V F C H W"]) -> Float[Tensor, "F C Hgrid Wgrid"]:
    """All views in one picture per frame: a row of up to four views, or a near-square grid with empty cells black."""
    num_views = video.shape[0]
    columns = num_views if num_views <= 4 else int(np.ceil(np.sqrt(num_views)))
    rows = -(-num_views // columns)
    empty = video.new_zeros(rows * columns - num_views, *video.shape[1:])
    return rearrange(torch.cat([video, empty]), "(r c) F C H W -> F C (r H) (c W)", r=rows)


def contact_sheet(
    video: Float[Tensor, "V F C H W"],
    num_columns: int = 6,
    fps: float | None = None,
    *,
    titles: Sequence[str] | None = None,
    times: Sequence[Sequence[str]] | None = None,
) -> Image.Image:
    """A labelled picture, one row per view and one column per moment, enlarged by a whole factor when frames are tiny.

    Columns are spread evenly from the first to the last frame; labels give seconds if `fps` is given, else frames.
    With `times`, a label for every frame of every view, these are the labels; `titles`, one for each view, stand above
    the rows. Both are cut to what there is room for.
    """
    num_views, num_frames, _, height, width = video.shape
    if num_columns < 1:
        raise InputError(f"num_columns must be at least 1, got {num_columns}")
    indices: list[int] = torch.linspace(0, num_frames - 1, min(num_columns, num_frames)).round().int().tolist()
    scale = max(1, round(SHEET_WIDTH / (width * len(indices))))
    cell_height, cell_width = height * scale, width * scale
    heading = LABEL_HEIGHT if titles is None else 2 * LABEL_HEIGHT
    row_height = cell_height + heading
    sheet = Image.new("RGB", (cell_width * len(indices), row_height * num_views), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    pixels = rearrange(to_uint8(video), "V F C H W -> V F H W C").numpy()
    for view in range(num_views):
        if titles is not None:
            title = _shortened(titles[view], font, sheet.width - 8)
            draw.text((4, view * row_height + 3), title, fill="black", font=font)
        for column, index in enumerate(indices):
            left, top = column * cell_width, view * row_height + heading
            if times is None:
                moment = f"frame {index}" if fps is None else f"{index / fps:.2f} s"
                text = f"view {view + 1:02d}  {moment}" if column == 0 and titles is None else moment
            else:
                text = _shortened(times[view][index], font, cell_width - 8)
            draw.text((left + 4, top - LABEL_HEIGHT + 3), text, fill="black", font=font)
            picture = Image.fromarray(pixels[view, index])
            if scale > 1:
                picture = picture.resize((cell_width, cell_height), Image.Resampling.BICUBIC)
            sheet.paste(picture, (left, top))
    return sheet


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text on one line; of one that is wider than that many pixels, the end is left."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    cut = next((cut for cut in range(1, len(text)) if font.getlength("…" + text[cut:]) <= width), len(text))
    return "…" + text[cut:]


def to_uint8(video: Tensor) -> Tensor:
    """Pixels 0..255 of a float video in [0, 1], on the CPU; values outside are clipped as a screen would. Those of a
    video in 8 bits are what they are."""
    if video.dtype == torch.uint8:
        return video.detach().cpu()
    return video.detach().cpu().float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
