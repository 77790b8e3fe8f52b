"""What a few frames show, in words: any function that says it, and image-text models of transformers."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from syncam.data.video import to_uint8
from syncam.errors import InputError

__all__ = ["BatchCaptioner", "Captioner", "Dtype", "ModelCaptioner"]

Dtype = Literal["float32", "bfloat16", "float16"]
ASKED = "Describe what happens, in one or two sentences."
ASKED_OF_FRAMES = "These are frames of one video, in their order. " + ASKED
FRAMES = 4
"""How many frames are shown to a model that takes several."""


@runtime_checkable
class Captioner(Protocol):
    """Anything that says what frames show.

    Example:
        >>> def bright(frames: torch.Tensor) -> str:
        ...     return "a bright scene" if frames.mean() > 0.5 else "a dark scene"
        >>> caption_scenes(open_dataset("RealEstate10K"), bright)
    """

    def __call__(self, frames: Float[Tensor, "F C H W"]) -> str:
        """A text for frames of one video in their order, RGB in [0, 1]."""
        ...


@runtime_checkable
class BatchCaptioner(Protocol):
    """A captioner that is faster with several videos at once."""

    def __call__(self, frames: Float[Tensor, "F C H W"]) -> str: ...

    def batch(self, videos: Sequence[Float[Tensor, "_ 3 _ _"]]) -> list[str]:
        """A text for each of several videos, whose sizes may differ."""
        ...


class ModelCaptioner:
    """An image-text model of transformers: a folder, or a name on the hub. Its weights have to be safetensors.

    A model with a chat template (LLaVA, Qwen-VL, ...) is shown all frames and asked `prompt`. Others (BLIP, BLIP-2,
    GIT) describe one picture; `prompt` is how their text begins, or the question, and is no part of the caption.
    `device` None is cuda where there is one; `dtype` None is bfloat16 there and float32 elsewhere.
    InputError where the model cannot be loaded, or is none that describes pictures.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        prompt: str | None = None,
        max_tokens: int = 128,
        device: str | None = None,
        dtype: Dtype | None = None,
    ) -> None:
        if max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, got {max_tokens}")
        self.model, self.prompt, self.max_tokens = str(model), prompt, max_tokens
        self.device = _device(device)
        self.dtype = getattr(torch, dtype or ("bfloat16" if self.device.type == "cuda" else "float32"))
        self._processor, self._network = _load(self.model, self.dtype)
        self._network = self._network.eval().to(self.device)
        self.chats = getattr(self._processor, "chat_template", None) is not None

    @property
    def num_frames(self) -> int:
        """How many frames of a video it had best be shown."""
        return FRAMES if self.chats else 1

    def __call__(self, frames: Float[Tensor, "F C H W"]) -> str:
        """What the frames show; InputError for several frames where the model describes one picture."""
        return self.batch([frames])[0]

    @torch.no_grad()
    def batch(self, videos: Sequence[Float[Tensor, "_ 3 _ _"]]) -> list[str]:
        """What each of several videos shows; all are given to the model at once."""
        if not self.chats and any(len(video) != 1 for video in videos):
            raise InputError(f"{self.model} describes one picture, got {max(map(len, videos))} frames; show it one")
        pictures = [
            [Image.fromarray(frame) for frame in to_uint8(video).permute(0, 2, 3, 1).numpy()] for video in videos
        ]
        inputs = self._chat_inputs(pictures) if self.chats else self._plain_inputs(pictures)
        inputs = inputs.to(self.device, self.dtype)  # whole numbers stay whole
        try:
            tokens = self._network.generate(**inputs, max_new_tokens=self.max_tokens, do_sample=False)
        except torch.OutOfMemoryError as err:
            raise InputError(
                f"{self.model} runs out of memory with {len(videos)} videos at once; make the batch smaller"
            ) from err
        start = inputs["input_ids"].shape[1] if self.chats else 0
        texts = self._processor.batch_decode(tokens[:, start:], skip_special_tokens=True)
        return [self._without_prompt(" ".join(text.split())) for text in texts]

    def _plain_inputs(self, pictures: list[list[Image.Image]]) -> Any:
        images = [frames[0] for frames in pictures]
        if self.prompt is None:
            return self._processor(images=images, return_tensors="pt")
        text = [self.prompt] * len(images)
        return self._processor(images=images, text=text, padding=True, return_tensors="pt")

    def _chat_inputs(self, pictures: list[list[Image.Image]]) -> Any:
        """What is given to a model that is asked; all ends of the questions stand side by side, where answers start."""
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        conversations = []
        for frames in pictures:
            question = self.prompt or (ASKED if len(frames) == 1 else ASKED_OF_FRAMES)
            content = [*({"type": "image", "image": frame} for frame in frames), {"type": "text", "text": question}]
            conversations.append([{"role": "user", "content": content}])
        return self._processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )

    def _without_prompt(self, text: str) -> str:
        start = " ".join((self.prompt or "").split())
        if not self.chats and text.casefold().startswith(start.casefold()):
            return text[len(start) :].strip()
        return text


def _load(model: str, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    if model.startswith((".", "/", "~")) and not Path(model).is_dir():
        raise InputError(f"captioner {model} is not a folder; expected a model in the layout of transformers")
    try:
        try:  # pictures are prepared by Pillow, alike with and without torchvision
            processor = AutoProcessor.from_pretrained(model, backend="pil")
        except ImportError:  # a preparation of videos belongs to it, for which there is torchvision only
            processor = AutoProcessor.from_pretrained(model)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            model, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    except ImportError as err:
        raise InputError(f"captioner {model} needs a package that is not installed: {_said(err)}") from err
    except (OSError, ValueError, KeyError, RuntimeError) as err:
        raise InputError(
            f"captioner {model} cannot be loaded as a model that describes pictures, with safetensors: {_said(err)}"
        ) from err
    network, found = loaded
    if lost := sorted(found["missing_keys"]):
        raise InputError(f"captioner {model} lacks {len(lost)} weights, such as {lost[0]}; the model is not whole")
    if not hasattr(processor, "image_processor"):
        raise InputError(f"captioner {model} has no preparation of pictures; expected preprocessor_config.json in it")
    return processor, network


def _device(name: str | None) -> torch.device:
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as err:
        raise InputError(f"device {name} cannot be used ({_said(err)}); expected cpu, cuda or cuda:1") from err
    return device


def _said(err: Exception) -> str:
    return shorten(str(err), 200, placeholder=" ...")
