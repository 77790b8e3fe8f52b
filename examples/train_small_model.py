"""Makes the built-in model from nothing: renders the data, trains its four stages and puts the model folder together.

    python examples/train_small_model.py --work runs/small --out src/syncam/models/small

Every stage goes on where it was interrupted: give the same command again after a stop. docs/small-model.md
says how long it takes and what comes out. `--scale 0.01` runs all of it in little, to see that it works.
"""

import argparse
import dataclasses
import json
import logging
import shutil
from pathlib import Path

import torch

from syncam.adapters import FrameConcatAdapter
from syncam.files import atomic_dir, write_json
from syncam.pipelines.defaults import Defaults
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.render.config import RenderConfig
from syncam.render.dataset import render_dataset
from syncam.training.recipes import RECIPES, train

SCENES = {"train": 1500, "val": 240}
DATA = {"data": "hemisphere", "takes": "takes"}
"""Folder -> the rule of its cameras: still ones for the model and its view adapter, moving ones for re-shooting."""
STAGES = {
    "small-autoencoder": (["data"], None),
    "small-text-to-video": (["data"], "small-autoencoder"),
    "small-view-sync": (["data"], "small-text-to-video"),
    "small-reshoot": (["takes"], "small-text-to-video"),
}
"""Recipe -> its data, and the stage that it builds on."""
DEFAULTS = Defaults(
    num_frames=17,
    height=128,
    width=128,
    fps=8.0,
    steps=25,
    guidance=3.0,
    reshoot_guidance=1.0,
    negative_prompt="",
    lead_view=True,
    guide_adapter=True,
    closed_vocabulary=True,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/small"), help="data, checkpoints and curves")
    parser.add_argument("--out", type=Path, default=Path("runs/small/model"), help="the finished model folder")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the scenes and of the steps")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for folder, cameras in DATA.items():
        for split, scenes in SCENES.items():
            render_dataset(
                RenderConfig(
                    out=arguments.work / folder,
                    split=split,
                    num_scenes=max(2, round(scenes * arguments.scale)),
                    cameras=cameras,
                    radius=(3.5, 6.5),
                    elevation_deg=(0.0, 40.0),
                    focal_mm=35.0,
                    content="basic",
                    two_animals=0.1,
                    num_workers=arguments.workers,
                )
            )
    export = {name: arguments.work / name / "export" for name in STAGES}
    for name, (data, before) in STAGES.items():
        out = arguments.work / name
        config = RECIPES[name]()
        if arguments.scale != 1:
            config = config.scaled(max(2 * len(config.phases), round(config.steps * arguments.scale)))
            config = dataclasses.replace(config, warmup_steps=2)
        if not export[name].is_dir():
            base, resume = before and export[before], (out / "config.json").is_file()
            train(config, data=[arguments.work / folder for folder in data], out=out, base=base, resume=resume)
    base, view_sync, reshoot = (export[name] for name in ("small-text-to-video", "small-view-sync", "small-reshoot"))
    assemble(base, view_sync / "view_sync", reshoot / "reshoot", arguments.out)


def assemble(base: Path, view_sync: Path, reshoot: Path, out: Path) -> None:
    """Puts a text-to-video model and its adapters into one model folder, in bfloat16."""
    pipeline = MultiViewPipeline.from_pretrained(base, adapter=view_sync, dtype=torch.bfloat16, device="cpu")
    pipeline.base.vae.to(torch.bfloat16)
    pipeline.defaults = DEFAULTS
    with atomic_dir(out) as folder:
        pipeline.save_pretrained(folder)
        FrameConcatAdapter.from_pretrained(reshoot, dtype=torch.bfloat16).save_pretrained(folder / "reshoot")
        for adapter in (view_sync, reshoot):
            shutil.copy(adapter / "trained_range.json", folder / adapter.name)
        for path in folder.rglob("*.json"):  # where the parts were loaded from means nothing elsewhere
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("_name_or_path", None) is not None:
                write_json(path, content)


if __name__ == "__main__":
    main()
