"""What the built-in model can do, on scenes it was not trained on.

syncam render --out data --split val --scenes 200 --content basic
python benchmarks/small_model.py --data data     all measurements, on that split
python benchmarks/small_model.py --data data --only adapter --scenes 200 --json

autoencoder   PSNR of held-out clips at full length
adapter       held-out loss with the right cameras, with permuted cameras and without the adapter, at the same noise: of
              both views together, and of the second where the first is given
given         the first view of held-out clips given, the others generated, compared with the rendered ones: PSNR, and
              overlap of the subject's silhouettes
colour        how far subject and ground colours differ between the views of one generation (CIELAB distance), with and
              without the adapter and its guidance, from the same noise; and on rendered clips, where they are as equal
              as light allows
"""

import argparse
import json
import platform
from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path

import diffusers
import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras import DEFAULT_RIG, parse_rig
from syncam.data.dataset import ClipStore
from syncam.pipelines.loading import BUILT_IN
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.training.precompute import encode_store
from syncam.training.recipes import small_view_sync
from syncam.training.view_sync import CONDITIONS, ViewSyncTask

SEED = 1234
BY_PROMPT = "guided by the prompt alone"
SETTINGS = {
    "with adapter": {},
    f"with adapter, {BY_PROMPT}": {"guide_adapter": False},
    "without adapter": {"synchronise": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=BUILT_IN)
    parser.add_argument("--only", choices=("autoencoder", "adapter", "given", "colour"))
    parser.add_argument("--scenes", type=int, default=200, help="held-out scenes for autoencoder and adapter")
    parser.add_argument("--generations", type=int, default=24, help="generations of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    settings = arguments.data / "render-val.json"
    if settings.is_file() and json.loads(settings.read_text()).get("content", "basic") != "basic":
        parser.error(f"{settings} says content full; the built-in model knows --content basic only")
    report: dict[str, object] = {
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }
    parts = {"autoencoder": autoencoder, "adapter": adapter, "given": given, "colour": colour}
    for name, measure in parts.items():
        if arguments.only in (None, name):
            report[name] = measure(arguments)
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def mean_and_error(values: Tensor) -> dict[str, float]:
    """Mean and standard error."""
    return {"mean": float(values.mean()), "standard_error": float(values.std() / len(values) ** 0.5), "n": len(values)}


@torch.no_grad()
def autoencoder(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """PSNR in dB per clip (one view of every scene), of all pixels and of the subject's."""
    vae = MultiViewPipeline.from_pretrained(arguments.model, dtype=torch.float32).base.vae
    store = ClipStore(arguments.data, "val")
    whole, subject = [], []
    for index, scene in enumerate(store.scenes[: arguments.scenes]):
        clip = scene.read(views=[index % scene.num_views])
        video = clip.video.transpose(1, 2)  # [1, C, F, H, W]
        with torch.autocast("cpu", torch.bfloat16):
            back = vae.decode(vae.encode(video * 2 - 1).latent_dist.mode(), return_dict=False)[0].float() / 2 + 0.5
        error = (back.clamp(0, 1) - video) ** 2
        whole.append(-10 * error.mean().log10())
        if clip.masks is not None and clip.masks.any():
            mask = clip.masks[:, None].float()
            subject.append(-10 * ((error * mask).sum() / (3 * mask.sum())).log10())
    return {"psnr": mean_and_error(torch.stack(whole)), "subject_psnr": mean_and_error(torch.stack(subject))}


@torch.no_grad()
def adapter(arguments: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Loss per held-out scene (two views) under each condition, and the paired differences to the right cameras."""
    pipeline = MultiViewPipeline.from_pretrained(arguments.model, dtype=torch.float32)
    pipeline.attachment.remove()
    store = encode_store(arguments.data, "val", pipeline.base.vae, arguments.data / "cache")
    task = ViewSyncTask(replace(small_view_sync(), compile=False), store, store, pipeline.base)
    task.adapter.load_state_dict(pipeline.adapter.float().state_dict())
    report = {}
    for kind, learnt in (("together", slice(None)), ("first view given", slice(1, None))):
        losses: dict[str, list[Tensor]] = {condition: [] for condition in CONDITIONS}
        with torch.autocast("cpu", torch.bfloat16):
            for batch, sigmas, noise in task.validation_batches(arguments.scenes, views=2):
                levels = sigmas.clone()
                levels[:, : learnt.start or 0] = 0
                for condition in CONDITIONS:
                    losses[condition].append(task.losses(batch, levels, noise, condition)[1][:, learnt].mean(1))
        report[kind] = compared({condition: torch.cat(values) for condition, values in losses.items()})
    return report


def compared(found: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """The figure of every condition, and the paired differences to the right cameras."""
    differences = {f"{name} minus right": values - found["right"] for name, values in found.items() if name != "right"}
    return {name: mean_and_error(values) for name, values in (found | differences).items()}


@torch.no_grad()
def given(arguments: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Views 2 to 4 of held-out clips, generated from view 1 and the caption, against the rendered views, per clip: with
    the right cameras, with them and guidance by the prompt alone, with those of the three exchanged, and without the
    adapter."""
    pipeline = MultiViewPipeline.from_pretrained(arguments.model)
    conditions = (*CONDITIONS, BY_PROMPT)
    found: dict[str, dict[str, list[Tensor]]] = {name: {c: [] for c in conditions} for name in ("psnr", "overlap")}
    for index, scene in enumerate(ClipStore(arguments.data, "val").scenes[: arguments.generations]):
        clip = scene.read()
        for condition in conditions:
            cameras = clip.cameras.view([0, 2, 3, 1]) if condition == "permuted" else clip.cameras
            told = {"synchronise": False} if condition == "off" else {"video": clip.video[0]}
            told |= {"guide_adapter": False} if condition == BY_PROMPT else {}
            made = pipeline(clip.caption, cameras, seed=SEED + index, **told).videos[1:]
            error = ((made - clip.video[1:]) ** 2).flatten(1).mean(1)
            found["psnr"][condition].append(-10 * error.log10().mean())
            found["overlap"][condition].append(overlap(made, clip.video[1:], clip.masks[1:]))
    return {name: compared({c: torch.stack(values) for c, values in of.items()}) for name, of in found.items()}


def overlap(made: Float[Tensor, "V F C H W"], truth: Float[Tensor, "V F C H W"], masks: Tensor) -> Tensor:
    """Intersection over union of the subject in both, mean over the views: of made pixels, those whose colour is nearer
    to the rendered subject's (its median) than to what the rendered picture has there without the subject."""
    found = []
    for view, mask in enumerate(masks.bool()):
        ours, theirs = (to_lab(video[view].transpose(0, 1)) for video in (made, truth))  # [3, F, H, W]
        if not mask.any():
            continue  # the subject is out of this view
        subject = theirs[:, mask].median(1).values[:, None, None, None]
        # What lies behind the subject: the colours of its row of the picture, as seen beside it.
        behind = torch.where(mask, torch.nan, theirs).nanmedian(-1, keepdim=True).values
        behind = torch.where(behind.isnan(), theirs[..., :1], behind)
        ours_mask = (ours - subject).norm(dim=0) < (ours - behind).norm(dim=0)
        found.append((ours_mask & mask).sum() / (ours_mask | mask).sum())
    return torch.stack(found).mean()


@torch.no_grad()
def colour(arguments: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Colour distances between views: of generations without a prompt, where nothing but the adapter can make them
    agree, of generations with held-out captions, and of rendered clips."""
    pipeline = MultiViewPipeline.from_pretrained(arguments.model)
    defaults = pipeline.defaults
    cameras = parse_rig(DEFAULT_RIG, num_frames=defaults.num_frames, hw=(defaults.height, defaults.width))
    scenes = ClipStore(arguments.data, "val").scenes[: arguments.generations]
    report = {"rendered": distances([scene.read().video for scene in scenes])}
    prompts = {"no prompt": [""] * len(scenes), "held-out captions": [scene.caption for scene in scenes]}
    for kind, texts in prompts.items():
        for condition, settings in SETTINGS.items():
            # without a prompt, guidance has nothing to strengthen but the adapter
            scale = None if kind != "no prompt" or not settings else 1.0
            videos = [
                pipeline(text, cameras, seed=SEED + index, guidance_scale=scale, **settings).videos
                for index, text in enumerate(texts)
            ]
            report[f"{kind}, {condition}"] = distances(videos)
    return report


def distances(clips: list[Tensor]) -> dict[str, dict[str, float]]:
    """Mean CIELAB distance over all pairs of views of a clip, for the subject's and for the ground's colour."""
    found: dict[str, list[float]] = {"subject": [], "ground": []}
    for clip in clips:
        colours = [view_colours(view) for view in clip]
        for name in found:
            pairs = [float((a[name] - b[name]).norm()) for a, b in combinations(colours, 2)]
            found[name].append(sum(pairs) / len(pairs))
    return {name: mean_and_error(torch.tensor(values)) for name, values in found.items()}


def view_colours(video: Float[Tensor, "F C H W"]) -> dict[str, Float[Tensor, "3"]]:
    """The ground's colour (median of the lowest tenth of the middle frame) and the subject's: the median of the tenth
    of the middle of the picture that differs most from both the ground and the sky."""
    lab = to_lab(video[len(video) // 2])  # [3, H, W]
    height, width = lab.shape[1:]
    ground = lab[:, int(0.9 * height) :].flatten(1).median(1).values
    sky = lab[:, : int(0.1 * height)].flatten(1).median(1).values
    middle = lab[:, int(0.25 * height) : int(0.8 * height), int(0.2 * width) : int(0.8 * width)].flatten(1)
    away = torch.minimum(*((middle - colour[:, None]).norm(dim=0) for colour in (ground, sky)))
    chosen = away.topk(len(away) // 10).indices
    return {"ground": ground, "subject": middle[:, chosen].median(1).values}


def to_lab(rgb: Float[Tensor, "3 *rest"]) -> Float[Tensor, "3 *rest"]:
    """CIELAB (D65) of sRGB in [0, 1]."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = torch.tensor([0.9505, 1.0, 1.089]).view(3, *[1] * (rgb.ndim - 1))
    xyz = torch.einsum("ij,j...->i...", to_xyz, linear) / white
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return torch.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


if __name__ == "__main__":
    main()
