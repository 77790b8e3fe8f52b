"""The generate verb: prompts and a rig in, a folder of synchronised videos per prompt out."""

import dataclasses
import hashlib
import json
import re
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import save_rig
from syncam.cameras.rig import DEFAULT_RIG, parse_rig, rig_file
from syncam.cameras.trained_range import TrainedRange, load_trained_range
from syncam.errors import InputError
from syncam.files import atomic_dir
from syncam.pipelines.collaborative import Collaboration
from syncam.pipelines.defaults import CVD_DEFAULTS, Defaults, load_defaults
from syncam.pipelines.loading import BUILT_IN, read_base
from syncam.pipelines.prompts import read_prompts
from syncam.pipelines.recurrent import num_calls
from syncam.pipelines.results import check_writable, denoising_bar, holds_result, write_record
from syncam.pipelines.run_config import RunConfig, known

__all__ = ["GenerateConfig", "Item", "run"]


@dataclass(frozen=True, kw_only=True)
class GenerateConfig(RunConfig):
    """One generation or a batch of them. None takes the model's default."""

    positive = (*RunConfig.positive, "fps", "partners", "repeats", "pairs_at_once")
    prompt: str | None = None
    """What the videos show; or give `prompts`."""
    prompts: Path | None = None
    """A UTF-8 file with a prompt per line, or (.jsonl) an object per line: prompt and optionally seed, rig, name."""
    rig: str = DEFAULT_RIG
    """The cameras: a rig in words or a rig file."""
    method: Literal["view-sync", "cvd"] = "view-sync"
    """A Wan model with a view adapter, or Stable Diffusion 1.5 with the adapters of Collaborative Video Diffusion."""
    fps: float | None = None
    """Frames per second of the written videos."""
    lead_view: bool | None = None
    """Make all views together first, keep view 1, and make the others again to match it."""
    video: Path | None = None
    """What view 1 shows; only the others are made, to match it."""
    partners: int | None = None
    """Of every view, at every step, to be denoised with in pairs; None: all views are denoised together."""
    repeats: int | None = None
    """How often every step is made, each time in other pairs; None is once."""
    pairs_at_once: int | None = None
    """How many pairs the model is given at a time; changes memory and speed alone."""
    nerfstudio: bool = False
    """Write the frames as pictures with a transforms.json, besides."""

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.prompts is None):
            raise InputError("give one prompt, or a file of prompts with --prompts")
        if self.prompt is not None and not self.prompt.strip():
            raise InputError("the prompt is empty; say in a sentence what the videos show")
        super().__post_init__()
        for name in ("repeats", "pairs_at_once"):
            if getattr(self, name) is not None and self.partners is None and self.method != "cvd":
                raise InputError(f"{name} is for views that are made in pairs; give partners, too, such as 1")
        if self.method == "cvd":
            self._check_cvd()

    def _check_cvd(self) -> None:
        """InputError for settings that CVD does not have, and where its weights are not named."""
        if self.model is None or self.adapter is None:
            raise InputError(
                "cvd needs a model, Stable Diffusion 1.5 in the layout of diffusers, and an adapter, a folder with "
                "motion, sync and maybe control"
            )
        given = [name for name in ("lead_view", "guide_adapter", "video") if getattr(self, name)]
        if given or self.scheduler != "model":
            raise InputError(f"{[*given, 'scheduler'][0]} is for the method view-sync; leave it out for cvd")

    @property
    def collaboration(self) -> Collaboration | None:
        """How views are made in pairs; None where they are made together."""
        if self.partners is None and self.method != "cvd":
            return None
        return Collaboration(partners=self.partners or 1, repeats=self.repeats or 1, pairs_at_once=self.pairs_at_once)

    @property
    def passes(self) -> list[bool]:
        """Whether a known view leads, for every time that the views are denoised."""
        if self.video is not None:
            return [True]
        return [False, True] if self.lead_view else [False]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One prompt of a batch, with the folder it goes to."""

    prompt: str
    seed: int
    rig: str
    folder: Path


def run(config: GenerateConfig) -> dict[str, Any]:
    """Makes what `config` asks for and returns a summary: the folders, and which of them were there already.

    A folder appears whole or not at all: the views' mp4 files, grid.mp4, contact_sheet.png, cameras.json and run.json.
    A prompt whose folder holds the result of the same settings is skipped; other settings are an InputError unless
    `overwrite`.
    """
    model = config.model or BUILT_IN
    defaults = CVD_DEFAULTS if config.method == "cvd" else load_defaults(model, read_base(model).defaults)
    config = _filled(config, defaults)
    items = read_items(config)
    trained = _trained_range(config)
    for item in items:  # all rigs are read before any work is done
        cameras = _cameras(item.rig, config, trained)
        if config.collaboration is not None:
            config.collaboration.check(cameras.num_views)
    if config.video is not None:
        _given_video(config)  # refused before any work, if it does not fit
    if config.dry_run:
        return _plan(config, items[0], trained)
    todo = [item for item in items if not _is_done(item, config)]
    if todo:
        check_writable(config.out)
        _generate(config, todo, trained)
    skipped = [str(item.folder) for item in items if item not in todo]
    return {"videos": [str(item.folder) for item in items], "skipped": skipped or None}


def _filled(config: GenerateConfig, defaults: Defaults) -> GenerateConfig:
    """The config with the model's defaults in place of None."""
    hw = (defaults.height, defaults.width)
    return config.filled(defaults, hw=hw, fps=defaults.fps, lead_view=defaults.lead_view)


def read_items(config: GenerateConfig) -> list[Item]:
    """The prompts of the config, each with its seed, rig and folder."""
    if config.prompt is not None:
        return [Item(prompt=config.prompt, seed=config.seed, rig=config.rig, folder=config.out)]
    items = []
    for number, entry in enumerate(read_prompts(known(config.prompts)), start=1):
        name = entry.get("name") or f"{number:04d}-{_slug(entry['prompt'])}"
        seed, rig = entry.get("seed", config.seed), entry.get("rig", config.rig)
        items.append(Item(prompt=entry["prompt"], seed=seed, rig=rig, folder=config.out / name))
    folders = [item.folder for item in items]
    if len(set(folders)) < len(folders):
        double = next(folder.name for folder in folders if folders.count(folder) > 1)
        raise InputError(f"{config.prompts} uses the name {double!r} twice; every prompt needs a folder of its own")
    return items


def settings(item: Item, config: GenerateConfig) -> dict[str, Any]:
    """All that decides what the videos look like, as JSON values."""
    left_out = {"prompt", "prompts", "rig", "out", "seed", "dry_run", "overwrite", "device", "offload", "pairs_at_once"}
    left_out |= {name for name in ("nerfstudio", "method") if getattr(config, name) == getattr(GenerateConfig, name)}
    shared = {key: value for key, value in dataclasses.asdict(config).items() if key not in left_out}
    file = rig_file(item.rig)
    content = {} if file is None else {"rig_content": Path(file[0]).read_text(encoding="utf-8")}
    if config.video is not None:
        shared["video"] = str(config.video)
        content["video_sha256"] = hashlib.sha256(config.video.read_bytes()).hexdigest()
    return json.loads(json.dumps({"prompt": item.prompt, "seed": item.seed, "rig": item.rig, **content, **shared}))


def _trained_range(config: GenerateConfig) -> TrainedRange | None:
    """The cameras that the adapter was trained with; None where it does not say."""
    if config.method == "cvd":
        return None
    return load_trained_range(config.adapter or Path(config.model or BUILT_IN) / "view_sync")


def _cameras(rig: str, config: GenerateConfig, trained: TrainedRange | None) -> Cameras:
    """The rig; words that name no lens get the one that the adapter was trained with."""
    lens = None if trained is None else trained.lens_mm
    return parse_rig(rig, num_frames=known(config.num_frames), hw=known(config.hw), focal_mm=lens)


def _given_video(config: GenerateConfig) -> Any:
    """The video that view 1 shows, [F, C, H, W]; InputError unless it has the frames and size of what is made."""
    from syncam.data.video import read_video

    video = read_video(known(config.video))
    (height, width), frames = known(config.hw), known(config.num_frames)
    if tuple(video.shape) != (frames, 3, height, width):
        raise InputError(
            f"{config.video} has {len(video)} frames of {video.shape[2]}x{video.shape[3]}, but the views to make have "
            f"{frames} of {height}x{width}; cut and scale it, or ask for other frames and another size"
        )
    return video


def _is_done(item: Item, config: GenerateConfig) -> bool:
    """Whether the item's folder holds the result of these settings; InputError if it holds something else."""
    return holds_result(item.folder, partial(settings, item, config), overwrite=config.overwrite)


def _plan(config: GenerateConfig, item: Item, trained: TrainedRange | None) -> dict[str, Any]:
    """Tokens, memory and time of one prompt, from the model's configs alone."""
    from syncam.pipelines.plan import plan_calls, plan_generation, plan_pairs

    model, cameras = config.model or BUILT_IN, _cameras(item.rig, config, trained)
    if config.method == "cvd":
        return plan_calls(cameras.num_views, known(config.collaboration), item.seed, known(config.steps))
    shared: dict[str, Any] = {"num_inference_steps": known(config.steps), "guidance": known(config.guidance) > 1}
    shared |= {"device": config.device, "dtype": config.dtype}
    if config.collaboration is None:
        return plan_generation(model, cameras, lead_view=len(config.passes) > 1, **shared)
    return plan_pairs(
        model, cameras, config.collaboration, passes=config.passes, guide_adapter=known(config.guide_adapter), **shared
    )


def _generate(config: GenerateConfig, items: list[Item], trained: TrainedRange | None) -> None:
    from syncam.pipelines.rig_warnings import warn_about_rig
    from syncam.pipelines.vocabulary import warn_about_words

    started = time.perf_counter()
    pipeline = _load(config)
    loading = time.perf_counter() - started
    rigs = {rig: _cameras(rig, config, trained) for rig in dict.fromkeys(item.rig for item in items)}
    if config.method == "view-sync":
        if pipeline.defaults.closed_vocabulary:
            for item in items:
                warn_about_words(item.prompt, pipeline.base.tokenizer)
        seen = trained if trained is None or config.partners is None else dataclasses.replace(trained, views=None)
        for cameras in rigs.values():
            warn_about_rig(cameras, seen)  # in pairs, the model never sees how many views there are
    steps = len(config.passes) * num_calls(known(config.steps), config.repeats or 1)
    video = None if config.video is None else _given_video(config)
    with denoising_bar(len(items) * steps) as advance:
        for item in items:
            _generate_one(pipeline, config, item, rigs[item.rig], video, loading, advance)


def _load(config: GenerateConfig) -> Any:
    import torch

    shared: dict[str, Any] = {
        "dtype": None if config.dtype is None else getattr(torch, config.dtype),
        "device": config.device,
        "offload": config.offload,
    }
    if config.method == "cvd":
        from syncam.pipelines.cvd import CVDPipeline

        return CVDPipeline.from_pretrained(known(config.model), adapter=known(config.adapter), **shared)
    from syncam.pipelines.multiview import MultiViewPipeline

    return MultiViewPipeline.from_pretrained(config.model, adapter=config.adapter, **shared)


def _generate_one(
    pipeline: Any, config: GenerateConfig, item: Item, cameras: Cameras, video: Any, loading: float, advance: Any
) -> None:
    from syncam.data.video import contact_sheet, side_by_side, write_video
    from syncam.pipelines.nerfstudio import write_pictures

    height, width = known(config.hw)
    fps = known(config.fps)
    started = time.perf_counter()

    def after_step(_pipeline: Any, step: int, _timestep: Any, kept: dict[str, Any]) -> dict[str, Any]:
        advance(item.prompt)
        return kept

    own: dict[str, Any] = {}
    if config.method == "view-sync":
        own |= {"height": height, "width": width, "scheduler": config.scheduler, "video": video}
        own |= {"lead_view": config.lead_view, "guide_adapter": config.guide_adapter}
    result = pipeline(
        item.prompt,
        cameras,
        negative_prompt=config.negative_prompt,
        num_frames=config.num_frames,
        num_inference_steps=config.steps,
        guidance_scale=config.guidance,
        seed=item.seed,
        collaboration=config.collaboration,
        **own,
        output_type="latent",
        callback_on_step_end=after_step,
    )
    denoising = time.perf_counter() - started
    started = time.perf_counter()
    videos = pipeline.decode(result.latents)
    decoding = time.perf_counter() - started
    with atomic_dir(item.folder) as folder:
        for view, video in enumerate(videos, start=1):
            write_video(folder / f"view{view:02d}.mp4", video, fps)
        write_video(folder / "grid.mp4", side_by_side(videos), fps)
        contact_sheet(videos, num_columns=6, fps=fps).save(folder / "contact_sheet.png")
        save_rig(folder / "cameras.json", cameras, fps=fps)
        if config.nerfstudio:
            write_pictures(folder / "nerfstudio", videos, cameras)
        seconds = {"loading": loading, "denoising": denoising, "decoding": decoding}
        write_record(folder, settings(item, config), config.model, pipeline.base, seconds)


def _slug(prompt: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", prompt.lower()))[:40].strip("-") or "prompt"
