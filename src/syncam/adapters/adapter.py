"""Adapter: weights beside a transformer, joined to it by hooks and told about cameras by a context manager."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.attachment import Attachment, attached_adapters
from syncam.adapters.backbones import BACKBONES, BlockSite, Transformer, find_backbone, token_grid
from syncam.adapters.compatibility import check_transformer_state, is_offloaded, reset_caches
from syncam.adapters.seams import Step
from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import latent_frame_indices
from syncam.errors import InputError

CAMERA_FEATURES = 12  # the rows of a 3x4 [R|t]

logger = logging.getLogger(__name__)

A = TypeVar("A", bound="Adapter")


@dataclass(eq=False)
class CameraState:
    """The cameras of one generation, and what every block's encoder makes of them once that is known."""

    encodings: Float[Tensor, "bv f 12"]
    num_views: int
    source: Float[Tensor, "s C F h w"] | None = None
    """Latents of the videos that the transformer sees beside its input, for adapters that show it any."""
    tokens: list[Tensor] | None = None
    tokens_key: tuple | None = None


class Adapter(ModelMixin, ConfigMixin):
    """Base of the adapters: owns `blocks`, one module per transformer block, and the camera state."""

    _supports_gradient_checkpointing = False  # the transformer's own checkpointing covers the adapter
    _keep_in_fp32_modules = ["modulation"]
    _skip_layerwise_casting_patterns = ["norm", "modulation"]
    blocks: nn.ModuleList
    seam: ClassVar[type[Any]]
    """Where in a block the adapter works."""
    latents_argument: ClassVar[str] = "hidden_states"
    """Name of the latents among the arguments of the transformer."""
    form: ClassVar[str] = "cross"
    """Of the backbones that it attaches to. A subclass may do the same work in blocks of another form."""

    def __init__(self):
        super().__init__()
        self._camera_state: Any = None
        self._enabled = True
        self._attachment: Attachment | None = None
        """Set by Attachment, for as long as its hooks are there."""

    def __getstate__(self) -> dict[str, Any]:
        """A copy has the weights, but is not attached: it must not drag a copy of the transformer along."""
        return {**self.__dict__, "_attachment": None, "_camera_state": None}

    @classmethod
    def from_pretrained(cls: type[A], source: str | Path, **settings: Any) -> A:
        """The adapter saved at `source`, a folder or hub id; InputError unless it holds exactly the weights it should.

        `settings` are those of diffusers' from_pretrained (torch_dtype, subfolder, ...).
        """
        folder = Path(source, settings.get("subfolder") or "")
        if (folder / "config.json").is_file():
            name, place = read_config(folder / "config.json").get("_class_name"), str(folder)
        elif Path(source).is_dir():
            raise InputError(f"{folder} has no config.json: expected a folder written by save_pretrained")
        else:
            where = {key: settings[key] for key in ("subfolder", "revision", "cache_dir", "token") if key in settings}
            found: Any = cls.load_config(str(source), **where)
            name, place = found.get("_class_name"), str(source)
        if (member := next((kind for kind in cls._family() if kind.__name__ == name), None)) is None:
            raise InputError(f"{place} holds a {name}, expected a {cls.__name__}")
        if member is not cls:
            return member.from_pretrained(source, **settings)
        settings |= {"use_safetensors": True, "output_loading_info": True}
        try:
            loaded: Any = super().from_pretrained(source, **settings)
        except ValueError as err:  # a tensor of another shape than the config says
            reason = str(err).partition(". ")[0]
            raise InputError(f"{source} does not hold the weights its config describes: {reason}") from err
        adapter, info = loaded
        for kind in ("missing", "unexpected"):
            if names := sorted(info[f"{kind}_keys"]):
                raise InputError(f"{source} has {len(names)} {kind} weights: {', '.join(names[:5])}")
        return adapter

    @classmethod
    def _family(cls: type[A]) -> list[type[A]]:
        """This class, and those that do the same work in blocks of another form."""
        return [cls, *cls.__subclasses__()]

    @classmethod
    def _for_form_of(cls: type[A], transformer: Transformer) -> type[A]:
        """The class of the family that attaches to `transformer`."""
        name, backbone = find_backbone(transformer)
        for member in cls._family():
            if member.form == backbone.form:
                return member
        raise InputError(
            f"transformer is a {name}, but a {cls.__name__} attaches to {', '.join(backbones_of_form(cls.form))}"
        )

    @classmethod
    def _sized_for(cls: type[A], transformer: Transformer, **settings: Any) -> tuple[A, list[tuple[Any, BlockSite]]]:
        """An adapter of the transformer's size, and its blocks beside those they belong to."""
        name, backbone = find_backbone(transformer)
        make: Any = cls
        adapter = make(**backbone.settings(transformer), backbone=name, **settings)
        return adapter, list(zip(adapter.blocks, backbone.sites(transformer), strict=True))

    def attach(self, transformer: Transformer) -> Attachment:
        """Joins the adapter to `transformer` until the returned handle's remove(), or the end of its `with` block.

        InputError if the sizes differ, or if either side is attached already.
        """
        name, backbone = self._backbone_of(transformer)
        if self._attachment is not None:
            raise InputError("this adapter is attached to a transformer already: call remove() on its handle first")
        if not all(self._goes_with(other) for other in attached_adapters(transformer)):
            raise InputError("this transformer has an adapter attached already: call remove() on its handle first")
        size = {"backbone": name} | backbone.settings(transformer)
        size.pop("eps", None)
        if self.config["backbone"] != name:  # which has sizes of other names
            size = {"backbone": name}
        if wrong := [key for key in size if self.config[key] != size[key]]:
            raise InputError(
                "the adapter does not fit the transformer: expected "
                + ", ".join(f"{key}={self.config[key]}" for key in wrong)
                + ", got "
                + ", ".join(f"{key}={size[key]}" for key in wrong)
            )
        check_transformer_state(transformer)
        return Attachment(self, transformer, backbone.sites(transformer))

    def _backbone_of(self, transformer: Transformer) -> tuple[str, Any]:
        """The name and the seams of the class of `transformer`; InputError if this adapter cannot attach to it."""
        return find_backbone(transformer)

    def _goes_with(self, other: "Adapter") -> bool:
        """Whether both can be attached to one transformer at the same time."""
        return False

    @contextmanager
    def _encoded(self, encodings: Float[Tensor, "..."], source: Tensor | None = None) -> Iterator[None]:
        if encodings.ndim < 3 or encodings.shape[-1] != CAMERA_FEATURES or not encodings.isfinite().all():
            raise InputError(f"encodings must be finite and [*B, V, f, 12], got shape {tuple(encodings.shape)}")
        state = CameraState(encodings.flatten(0, -3), num_views=encodings.shape[-3], source=source)
        with self._state(camera_state=state, enabled=True):
            yield

    @property
    def enabled(self) -> bool:
        """Whether the adapter is at work: everywhere but inside `disabled()`."""
        return self._enabled

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """For the length of the `with` block, the transformer gives its stock output, bit for bit."""
        with self._state(camera_state=self._camera_state, enabled=False):
            yield

    @contextmanager
    def _state(self, camera_state: Any, enabled: bool) -> Iterator[None]:
        before, home = (self._camera_state, self._enabled), self.device
        self._set_state(camera_state, enabled)
        try:
            yield
        finally:
            self._set_state(*before)
            if self.device != home and not is_offloaded(self):
                self._move(home)

    def _set_state(self, camera_state: Any, enabled: bool) -> None:
        self._camera_state, self._enabled = camera_state, enabled
        if self._attachment is not None:
            # What block caches have kept was computed with other cameras.
            reset_caches(self._attachment.transformer)

    def _move(self, device: torch.device) -> None:
        """An adapter follows its transformer's inputs, and goes back when the cameras do."""
        logger.info("moving the adapter from %s to %s", self.device, device)
        nn.Module.to(self, device)

    def _camera_tokens(self, state: CameraState) -> Sequence[Tensor | None] | None:
        """Every block's encoded cameras, computed once per generation; None where the block itself has to encode them.

        That is while training (the encoders need gradients) and while the weights are elsewhere (offloaded).
        """
        encoders: list[Any] = [block.cam_encoder for block in self.blocks]
        if torch.is_grad_enabled() or is_offloaded(self):
            return None
        key = (self.device, self.dtype, *(weights_key(encoder) for encoder in encoders))
        if state.tokens_key != key:
            encodings = state.encodings.to(self.device, self.dtype)
            state.tokens = [encoder(encodings) for encoder in encoders]
            state.tokens_key = key
        return state.tokens

    def _ready(self, transformer: Transformer) -> Any:
        """The camera state for a call of the transformer, None if disabled; InputError if there is none."""
        if not self._enabled:
            return None
        check_transformer_state(transformer)
        if self._camera_state is None:
            raise InputError(
                "the adapter is attached but has no cameras: call the transformer inside `with adapter.cameras(...)`, "
                "or inside `with adapter.disabled()` for its stock output"
            )
        return self._camera_state

    def prepare(self, transformer: Transformer, latents: Float[Tensor, "bv C F H W"]) -> tuple[Any, Sequence[Any]]:
        """What the blocks need for a call with these latents, and every block's encoded cameras; None if disabled."""
        state = self._ready(transformer)
        if state is None:
            return None, [None] * len(self.blocks)
        batch, (num_frames, height, width) = latents.shape[0], token_grid(transformer, latents.shape)
        cameras, camera_frames = state.encodings.shape[:2]
        if batch % cameras:
            scenes = cameras // state.num_views
            raise InputError(
                f"the transformer's batch is {batch}, expected a multiple of {cameras} ({scenes} scenes of "
                f"{state.num_views} views)"
            )
        if num_frames != camera_frames:
            raise InputError(
                f"cameras has {camera_frames} latent frames but the transformer's input has {num_frames} "
                "(temporal_stride turns video frames into latent frames; a static camera is repeated per frame)"
            )
        if self.device != latents.device and not is_offloaded(self):
            self._move(latents.device)
        repeats = batch // cameras  # one rig for several scenes, or a batch doubled for guidance
        tokens = self._camera_tokens(state) or [None] * len(self.blocks)
        if repeats > 1:
            tokens = [None if t is None else t.repeat(repeats, 1, 1) for t in tokens]
        step = Step(
            encodings=state.encodings.to(latents.device).repeat(repeats, 1, 1),
            rotary=self.rotary_table(state.num_views, height, width, latents.device),
            num_views=state.num_views,
            dtype=self.dtype,
        )
        return step, tokens

    def rotary_table(
        self, num_views: int, height: int, width: int, device: torch.device
    ) -> tuple[Tensor, Tensor] | None:
        """Cosine and sine for an attention of the adapter's own; None where it has none."""
        return None

    def to_input(self, latents: Float[Tensor, "b C f h w"]) -> Float[Tensor, "b C F h w"]:
        """What the transformer is given for these latents."""
        return latents

    def to_output(self, output: Float[Tensor, "b C F h w"]) -> Float[Tensor, "b C f h w"]:
        """The part of the transformer's output that is of the latents."""
        return output


def weights_key(module: nn.Module) -> tuple:
    """Another one after weights were changed in place, so that what was computed with them is never stale."""
    return tuple(None if weight.is_inference() else weight._version for weight in module.parameters())


def latent_cameras(cameras: Cameras | Float[Tensor, "..."], temporal_stride: int) -> Float[Tensor, "*B V f 4 4"]:
    """c2w of every latent frame, of cameras per video frame; latent frame i takes that of frame i * temporal_stride."""
    c2w = cameras.c2w if isinstance(cameras, Cameras) else cameras
    if c2w.ndim < 4 or c2w.shape[-2:] != (4, 4):
        raise InputError(f"cameras must be c2w matrices [*B, V, F, 4, 4], got shape {tuple(c2w.shape)}")
    return c2w[..., latent_frame_indices(c2w.shape[-3], temporal_stride), :, :]


def backbones_of_form(form: str) -> list[str]:
    """The classes of transformer whose blocks are of that form."""
    return [name for name, backbone in BACKBONES.items() if backbone.form == form]


def check_settings(*, backbone: str, form: str, dim: int, num_heads: int, translation_scale: float) -> None:
    """InputError if settings that all adapters share contradict each other."""
    if backbone not in backbones_of_form(form):
        raise InputError(f"backbone is {backbone!r}, but this adapter attaches to {', '.join(backbones_of_form(form))}")
    if dim % num_heads or (dim // num_heads) % 2:
        raise InputError(f"dim must be num_heads times an even head size, got dim={dim} and num_heads={num_heads}")
    if not translation_scale > 0:
        raise InputError(f"translation_scale is metres per unit and must be positive, got {translation_scale}")


def read_config(path: Path) -> dict[str, Any]:
    """The contents of a model's config.json."""
    try:
        return json.loads(path.read_text())
    except ValueError as err:
        raise InputError(f"{path} is not valid JSON: {err}") from err
