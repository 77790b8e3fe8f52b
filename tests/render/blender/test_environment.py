"""Which Blender is used, what is said where there is none, and how one is set up."""

import os
import sys
from pathlib import Path

import pytest

from syncam.errors import InputError
from syncam.render.blender import environment
from syncam.render.blender.environment import Blender, explain, find_blender, set_up


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable, no environment, nothing on the PATH."""
    monkeypatch.delenv("SYNCAM_BLENDER", raising=False)
    monkeypatch.setattr(environment, "default_folder", lambda: tmp_path / "made")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    (tmp_path / "path").mkdir()
    return tmp_path


def program(path: Path, text: str = "#!/bin/sh\necho Blender 4.5.15 LTS\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_without_any_it_says_what_to_do() -> None:
    with pytest.raises(
        InputError, match="no Blender on this machine: run `syncam render setup`, or set SYNCAM_BLENDER"
    ):
        find_blender()


def test_the_order_in_which_it_looks(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = program(empty_machine / "path" / "blender")
    assert find_blender() == Blender(on_path, False)
    made = program(empty_machine / "made" / "bin" / "python")
    assert find_blender() == Blender(on_path, False), "an environment that is not finished is not used"
    (empty_machine / "made" / environment.DONE).write_text("{}")
    assert find_blender() == Blender(made, True)
    monkeypatch.setenv("SYNCAM_BLENDER", str(program(empty_machine / "mine" / "blender-4.5")))
    assert find_blender() == Blender(empty_machine / "mine" / "blender-4.5", False)
    monkeypatch.setenv("SYNCAM_BLENDER", str(empty_machine / "made"))
    assert find_blender() == Blender(made, True)
    monkeypatch.setenv("SYNCAM_BLENDER", str(empty_machine / "nothing"))
    with pytest.raises(InputError, match="nothing, which is neither a blender, nor a python"):
        find_blender()


def test_commands_run_no_scripts_of_files_and_nothing_of_ours() -> None:
    command = Blender(Path("/b/blender"), False).command(Path("w.py"), "job")
    assert {"--background", "--factory-startup", "--disable-autoexec"} < set(command) and command[-2:] == ["--", "job"]
    assert Blender(Path("/b/python"), True).command(Path("w.py"), "job") == ["/b/python", "-I", "w.py", "job"]
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(Blender(Path("p"), True).environment())


def test_versions(empty_machine: Path) -> None:
    assert Blender(program(empty_machine / "blender"), False).version() == "4.5.15"
    with pytest.raises(InputError, match="is no Blender that starts: .*; run `syncam render setup`"):
        Blender(Path(sys.executable), True).version()
    with pytest.raises(InputError, match="cannot be started"):
        Blender(empty_machine / "absent", False).version()


def test_missing_libraries_come_with_the_line_that_installs_them(empty_machine: Path) -> None:
    said = "ImportError: libXrender.so.1: cannot open shared object file: No such file or directory"
    line = explain(empty_machine / "bin" / "python", said)
    assert "lacks system libraries (libXrender.so.1)" in line and "\n" not in line
    assert line.endswith("apt-get update && apt-get install -y --no-install-recommends libxrender1")


def test_setup_leaves_other_folders_alone(empty_machine: Path) -> None:
    (empty_machine / "photos").mkdir()
    (empty_machine / "photos" / "me.jpg").write_text("")
    with pytest.raises(InputError, match="photos holds something else than an environment"):
        set_up(empty_machine / "photos")


def test_setup_needs_python_3_11(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(program(empty_machine / "python", "#!/bin/sh\necho 3.13\n")))
    with pytest.raises(InputError, match="needs Python 3.11, and there is none"):
        set_up(empty_machine / "new")


def test_setup_goes_through_its_steps_and_goes_on_after_a_failure(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins for Python and pip: pip fails at first, as when the network is gone."""
    monkeypatch.setenv("PATH", os.defpath)
    pip = empty_machine / "pip-works"
    inner = f"""#!/bin/sh
case "$*" in
  *sys.version*) echo 3.11;;
  *pip*) test -e {pip} || {{ echo 'ERROR: no network'; exit 1; }};;
  *) echo Blender 4.5.15;;
esac
"""
    outer = f"""#!/bin/sh
case "$*" in
  *venv*) for last; do :; done; mkdir -p $last/bin; touch $last/pyvenv.cfg
    cp {empty_machine}/inner $last/bin/python;;
  *) echo 3.11;;
esac
"""
    program(empty_machine / "inner", inner)
    monkeypatch.setattr(sys, "executable", str(program(empty_machine / "outer", outer)))
    folder, steps = empty_machine / "new", []
    with pytest.raises(
        InputError, match="Blender cannot be installed.*: ERROR: no network; the log is .*new-setup.log"
    ):
        set_up(folder)
    pip.write_text("")
    found = set_up(folder, lambda done, total, what: steps.append((done, total)))
    assert found["blender"] == "4.5.15" and found["to use it"] == f"export SYNCAM_BLENDER={folder}"
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    pip.unlink()
    steps.clear()
    set_up(folder, lambda done, total, what: steps.append((done, total)))
    assert steps == [(2, 3), (3, 3)], "what is finished is only checked"
