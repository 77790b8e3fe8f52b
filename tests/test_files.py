"""Files and folders appear whole or not at all, and leave nothing beside them."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncam.errors import InputError
from syncam.files import atomic_dir, atomic_path, leftovers, locked, remove_leftovers, write_json, write_text


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_path_is_in_the_same_folder_hidden_and_keeps_its_suffix(tmp_path: Path) -> None:
    target = tmp_path / "made" / "on" / "the way" / "video.mp4"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".") and temporary.suffix == ".mp4"
        temporary.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert left(target.parent) == ["video.mp4"]


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_failure_keeps_the_old_file(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "rig.json"
    target.write_text("old")
    with pytest.raises(type(error)), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert left(tmp_path) == ["rig.json"]


def test_disk_full_while_text_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, text: str, encoding: str) -> None:
        self.write_bytes(text[:3].encode(encoding))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    target = tmp_path / "caption.txt"
    target.write_text("old")
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_text(target, "new text")
    assert target.read_text() == "old"
    assert left(tmp_path) == ["caption.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a device of Linux")
def test_disk_full_on_a_real_device(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"), atomic_path(tmp_path / "clip.bin") as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(bytes(1 << 16))
    assert left(tmp_path) == []


def test_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "scene1"
    with atomic_dir(target) as temporary:
        assert temporary.parent == target.parent and temporary.name.startswith(".")
        (temporary / "caption.txt").write_text("a horse")
        assert not target.exists()
    assert left(target) == ["caption.txt"]
    assert left(target.parent) == ["scene1"]


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "scene1"
    target.mkdir()
    (target / "old.txt").touch()
    with atomic_dir(target) as temporary:
        (temporary / "new.txt").touch()
        assert left(target) == ["old.txt"]
    assert left(target) == ["new.txt"]
    assert left(tmp_path) == ["scene1"]


def test_failure_keeps_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "scene1"
    target.mkdir()
    (target / "old.txt").touch()
    with pytest.raises(OSError, match="No space left"), atomic_dir(target) as temporary:
        (temporary / "half.txt").touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert left(target) == ["old.txt"]
    assert left(tmp_path) == ["scene1"]


def test_failure_of_the_last_rename_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "scene1"
    target.mkdir()
    (target / "old.txt").touch()
    rename = os.rename

    def refuse_the_new_one(source: Path, destination: Path) -> None:
        if (Path(source) / "new.txt").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, destination)

    monkeypatch.setattr(os, "rename", refuse_the_new_one)
    with pytest.raises(OSError, match="Input/output error"), atomic_dir(target) as temporary:
        (temporary / "new.txt").touch()
    assert left(target) == ["old.txt"]
    assert left(tmp_path) == ["scene1"]


def test_a_file_in_the_place_of_a_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    target = tmp_path / "scene1"
    target.write_text("mine")
    complaint = "a file stands where a folder is to be written.*scene1"
    with pytest.raises(NotADirectoryError, match=complaint), atomic_dir(target):
        pytest.fail("the work began")
    assert target.read_text() == "mine"
    assert left(tmp_path) == ["scene1"]


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "run").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "run")
    (tmp_path / "rig.json").symlink_to(tmp_path / "disk" / "rig.json")
    with atomic_dir(tmp_path / "run") as temporary:
        (temporary / "new.txt").touch()
    write_text(tmp_path / "rig.json", "{}")
    assert left(tmp_path / "disk") == ["rig.json", "run"]
    assert left(tmp_path / "disk" / "run") == ["new.txt"]
    assert (tmp_path / "run").is_symlink() and (tmp_path / "rig.json").is_symlink()


def test_json_is_readable_utf8_with_exact_floats(tmp_path: Path) -> None:
    value = {"caption": "ein Pferd läuft", "x": [0.1 + 0.2, 1e-300, -0.0], "n": None}
    write_json(tmp_path / "scene.json", value)
    text = (tmp_path / "scene.json").read_text(encoding="utf-8")
    assert "läuft" in text and text.endswith("}\n")
    assert json.loads(text) == value


@pytest.mark.parametrize("value", [{"x": float("nan")}, {"x": object()}], ids=["nan", "object"])
def test_what_json_cannot_hold_writes_nothing(tmp_path: Path, value: object) -> None:
    with pytest.raises((ValueError, TypeError), match="JSON"):
        write_json(tmp_path / "scene.json", value)
    assert left(tmp_path) == []


def test_a_file_is_held_by_one_at_a_time_and_let_go_of_by_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{}")
    hold = "import sys; from syncam.files import locked\nwith locked(sys.argv[1], ''): print(flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"\n"
    with pytest.raises(InputError, match="somebody is at it"), locked(path, "somebody is at it"):
        pytest.fail("two hold it")
    other.kill()
    other.communicate()
    with locked(path, "somebody is at it"):
        write_text(path, "replaced")  # the next one holds the new file
        with locked(path, "somebody is at it"):
            pass
    assert left(tmp_path) == ["settings.json"]


def test_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    with atomic_dir(tmp_path / "scene1") as folder, atomic_path(tmp_path / "index.json") as file:
        file.touch()
        ours = [folder.name, file.name]
    theirs = [name.replace(f".{os.getpid()}.", f".{dead.pid}.") for name in ours]
    of_others = [name.replace(f".{os.getpid()}.", f".{os.getppid()}.") for name in ours]
    for name in (ours[0], of_others[0], theirs[0], theirs[0] + ".old"):  # it may be the only copy of what it was
        (tmp_path / name / "videos").mkdir(parents=True)
    for name in (ours[1], of_others[1], theirs[1], f".others.{dead.pid}.0123abcd"):
        (tmp_path / name).touch()
    before = left(tmp_path)
    remove_leftovers(tmp_path, r"scene\d+|index\.json")
    assert set(before) - set(left(tmp_path)) == {*ours, *theirs}
    remove_leftovers(tmp_path / "nowhere", "scene")


def test_leftovers_are_those_of_processes_that_are_gone(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    number = gone.stdout.strip()
    names = [f".cam01.{number}.0a1b2c3d.mp4", f".README.{number}.0a1b2c3d", f".cam01.{os.getpid()}.00000000.mp4"]
    for name in [*names, f".cam02.{os.getppid()}.0a1b2c3d.mp4", ".hidden", "cam01.mp4", f".cam01.{number}.xyz.mp4"]:
        (tmp_path / name).write_text("")
    found = leftovers(tmp_path)
    assert {name: sorted(path.name for path in paths) for name, paths in found.items()} == {
        "cam01.mp4": sorted([names[0], names[2]]),
        "README": [names[1]],
    }
    with atomic_path(tmp_path / "new.tar.gz") as temporary:
        temporary.write_text("")
        assert leftovers(tmp_path)["new.tar.gz"] == [temporary]
    assert leftovers(tmp_path / "none") == {}
