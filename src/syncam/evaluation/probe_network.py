"""The probes: one small network that tells what pictures of the small world show, and how two of them belong together.

It is trained on rendered scenes (syncam.training.probes), where the truth is known, and then frozen. No pretrained
network knows these pictures.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from syncam.errors import InputError
from syncam.evaluation.probe_words import LABELS
from syncam.files import write_json

__all__ = ["MOMENTS", "SIDE", "ProbeNetwork", "load_probes", "probe_moments", "save_probes", "shrunk", "view_angles"]

SIDE = 64
"""Height and width of what the network sees, pixels."""
MOMENTS = 5
"""Pictures of a clip that the network sees, half a second apart."""
SECONDS_APART = 0.5
WIDTH = 128
SCHEMA, VERSION = "syncam-probes", 1
CONFIG, WEIGHTS = "config.json", "probes.safetensors"
STILL_LABELS = ("species", "colour", "ground", "sky")
"""What one picture shows; the action takes several."""


def probe_moments(num_frames: int, fps: float) -> list[int]:
    """The frames that the probes look at: half a second apart from the first one on, at most five."""
    frames = [round(moment * SECONDS_APART * fps) for moment in range(MOMENTS)]
    return [frame for frame in dict.fromkeys(frames) if frame < num_frames]


def shrunk(frames: Float[Tensor, "*batch 3 H W"]) -> Float[Tensor, "*batch 3 64 64"]:
    """Square pictures at the size that the network sees; InputError of others."""
    height, width = frames.shape[-2:]
    if height != width or height < SIDE:
        raise InputError(f"the probes know square pictures of {SIDE} pixels or more, got {height}x{width}")
    small = F.interpolate(frames.reshape(-1, 3, height, width), (SIDE, SIDE), mode="bilinear", antialias=True)
    return small.view(*frames.shape[:-2], SIDE, SIDE)


def view_angles(c2w: Float[Tensor, "*batch 4 4"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """From which side and from how high cameras look, in radians: azimuth and elevation against the optical axis."""
    x, y, z = (-c2w[..., :3, 2]).unbind(-1)
    return torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ProbeNetwork(nn.Module):
    """Convolutions to 8x8 cells of a picture; heads that read the cells of one picture, of several, or of two views.

    Example:
        >>> cells = ProbeNetwork().encode(torch.rand(2, 3, 64, 64))
        >>> ProbeNetwork().labels(cells)["species"].shape
        torch.Size([2, 8])
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, WIDTH // 4, 4, stride=2, padding=1),
            _Residual(WIDTH // 4),
            nn.Conv2d(WIDTH // 4, WIDTH // 2, 3, stride=2, padding=1),
            _Residual(WIDTH // 2),
            nn.Conv2d(WIDTH // 2, WIDTH, 3, stride=2, padding=1),
            _Residual(WIDTH),
            _Residual(WIDTH),
            nn.GroupNorm(8, WIDTH),
        ).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        cells = (SIDE // 8) ** 2
        self.places = nn.Parameter(0.02 * torch.randn(cells, WIDTH))
        self.questions = nn.Parameter(0.5 * torch.randn(len(STILL_LABELS) + 1, WIDTH))
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.still = nn.ModuleDict({label: nn.Linear(WIDTH, len(LABELS[label])) for label in STILL_LABELS})
        self.moving = nn.Sequential(
            nn.Linear(MOMENTS * WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, len(LABELS["action"]))
        )
        self.sides = nn.Parameter(0.02 * torch.randn(2, 1, WIDTH))
        self.summary = nn.Parameter(0.02 * torch.randn(1, 1, WIDTH))
        layers = [
            nn.TransformerEncoderLayer(
                WIDTH, 4, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(2)
        ]
        self.pairs = nn.Sequential(*layers, nn.LayerNorm(WIDTH))
        self.relation = nn.Linear(WIDTH, 5)

    def encode(self, frames: Float[Tensor, "N 3 64 64"]) -> Float[Tensor, "N 64 128"]:
        """The cells of pictures in [0, 1]."""
        x = self.convolutions((2 * frames - 1).contiguous(memory_format=torch.channels_last))
        return x.flatten(2).transpose(1, 2) + self.places

    def _asked(self, cells: Float[Tensor, "N S D"]) -> Float[Tensor, "N Q D"]:
        questions = self.questions.expand(len(cells), -1, -1)
        return self.attention(questions, cells, cells, need_weights=False)[0]

    def labels(self, cells: Float[Tensor, "N S D"]) -> dict[str, Float[Tensor, "N _"]]:
        """Logits of what each picture shows: species, colour, ground, sky."""
        answers = self._asked(cells)
        return {label: self.still[label](answers[:, number]) for number, label in enumerate(STILL_LABELS)}

    def action(self, cells: Float[Tensor, "N M S D"]) -> Float[Tensor, "N 3"]:
        """Logits of what the animal does, from five pictures of one view."""
        answers = self._asked(cells.flatten(0, 1))[:, -1].unflatten(0, cells.shape[:2])  # [N, M, D]
        return self.moving(answers.flatten(1))

    def relate(self, first: Float[Tensor, "N S D"], second: Float[Tensor, "N S D"]) -> dict[str, Float[Tensor, "N *_"]]:
        """How the second picture relates to the first.

        azimuth: cosine and sine, of any length, of the angle from the first camera round to the second; elevation: that
        of the second less that of the first, radians; same_scene, same_moment: logits, the latter if it is one scene.
        """
        summary = self.summary.expand(len(first), -1, -1)
        both = torch.cat([summary, first + self.sides[0], second + self.sides[1]], dim=1)
        found = self.relation(self.pairs(both)[:, 0]).float()
        return {
            "azimuth": found[:, :2],
            "elevation": found[:, 2],
            "same_scene": found[:, 3],
            "same_moment": found[:, 4],
        }


def save_probes(folder: Path, network: ProbeNetwork, held_out: Mapping[str, float], about: Mapping[str, Any]) -> None:
    """Writes probes.safetensors in half precision, and config.json with what they reach on held-out renders.

    `about` says what was held out.
    """
    weights = {name: tensor.detach().half().contiguous().cpu() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    config = {"schema": SCHEMA, "version": VERSION, "labels": LABELS, "held_out": dict(held_out), **about}
    write_json(folder / CONFIG, config)


def load_probes(folder: str | Path) -> tuple[ProbeNetwork, dict[str, float], str]:
    """The network, its figures on held-out renders, and the SHA-256 of its weights; InputError naming what is wrong."""
    folder = Path(folder)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    except (OSError, ValueError, SafetensorError) as err:
        raise InputError(
            f"{folder} holds no probes; expected {CONFIG} and {WEIGHTS}, which syncam train small-probes writes"
        ) from err
    labels = {name: list(words) for name, words in LABELS.items()}
    if not isinstance(config, dict) or config.get("schema") != SCHEMA or config.get("version") != VERSION:
        raise InputError(f"{folder / CONFIG} is not of probes of version {VERSION}; train them anew")
    if config.get("labels") != labels or not isinstance(config.get("held_out"), dict):
        raise InputError(f"{folder / CONFIG} is of other labels, or says nothing of held-out renders; train them anew")
    network = ProbeNetwork()
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as err:
        raise InputError(f"{folder / WEIGHTS} is of another network; train the probes anew") from err
    return network.eval().requires_grad_(False), config["held_out"], digest
