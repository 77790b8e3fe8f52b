"""The seeds that scenes could not be rendered from: failures-<split>.jsonl in the data set, a line for each.

They are kept so that a run that goes on later tries the same seeds as one that was never interrupted, and as an answer
to the question why a scene is not the one of its first seed.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from syncam.errors import InputError
from syncam.files import write_text
from syncam.render.config import RenderConfig, scene_folder

__all__ = ["Failure", "describe_failed", "failures_path", "read_failures", "scene_name", "write_failures"]


@dataclass(frozen=True, order=True)
class Failure:
    """A seed that is ruled out."""

    index: int
    """Number of the scene, from 0."""
    attempt: int
    """Which of the scene's seeds it is, from 0."""
    seed: int
    scene: str
    """Such as train/f24_aperture5/scene1."""
    reason: str


def failures_path(config: RenderConfig) -> Path:
    """Where the failures of the split are kept."""
    return Path(config.out) / f"failures-{config.split}.jsonl"


def scene_name(config: RenderConfig, index: int) -> str:
    """Where the scene lies in the data set."""
    return scene_folder(config, index).relative_to(config.out).as_posix()


def read_failures(config: RenderConfig) -> set[Failure]:
    """What earlier runs have noted; InputError naming the line if the file is damaged."""
    path = failures_path(config)
    if not path.is_file():
        return set()
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            failure = Failure(**json.loads(line))
            if not all(type(value) is int for value in (failure.index, failure.attempt, failure.seed)):
                raise TypeError("index, attempt and seed must be whole numbers")
        except (ValueError, TypeError) as err:
            raise InputError(f"{path}, line {number}: is damaged ({err}); remove the file to try all again") from err
        found.add(failure)
    return found


def write_failures(config: RenderConfig, failures: Iterable[Failure]) -> None:
    """Writes them in the order of the scenes; no file where there are none."""
    lines = [json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in sorted(failures)]
    if lines:
        write_text(failures_path(config), "".join(lines))
    else:
        failures_path(config).unlink(missing_ok=True)


def describe_failed(config: RenderConfig, scenes: Sequence[str], most: int = 3) -> str:
    """One line about scenes that could not be rendered."""
    names = ", ".join(scenes[:most]) + (f" and {len(scenes) - most} more" if len(scenes) > most else "")
    return (
        f"syncam: {len(scenes)} of {config.num_scenes} scenes could not be rendered: {names}; "
        f"{failures_path(config)} says why, and the same command tries them again"
    )
