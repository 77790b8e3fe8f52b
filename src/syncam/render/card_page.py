"""What the card of a rendered data set says: a header that the hub reads, and a page for people."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from syncam.render.config import HEMISPHERE, RenderConfig
from syncam.render.rules import RULES

__all__ = ["FLAGS", "Part", "command", "page"]

HUB_LICENCES = {
    "apache-2.0",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "cdla-permissive-2.0",
    "cdla-sharing-1.0",
    "mit",
    "odbl",
    "odc-by",
    "pddl",
}
"""What the hub knows by these names; any other one is `other` with its name."""
FLAGS = {"out": None, "num_scenes": None, "masks": None, "num_workers": None, "ray": None, "hw": "size"}
"""Options of syncam render whose name does not follow from that of the setting; None: not an option, or without effect
on what is rendered."""
TASKS = {"depth": "depth-estimation", "instances": "image-segmentation", "joints": "keypoint-detection"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
HUB_SPLITS = {"train": "train", "val": "validation"}
TITLE, OUT = "Rendered scenes seen by synchronised cameras", "data"
TAGS = ("video", "multi-view", "camera-control", "synthetic", "syncam")
CONVENTIONS = """
## Conventions

- One world for all cameras of a scene: right-handed, z up, metres. Camera axes are those of OpenCV: x right, y down,
  z forward.
- `rig.json` holds `c2w` (camera to world, 4x4) and `K` (3x3, in pixels, whose centres are at +0.5) of every view and
  frame.
- `camera_extrinsics.json` holds the same poses as SynCamVideo and MultiCamVideo do: axes of Unreal, centimetres.
- Frame i of all videos of a scene shows the same moment, i / fps seconds after the first."""
LABELS_ARE = """
Labels are of the points at the centres of pixels. Those in `.mkv` files are numbers v in grey pictures of 8 or 16 bits
without loss (FFV1), one per frame; `ffmpeg -i cam01.mkv %04d.png` makes PNG files of them.
"""
LABELS = {
    "depth": "`labels/depth/cam01.mkv`: metres along the camera's z axis are 2 ** (v / 3200 - 7); v = 0 is sky",
    "normals": "`labels/normals/cam01.mkv`: x, y, z in world axes below each other, each v / 2047 - 1; sky: all 0",
    "instances": "`labels/instances/cam01.mkv`: 0 is nobody, v is character number v of the scene",
    "flow": "`labels/flow_forward`, `labels/flow_backward`: pixels to the right above pixels down, each"
    " (v - 32768) / 64,\n  to the next or the previous frame; v = 0 is not known",
    "joints": "`labels/joints.npz`: `joints` [V, F, P, 24, 3] are column, row and depth, `joints_world` [F, P, 24, 3]"
    " metres",
    "visibility": "`labels/visibility.npz`: [F, P, V, V], the share of a character's pixels in view i that view j sees",
}
READ_AS = {"flow": ("flow_forward", "flow_backward"), "joints": ("joints", "joints_world")}


@dataclass
class Part:
    """One split: its settings, and what the records of its scenes add up to."""

    split: str
    settings: Mapping[str, Any]
    scenes: int = 0
    videos: int = 0
    size: int = 0
    """Bytes."""
    versions: Counter[str] = field(default_factory=Counter)
    """Version of syncam -> scenes."""
    assets: set[tuple[str, str, str]] = field(default_factory=set)
    """Words, file and licence of every asset that scenes show."""

    def add(self, record: Mapping[str, Any], videos: int) -> None:
        """Counts a scene."""
        self.scenes += 1
        self.videos += videos
        self.size += sum(size for size, _ in record["files"].values())
        self.versions[record["syncam"] or "of an unknown version"] += 1
        self.assets.update((one["words"], one["file"], one["licence"]) for one in record["assets"])


def page(parts: Sequence[Part]) -> str:
    """The whole page; the same for the same data, whatever folder it lies in."""
    labels = [label for label in LABELS if any(label in part.settings["labels"] for part in parts)]
    shown = [LABELS_ARE, *(f"- {LABELS[label]}" for label in labels)] if labels else []
    sections = (
        _header(parts, labels),
        _contents(parts),
        _files(parts, labels),
        [CONVENTIONS, *shown],
        _making(parts),
        _reading(parts),
        _licence(parts),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def command(settings: Mapping[str, Any], scenes: int, out: str) -> str:
    """The command that renders such scenes; options with their usual value are left out."""
    words = ["syncam", "render", "--out", out, "--scenes", str(scenes)]
    rule = settings.get("cameras", "hemisphere")
    others = {name: HEMISPHERE[name] for name in RULES[rule].options} if rule in RULES else {}
    others = others | {"num_views": RULES[rule].views if rule in RULES else settings.get("num_views")}
    for setting in fields(RenderConfig):
        usual = others.get(setting.name, setting.default if setting.default is not MISSING else None)
        value = settings.get(setting.name, usual)
        value = tuple(value) if isinstance(value, list) else value
        name = FLAGS.get(setting.name, setting.name.removeprefix("num_").removesuffix("_deg").removesuffix("_mm"))
        if name is None or value is None or value == usual:
            continue
        words.append("--" + name.replace("_", "-"))
        if setting.name == "assets":
            words.append("ASSETS")  # the setting says what the folder holds, not where it lies
        elif setting.name == "hw":
            words.append("x".join(map(str, value)))
        elif isinstance(value, tuple):
            words += [",".join(value)] if isinstance(value[0], str) else map(_number, value)
        elif value is not True:
            words.append(_number(value))
    return shlex.join(words)


def _number(value: Any) -> str:
    """A number without digits that say nothing; anything else as it is."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _licences(parts: Sequence[Part]) -> list[str]:
    """Of the data set, then of the assets that it shows, as the hub writes them."""
    own = [part.settings["licence"] for part in parts]
    names = [*own, *sorted(licence for part in parts for _, _, licence in part.assets)]
    return list(dict.fromkeys(re.sub(r"[^a-z0-9.+-]+", "-", name.lower()) for name in names))


def _header(parts: Sequence[Part], labels: Sequence[str]) -> list[str]:
    """The YAML block."""
    licences, videos = _licences(parts), sum(part.videos for part in parts)
    lines = ["---", "license:", *(f"- {known}" for known in licences)]
    if not set(licences) <= HUB_LICENCES:
        lines = ["---", "license: other", f"license_name: {'-and-'.join(licences)}"]
    tasks = ["text-to-video", *(TASKS[label] for label in labels if label in TASKS)]
    size = next((words for most, words in SIZES if videos < most), "n>1M")
    lines += ["language:", "- en", f"pretty_name: {TITLE}", "size_categories:", f"- {size}"]
    lines += ["task_categories:", *(f"- {task}" for task in tasks), "tags:", *(f"- {tag}" for tag in TAGS)]
    lines += ["configs:", "- config_name: captions", "  data_files:"]
    for part in parts:
        lines += [f"  - split: {HUB_SPLITS[part.split]}", f"    path: captions-{part.split}.csv"]
    return [*lines, "---", ""]


def _contents(parts: Sequence[Part]) -> list[str]:
    scenes, videos = sum(part.scenes for part in parts), sum(part.videos for part in parts)
    size = sum(part.size for part in parts)
    on_disk = f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
    lines = [
        f"# {TITLE}",
        "",
        f"{scenes} scenes, each filmed by several synchronised cameras at once: {videos} videos with captions and",
        f"camera poses, {on_disk}. Everything is rendered; nothing was filmed.",
        "",
        "| split | scenes | views | frames | size | frames per second | drawn by |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for part in parts:
        said = part.settings
        engine = "syncam (OpenGL)" if said["engine"] == "fast" else f"Blender {said['engine_version']} (Cycles)"
        size = "x".join(map(str, said["hw"]))
        views, fps = f"{part.videos / part.scenes:g}", f"{said['fps']:g}"
        lines.append(f"| {part.split} | {part.scenes} | {views} | {said['num_frames']} | {size} | {fps} | {engine} |")
    return lines


def _files(parts: Sequence[Part], labels: Sequence[str]) -> list[str]:
    scene = [("caption.txt", "")]
    scene += [("masks/cam01.npz ...", "where the characters are, packed bits")] if parts[0].settings["masks"] else []
    scene += [("labels/", "what else pixels show, see below")] if labels else []
    scene += [("scene.json", "everything the scene was made from"), ("record.json", "size and SHA-256 of every file")]
    rows = [(f"captions-{part.split}.csv", "path,text of every scene") for part in parts]
    if parts[0].split == "train":
        rows.append(("metadata.csv", "file_name,text of every video of train, below that folder"))
    return [
        "",
        "## Files",
        "",
        "The layout is that of SynCamVideo and MultiCamVideo, with what their readers ignore:",
        "",
        "```",
        f"{parts[0].split}/<lens>/<scene>/",
        "    videos/cam01.mp4 ...             H.264, yuv420p",
        "    cameras/camera_extrinsics.json   the poses as SynCamVideo has them",
        "    cameras/rig.json                 the same exactly, with K",
        *(f"    {file:<33}{words}".rstrip() for file, words in scene),
        "manifest.jsonl                       the records of all scenes; syncam data check compares files with it",
        *(f"{file:<37}{words}" for file, words in rows),
        "```",
    ]


def _making(parts: Sequence[Part]) -> list[str]:
    versions = sum((part.versions for part in parts), Counter())
    told = ", ".join(f"{version} ({count} of the scenes)" for version, count in sorted(versions.items()))
    commands = (command(part.settings, part.scenes, OUT) for part in parts)
    by = told if len(versions) > 1 else next(iter(versions))
    made = f"By syncam {by}; the same command gives the same data again:"
    return ["", "## How it was made", "", made, "", "```sh", *commands, "```"]


def _reading(parts: Sequence[Part]) -> list[str]:
    part = max(parts, key=lambda part: len(part.settings["labels"]))  # the first with the most
    kinds = [kind for label in part.settings["labels"] for kind in READ_AS.get(label, (label,))]
    return [
        "",
        "## How to read it",
        "",
        "```python",
        "from syncam.data.dataset import ClipStore",
        "",
        f'scene = ClipStore("{OUT}", split="{part.split}")[0]',
        "clip = scene.read(views=[0], frames=[0])  # clip.video is [V, F, C, H, W]; clip.cameras, caption, fps, masks",
        *(f'{kind} = scene.read_label("{kind}", view=0)' for kind in kinds),
        "```",
    ]


def _licence(parts: Sequence[Part]) -> list[str]:
    own = " and ".join(dict.fromkeys(part.settings["licence"] for part in parts))
    lines = ["", "## Licence", "", f"{own}, for what syncam has made: scenes, pictures, labels, captions and cameras."]
    if assets := sorted(set().union(*(part.assets for part in parts))):
        lines += ["", "Some videos show assets of others, whose licences hold for these videos too:", ""]
        lines += ["| asset | file | licence |", "| --- | --- | --- |"]
        lines += [f"| {words} | {file} | {licence} |" for words, file, licence in assets]
    return lines
