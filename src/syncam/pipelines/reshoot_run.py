"""The reshoot verb: videos and moves in, a folder of takes per video out."""

import dataclasses
import hashlib
import json
import logging
import time
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from syncam.cameras.encodings import latent_frame_indices
from syncam.cameras.formats import save_rig
from syncam.cameras.rig import parse_named_rig, rig_file
from syncam.cameras.trained_range import TrainedRange, load_trained_range
from syncam.data.fitting import Fit
from syncam.data.frame_stream import FrameStream
from syncam.errors import InputError
from syncam.files import atomic_dir
from syncam.optional import require
from syncam.pipelines.defaults import Defaults, load_defaults
from syncam.pipelines.loading import BUILT_IN, read_base
from syncam.pipelines.reshoot_items import Item, Short, find_items, prepared
from syncam.pipelines.results import check_writable, denoising_bar, holds_result, write_record
from syncam.pipelines.rig_warnings import warn_about_rig
from syncam.pipelines.run_config import RunConfig, known
from syncam.pipelines.takes import Takes, check_moves, moved_takes, rig_takes, warnings_of_view
from syncam.pipelines.windows import window_starts

__all__ = ["ReshootConfig", "run"]

logger = logging.getLogger(__name__)

PRESET_DISTANCE_M = 4.0
"""Of the subject in ReCamMaster's basic trajectories."""


@dataclass(frozen=True, kw_only=True)
class ReshootConfig(RunConfig):
    """Videos to show along other paths. None takes the model's default."""

    positive = (*RunConfig.positive, "distance")
    source: Path
    """A video, a picture, or a folder of videos."""
    move: tuple[str, ...] = ()
    """A take for each: a move in words, a preset by number or name, stabilise, zoom-in or zoom-out."""
    rig: str | None = None
    """Or a take for each camera of this rig, in words or from a file."""
    prompt: str | None = None
    """What the videos show, instead of what stands beside them."""
    distance: float | None = None
    """Metres from the source's camera to the subject; None: what the adapter was trained with, or else 4."""
    hw: tuple[int, int] | None = None
    """Height and width, pixels; None: in the source's proportions, with about as many pixels as the model's size."""
    fit: Literal["crop", "pad"] = "crop"
    short: Short | None = None
    """What follows a source that has fewer frames; None: it is refused."""

    def __post_init__(self) -> None:
        if bool(self.move) == (self.rig is not None):
            raise InputError("give one or more moves (--move 'arc 30'), or the cameras of a rig (--rig)")
        check_moves(self.move)
        if self.prompt is not None and not self.prompt.strip():
            raise InputError("the prompt is empty; say in a sentence what the video shows")
        super().__post_init__()


@dataclass(frozen=True)
class _Job:
    """A source that is ready to be shown along other paths."""

    item: Item
    stream: FrameStream
    fit: Fit
    num_windows: int


def run(config: ReshootConfig) -> dict[str, Any]:
    """Makes what `config` asks for and returns a summary: the folders, and which of them were there already.

    A folder appears whole or not at all: a video per take, grid.mp4, comparison.mp4 (the source, then the takes),
    contact_sheet.png, cameras.json and run.json. A source whose folder holds the result of the same settings is
    skipped; other settings are an InputError unless `overwrite`.
    """
    model = config.model or BUILT_IN
    defaults = load_defaults(model, read_base(model).defaults)
    config = _filled(config, defaults)
    adapter = _adapter(config)
    if any(move.startswith("stabilise") for move in config.move):
        require("pycolmap", extra="stabilise")
    items = find_items(config.source, config.out, config.prompt)
    todo = [
        item
        for item in items
        if not holds_result(item.folder, partial(settings, item, config), overwrite=config.overwrite)
    ]
    jobs = _jobs(config, defaults, todo)
    if config.dry_run:
        return _plan(config, jobs, adapter)
    if jobs:
        check_writable(config.out)
        _reshoot(config, jobs)
    skipped = [str(item.folder) for item in items if item not in todo]
    return {"videos": [str(item.folder) for item in items], "skipped": skipped or None}


def settings(item: Item, config: ReshootConfig) -> dict[str, Any]:
    """All that decides what the videos look like, as JSON values."""
    left_out = {"source", "prompt", "out", "dry_run", "overwrite", "device", "offload"}
    shared = {key: value for key, value in dataclasses.asdict(config).items() if key not in left_out}
    file = None if config.rig is None else rig_file(config.rig)
    content = {} if file is None else {"rig_content": Path(file[0]).read_text(encoding="utf-8")}
    with item.source.open("rb") as source:
        content["source_sha256"] = hashlib.file_digest(source, "sha256").hexdigest()
    return json.loads(json.dumps({"prompt": item.prompt, **content, **shared}))


def _filled(config: ReshootConfig, defaults: Defaults) -> ReshootConfig:
    """The config with the defaults of model and adapter in place of None."""
    trained = _trained_range(config)
    about = None if trained is None else trained.distance_m
    return config.filled(
        defaults.reshooting(), distance=PRESET_DISTANCE_M if about is None else round(sum(about) / 2, 2)
    )


def _adapter(config: ReshootConfig) -> Path:
    """Where the adapter is; InputError, before any work, where none is named and the model has none of its own."""
    if config.adapter is not None:
        return Path(config.adapter)
    own = Path(config.model or BUILT_IN) / "reshoot"
    if not own.is_dir():
        raise InputError(
            f"model {config.model} has no re-shoot adapter of its own (a folder reshoot); name one with --adapter, "
            "such as syncam convert makes of a ReCamMaster checkpoint, and with --model the model that it belongs to"
        )
    return own


def _trained_range(config: ReshootConfig) -> TrainedRange | None:
    """The cameras that the adapter was trained with; None where it does not say."""
    return load_trained_range(config.adapter or Path(config.model or BUILT_IN) / "reshoot")


def _jobs(config: ReshootConfig, defaults: Defaults, items: list[Item]) -> list[_Job]:
    """All sources opened and measured before any work; InputError for the first that cannot be re-shot."""
    from syncam.adapters.autoencoders import strides
    from syncam.pipelines.adapted import check_size
    from syncam.pipelines.plan import model_config

    if not items:
        return []
    model, num_frames = config.model or BUILT_IN, known(config.num_frames)
    base = read_base(model)
    vae = model_config(model, "vae", base.autoencoder)
    multiples, stride = base.multiples(vae, model_config(model, "transformer", base.transformer)), strides(vae)
    latent_frame_indices(num_frames, stride.clip)
    if config.hw is not None:
        check_size(config.hw, multiples)
    jobs, failed = [], []
    for item in items:
        try:
            stream, fit = prepared(
                item.source,
                num_frames=num_frames,
                hw=config.hw,
                pixels=defaults.height * defaults.width,
                multiples=multiples,
                temporal_stride=stride.frames,
                mode=config.fit,
                short=config.short,
            )
            windows = window_starts(stream.length, num_frames, stride.frames)
            job = _Job(item, stream, fit, len(windows))
            if config.rig is not None:
                _rig(config, job)
            jobs.append(job)
        except InputError as err:
            failed.append(err)
    _refuse(failed, len(items))
    return jobs


def _refuse(failed: list[InputError], number: int) -> None:
    """InputError if any of so many sources has failed."""
    if failed:
        count = f"{len(failed)} of {number} sources cannot be re-shot; the first: " if number > 1 else ""
        raise InputError(f"{count}{failed[0]}") from failed[0]


def _rig(config: ReshootConfig, job: _Job) -> Takes:
    trained = _trained_range(config)
    lens = None if trained is None else trained.lens_mm
    named = parse_named_rig(known(config.rig), num_frames=job.stream.length, hw=job.fit.hw, focal_mm=lens)
    return rig_takes(named.cameras, named.names)


def _takes(config: ReshootConfig, job: _Job, fps: float) -> Takes:
    """The paths of all takes of a source."""
    if config.rig is not None:
        return _rig(config, job)
    trained, distance = _trained_range(config), known(config.distance)

    @cache
    def estimated() -> Any:
        from syncam.pipelines.own_path import estimate_path

        logger.info("looking for the path of the camera of %s", job.item.source)
        return estimate_path(job.stream, distance)

    def own_path(seconds: float) -> tuple[Any, Any]:
        from syncam.pipelines.own_path import smoothed

        return estimated(), smoothed(estimated(), seconds * fps)

    return moved_takes(
        config.move,
        num_frames=job.stream.length,
        hw=job.fit.hw,
        distance=distance,
        focal_mm=None if trained is None else trained.lens_mm,
        own_path=own_path,
    )


def _warn(config: ReshootConfig, takes: Takes) -> None:
    """Logs what will be hard to show; once for all sources, whose moves are the same."""
    trained = _trained_range(config)
    for message in warnings_of_view(takes, known(config.distance)) if config.move else ():
        logger.warning("%s", message)
    if trained is not None:  # where a source's camera stands is not known, so only ways and lenses compare
        apart = {"distance_m": None, "elevation_deg": None, "azimuth_from_first_deg": None, "views": None}
        warn_about_rig(takes.cameras, dataclasses.replace(trained, **apart))


def _plan(config: ReshootConfig, jobs: list[_Job], adapter: Path) -> dict[str, Any]:
    """Tokens, memory and time, from the configs alone; sizes differ little, so the first source stands for all."""
    from syncam.adapters.adapter import read_config
    from syncam.pipelines.plan import plan_takes

    if not jobs:
        return {"plan": "nothing is left to do: all results are there already"}
    takes = len(config.move) or _rig(config, jobs[0]).cameras.num_views
    file = adapter / "config.json"
    return plan_takes(
        config.model or BUILT_IN,
        num_takes=takes * len(jobs),
        num_windows=takes * sum(job.num_windows for job in jobs),
        num_frames=known(config.num_frames),
        hw=jobs[0].fit.hw,
        rank=read_config(file).get("rank") if file.is_file() else None,
        num_inference_steps=known(config.steps),
        guidance=known(config.guidance) > 1,
        device=config.device,
        dtype=config.dtype,
    )


def _reshoot(config: ReshootConfig, jobs: list[_Job]) -> None:
    import torch

    from syncam.pipelines.reshoot import ReshootPipeline
    from syncam.pipelines.vocabulary import warn_about_words

    started = time.perf_counter()
    pipeline = ReshootPipeline.from_pretrained(
        config.model,
        adapter=config.adapter,
        dtype=None if config.dtype is None else getattr(torch, config.dtype),
        device=config.device,
        offload=config.offload,
    )
    loading = time.perf_counter() - started
    if pipeline.defaults.closed_vocabulary:
        for item in dict.fromkeys(job.item.prompt for job in jobs):
            warn_about_words(item, pipeline.base.tokenizer)
    views = len(config.move) or _rig(config, jobs[0]).cameras.num_views
    steps = sum(job.num_windows for job in jobs) * views * known(config.steps)
    failed = []
    with denoising_bar(steps) as advance:
        for job in jobs:
            try:
                _reshoot_one(pipeline, config, job, loading, advance, first=job is jobs[0])
            except InputError as err:  # such as a path that cannot be found: the other sources may have one
                failed.append(err)
    _refuse(failed, len(jobs))


def _reshoot_one(pipeline: Any, config: ReshootConfig, job: _Job, loading: float, advance: Any, *, first: bool) -> None:
    from syncam.pipelines.reshoot_files import write_takes

    item, stream, fit = job.item, job.stream, job.fit
    fps = stream.fps or pipeline.defaults.fps
    for note in stream.notes:
        logger.info("%s: %s", item.source, note)
    logger.info("%s: %d frames, %s; %d at a time", item.source, stream.length, fit, known(config.num_frames))
    takes, started = _takes(config, job, fps), time.perf_counter()
    if first:
        _warn(config, takes)

    def after_step(_pipeline: Any, step: int, _timestep: Any, kept: dict[str, Any]) -> dict[str, Any]:
        advance(item.source.name)
        return kept

    pieces = pipeline.stream(
        stream.frames(fit.apply),
        stream.length,
        takes.cameras,
        prompt=item.prompt,
        reference=takes.source,
        negative_prompt=config.negative_prompt,
        num_frames=config.num_frames,
        num_inference_steps=config.steps,
        guidance_scale=config.guidance,
        seed=config.seed,
        scheduler=config.scheduler,
        guide_adapter=config.guide_adapter,
        callback_on_step_end=after_step,
    )
    with atomic_dir(item.folder) as folder:
        write_takes(folder, pieces, takes.titles, fit=fit, fps=fps, num_frames=stream.length)
        save_rig(folder / "cameras.json", fit.cut_cameras(takes.cameras), fps=fps)
        source = {
            "file": str(item.source),
            "frames": stream.num_frames,
            "fps": fps,
            "size": str(fit),
            "notes": [*stream.notes],
        }
        seconds = {"loading": loading, "making": time.perf_counter() - started}
        more = {"source": source, "takes": [*takes.titles], "windows": job.num_windows}
        write_record(folder, settings(item, config), config.model, pipeline.base, seconds, **more)
