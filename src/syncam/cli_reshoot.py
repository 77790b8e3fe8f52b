"""The verb `syncam reshoot`: a typed function without logic of its own, as in syncam.cli."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagConversionOff, Positional, UseAppendAction, arg

from syncam.cli_rig import picture_size
from syncam.console import show

__all__ = ["reshoot"]

Text = Annotated[str | None, arg(help_behavior_hint="")]
Whole = Annotated[int | None, arg(help_behavior_hint="")]
Number = Annotated[float | None, arg(help_behavior_hint="")]


def reshoot(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")],
    *,
    move: UseAppendAction[Annotated[tuple[str, ...], arg(metavar="MOVE", help_behavior_hint="")]] = (),
    rig: Text = None,
    prompt: Text = None,
    out: Path = Path("out"),
    model: Text = None,
    adapter: Text = None,
    negative_prompt: Text = None,
    distance: Number = None,
    size: Annotated[str | None, arg(metavar="HxW", help_behavior_hint="")] = None,
    fit: Literal["crop", "pad"] = "crop",
    frames: Whole = None,
    short: Annotated[Literal["loop", "hold"] | None, arg(help_behavior_hint="")] = None,
    steps: Whole = None,
    guidance: Number = None,
    seed: int = 0,
    scheduler: Literal["model", "euler", "unipc", "reference"] = "model",
    guide_adapter: FlagConversionOff[Annotated[bool | None, arg(metavar="True|False", help_behavior_hint="")]] = None,
    device: Text = None,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"] | None, arg(help_behavior_hint="")] = None,
    offload: Literal["none", "model", "group"] = "none",
    dry_run: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Show the scene of a video along another camera path.

    For example:
      $ syncam reshoot street.mp4 --move "arc 30" --prompt "a tram passes" --adapter reshoot --model Wan2.1-T2V-1.3B
      $ syncam reshoot street.mp4 --move 3 --move "arc 20 then dolly 1" --move zoom_out --out takes
      $ syncam reshoot street.mp4 --move stabilise --fit pad --out steady
      $ syncam reshoot videos --rig camera_extrinsics.json#cam01,cam03 --scheduler reference --out takes
      $ syncam reshoot street.mp4 --move "pan 20" --dry-run

    A move is one of syncam rig show --help, such as "arc 30" or "crane 1 then pan 10"; one of the ten presets of
    ReCamMaster, 1 to 10 or by name; or one of these: stabilise (the own path of the source without its shake; needs
    pycolmap), zoom-in and zoom-out (nearer or farther from the first frame on; "zoom-in 1 ease" goes there).

    Args:
        source: A video, a picture, or a folder of videos: with metadata.csv (file_name,text), or texts beside them.
        move: How the camera moves, from where the camera of the source stands. Given several times, several takes.
        rig: Instead, a take for each camera of a rig, in words or from a file; the camera of the source stands where
            the first one starts.
        prompt: What the video shows. Default: what metadata.csv says, or a text file beside the video.
        out: The folder to write: a video per take, a grid of them, the source beside them, a contact sheet, the cameras
            and all settings. With a folder of videos, a folder per video inside.
        model: A Wan text-to-video model in the layout of diffusers: a folder, or a name on the hub. Default: the small
            model inside syncam.
        adapter: The folder of a re-shoot adapter. Default: reshoot in the folder of the model.
        negative_prompt: What the videos should not show. Default: that of the model.
        distance: Metres from the camera of the source to its subject, which moves such as arc go around. Default: what
            the adapter was trained with, or else 4.
        size: Height and width of what is made, such as 480x832. Default: in the proportions of the source, about as
            many pixels as the model was trained for.
        fit: What does not have those proportions is cropped, or padded with a border that is cut off in the end.
        frames: How many frames are made at a time; longer videos are made in parts that fade into each other. Default:
            that of the model.
        short: What follows a video with fewer frames: it starts again (loop), or its last frame stands still (hold).
        steps: Number of denoising steps. Default: that of the model.
        guidance: How strongly the prompt is followed; 1 leaves guidance out and halves the work. Default: that of the
            model.
        seed: The seed of the noise that the takes start from.
        scheduler: The sampler: that of the model, Euler steps, UniPC, or the steps of the published ReCamMaster.
        guide_adapter: Let guidance strengthen not only the prompt (False) but also the source and the path (True).
            Default: that of the model.
        device: Where to compute, such as cpu or cuda:1. Default: cuda where there is one.
        dtype: The precision of the weights. Default: what the device multiplies fast.
        offload: Keep on the device only the part of the model (model) or the layers (group) at work: slower, with
            less memory.
        dry_run: Say how much work, memory and time it would take, and stop.
        overwrite: Replace results of other settings in the output folder.
        json: Print the result as JSON.
    """
    from syncam.pipelines.reshoot_run import ReshootConfig, run

    config = ReshootConfig(
        source=source,
        move=move,
        rig=rig,
        prompt=prompt,
        out=out,
        model=model,
        adapter=adapter,
        negative_prompt=negative_prompt,
        distance=distance,
        hw=picture_size(size),
        fit=fit,
        num_frames=frames,
        short=short,
        steps=steps,
        guidance=guidance,
        seed=seed,
        scheduler=scheduler,
        guide_adapter=guide_adapter,
        device=device,
        dtype=dtype,
        offload=offload,
        dry_run=dry_run,
        overwrite=overwrite,
    )
    result = run(config)
    show(result["plan"] if dry_run and not json else result, as_json=json)
