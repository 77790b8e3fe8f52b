"""How near re-shot clips come to what a camera on the target's path has really seen, on scenes kept aside.

syncam render --out takes --split val --scenes 240 --cameras takes --content basic --radius 3.5 6.5 --focal 35
python benchmarks/reshoot_model.py --data takes --scenes 48 --sheet reshot.png
python benchmarks/reshoot_model.py --data takes --adapter runs/reshoot/export/reshoot --scenes 12 --steps 10 --json

Of every scene one view is re-shot along the path of another, drawn with a fixed seed, and compared with the other:

right     along the target's path
wrong     along the path of the next scene's target, from the same source
still     with a camera that stays where the source begins
copy      nothing is made: the source itself
ceiling   nothing is made: the target through the autoencoder, better than which no answer can be

psnr, subject_psnr and ssim are of the whole clip, last_psnr of its last frame, where paths lie farthest apart. Every
figure has its mean, standard error and number of scenes; `... minus right` are differences of the same scenes.
"""

import argparse
import json
import platform
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import diffusers
import torch
from jaxtyping import Float
from small_model import compared
from torch import Tensor

from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import ClipStore, SceneFolder, pick_views
from syncam.data.video import contact_sheet
from syncam.optional import require
from syncam.pipelines.loading import BUILT_IN, load_base

SEED = 1234


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data set of two views or more, of the model's size")
    parser.add_argument("--split", default="val")
    parser.add_argument("--model", type=Path, default=BUILT_IN)
    parser.add_argument("--adapter", type=Path, help="default: the model's own, its folder reshoot")
    parser.add_argument("--scenes", type=int, default=48)
    parser.add_argument("--steps", type=int, help="denoising steps; default: the model's")
    parser.add_argument("--guidance", type=float, help="default: the model's")
    parser.add_argument("--sheet", type=Path, help="PNG of the first scenes, a row for the source and for each answer")
    parser.add_argument("--sheet-scenes", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    scenes = ClipStore(arguments.data, arguments.split).scenes[: arguments.scenes]
    if len(scenes) < 2:
        parser.error(f"{arguments.data}/{arguments.split} needs two scenes at least: each lends its path to another")
    start = time.perf_counter()
    report = measure(scenes, arguments) | {"seconds": round(time.perf_counter() - start)}
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


@torch.no_grad()
def measure(scenes: list[SceneFolder], arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures, per kind of answer; draws the sheet on the way."""
    from syncam.pipelines.reshoot import ReshootPipeline

    require("torchmetrics", extra="evaluate")
    pipeline = ReshootPipeline.from_pretrained(arguments.model, adapter=arguments.adapter)
    vae = load_base(arguments.model, torch.float32).vae
    told = {"num_inference_steps": arguments.steps, "guidance_scale": arguments.guidance}
    pairs = [pick_pair(scene, index) for index, scene in enumerate(scenes)]
    found: dict[str, dict[str, list[Tensor]]] = {}
    rows: list[Tensor] = []
    titles: list[str] = []
    for index, (scene, pair) in enumerate(zip(scenes, pairs, strict=True)):
        clip = scene.read(views=list(pair))
        source, target = clip.video
        reference, path = clip.cameras.c2w[0, 0], clip.cameras.view([1])
        neighbour = scenes[(index + 1) % len(scenes)]
        paths = {
            "right": path,
            "wrong": replace(path, c2w=borrowed(reference, neighbour, pairs[(index + 1) % len(scenes)])),
            "still": replace(path, c2w=reference.expand_as(path.c2w).contiguous()),
        }
        answers = {
            name: pipeline(source, cameras, prompt=clip.caption, reference=reference, seed=SEED + index, **told).videos[
                0
            ]
            for name, cameras in paths.items()
        }
        answers |= {"copy": source, "ceiling": through(vae, target)}
        for name, answer in answers.items():
            for figure, value in figures(answer, clip).items():
                found.setdefault(figure, {}).setdefault(name, []).append(value)
        if index < arguments.sheet_scenes:
            rows += [source, target, *(answers[name] for name in paths)]
            titles += [f"source: {clip.caption}", "target", *paths]
    if arguments.sheet is not None:
        contact_sheet(torch.stack(rows), num_columns=6, titles=titles).save(arguments.sheet)
    return {
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        **{figure: summary(answers) for figure, answers in found.items()},
    }


def summary(answers: dict[str, list[Tensor]]) -> dict[str, dict[str, float]]:
    """Mean and standard error of every kind of answer, without the scenes where the subject is out of the picture."""
    values = {name: torch.stack(each) for name, each in answers.items()}
    there = ~values["right"].isnan()
    return compared({name: each[there] for name, each in values.items()}) if there.any() else {}


def pick_pair(scene: SceneFolder, index: int) -> tuple[int, int]:
    """The views of source and target."""
    source, target = pick_views(scene.cameras, 2, generator=torch.Generator().manual_seed(SEED + index))
    return source, target


def borrowed(reference: Float[Tensor, "4 4"], scene: SceneFolder, pair: tuple[int, int]) -> Float[Tensor, "1 F 4 4"]:
    """The path of a scene's target as seen from its source's first camera, put before another source."""
    c2w = scene.cameras.c2w[list(pair)]
    return compose_rigid(reference, compose_rigid(invert_rigid(c2w[0, 0]), c2w[1:]))


def through(vae: Any, video: Float[Tensor, "F C H W"]) -> Float[Tensor, "F C H W"]:
    """A video, encoded and decoded."""
    latents = vae.encode(video.transpose(0, 1)[None] * 2 - 1).latent_dist.mode()
    return (vae.decode(latents, return_dict=False)[0][0].transpose(0, 1) / 2 + 0.5).clamp(0, 1)


def figures(answer: Float[Tensor, "F C H W"], clip: MultiViewClip) -> dict[str, Tensor]:
    """How near an answer comes to the clip's second view; subject_psnr is NaN where no subject is to be seen."""
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    target = clip.video[1]
    found = {
        "psnr": peak_signal_noise_ratio(answer, target, data_range=1.0),
        "last_psnr": peak_signal_noise_ratio(answer[-1:], target[-1:], data_range=1.0),
        "ssim": structural_similarity_index_measure(answer, target, data_range=1.0),
    }
    if clip.masks is not None:
        mask = clip.masks[1][:, None].expand_as(target)
        there = bool(mask.any())
        exact = (
            peak_signal_noise_ratio(answer[mask], target[mask], data_range=1.0) if there else torch.tensor(torch.nan)
        )
        found["subject_psnr"] = exact
    return {name: torch.as_tensor(value).double() for name, value in found.items()}


if __name__ == "__main__":
    main()
