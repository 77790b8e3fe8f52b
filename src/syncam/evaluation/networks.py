"""The networks that metrics take features from: found by path or hub id, read as safetensors or plain tensors only."""

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from syncam.errors import InputError
from syncam.evaluation.i3d import LEAST_FRAMES, I3d
from syncam.evaluation.inception import FidInception
from syncam.evaluation.lpips import Lpips
from syncam.evaluation.outcome import NotMeasurable
from syncam.evaluation.probe_network import SIDE, ProbeNetwork, load_probes
from syncam.evaluation.vbench import Vbench, find_vbench

__all__ = ["ClipNetwork", "MatcherNetwork", "NetworkPaths", "Networks", "Probes", "load_weights"]

BATCH = 32
DEFAULT_CLIP = "openai/clip-vit-base-patch32"
DEFAULT_MATCHER = "zju-community/efficientloftr"
OWN_PROBES = Path(__file__).parent / "probes"
"""The probes that come with the package."""
WEIGHTS = (".safetensors", ".pth", ".pt")
ABOUT = {
    "inception": "FID's Inception of 2015, such as pt_inception-2015-12-05-6726825d.pth",
    "i3d": "I3D of Kinetics-400 as a state dict, such as i3d_pretrained_400.pt",
    "lpips": "a folder with AlexNet's weights and LPIPS's heads (alex.pth of the lpips package)",
}


@dataclass(frozen=True, kw_only=True)
class NetworkPaths:
    """Where networks are: a file, a folder, or owner/name:file on the hub. None: there is none."""

    clip: str | None = None
    """A CLIP model of transformers: a folder or a hub id; None takes openai/clip-vit-base-patch32."""
    inception: str | None = None
    i3d: str | None = None
    lpips: str | None = None
    matcher: str | None = None
    """A keypoint matching model of transformers: a folder or a hub id; None takes EfficientLoFTR."""
    vbench: str | None = None
    """The Python of an environment with VBench, or the environment; None takes what SYNCAM_VBENCH names."""
    probes: str | None = None
    """A folder that syncam train small-probes exported; None takes those of the package."""


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file, or of all weight files in a folder, and the SHA-256 of the files.

    safetensors, or what torch.load reads with weights_only; nothing in a file is executed. InputError otherwise.
    """
    files = _files(str(path))
    tensors: dict[str, Tensor] = {}
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
        try:
            found: Any = (
                load_file(file)
                if file.suffix == ".safetensors"
                else torch.load(file, map_location="cpu", weights_only=True)
            )
        except (pickle.UnpicklingError, RuntimeError, SafetensorError, EOFError, OSError) as err:
            raise InputError(
                f"{file} cannot be read as plain tensors; expected safetensors or a state dict, "
                "not TorchScript or a pickled model"
            ) from err
        found = found.get("state_dict", found) if isinstance(found, dict) else found
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise InputError(f"{file} holds no state dict; expected names with tensors")
        tensors |= found
    return tensors, digest.hexdigest()


def _files(path: str) -> list[Path]:
    if Path(path).is_file():
        return [Path(path)]
    if Path(path).is_dir():
        files = sorted(file for file in Path(path).iterdir() if file.suffix in WEIGHTS)
        if not files:
            raise InputError(f"{path} holds no weights; expected files that end in {', '.join(WEIGHTS)}")
        return files
    repository, colon, name = path.partition(":")
    if not colon or repository.count("/") != 1:
        raise InputError(f"{path} does not exist; expected a file, a folder, or owner/name:file on the hub")
    from huggingface_hub import hf_hub_download

    try:
        return [Path(hf_hub_download(repository, name))]
    except (OSError, ValueError) as err:
        raise InputError(f"{path} cannot be fetched from the hub: {' '.join(str(err).split())[:200]}") from err


class ClipNetwork:
    """Frames and texts to embeddings of one space, as transformers' CLIPModel projects them.

    `source` is a folder or a hub id of a model with safetensors. NotMeasurable where it cannot be had.
    """

    def __init__(self, source: str) -> None:
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

        self.name = source
        try:
            self.model: Any = CLIPModel.from_pretrained(source, use_safetensors=True).eval()
            self.tokenizer: Any = AutoTokenizer.from_pretrained(source)
            config = CLIPImageProcessor.get_image_processor_dict(source)[0]
        except (OSError, ValueError, RuntimeError, ImportError) as err:
            raise NotMeasurable(f"no CLIP: {source} does not load; give --clip a folder or a hub id") from err
        self.mean, self.std = config["image_mean"], config["image_std"]
        self.side = int(self.model.config.vision_config.image_size)
        self.sha256 = _state_sha256(self.model)
        self.resize = f"shorter side to {self.side}, bicubic, centre crop"

    def frames(self, frames: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D"]:
        """Embeddings of pictures in [0, 1]; the sides of wide ones are cut off, as CLIP was trained."""
        x = _short_side(frames, self.side)
        mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (self.mean, self.std))
        with torch.inference_mode():
            found = [self.model.get_image_features(pixel_values=part) for part in ((x - mean) / std).split(BATCH)]
        return torch.cat([_pooled(one) for one in found]).float()

    def text(self, text: str) -> Float[Tensor, "D"]:
        """The embedding of a text, cut to what the model reads (77 tokens of the published ones)."""
        longest = int(self.model.config.text_config.max_position_embeddings)
        tokens = self.tokenizer([text], truncation=True, max_length=longest, return_tensors="pt")
        wanted = {key: tokens[key] for key in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            return _pooled(self.model.get_text_features(**wanted))[0].float()


class MatcherNetwork:
    """Two pictures to points that show the same, by a keypoint matching model of transformers.

    Such as EfficientLoFTR, which looks at every pixel, or LightGlue and SuperGlue on keypoints of their own. `source`
    is a folder or a hub id with safetensors. NotMeasurable where it cannot be had.
    """

    def __init__(self, source: str) -> None:
        from transformers import AutoImageProcessor, AutoModelForKeypointMatching

        self.name = source
        try:
            self.model: Any = AutoModelForKeypointMatching.from_pretrained(source, use_safetensors=True).eval()
            self.processor: Any = AutoImageProcessor.from_pretrained(source)
        except (OSError, ValueError, RuntimeError, ImportError) as err:
            raise NotMeasurable(f"no matcher: {source} does not load; give --matcher a folder or a hub id") from err
        self.size = int(self.processor.size["height"]), int(self.processor.size["width"])
        self.sha256, self.resize = _state_sha256(self.model), f"{self.size[0]}x{self.size[1]}, as the model's processor"

    def confidences(self, first: Float[Tensor, "3 H W"], second: Float[Tensor, "3 H W"]) -> Float[Tensor, "M"]:
        """How sure the model is of each of the matches that it finds between two pictures in [0, 1]."""
        pair = [(one * 255).round().clamp(0, 255).byte().numpy() for one in (first, second)]
        sizes = [[tuple(one.shape[-2:]) for one in (first, second)]]
        with torch.inference_mode():
            output = self.model(**self.processor(pair, return_tensors="pt"))
        return self.processor.post_process_keypoint_matching(output, sizes)[0]["matching_scores"].float()


def _state_sha256(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode() + tensor.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _pooled(output: Any) -> Tensor:
    """The projected embedding: newer versions of transformers wrap it."""
    return output if isinstance(output, Tensor) else output.pooler_output


def _short_side(frames: Float[Tensor, "N 3 H W"], side: int) -> Float[Tensor, "N 3 side side"]:
    """Scaled until the shorter side fits, 8-bit steps kept, and cut in the middle."""
    height, width = frames.shape[-2:]
    scale = side / min(height, width)
    size = (max(side, int(height * scale)), max(side, int(width * scale)))
    pixels = nn.functional.interpolate(frames, size, mode="bicubic", antialias=True, align_corners=False)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    return (pixels.clamp(0, 1) * 255).round()[..., top : top + side, left : left + side] / 255


@dataclass(frozen=True)
class Loaded:
    """A network with what identifies it."""

    module: nn.Module
    name: str
    sha256: str
    resize: str

    def frames(self, frames: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N D"]:
        """Features of single frames."""
        return _in_batches(self.module, frames, BATCH)

    def videos(self, videos: Float[Tensor, "N F 3 H W"]) -> Float[Tensor, "N D"]:
        """Features of whole videos."""
        if videos.shape[1] < LEAST_FRAMES:
            raise NotMeasurable(f"the video network needs {LEAST_FRAMES} frames or more")
        return _in_batches(self.module, videos, 1)

    def pairs(self, first: Float[Tensor, "N 3 H W"], second: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N"]:
        """A number for each pair of frames."""
        with torch.inference_mode():
            return torch.cat([self.module(a, b) for a, b in zip(first.split(BATCH), second.split(BATCH), strict=True)])


@dataclass(frozen=True)
class Probes:
    """The probes of the small world, with what they reach on held-out renders."""

    module: ProbeNetwork
    name: str
    sha256: str
    held_out: dict[str, float]
    resize: str = f"{SIDE}x{SIDE}, bilinear, antialiased"


def _in_batches(module: nn.Module, pixels: Tensor, size: int) -> Tensor:
    with torch.inference_mode():
        return torch.cat([module(part) for part in pixels.split(size)]).float()


class Networks:
    """Each network is loaded when a metric first asks for it; NotMeasurable says which is missing and how to get it."""

    def __init__(self, paths: NetworkPaths) -> None:
        self.paths = paths
        self._loaded: dict[str, Any] = {}

    @property
    def clip(self) -> ClipNetwork:
        """Frames and prompts."""
        return self._once("clip", lambda: ClipNetwork(self.paths.clip or DEFAULT_CLIP))

    @property
    def matcher(self) -> MatcherNetwork:
        """Pairs of frames, for matched pixels."""
        return self._once("matcher", lambda: MatcherNetwork(self.paths.matcher or DEFAULT_MATCHER))

    @property
    def vbench(self) -> Vbench:
        """Videos, in an environment of its own."""
        return self._once("vbench", lambda: find_vbench(self.paths.vbench))

    @property
    def inception(self) -> Loaded:
        """Frames, for FID and KID."""
        return self._once(
            "inception", lambda: self._load("inception", FidInception, "299x299, bilinear as in TensorFlow 1")
        )

    @property
    def i3d(self) -> Loaded:
        """Videos, for FVD."""
        return self._once("i3d", lambda: self._load("i3d", I3d, "224x224, bilinear"))

    @property
    def lpips(self) -> Loaded:
        """Pairs of frames."""
        return self._once("lpips", lambda: self._load("lpips", Lpips, "none"))

    @property
    def probes(self) -> Probes:
        """Pictures of the small world, alone and in pairs."""
        return self._once("probes", self._load_probes)

    def _load_probes(self) -> Probes:
        if self.paths.probes is None and not OWN_PROBES.is_dir():
            raise NotMeasurable("no probes come with this version; give --probes what syncam train small-probes writes")
        folder = self.paths.probes or OWN_PROBES
        module, held_out, sha256 = load_probes(folder)
        return Probes(module, "small-probes" if self.paths.probes is None else str(folder), sha256, held_out)

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        """What `load` returns, or raises, the first time: a hub that does not answer is asked once."""
        if name not in self._loaded:
            try:
                self._loaded[name] = load()
            except (InputError, NotMeasurable) as err:
                self._loaded[name] = err
        if isinstance(found := self._loaded[name], Exception):
            raise found
        return found

    def _load(self, name: str, build: Callable[[], nn.Module], resize: str) -> Loaded:
        path = getattr(self.paths, name)
        if path is None:
            raise NotMeasurable(f"no network: give --{name} {ABOUT[name]}")
        tensors, sha256 = load_weights(path)
        module = build()
        known = module.state_dict()
        heads = {key.removeprefix("net."): tensor for key, tensor in tensors.items()}
        kept = {key: heads[key] for key in known if key in heads}
        missing = [key for key in known if key not in kept and not key.endswith("num_batches_tracked")]
        if missing:
            raise InputError(f"{path} lacks {missing[0]} and {len(missing) - 1} others; expected {ABOUT[name]}")
        try:
            module.load_state_dict(kept, strict=False)
        except RuntimeError as err:
            raise InputError(f"{path} has tensors of other shapes; expected {ABOUT[name]}") from err
        return Loaded(module.eval(), path, sha256, resize)
