"""The `syncam` command: one typed function per verb, no logic of its own.

Everything heavy is imported inside the verbs, so that --help answers at once.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import tyro
from tyro.conf import FlagConversionOff, Positional, arg
from tyro.extras import SubcommandApp

from syncam import __version__
from syncam.cli_data import DATA_VERBS
from syncam.cli_evaluate import evaluate
from syncam.cli_render import RENDER_VERBS
from syncam.cli_reshoot import reshoot
from syncam.cli_rig import RIG_VERBS, picture_size
from syncam.console import progress_bar, set_up_logging, show
from syncam.errors import InputError
from syncam.rig_words import DEFAULT_RIG

__all__ = ["VERBS", "main"]

T = TypeVar("T")
Given = Annotated[T | None, arg(help_behavior_hint="")]  # None means: not given
Size = Annotated[str, arg(metavar="HxW")]
Dtype = Literal["float32", "bfloat16", "float16"]


def generate(
    prompt: Annotated[Positional[str | None], arg(metavar="PROMPT", help_behavior_hint="")] = None,
    *,
    prompts: Given[Path] = None,
    rig: str = DEFAULT_RIG,
    out: Path = Path("out"),
    method: Literal["view-sync", "cvd"] = "view-sync",
    model: Given[str] = None,
    adapter: Given[str] = None,
    negative_prompt: Given[str] = None,
    size: Annotated[str | None, arg(metavar="HxW", help_behavior_hint="")] = None,
    frames: Given[int] = None,
    fps: Given[float] = None,
    steps: Given[int] = None,
    guidance: Given[float] = None,
    seed: int = 0,
    scheduler: Literal["model", "euler", "unipc", "ddim", "dpm", "reference"] = "model",
    lead_view: FlagConversionOff[Annotated[bool | None, arg(metavar="True|False", help_behavior_hint="")]] = None,
    guide_adapter: FlagConversionOff[Annotated[bool | None, arg(metavar="True|False", help_behavior_hint="")]] = None,
    video: Given[Path] = None,
    partners: Given[int] = None,
    repeats: Given[int] = None,
    pairs_at_once: Given[int] = None,
    nerfstudio: bool = False,
    device: Given[str] = None,
    dtype: Given[Dtype] = None,
    offload: Literal["none", "model", "group"] = "none",
    dry_run: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Turn a sentence and a camera rig into synchronised videos, one per camera.

    For example:
      $ syncam generate "a red horse walks on green grass under a blue sky" --out demo
      $ syncam generate "a blue pig walks on pale sand" --rig orbit:views=3,radius=5,elevation=20
      $ syncam generate --prompts prompts.txt --seed 7 --out batch
      $ syncam generate "a street at night" --model Wan2.1-T2V-1.3B-Diffusers --adapter view_sync --dry-run

    Args:
        prompt: What the videos show, in one sentence.
        prompts: A file with one prompt per line, instead of PROMPT; or (.jsonl) with an object per line that has prompt
            and optionally seed, rig and name.
        rig: The cameras: a rig in words or a rig file; see syncam rig show --help.
        out: The folder to write: one video per camera, a grid of them, a contact sheet, the rig and all settings. With
            --prompts, a folder per prompt inside.
        method: View synchronisation of a video transformer, for cameras anywhere; or Collaborative Video Diffusion
            (cvd) on Stable Diffusion 1.5, for cameras that start at one place.
        model: A text-to-video model of Wan, SkyReels-V2 or CogVideoX in the layout of diffusers: a folder, or a name on
            the hub. Default: the small model inside syncam. For cvd, a Stable Diffusion 1.5.
        adapter: The folder of a view adapter. Default: view_sync in the folder of the model. For cvd, a folder with
            motion, sync and maybe control, each as syncam convert writes it.
        negative_prompt: What the videos should not show. Default: that of the model.
        size: Height and width of the videos in pixels, such as 96x128. Default: that of the model.
        frames: Number of frames of every video. Default: that of the model.
        fps: Frames per second of the videos. Default: that of the model.
        steps: Number of denoising steps. Default: that of the model.
        guidance: How strongly the prompt is followed; 1 leaves guidance out and halves the work. Default: that of the
            model.
        seed: The seed of the noise that the videos start from.
        scheduler: The sampler: that of the model; Euler steps or UniPC (ddim or dpm of CogVideoX); or the steps of the
            published SynCamMaster.
        lead_view: Make all views together, keep the first, and make the others again to match it (True), or stop after
            the first pass (False). Default: as the model was trained.
        guide_adapter: Let guidance strengthen not only the prompt (False) but also the agreement of the views (True).
            Default: that of the model.
        video: A video that the first view shows, of the size and frames of the others, which are made to match it.
        partners: Denoise the views in pairs, each with so many others at every step, drawn anew: for more views than
            the model was trained with. Default: all views together.
        repeats: With partners, make every step so often, each time in other pairs. Default: once.
        pairs_at_once: With partners, give the model so many pairs at a time; 1 takes the least memory. Default: as many
            as hold every view once.
        nerfstudio: Write all frames as pictures with a transforms.json, besides, to train nerfstudio on.
        device: Where to compute, such as cpu or cuda:1. Default: cuda where there is one.
        dtype: The precision of the weights. Default: what the device multiplies fast.
        offload: Keep on the device only the part of the model (model) or the layers (group) at work: slower, with
            less memory.
        dry_run: Say how much work, memory and time it would take, and stop.
        overwrite: Replace results of other settings in the output folder.
        json: Print the result as JSON.
    """
    from syncam.pipelines.generate import GenerateConfig, run

    config = GenerateConfig(
        prompt=prompt,
        prompts=prompts,
        rig=rig,
        out=out,
        method=method,
        model=model,
        adapter=adapter,
        negative_prompt=negative_prompt,
        hw=picture_size(size),
        num_frames=frames,
        fps=fps,
        steps=steps,
        guidance=guidance,
        seed=seed,
        scheduler=scheduler,
        lead_view=lead_view,
        guide_adapter=guide_adapter,
        video=video,
        partners=partners,
        repeats=repeats,
        pairs_at_once=pairs_at_once,
        nerfstudio=nerfstudio,
        device=device,
        dtype=dtype,
        offload=offload,
        dry_run=dry_run,
        overwrite=overwrite,
    )
    result = run(config)
    show(result["plan"] if dry_run and not json else result, as_json=json)


def train(
    recipe: Annotated[Positional[str | None], arg(metavar="RECIPE", help_behavior_hint="")] = None,
    *,
    data: tuple[Path, ...] = (),
    out: Given[Path] = None,
    base: Given[str] = None,
    adapter: Given[str] = None,
    resume: bool = False,
    steps: Given[int] = None,
    seed: Given[int] = None,
    list: bool = False,
    json: bool = False,
) -> None:
    """Train a model, or a part of one, by a named recipe.

    For example:
      $ syncam train --list
      $ syncam train small-autoencoder --data data --out runs/autoencoder
      $ syncam train small-text-to-video --data data --base runs/autoencoder/export --out runs/text_to_video
      $ syncam train small-view-sync --data near far --base runs/text_to_video/export --out runs/view_sync
      $ syncam train small-reshoot --data takes --base runs/text_to_video/export --out runs/reshoot --resume

    Args:
        recipe: The name of the recipe; --list shows them all.
        data: The folder of a data set with the splits train and val, as syncam render writes it. Recipes of adapters
            and of text-to-video take several data sets as one.
        out: The folder for checkpoints, curves, samples and, in export, the trained weights.
        base: What the recipe builds on: for text-to-video a folder with vae, or a whole model to train it further; for
            adapters (view sync, re-shooting) a text-to-video model; for cvd Stable Diffusion 1.5. The autoencoder and
            the probes build on nothing.
        adapter: For recipes of adapters, the trained one to go on from, such as one that syncam convert wrote. Default:
            a fresh one. For cvd a folder with motion, maybe control and lora, and sync if it is to go on from that.
        resume: Go on with the run in the output folder where it stopped.
        steps: Run the recipe in that many optimiser steps, in the same proportions.
        seed: The seed of the run. Default: that of the recipe.
        list: Show the recipes and stop.
        json: Print the result as JSON.
    """
    from syncam.training.recipes import describe_recipes
    from syncam.training.recipes import train as run

    if list:
        show(describe_recipes(), as_json=json)
        return
    if recipe is None or not data or out is None:
        raise InputError("train needs a RECIPE, --data and --out; syncam train --list shows the recipes")
    with progress_bar() as progress:
        folder = run(
            recipe,
            data=data,
            out=out,
            base=base,
            adapter=adapter,
            resume=resume,
            steps=steps,
            seed=seed,
            progress=partial(progress, what="steps"),
            encoding_progress=partial(progress, what="scenes encoded"),
        )
    show({"weights": folder}, as_json=json)


def convert(
    checkpoint: Annotated[Positional[Path], arg(metavar="CHECKPOINT")],
    *,
    out: Path,
    base: Given[Path] = None,
    dtype: Given[Dtype] = None,
    rank: Given[int] = None,
    json: bool = False,
) -> None:
    """Turn a published checkpoint into a folder that loads: what it adds to its base model, and what that is for.

    Whose it is, its tensors say: SynCamMaster (Wan or CogVideoX), ReCamMaster, CVD, CameraCtrl, or AnimateDiff v3.

    For example:
      $ syncam convert step20000.ckpt --out view_sync
      $ syncam convert step20000.ckpt --out view_sync --base Wan2.1-T2V-1.3B-Diffusers --dtype bfloat16 --json
      $ syncam convert recammaster.ckpt --out reshoot --base Wan2.1-T2V-1.3B-Diffusers --rank 128
      $ syncam convert CVD.ckpt --out cvd
      $ syncam convert v3_sd15_mm.ckpt --out motion --dtype float16

    Args:
        checkpoint: The file, .ckpt, .pt or .safetensors, with the weights of the whole transformer or of such a part.
        out: The folder to write.
        base: The folder of the transformer it was trained on; the rest of the checkpoint has to equal it.
        dtype: The precision of the weights. Default: that of the checkpoint.
        rank: Hold the self-attention that ReCamMaster trained as a change of the base model's, of this rank: a smaller
            folder. The result says how far off it is. Default: hold it whole.
        json: Print the result as JSON.
    """
    import torch

    from syncam.adapters.convert_unet import convert_file

    precision = None if dtype is None else getattr(torch, dtype)
    result = convert_file(checkpoint, out, base=base, dtype=precision, rank=rank)
    show(result, as_json=json)


VERBS: dict[str, Callable[..., None] | dict[str, Callable[..., None]]] = {
    "generate": generate,
    "reshoot": reshoot,
    "rig": RIG_VERBS,
    "render": RENDER_VERBS,
    "data": DATA_VERBS,
    "train": train,
    "convert": convert,
    "evaluate": evaluate,
}

GROUPS = {
    "rig": "Show, edit, make, convert, check and compare camera rigs.",
    "render": "Render clips for training, and set up what renders them.",
    "data": "Check, caption, unpack, view and shard data sets of multi-view video.",
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
    except BrokenPipeError:  # the reader has gone, as in `syncam rig show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (InputError, OSError) as err:
        if os.environ.get("SYNCAM_DEBUG"):
            raise
        print(f"syncam: error: {' '.join(str(err).split())}", file=sys.stderr)
        sys.exit(2)


def _dispatch(args: list[str]) -> None:
    """Parse the arguments of one verb and call it; without a verb, print help or what is wrong."""
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
    prog, verbs, about = "syncam", VERBS, "Synchronised multi-camera video generation."
    if args and isinstance(group := VERBS.get(args[0]), dict):
        if "" in group and (len(args) == 1 or args[1] not in group):  # the verb itself, not one below it
            verbs = {args[0]: group[""]}
        else:
            prog, verbs, about, args = f"syncam {args[0]}", group, GROUPS[args[0]], args[1:]
    if args and callable(verb := verbs.get(args[0])):
        set_up_logging()
        tyro.cli(verb, prog=f"{prog} {args[0]}", args=args[1:], config=config)
        return
    app = SubcommandApp()
    for name, function in verbs.items():
        own = function.get("") if isinstance(function, dict) else function
        described = GROUPS[name] if own is None else (own.__doc__ or "").partition("\n")[0]
        app.command(name=name, help=described)(_listed if isinstance(function, dict) else function)
    description = f"{about} `{prog} VERB --help` shows examples."
    app.cli(prog=prog, description=description, args=args or ["--help"], config=config)


def _listed() -> None:
    """Stands for a group of verbs in the list of all; `_dispatch` has called the group's own before."""
