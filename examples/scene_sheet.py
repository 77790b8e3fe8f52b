"""A contact sheet of random scenes of the full content, one picture of each.

python examples/scene_sheet.py --out scenes.png
python examples/scene_sheet.py --out more.png --first 100 --rows 3 --columns 4 --size 256 --captions
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from syncam.render.generate import CONTENTS, generate_scene, sample_cameras
from syncam.render.rasterizer import Renderer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("scenes.png"))
    parser.add_argument("--content", choices=CONTENTS, default="full")
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--size", type=int, default=128, help="height and width of a picture, pixels")
    parser.add_argument("--captions", action="store_true", help="print what is in each picture")
    arguments = parser.parse_args()
    hw = (arguments.size, arguments.size)
    renderer = Renderer(hw)
    sheet = Image.new("RGB", (arguments.columns * hw[1], arguments.rows * hw[0]))
    for index in range(arguments.rows * arguments.columns):
        seed = arguments.first + index
        row, column = divmod(index, arguments.columns)
        picture, caption = one_picture(renderer, arguments.content, seed)
        sheet.paste(Image.fromarray(picture), (column * hw[1], row * hw[0]))
        if arguments.captions:
            print(f"{seed}: {caption}", flush=True)
    sheet.save(arguments.out, optimize=True)


def one_picture(renderer: Renderer, content: str, seed: int) -> tuple[np.ndarray, str]:
    """The middle of a two-second clip, [H, W, 3], through the first camera of a rig; and its caption."""
    cameras = sample_cameras(seed, 2, 1, renderer.hw, radius_m=(3.6, 5.8), elevation_deg=(4.0, 30.0))
    c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    scene = generate_scene(seed, content=content, duration_s=2.0, camera_positions=c2w[..., :3, 3])
    return renderer.render(scene, c2w[:1], K[:1], [1.0]).rgb[0, 0], scene.caption


if __name__ == "__main__":
    main()
