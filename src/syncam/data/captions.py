"""Captions and lenses written beside scenes: from a table, from a model that describes pictures, from folder names."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from syncam.cameras.conventions import SENSOR_MM
from syncam.data.folder import read_table
from syncam.data.scene import Scene
from syncam.data.video import to_uint8
from syncam.errors import InputError
from syncam.files import write_json, write_text

__all__ = ["caption_from_model", "caption_from_table", "load_captioner", "write_lenses"]

LENS = re.compile(r"^f(\d+(?:\.\d+)?)_aperture(\d+(?:\.\d+)?)$")
COLUMNS = ("path", "file_name", "filename")


def caption_from_table(root: str | Path, table: str | Path) -> int:
    """Writes caption.txt into every scene that a CSV (path,text) names, and returns how many it wrote.

    A path is a scene folder or a video in it, below `root`, below a split of it, or below the one folder that an
    archive made in it. The first text of a scene counts. InputError before anything is written if a path is not there.
    """
    root = Path(root)
    bases = [root, *sorted(root.glob("*")), *sorted(root.glob("*/*"))]
    bases = [base for base in bases if base.is_dir()]
    captions: dict[Path, str] = {}
    for name, text in read_table(Path(table), COLUMNS).items():
        place = next((base / name for base in bases if (base / name).exists()), None)
        if place is None:
            raise InputError(f"{table} names {name}, which is not in {root}; expected a scene folder or a video in it")
        if place.is_file():
            place = place.parent.parent if place.parent.name == "videos" else place.parent
        captions.setdefault(place, text)
    for folder, text in captions.items():
        write_text(folder / "caption.txt", text + "\n")
    return len(captions)


def caption_from_model(
    scenes: Iterable[Scene], describe: Callable[[Image.Image], str], *, progress: Callable[[int], None] | None = None
) -> int:
    """Writes caption.txt, by the middle frame of the first view, where a scene folder has none; how many it wrote."""
    written = 0
    for done, scene in enumerate(scenes):
        if scene.path.is_dir() and not scene.caption:
            video = scene.read(views=[0], frames=[scene.num_frames // 2]).video
            picture = Image.fromarray(to_uint8(video[0, 0]).permute(1, 2, 0).numpy())
            text = " ".join(describe(picture).split())
            if not text:
                raise InputError(f"the captioner has nothing to say about {scene.path}; try another model")
            write_text(scene.path / "caption.txt", text + "\n")
            written += 1
        if progress is not None:
            progress(done + 1)
    return written


def load_captioner(model: str) -> Callable[[Image.Image], str]:
    """A function from a picture to a sentence, of a model of transformers: a folder, or a name on the hub."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    try:
        processor: Any = AutoProcessor.from_pretrained(model)
        network: Any = AutoModelForImageTextToText.from_pretrained(model).eval()
    except (OSError, ValueError, KeyError) as err:
        said = " ".join(str(err).split())[:200]
        raise InputError(f"captioner {model} cannot be loaded as a model that describes pictures: {said}") from err
    chats = getattr(processor, "chat_template", None) is not None

    def describe(picture: Image.Image) -> str:
        if chats:
            content = [
                {"type": "image", "image": picture},
                {"type": "text", "text": "Describe what happens, in one or two sentences."},
            ]
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        else:
            inputs = processor(images=picture, return_tensors="pt")
        tokens = network.generate(**inputs, max_new_tokens=128, do_sample=False)
        start = inputs["input_ids"].shape[1] if chats else 0
        return processor.batch_decode(tokens[:, start:], skip_special_tokens=True)[0]

    return describe


def write_lenses(root: str | Path) -> int:
    """Writes cameras/lens.json into the scenes of folders such as f24_aperture5, and returns how many there are.

    The camera files of SynCamVideo and MultiCamVideo name no lens: a scene that is moved out of such a folder keeps it.
    """
    found = 0
    for folder in [path for pattern in ("*", "*/*", "*/*/*") for path in Path(root).glob(pattern)]:
        if not (lens := LENS.match(folder.name)) or not folder.is_dir():
            continue
        content = {"focal_mm": float(lens[1]), "aperture": float(lens[2]), "sensor_mm": SENSOR_MM}
        for cameras in folder.glob("*/cameras"):
            found += 1
            if not (cameras / "lens.json").is_file():
                write_json(cameras / "lens.json", content)
    return found
