"""Makes the built-in model from nothing: renders the data, trains the three stages and puts the model folder together.

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

from syncam.files import atomic_dir, write_json
from syncam.pipelines.defaults import Defaults
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.render.config import RenderConfig
from syncam.render.dataset import render_dataset
from syncam.training.recipes import RECIPES, train

SCENES = {"train": 1500, "val": 240}
DEFAULTS = Defaults(
    num_frames=17,
    height=128,
    width=128,
    fps=8.0,
    steps=25,
    guidance=3.0,
    negative_prompt="",
    lead_view=True,
    guide_views=True,
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
    data = arguments.work / "data"
    for split, scenes in SCENES.items():
        render_dataset(
            RenderConfig(
                out=data,
                split=split,
                num_scenes=max(2, round(scenes * arguments.scale)),
                radius=(3.5, 6.5),
                elevation_deg=(0.0, 40.0),
                focal_mm=35.0,
                content="basic",
                two_animals=0.1,
                num_workers=arguments.workers,
            )
        )
    base = None
    for name in ("small-autoencoder", "small-text-to-video", "small-view-sync"):
        out = arguments.work / name
        config = RECIPES[name]()
        if arguments.scale != 1:
            config = config.scaled(max(2 * len(config.phases), round(config.steps * arguments.scale)))
            config = dataclasses.replace(config, warmup_steps=2)
        if not (out / "export").is_dir():
            train(config, data=data, out=out, base=base, resume=(out / "config.json").is_file())
        base = out / "export" if name != "small-view-sync" else base
    assemble(base, arguments.work / "small-view-sync" / "export" / "view_sync", arguments.out)


def assemble(base: Path, adapter: Path, out: Path) -> None:
    """Puts a text-to-video model and its adapter into one model folder, in bfloat16."""
    pipeline = MultiViewPipeline.from_pretrained(base, adapter=adapter, dtype=torch.bfloat16, device="cpu")
    pipeline.base.vae.to(torch.bfloat16)
    pipeline.defaults = DEFAULTS
    with atomic_dir(out) as folder:
        pipeline.save_pretrained(folder)
        shutil.copy(adapter / "trained_range.json", folder / "view_sync")
        for path in folder.rglob("*.json"):  # where the parts were loaded from means nothing elsewhere
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("_name_or_path", None) is not None:
                write_json(path, content)


if __name__ == "__main__":
    main()
