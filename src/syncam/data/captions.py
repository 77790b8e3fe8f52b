"""Captions and lenses written beside scenes: from a table, from a model that describes pictures, from folder names."""

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from syncam.cameras.conventions import SENSOR_MM
from syncam.data.caption_tables import CAPTIONS, CaptionTable, fit_names, read_captions
from syncam.data.captioner import BatchCaptioner, Captioner
from syncam.data.scene import Scene
from syncam.data.sources import SCENE_FOLDERS, Dataset
from syncam.errors import InputError
from syncam.files import write_json, write_text

__all__ = ["CaptionReport", "caption_from_table", "caption_scenes", "describe_captions", "write_lenses"]

LENS = re.compile(r"^f(\d+(?:\.\d+)?)_aperture(\d+(?:\.\d+)?)$")
SHOWN = 10


@dataclass
class CaptionReport:
    """What became of the scenes of a data set."""

    data: str
    written_to: str
    scenes: int
    captioned: int = 0
    kept: int = 0
    """Scenes that had a caption, which was to stay."""
    without: list[str] = field(default_factory=list)
    """Scenes that have none: the table says nothing of them."""
    unknown: list[str] = field(default_factory=list)
    """What the table names and is not there."""
    failed: list[str] = field(default_factory=list)
    """Scenes that could not be read or described, and why."""


def caption_from_table(
    dataset: Dataset, table: str | Path, *, overwrite: bool = False, out: str | Path | None = None
) -> CaptionReport:
    """Gives the scenes of a data set the captions of a table, csv or jsonl; see `read_captions` and `fit_names`.

    Of several texts for one scene, as of its videos, the first counts. A caption that is there stays unless
    `overwrite`. Captions go to caption.txt in the folder of a scene, in other layouts to captions.csv in that of the
    data set, or all of them to the table `out`. InputError before anything is written for tables that cannot be read.
    """
    texts = {entry: text for entry, text in read_captions(table).items() if text}
    fitting, unknown = fit_names([dataset.name(scene) for scene in dataset], texts)
    captions: dict[int, str] = {}
    for entry, number in fitting.items():
        captions.setdefault(number, texts[entry])
    with _Sink(dataset, out, overwrite) as sink:
        sink.report.unknown = unknown
        for number, scene in enumerate(dataset):
            if sink.leaves(scene):
                continue
            if number in captions:
                sink.write(scene, captions[number])
            else:
                sink.report.without.append(dataset.name(scene))
    return sink.report


def caption_scenes(
    dataset: Dataset,
    captioner: Captioner,
    *,
    num_frames: int | None = None,
    view: str | None = None,
    batch_size: int = 1,
    overwrite: bool = False,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionReport:
    """Has the scenes that have no caption described, by `num_frames` frames spread evenly over one view.

    The view is the first, or the one called `view`; `num_frames` None is as many as the captioner likes, or one. A
    `BatchCaptioner` is given `batch_size` videos at once. Where captions go is said in `caption_from_table`. A scene
    that cannot be read, or of which nothing is said, is noted in the report and left out. Run again, it goes on.
    """
    if num_frames is None:
        num_frames = int(getattr(captioner, "num_frames", 1))
    if num_frames < 1 or batch_size < 1:
        raise InputError(f"num_frames and batch_size must be at least 1, got {num_frames} and {batch_size}")
    if batch_size > 1 and not isinstance(captioner, BatchCaptioner):
        raise InputError(f"batch_size {batch_size} needs a captioner with a method batch; leave it at 1")
    with _Sink(dataset, out, overwrite) as sink:
        waiting = (scene for scene in dataset if not sink.leaves(scene))
        frames = _read_ahead(waiting, lambda scene: _frames(scene, view, num_frames), batch_size)
        while chosen := list(islice(frames, batch_size)):
            shown = [(scene, video) for scene, video in chosen if isinstance(video, Tensor)]
            for scene, err in chosen:
                if isinstance(err, Exception):
                    sink.report.failed.append(f"{dataset.name(scene)}: {err}")
            videos = [video for _, video in shown]
            if isinstance(captioner, BatchCaptioner):
                texts = captioner.batch(videos) if videos else []
            else:
                texts = [captioner(video) for video in videos]
            for (scene, _), text in zip(shown, texts, strict=True):
                if words := " ".join(text.split()):
                    sink.write(scene, words)
                else:
                    sink.report.failed.append(f"{dataset.name(scene)}: the captioner has nothing to say about it")
            if progress is not None:
                report = sink.report
                progress(report.captioned + report.kept + len(report.failed), report.scenes)
    return sink.report


def describe_captions(report: CaptionReport) -> dict[str, Any]:
    """The report for people: counts, and the first of what is missing."""
    shown: dict[str, Any] = {"data": report.data, "written to": report.written_to, "scenes": report.scenes}
    shown |= {"captioned": report.captioned, "kept": report.kept}
    lists = (
        ("without a caption", report.without),
        ("in the table, not there", report.unknown),
        ("failed", report.failed),
    )
    for name, lines in lists:
        more = [f"and {len(lines) - SHOWN} more, which --json lists"] if len(lines) > SHOWN else []
        shown[name] = [str(len(lines)), *lines[:SHOWN], *more] if lines else None
    return shown


class _Sink:
    """Where captions go: caption.txt of every scene, or a table."""

    def __init__(self, dataset: Dataset, out: str | Path | None, overwrite: bool) -> None:
        self.dataset, self.overwrite = dataset, overwrite
        place = Path(out) if out is not None else None if dataset.kind in SCENE_FOLDERS else dataset.root / CAPTIONS
        self.table = None if place is None else CaptionTable(place)
        self.report = CaptionReport(
            str(dataset.root), "caption.txt of every scene" if place is None else str(place), len(dataset)
        )

    def leaves(self, scene: Scene) -> bool:
        """Whether the caption of a scene stays as it is, which the report notes."""
        if self.overwrite:
            return False
        try:
            there = self.table is not None and self.table.texts.get(self.dataset.name(scene))
            there = there or copy(scene).caption  # handles keep what they have read
        except (InputError, OSError) as err:
            self.report.failed.append(f"{self.dataset.name(scene)}: {err}")
            return True
        self.report.kept += bool(there)
        return bool(there)

    def write(self, scene: Scene, text: str) -> None:
        """Gives a scene its caption."""
        if self.table is None:
            write_text(scene.path / "caption.txt", text + "\n")
        else:
            self.table.add(self.dataset.name(scene), text)
        self.report.captioned += 1

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, *_: object) -> None:
        if self.table is not None:
            self.table.save()


def _frames(scene: Scene, view: str | None, num_frames: int) -> Tensor:
    """Frames in the middle of equal parts of a video; all of a video that has fewer."""
    scene = copy(scene)
    if view is not None and view not in scene.names:
        raise InputError(f"{scene.path} has no view {view}; expected one of {', '.join(scene.names[:5])}")
    footage = scene.footage[0 if view is None else scene.names.index(view)]
    length = footage.header().num_frames or footage.count()
    count = min(num_frames, length)
    return footage.read([(2 * part + 1) * length // (2 * count) for part in range(count)], None)


def _read_ahead(
    scenes: Iterable[Scene], read: Callable[[Scene], Tensor], ahead: int
) -> Iterator[tuple[Scene, Tensor | Exception]]:
    """Every scene with what was read of it, or why it could not be, while the next ones are read."""

    def attempt(scene: Scene) -> Tensor | Exception:
        try:
            return read(scene)
        except (InputError, OSError) as err:
            return err

    queue: deque[tuple[Scene, Future[Tensor | Exception]]] = deque()
    with ThreadPoolExecutor(min(ahead, os.cpu_count() or 1)) as pool:
        for scene in scenes:
            queue.append((scene, pool.submit(attempt, scene)))
            if len(queue) > ahead:
                first, result = queue.popleft()
                yield first, result.result()
        for scene, result in queue:
            yield scene, result.result()


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
