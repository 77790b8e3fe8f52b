"""A scene as large as those of MultiCamVideo, ten views of 81 frames at 1280x1280, is checked and sampled in pieces."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from struct import pack

import torch

from syncam.cameras import hemisphere
from syncam.data.dataset import scene_in_making, write_mask
from syncam.data.video import video_writer

VIEWS, FRAMES, HW = 10, 81, (1280, 1280)
BOUND_MB = 700
"""Python and torch are a third of it; one view as floats is 1600 MB, the whole scene 16 GB."""


def make(root: Path) -> None:
    """One view is encoded; the others are the same but for a box at the end that readers pass over."""
    cameras = hemisphere(views=VIEWS, radius=5, num_frames=FRAMES, hw=HW)
    with scene_in_making(root / "train/f18_aperture10/scene1", cameras, "grey", 15) as folder:
        with video_writer(folder / "videos/cam01.mp4", 15) as write:
            for frame in range(FRAMES):
                write(torch.full((1, 3, *HW), 40 + 2 * frame, dtype=torch.uint8))
        (folder / "masks").mkdir()
        write_mask(folder / "masks/cam01.npz", torch.zeros(FRAMES, *HW, dtype=torch.bool))
        video = (folder / "videos/cam01.mp4").read_bytes()
        for view in range(2, VIEWS + 1):
            (folder / f"videos/cam{view:02d}.mp4").write_bytes(video + pack(">I4sB", 9, b"free", view))
            shutil.copy(folder / "masks/cam01.npz", folder / f"masks/cam{view:02d}.npz")


USE = """
import json, resource, sys
from syncam.data.check import check_dataset
from syncam.data.dataset import ClipStore
from syncam.data.sources import open_dataset

def main():
    dataset = open_dataset(sys.argv[1], "train")
    report = check_dataset(dataset, workers=1)
    scene = ClipStore(sys.argv[1])[0]
    small = scene.read(views=[0, 4, 9], frames=range(40, 57), hw=(96, 96))
    large = scene.read(views=[3], frames=[0, 80])
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    shapes = [list(small.video.shape), list(large.video.shape)]
    print(json.dumps({"report": report, "shapes": shapes, "levels": large.video.mean((0, 2, 3, 4)).tolist(),
        "peak_mb": peak // 1024}))

if __name__ == "__main__":
    main()
"""


def test_a_scene_of_the_largest_published_size_needs_little_memory(tmp_path: Path) -> None:
    make(tmp_path / "data")
    (tmp_path / "use.py").write_text(USE)
    command = [sys.executable, str(tmp_path / "use.py"), str(tmp_path / "data")]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["report"]["scenes"] == 1 and found["report"]["frames"] == 810 and not found["report"]["problems"]
    assert found["shapes"] == [[3, 17, 3, 96, 96], [1, 2, 3, 1280, 1280]]
    assert abs(found["levels"][0] - 40 / 255) < 0.02 and abs(found["levels"][1] - 200 / 255) < 0.02
    assert found["peak_mb"] < BOUND_MB
