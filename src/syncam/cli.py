"""The `syncam` command: one typed function per verb, no logic of its own.

Everything heavy is imported inside the verbs, so that --help answers at once. An option left out is not passed on: its
default is that of the configuration that the verb fills in, or of the model.
"""

import dataclasses
import json as json_module
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro
from tyro.conf import Positional, arg
from tyro.extras import SubcommandApp

from syncam import __version__
from syncam.errors import InputError

__all__ = ["VERBS", "main"]

T = TypeVar("T")
Given = Annotated[T | None, arg(help_behavior_hint="")]  # None means: not given
Dtype = Literal["float32", "bfloat16", "float16"]


def generate(
    prompt: Annotated[Positional[str | None], arg(metavar="PROMPT", help_behavior_hint="")] = None,
    *,
    prompts: Given[Path] = None,
    rig: Given[str] = None,
    out: Given[Path] = None,
    model: Given[str] = None,
    adapter: Given[str] = None,
    negative_prompt: Given[str] = None,
    size: Annotated[str | None, arg(metavar="HxW", help_behavior_hint="")] = None,
    frames: Given[int] = None,
    fps: Given[float] = None,
    steps: Given[int] = None,
    guidance: Given[float] = None,
    seed: Given[int] = None,
    scheduler: Given[str] = None,
    device: Given[str] = None,
    dtype: Given[Dtype] = None,
    offload: Given[Literal["none", "model", "group"]] = None,
    dry_run: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Turn a sentence and a camera rig into synchronised videos, one per camera.

    $ syncam generate "a red horse walks on green grass under a blue sky" --out demo
    $ syncam generate "a blue dog walks on yellow sand" --rig orbit:views=3,radius=5,elevation=20
    $ syncam generate --prompts prompts.txt --seed 7 --out batch
    $ syncam generate "a street at night" --model Wan2.1-T2V-1.3B --adapter view_sync --dry-run

    Args:
        prompt: What the videos show, in one sentence.
        prompts: A text file with one prompt per line, instead of PROMPT.
        rig: The cameras: a rig in words or a rig file; see syncam rig --help.
        out: The folder to write: one video per camera, the rig, a contact sheet and all settings.
        model: A Wan text-to-video model in the layout of diffusers: a folder, or a name on the hub. Default: the small
            model inside syncam.
        adapter: The folder of a view adapter. Default: the one that lies with the model.
        negative_prompt: What the videos should not show.
        size: Height and width of the videos in pixels, such as 96x128. Default: that of the model.
        frames: Number of frames of every video. Default: that of the model.
        fps: Frames per second of the videos. Default: that of the model.
        steps: Number of denoising steps: more are slower and cleaner.
        guidance: How strongly the prompt is followed; 1 leaves guidance out and halves the time.
        seed: The same seed gives the same videos on the same machine.
        scheduler: The sampler. Default: that of the model.
        device: Where to compute: cpu, cuda, cuda:1. Default: cuda where there is one.
        dtype: The precision of the weights.
        offload: Keep on the device only the part of the model (model) or the layers (group) at work: slower, with
            less memory.
        dry_run: Say what would be made, with tokens and memory, and stop.
        overwrite: Replace what is in the output folder.
        json: Print the result as JSON.
    """
    from syncam.pipelines.generate import GenerateConfig, run

    given = _given(
        prompt=prompt,
        prompts=prompts,
        rig=rig,
        out=out,
        model=model,
        adapter=adapter,
        negative_prompt=negative_prompt,
        hw=_hw(size),
        num_frames=frames,
        fps=fps,
        steps=steps,
        guidance=guidance,
        seed=seed,
        scheduler=scheduler,
        device=device,
        dtype=dtype,
        offload=offload,
    )
    _show(run(GenerateConfig(**given, dry_run=dry_run, overwrite=overwrite)), as_json=json)


def rig(
    spec: Annotated[Positional[str], arg(metavar="SPEC")],
    *,
    frames: int = 17,
    size: Annotated[str, arg(metavar="HxW")] = "96x96",
    out: Given[Path] = None,
    format: Literal["syncam", "syncamvideo"] = "syncam",
    json: bool = False,
) -> None:
    """Show a camera rig as a table, or write it as a file.

    $ syncam rig hemisphere:views=4,radius=5,elevation=15,span=90
    $ syncam rig orbit:views=3,radius=5,elevation=20 --frames 81 --size 480x832 --out rig.json
    $ syncam rig camera_extrinsics.json#cam01,cam03 --json
    $ syncam rig rig.json --format syncamvideo --out camera_extrinsics.json

    Args:
        spec: A rig in words, or the path of a rig file; #cam01,cam03 behind a path chooses cameras.
        frames: Number of frames.
        size: Height and width of the pictures in pixels, such as 480x832.
        out: The file to write.
        format: The format of that file: our own, which keeps everything, or that of the SynCamVideo data set.
        json: Print the table as JSON.
    """
    from syncam.cameras.formats import save_rig, write_extrinsics_json
    from syncam.cameras.rig import describe, parse_rig

    cameras = parse_rig(spec, num_frames=frames, hw=_hw(size))
    if out is not None:
        write = {"syncam": save_rig, "syncamvideo": write_extrinsics_json}[format]
        write(out, cameras)
    _show(describe(cameras), as_json=json)


def render(
    *,
    out: Path,
    scenes: Given[int] = None,
    views: Given[int] = None,
    frames: Given[int] = None,
    fps: Given[float] = None,
    size: Annotated[str | None, arg(metavar="HxW", help_behavior_hint="")] = None,
    seed: Given[int] = None,
    split: Given[str] = None,
    workers: Given[int] = None,
    json: bool = False,
) -> None:
    """Render synchronised multi-camera clips of moving animals, in the layout of the SynCamVideo data set.

    A folder that holds some of the scenes already is completed: the same seed gives the same scenes.

    $ syncam render --out data --scenes 20
    $ syncam render --out data --scenes 5 --split val --seed 1000000
    $ syncam render --out data --scenes 1000 --views 8 --frames 17 --size 96x96 --workers 2

    Args:
        out: The folder of the data set.
        scenes: Number of scenes.
        views: Number of cameras per scene.
        frames: Number of frames of every video.
        fps: Frames per second.
        size: Height and width of the videos in pixels, such as 96x96.
        seed: The seed of the first scene; scene i has the seed plus i.
        split: The part of the data set: train or val.
        workers: Number of processes.
        json: Print the result as JSON.
    """
    from rich.console import Console
    from rich.progress import track

    from syncam.render.dataset import RenderConfig, render_dataset

    given = _given(
        num_scenes=scenes,
        num_views=views,
        num_frames=frames,
        fps=fps,
        hw=_hw(size),
        seed=seed,
        split=split,
        num_workers=workers,
    )


def train(
    recipe: Annotated[Positional[str | None], arg(metavar="RECIPE", help_behavior_hint="")] = None,
    *,
    list: bool = False,
    data: Given[Path] = None,
    out: Given[Path] = None,
    resume: bool = False,
    steps: Given[int] = None,
    seed: Given[int] = None,
    device: Given[str] = None,
    json: bool = False,
) -> None:
    """Train a model, or a part of one, by a named recipe.

    $ syncam train --list
    $ syncam train small-autoencoder --data data --out runs/autoencoder
    $ syncam train small-view-sync --data data --out runs/view_sync --steps 2000
    $ syncam train small-view-sync --data data --out runs/view_sync --resume

    Args:
        recipe: The name of the recipe; --list shows them all.
        list: Show the recipes and stop.
        data: The folder of a data set, as syncam render writes it.
        out: The folder for checkpoints, logs and the trained weights.
        resume: Go on exactly where the run in the output folder stopped.
        steps: Number of optimiser steps, instead of the recipe's.
        seed: The seed of the run, instead of the recipe's.
        device: Where to compute: cpu, cuda, cuda:1.
        json: Print the result as JSON.
    """


def convert(
    checkpoint: Annotated[Positional[Path], arg(metavar="CHECKPOINT")],
    *,
    out: Path,
    base: Given[Path] = None,
    dtype: Given[Dtype] = None,
    json: bool = False,
) -> None:
    """Turn a published SynCamMaster checkpoint into an adapter folder: config.json and safetensors.

    $ syncam convert step20000.ckpt --out view_sync
    $ syncam convert step20000.ckpt --out view_sync --base Wan2.1-T2V-1.3B-Diffusers
    $ syncam convert step20000.ckpt --out view_sync --dtype bfloat16 --json

    Args:
        checkpoint: The file, .ckpt, .pt or .safetensors, with the weights of the whole transformer.
        out: The folder to write.
        base: The folder of the model it was trained on; the rest of the checkpoint has to equal it.
        dtype: The precision of the weights. Default: that of the checkpoint.
        json: Print the result as JSON.
    """
    import torch

    from syncam.adapters.convert import convert_checkpoint

    result = convert_checkpoint(checkpoint, out, base=base, dtype=None if dtype is None else getattr(torch, dtype))
    _show(result, as_json=json)


VERBS: dict[str, Callable[..., None]] = {
    "generate": generate,
    "rig": rig,
    "render": render,
    "train": train,
    "convert": convert,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; leaves with 2 after bad input and with 130 after ctrl-C."""
    args = list(sys.argv[1:] if argv is None else argv)
    if args == ["--version"]:
        print(f"syncam {__version__}")
        return
    try:
        _dispatch(args)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader has gone, as in `syncam rig ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (InputError, OSError) as err:
        if os.environ.get("SYNCAM_DEBUG"):
            raise
        print(f"syncam: error: {' '.join(str(err).split())}", file=sys.stderr)
        sys.exit(2)


def _dispatch(args: list[str]) -> None:
    """Parse the arguments of one verb and call it; without a verb, print help or what is wrong."""
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
    if args and args[0] in VERBS:
        _set_up_logging()
        tyro.cli(VERBS[args[0]], prog=f"syncam {args[0]}", args=args[1:], config=config)
        return
    app = SubcommandApp()
    for name, function in VERBS.items():
        app.command(name=name, help=(function.__doc__ or "").partition("\n")[0])(function)
    description = "Synchronised multi-camera video generation. `syncam VERB --help` shows examples."
    app.cli(prog="syncam", description=description, args=args or ["--help"], config=config)


def _set_up_logging() -> None:
    """What syncam logs goes to stderr; the libraries below it speak up only about errors."""
    from rich.console import Console
    from rich.logging import RichHandler

    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", module=r"(torch|diffusers|transformers|accelerate)\.")
    handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("syncam").setLevel(logging.DEBUG if os.environ.get("SYNCAM_DEBUG") else logging.INFO)


def _show(result: Any, *, as_json: bool) -> None:
    """Print a result, on stdout: a dataclass or mapping as one value per line, a list of mappings as a table."""
    if dataclasses.is_dataclass(result):
        result = dataclasses.asdict(result)  # pyright: ignore[reportArgumentType]
    if as_json:
        print(json_module.dumps(result, indent=2, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    if isinstance(result, list):
        table = Table(*result[0])
        rows = [list(row.values()) for row in result]
    else:
        table = Table.grid("", "", padding=(0, 2))
        rows = [[name.replace("_", " "), value] for name, value in result.items() if value is not None]
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    Console(soft_wrap=True).print(table)


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _hw(size: str | None) -> Any:
    """(height, width) of "96x128"; None of None."""
    if size is None:
        return None
    height, _, width = size.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--size must be height x width in pixels, such as 96x128, got {size!r}")
    return int(height), int(width)
