"""Benchmark sets: prompts and cameras, or paths for clips of one's own; a version fixes every word of them."""

import hashlib
import json
import math
import random
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import write_extrinsics_json
from syncam.cameras.rig import parse_rig
from syncam.cameras.trajectories import hemisphere
from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.clips import RECORD
from syncam.evaluation.probe_words import LABELS
from syncam.files import atomic_dir, write_json, write_text
from syncam.rig_words import PRESETS, meant

__all__ = ["SETS", "BenchmarkSet", "Entry", "export_set", "get_set", "recognised", "validation_rig"]

SCHEMA, VERSION = "syncam-set", 1
VALIDATION_RIG = "the validation rig"
PROMPTS, RIG, ABOUT = "prompts.jsonl", "camera_extrinsics.json", "set.json"
VALIDATION_PLACES = ((0.0, 0.0, 3.0), (30.0, 0.0, 3.0), (-30.0, 0.0, 3.0), (0.0, 20.0, 3.0))
"""Azimuth and elevation in degrees, and metres to the subject along the ground."""
SAME_CAMERA = 1e-3
"""Largest difference of a relative camera, in metres and in numbers of its rotation, that passes for the same."""


@dataclass(frozen=True)
class Entry:
    """One generation: the name of its folder, its prompt, its cameras and its seed."""

    name: str
    prompt: str
    rig: str
    """A rig in words, or VALIDATION_RIG."""
    seed: int


@dataclass(frozen=True, kw_only=True)
class BenchmarkSet:
    """What has to be generated, or re-shot along which moves."""

    name: str
    version: int
    about: str
    entries: tuple[Entry, ...] = ()
    moves: tuple[str, ...] = ()
    """Of a set for re-shooting: a take of every clip for each."""

    @property
    def sha256(self) -> str:
        """Of everything in it."""
        content = [[one.name, one.prompt, one.rig, one.seed] for one in self.entries]
        text = json.dumps([content, VALIDATION_PLACES, self.moves])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def identity(self) -> dict[str, Any]:
        """Name, version and content in a few words, as results carry it."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


def validation_rig(hw: tuple[int, int] = (480, 832)) -> Cameras:
    """Four of the ten still cameras of SynCamVideo's val/basic, around a subject at 3 metres, through 24 mm.

    In this order cam03 (level, in the middle), cam01 and cam05 (30 degrees to its right and left), and cam07 (straight
    above cam03, looking down by 20 degrees).
    """
    cameras = [
        hemisphere(
            views=1,
            radius=level / math.cos(math.radians(elevation)),
            elevation_deg=elevation,
            azimuth_deg=azimuth,
            hw=hw,
        )
        for azimuth, elevation, level in VALIDATION_PLACES
    ]
    return Cameras(torch.cat([one.c2w for one in cameras]), torch.cat([one.K for one in cameras]), hw)


def _syncam_100() -> BenchmarkSet:
    lines = (Path(__file__).parent / "sets" / "syncam-100.txt").read_text(encoding="utf-8").splitlines()
    entries = [Entry(f"{number:03d}", text, VALIDATION_RIG, number) for number, text in enumerate(lines, start=1)]
    about = "100 prompts from 4 cameras of SynCamVideo's public validation rig"
    return BenchmarkSet(name="syncam-100", version=1, about=about, entries=tuple(entries))


def _small_200() -> BenchmarkSet:
    """Every word equally often, and every pair of words as often as can be; in an order drawn from a seed."""
    rng = random.Random("small-200/1")
    numbers = list(range(200))
    rng.shuffle(numbers)  # so that the first few are of all kinds
    rigs = [
        f"hemisphere:views=4,radius={radius},elevation={elevation},span={span},azimuth={azimuth}"
        for radius in (4.5, 5.5)
        for elevation in (10, 20, 30)
        for span in (60, 90, 135)
        for azimuth in (0, 90, 180, 270)
    ]
    rng.shuffle(rigs)
    entries = []
    for index, number in enumerate(numbers):
        # 8 species, 7 colours, 5 grounds and 3 actions have no common divisor: going on by one meets all combinations
        places = {"species": number, "colour": number, "ground": number, "action": number}
        places["sky"] = number + number // 8  # not always the same of a species
        word = {label: LABELS[label][place % len(LABELS[label])] for label, place in places.items()}
        prompt = f"a {word['colour']} {word['species']} {word['action']} on {word['ground']} under {word['sky']}"
        entries.append(Entry(f"{index + 1:03d}", prompt, rigs[index % len(rigs)], index + 1))
    about = "200 prompts in the words of the built-in model, from 4 cameras each"
    return BenchmarkSet(name="small-200", version=1, about=about, entries=tuple(entries))


def _recam_10() -> BenchmarkSet:
    about = "the ten basic trajectories of ReCamMaster, for clips of your own"
    return BenchmarkSet(name="recam-10", version=1, about=about, moves=PRESETS)


SETS: dict[str, Callable[[], BenchmarkSet]] = {
    "syncam-100": _syncam_100,
    "small-200": _small_200,
    "recam-10": _recam_10,
}


def get_set(name: str) -> BenchmarkSet:
    """The set of that name; InputError naming those that there are."""
    if name not in SETS:
        raise InputError(f"there is no set {name!r}{meant(name, SETS)}; expected one of {', '.join(SETS)}")
    return SETS[name]()


def export_set(name: str, out: Path) -> dict[str, Any]:
    """Writes a set as a folder, and returns the command that makes a run of it.

    prompts.jsonl is for syncam generate --prompts, camera_extrinsics.json the rig that it names; set.json says what it
    all is. InputError if `out` holds anything else.
    """
    chosen = get_set(name)
    known = {PROMPTS, RIG, ABOUT}
    if out.is_file() or (out.is_dir() and (others := {path.name for path in out.iterdir()} - known)):
        what = "is a file" if out.is_file() else f"holds {min(others)}, which is of no set"
        raise InputError(f"{out} {what}; choose another --out")
    command = ["syncam", "generate", "--prompts", str(out / PROMPTS), "--out", name]
    if chosen.moves:
        moves = [word for move in chosen.moves for word in ("--move", move)]
        command = ["syncam", "reshoot", "clips", *moves, "--out", name]
    with atomic_dir(out) as folder:
        if any(entry.rig == VALIDATION_RIG for entry in chosen.entries):
            write_extrinsics_json(folder / RIG, validation_rig())
        if chosen.entries:
            place = str((out / RIG).absolute())  # wherever syncam generate is called
            rigs = [place if entry.rig == VALIDATION_RIG else entry.rig for entry in chosen.entries]
            rows = [
                {"prompt": entry.prompt, "rig": rig, "seed": entry.seed, "name": entry.name}
                for entry, rig in zip(chosen.entries, rigs, strict=True)
            ]
            write_text(folder / PROMPTS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        about = {"schema": SCHEMA, "version": VERSION, "set": chosen.identity, "about": chosen.about}
        write_json(folder / ABOUT, about | {"command": shlex.join(command)})
    return {"folder": str(out), "set": f"{chosen.name}, version {chosen.version}", "command": shlex.join(command)}


def recognised(clips: Mapping[str, Scene]) -> dict[str, Any] | None:
    """Of which set the clips of a run are: names, prompts and cameras, or moves, are those of it. None: of none.

    `complete` says whether all of the set is there; `clips_sha256` stands for the sources of clips that were re-shot.
    """
    for build in SETS.values():
        chosen = build()
        if chosen.moves and clips:
            sources = [_source(scene, chosen.moves) for scene in clips.values()]
            if None not in sources:
                digest = hashlib.sha256(json.dumps(sorted(sources, key=str)).encode()).hexdigest()
                return chosen.identity | {"num_clips": len(clips), "complete": True, "clips_sha256": digest}
        entries = {entry.name: entry for entry in chosen.entries}
        if clips and all(name in entries and _fits(scene, entries[name]) for name, scene in clips.items()):
            return chosen.identity | {"num_clips": len(clips), "complete": len(clips) == len(entries)}
    return None


def _fits(scene: Scene, entry: Entry) -> bool:
    """Whether a clip has the entry's prompt and cameras; the lens is the model's own affair."""
    try:
        if scene.caption != entry.prompt or (cameras := scene.cameras) is None:
            return False
    except (InputError, OSError):
        return False
    asked = validation_rig() if entry.rig == VALIDATION_RIG else parse_rig(entry.rig, num_frames=1, hw=(64, 64))
    if cameras.num_views != asked.num_views or not cameras.is_static:
        return False
    off = cameras.frames([0]).relative_to(0).double() - asked.relative_to(0).double()
    return float(off.abs().max()) < SAME_CAMERA


def _source(scene: Scene, moves: tuple[str, ...]) -> list[Any] | None:
    """What was re-shot, its prompt and the distance of its subject; None unless along these moves."""
    try:
        told = json.loads((scene.path / RECORD).read_text(encoding="utf-8"))["settings"]
        return [told["source_sha256"], told["prompt"], told["distance"]] if told["move"] == list(moves) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
