"""What is wrong with a data set: every scene opened or decoded, in several processes."""

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from copy import copy
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from multiprocessing import get_context
from pathlib import Path
from stat import S_ISREG
from typing import Any

from syncam.data.check_files import check_labels, check_manifest
from syncam.data.footage import Footage, Pictures
from syncam.data.scene import Scene
from syncam.data.sources import LAYOUTS, SCENE_FOLDERS, Dataset
from syncam.errors import InputError

__all__ = ["Problem", "SceneReport", "check_dataset", "check_scene", "describe_check"]

ALIKE = ("syncamvideo", "syncamvideo-first")
"""Kinds whose videos all have one size and one length."""
QUEUED = 4
"""Scenes for each process that wait or are at work: a set of any length is checked in the same memory."""
SHOWN = 20
CHUNK = 2**20
ENDS = 2**16
"""Bytes at both ends of a file that tell nearly all files apart that have one length."""
BAD = (InputError, OSError)
"""What reading a broken scene raises; OSError where a file may not be read."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: of which scene and file, of which sort, in words."""

    scene: str
    file: str
    sort: str
    message: str


@dataclass
class SceneReport:
    """What one scene was found to have; sizes and lengths are those of the first view that could be read."""

    num_views: int = 0
    num_frames: int = 0
    hw: tuple[int, int] = (0, 0)
    total_frames: int = 0
    has_caption: bool = False
    file_sizes: list[int] = field(default_factory=list)
    """Bytes of every view's video, or of its first picture; what is equal in them is looked at again."""
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """Sort, file and message."""


def check_scene(scene: Scene, *, quick: bool, captions: bool = True) -> SceneReport:
    """Everything that is wrong with one scene; `quick` reads headers, else every frame and mask is decoded."""
    report = SceneReport()

    def complain(sort: str, file: Path, message: str) -> None:
        report.problems.append((sort, str(file), message))

    try:
        report.has_caption = bool(scene.caption)
    except BAD as err:
        complain("caption", scene.path, str(err))
    else:
        if captions and not report.has_caption:
            complain("missing caption", scene.path, f"{scene.path} has no caption")
    try:
        footage = scene.footage
    except BAD as err:
        complain("no pictures", scene.path, str(err))
        return report
    report.num_views = len(footage)
    lengths = [_check_view(view, report, quick, complain) for view in footage]
    readable = [length for length in lengths if length]
    if not readable:
        return report
    report.num_frames, report.total_frames = readable[0], sum(readable)
    try:
        cameras = scene.cameras if lengths[0] else None  # their size is that of the first view
    except BAD as err:
        complain("cameras", scene.path, str(err))
        cameras = None
    expected = report.num_frames if cameras is None else cameras.num_frames
    for view, length in zip(footage, lengths, strict=True):
        if length and length != expected:
            what = "the view before it" if cameras is None else f"the cameras of {scene.path}"
            complain("frames and cameras", view.path, f"{view.path} has {length} frames but {what} {expected}")
    if cameras is not None and cameras.hw != report.hw:
        complain("wrong size", scene.path, f"the cameras of {scene.path} are for {cameras.hw}, its videos {report.hw}")
    if not quick:
        _check_masks(scene, report, complain)
        for file, message in check_labels(scene, report.num_frames, report.hw):
            complain("labels", file, message)
    return report


Complain = Callable[[str, Path, str], None]


def _check_view(view: Footage, report: SceneReport, quick: bool, complain: Complain) -> int:
    """The number of frames of one view; 0 where it cannot be read."""
    try:
        status = _sample(view).stat()
        report.file_sizes.append(status.st_size if S_ISREG(status.st_mode) else 0)
    except OSError:  # reading says what is wrong with it
        report.file_sizes.append(0)
    try:
        header = view.header()
        length = header.num_frames if quick and header.num_frames else view.count()
    except BAD as err:
        complain("broken", view.path, str(err))
        return 0
    if header.num_frames and length != header.num_frames:
        message = f"{view.path} has {length} frames where its header states {header.num_frames}"
        complain("short", view.path, message)
    if report.hw == (0, 0):
        report.hw = header.hw
    elif header.hw != report.hw:
        complain(
            "wrong size", view.path, f"{view.path} is {header.hw} (height, width), the views before it {report.hw}"
        )
    return length


def _check_masks(scene: Scene, report: SceneReport, complain: Complain) -> None:
    for index, view in enumerate(scene.footage):
        try:
            mask = scene.read_masks(index)
        except BAD as err:
            complain("masks", view.path, str(err))
            continue
        expected = (report.num_frames, *report.hw)
        if mask is not None and tuple(mask.shape) != expected:
            complain(
                "masks", view.path, f"the mask of {view.path} is {tuple(mask.shape)}, expected {expected} [F, H, W]"
            )


def check_dataset(
    dataset: Dataset,
    *,
    quick: bool = False,
    captions: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """A report of numbers, lists and text: counts, sizes, and under "problems" everything that is wrong.

    `captions` False allows scenes without one. `workers` is the number of processes; None: one for each CPU. Memory
    grows with the number of videos by a few bytes for each, and with the number of problems.
    """
    workers = min(os.cpu_count() or 1, len(dataset)) if workers is None else workers
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    problems: list[Problem] = []
    shapes: Counter[tuple[int, int, int]] = Counter()
    codes: dict[tuple[int, int, int], int] = {}
    shape_of, first_view, file_sizes = array("i", [-1] * len(dataset)), array("q"), array("q")
    totals: Counter[str] = Counter()
    starts = array("q", [0] * len(dataset))
    for done, (index, report) in enumerate(_reports(dataset, workers, quick, captions)):
        problems += [_problem(dataset, dataset[index], *found) for found in report.problems]
        totals.update(views=report.num_views, frames=report.total_frames, captions=int(report.has_caption))
        if report.num_frames:
            shape = (report.num_frames, *report.hw)
            shapes[shape] += 1
            shape_of[index] = codes.setdefault(shape, len(codes))
        starts[index] = len(file_sizes)
        file_sizes.extend(report.file_sizes)
        first_view.extend([index] * len(report.file_sizes))
        if progress is not None:
            progress(done + 1, len(dataset))
    if dataset.kind in ALIKE:
        problems += _unlike(dataset, shapes, codes, shape_of)
    if dataset.kind in SCENE_FOLDERS:  # what else lies among scenes was perhaps to be one
        problems += _strays(dataset)
    problems += _duplicates(dataset, file_sizes, first_view, starts)
    verified, differing = (None, []) if quick else check_manifest(dataset, workers)
    problems += [Problem(name, str(file), sort, message) for name, file, sort, message in differing]
    problems.sort(key=lambda problem: (problem.scene, problem.file, problem.sort))
    return {
        "data": str(dataset.root),
        "kind": dataset.kind,
        "decoded": "headers" if quick else "every frame",
        "scenes": len(dataset),
        **{name: totals[name] for name in ("views", "frames", "captions")},
        "checksums": verified,
        "shapes": {f"{frames} frames of {h}x{w}": count for (frames, h, w), count in shapes.most_common()},
        "found": dict(Counter(problem.sort for problem in problems).most_common()),
        "problems": [asdict(problem) for problem in problems],
    }


def describe_check(report: dict[str, Any]) -> str:
    """The report for people: counts, and the first of the problems, one in a line."""
    names = ("data", "kind", "decoded", "scenes", "views", "frames", "captions", "checksums")
    lines = [f"{name:<9} {report[name]}" for name in names if report[name] is not None]
    lines += [f"shape     {shape}: {count} scenes" for shape, count in list(report["shapes"].items())[:SHOWN]]
    lines += [f"found     {count} {sort}" for sort, count in report["found"].items()] or ["found     nothing wrong"]
    problems = report["problems"]
    lines += [f"{problem['sort']}: {problem['message']}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"and {len(problems) - SHOWN} more, which --report FILE lists")
    return "\n".join(lines)


def _reports(dataset: Dataset, workers: int, quick: bool, captions: bool) -> Iterator[tuple[int, SceneReport]]:
    """Number and report of every scene, as they are done."""
    if workers == 1:
        for index, scene in enumerate(dataset):
            yield index, _report(scene, quick, captions)
        return
    waiting = iter(range(len(dataset)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: dict[Future[SceneReport], int] = {}
        try:
            while True:
                for index in islice(waiting, workers * QUEUED - len(running)):
                    running[pool.submit(_report, dataset[index], quick, captions)] = index
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    index = running.pop(future)
                    yield index, future.result()
        except BrokenProcessPool as err:
            names = ", ".join(dataset.name(dataset[index]) for index in sorted(running.values()))
            raise InputError(f"a process died while it read one of {names}; check them with --workers 1") from err
        finally:
            pool.shutdown(cancel_futures=True)


def _report(scene: Scene, quick: bool, captions: bool) -> SceneReport:
    """The report of a copy: handles keep what they have read."""
    return check_scene(copy(scene), quick=quick, captions=captions)


def _unlike(
    dataset: Dataset,
    shapes: Counter[tuple[int, int, int]],
    codes: dict[tuple[int, int, int], int],
    shape_of: Sequence[int],
) -> Iterator[Problem]:
    """Scenes whose length or size is not that of most."""
    if len(shapes) < 2:
        return
    [(usual, _)] = shapes.most_common(1)
    known = list(codes)
    for index, scene in enumerate(dataset):
        if shape_of[index] < 0 or known[shape_of[index]] == usual:
            continue
        frames, height, width = known[shape_of[index]]
        sort = "wrong size" if (height, width) != usual[1:] else "short" if frames < usual[0] else "long"
        message = f"{scene.path} has {frames} frames of {height}x{width}; most have {usual[0]} of {usual[1]}x{usual[2]}"
        yield _problem(dataset, scene, sort, str(scene.path), message)


def _duplicates(
    dataset: Dataset, sizes: Sequence[int], owners: Sequence[int], starts: Sequence[int]
) -> Iterator[Problem]:
    """Files with the same bytes. Only files of equal length are read."""
    order = sorted((number for number in range(len(sizes)) if sizes[number]), key=sizes.__getitem__)
    for _, group in groupby(order, key=sizes.__getitem__):
        numbers = list(group)
        alike: dict[bytes, list[tuple[Scene, Path]]] = {}
        for number in numbers if len(numbers) > 1 else []:
            scene = copy(dataset[owners[number]])
            file = _sample(scene.footage[number - starts[owners[number]]])
            with suppress(OSError):  # what may not be read was named as broken
                alike.setdefault(_ends(file), []).append((scene, file))
        for files in alike.values():
            seen: dict[bytes, Path] = {}
            for scene, file in files if len(files) > 1 else []:
                first = seen.setdefault(_digest(file), file)
                if first != file:
                    message = f"{file} has the same bytes as {first}"
                    yield _problem(dataset, scene, "duplicate", str(file), message)


def _strays(dataset: Dataset) -> Iterator[Problem]:
    """Folders beside scenes that are none, and links there that lead nowhere: one look at every folder of scenes."""
    paths = {str(scene.path) for scene in dataset}
    parents = {scene.path.parent for scene in dataset if scene.path != dataset.root}
    above = {str(folder) for parent in parents for folder in (parent, *parent.parents)}
    for parent in sorted(parents):
        with os.scandir(parent) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.startswith(".") or entry.path in paths or entry.path in above:
                continue
            if what := _stray(entry, parent, LAYOUTS[dataset.kind]):
                name = Path(entry.path).relative_to(dataset.root).as_posix()
                yield Problem(_printable(name), _printable(entry.path), "no scene", _printable(f"{entry.path} {what}"))


def _stray(entry: os.DirEntry[str], parent: Path, layout: str) -> str:
    if entry.is_symlink():
        if not os.path.exists(entry.path):
            return "is a link that leads nowhere"
        if any(os.path.samefile(entry.path, place) for place in (parent, *parent.absolute().parents)):
            return "is a link to a folder that it lies in"
    return f"lies among scenes and is none; expected {layout}" if entry.is_dir() else ""


def _problem(dataset: Dataset, scene: Scene, sort: str, file: str, message: str) -> Problem:
    return Problem(_printable(dataset.name(scene)), _printable(file), sort, _printable(message))


def _printable(text: str) -> str:
    """In one line, and with the bytes spelt out of file names that are no UTF-8."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").splitlines())


def _sample(view: Footage) -> Path:
    """The file that stands for a view: its video, or its first picture."""
    return view.paths[0] if isinstance(view, Pictures) and view.paths else view.path


def _ends(file: Path) -> bytes:
    """The digest of the first and the last bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as content:
        digest.update(content.read(ENDS))
        content.seek(-min(ENDS, content.seek(0, os.SEEK_END)), os.SEEK_END)
        digest.update(content.read(ENDS))
    return digest.digest()


def _digest(file: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return digest.digest()
