"""Files held against a manifest: what differs, is missing or too much is named, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_package.layouts import make_syncamvideo
from syncam.data.check import check_dataset, describe_check
from syncam.data.check_files import check_manifest
from syncam.data.manifest import MANIFEST, RECORD, file_sums, files_in, read_manifest
from syncam.data.sources import open_dataset
from syncam.errors import InputError

SCENES = ("train/f24_aperture5/scene1", "train/f24_aperture5/scene2", "val/basic")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_syncamvideo(tmp_path)
    lines: list[dict] = [{"manifest": 1}, *({"scene": n, "files": file_sums(tmp_path / n)} for n in SCENES)]
    (tmp_path / MANIFEST).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def found(root: Path, split: str | None = None) -> list[tuple[str, str, str]]:
    """Scene, file and sort of every problem."""
    _, problems = check_manifest(open_dataset(root, split), 2)
    assert all(file.name in message and "\n" not in message for _, file, _, message in problems)
    return [(scene, file.name, sort) for scene, file, sort, _ in problems]


def swapped(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_whole_sets(root: Path) -> None:
    assert check_manifest(open_dataset(root), 2) == (3 * 3, [])
    (root / SCENES[0] / ".hidden").write_text("")
    (root / SCENES[0] / RECORD).write_text("{}")
    assert files_in(root / SCENES[0]) == ["cameras/camera_extrinsics.json", "videos/cam01.mp4", "videos/cam02.mp4"]
    assert check_manifest(open_dataset(root), 1) == (9, [])
    assert check_manifest(open_dataset(root, "val"), 1) == (3, [])
    (root / MANIFEST).unlink()
    assert check_manifest(open_dataset(root), 1) == (None, [])


CHANGES: dict[str, tuple[Callable[[Path], object], tuple[str, str, str]]] = {
    "one bit": (lambda r: swapped(r / SCENES[0] / "videos/cam02.mp4"), (SCENES[0], "cam02.mp4", "changed file")),
    "length": (
        lambda r: (r / SCENES[2] / "videos/cam01.mp4").write_bytes(b"x"),
        (SCENES[2], "cam01.mp4", "changed file"),
    ),
    "missing": (lambda r: (r / SCENES[1] / "videos/cam02.mp4").unlink(), (SCENES[1], "cam02.mp4", "missing file")),
    "extra": (lambda r: (r / SCENES[1] / "videos/cam03.mp4").touch(), (SCENES[1], "cam03.mp4", "extra file")),
    "no scene": (lambda r: shutil.rmtree(r / SCENES[1]), (SCENES[1], "scene2", "missing scene")),
    "no split": (lambda r: shutil.rmtree(r / "val"), (SCENES[2], "basic", "missing scene")),
    "new scene": (
        lambda r: shutil.copytree(r / SCENES[2], r / "val/other"),
        ("val/other", "other", "not in manifest"),
    ),
    "bad line": (lambda r: (r / MANIFEST).open("a").write("{\n"), ("", MANIFEST, "manifest")),
    "bad sums": (
        lambda r: (r / MANIFEST).open("a").write('{"scene": "a", "files": {"b": [1]}}\n'),
        ("", MANIFEST, "manifest"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_named(root: Path, change: str) -> None:
    apply, expected = CHANGES[change]
    apply(root)
    assert found(root) == [expected]


def test_of_one_split_only_this_split_counts(root: Path) -> None:
    (root / SCENES[2] / "videos/cam01.mp4").write_bytes(b"x")
    assert found(root, "train") == []
    assert found(root, "val") == [(SCENES[2], "cam01.mp4", "changed file")]


@pytest.mark.parametrize("line", ["7", "[]", '{"scene": 1, "files": {}}', '{"scene": "a"}', "\xff", '{"files": {}}'])
def test_damaged_manifests(tmp_path: Path, line: str) -> None:
    (tmp_path / MANIFEST).write_bytes(b'{"manifest": 1}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(InputError, match=r"^.*manifest\.jsonl, line 2, is damaged; remove the file, and syncam render"):
        list(read_manifest(tmp_path / MANIFEST))


def test_the_report_counts_what_was_compared(root: Path) -> None:
    swapped(root / SCENES[0] / "cameras/camera_extrinsics.json")
    report = check_dataset(open_dataset(root), captions=False, workers=1)
    assert report["checksums"] == 8 and report["found"]["changed file"] == 1
    assert "checksums 8" in describe_check(report) and "does not have the checksum" in describe_check(report)
    quick = check_dataset(open_dataset(root), captions=False, workers=1, quick=True)
    assert quick["checksums"] is None and "changed file" not in quick["found"]
    assert "checksums" not in describe_check(quick)
