"""What shows one view of a scene: a video file, or the pictures of its frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from syncam.cameras.formats.sequence import natural
from syncam.data.decoding import VideoHeader, as_floats, check_video, read_header, read_picture, read_video
from syncam.data.tar_member import TarMember
from syncam.data.transforms import fit_pixels
from syncam.errors import InputError

__all__ = ["Footage", "Pictures", "VideoFile", "pictures_in"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class VideoFile:
    """A view that is a video file. With `member` it lies in a tar file, and nothing is at `path`, which is its name."""

    path: Path
    member: TarMember | None = None

    def header(self) -> VideoHeader:
        """Frames, rate and size as stated; the file is opened once for it."""
        return self._header

    @cached_property
    def _header(self) -> VideoHeader:
        return read_header(self.member or self.path)

    def read(self, frames: Sequence[int] | None, hw: tuple[int, int] | None) -> Float[Tensor, "F C H W"]:
        """The chosen frames, RGB in [0, 1], fitted to `hw` where it is given."""
        return read_video(self.member or self.path, frames, hw)

    def count(self) -> int:
        """The number of frames, all decoded; InputError for the first that is damaged."""
        return check_video(self.member or self.path)


@dataclass(frozen=True)
class Pictures:
    """A view that is one picture per frame; `prepare` is applied to each as it is stored, before it is scaled."""

    path: Path
    """The folder of the pictures."""
    paths: tuple[Path, ...]
    fps: float = 1.0
    prepare: Callable[[UInt8[Tensor, "C H W"]], UInt8[Tensor, "C H W"]] | None = None

    def header(self) -> VideoHeader:
        """Frames, rate and the size that the first picture states; it is opened once for it."""
        return self._header

    @cached_property
    def _header(self) -> VideoHeader:
        if not self.paths:
            raise InputError(f"{self.path} holds no pictures; expected files that end in {', '.join(PICTURES)}")
        if not self.paths[0].is_file():
            raise InputError(f"picture {self.paths[0]} does not exist; expected an image file")
        try:
            with Image.open(self.paths[0]) as image:
                return VideoHeader(len(self.paths), self.fps, (image.height, image.width))
        except (OSError, Image.DecompressionBombError) as err:
            raise InputError(f"{self.paths[0]} cannot be read as a picture ({err}); the file is damaged") from err

    def read(self, frames: Sequence[int] | None, hw: tuple[int, int] | None) -> Float[Tensor, "F C H W"]:
        """The chosen frames, RGB in [0, 1], fitted to `hw` where it is given; nothing else is read."""
        chosen = range(len(self.paths)) if frames is None else frames
        if not chosen or min(chosen) < 0 or max(chosen) >= len(self.paths):
            raise InputError(f"frames of {self.path} must lie in 0..{len(self.paths) - 1}, got {list(chosen)}")
        pixels = []
        for frame in chosen:
            picture = read_picture(self.paths[frame])
            picture = picture if self.prepare is None else self.prepare(picture)
            pixels.append(picture if hw is None else fit_pixels(picture, hw))
            if pixels[-1].shape != pixels[0].shape:
                raise InputError(
                    f"{self.paths[frame]} is {tuple(pixels[-1].shape[1:])} (height, width) but the frames before it "
                    f"are {tuple(pixels[0].shape[1:])}"
                )
        return as_floats(pixels)

    def count(self) -> int:
        """The number of frames, all decoded; InputError for the first that is damaged or of another size."""
        for path in self.paths:
            if read_picture(path).shape[1:] != self.header().hw:
                raise InputError(f"{path} differs in size from {self.paths[0].name}; expected {self.header().hw}")
        return len(self.paths)


Footage = VideoFile | Pictures


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """The image files of a folder in natural order: frame_2 before frame_10."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith(".")]
    return tuple(sorted(files, key=lambda file: natural(file.name)))
