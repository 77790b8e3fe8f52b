"""The Blender that renders: found on this machine, or set up in an environment of its own.

bpy (GPL) needs Python 3.11 and a numpy before 2, so that it never lives in the environment of syncam.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["VARIABLE", "Blender", "find_blender", "set_up"]

VARIABLE = "SYNCAM_BLENDER"
REQUIREMENTS = ("bpy==4.5.15", "numpy<2")
DONE = "syncam-blender.json"
PACKAGES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}
"""System library -> the Debian package that brings it."""


@dataclass(frozen=True)
class Blender:
    """A program that can run the worker: a Python with bpy, or Blender itself."""

    path: Path
    is_python: bool

    def command(self, script: Path, *arguments: Path | str) -> list[str]:
        """The command line that runs a script inside it."""
        if self.is_python:  # -I: nothing of our own environment leaks into it
            return [str(self.path), "-I", str(script), *map(str, arguments)]
        options = ["--background", "--factory-startup", "--disable-autoexec", "--python-exit-code", "1"]
        return [str(self.path), *options, "--python", str(script), "--", *map(str, arguments)]

    def environment(self) -> dict[str, str]:
        """Our environment variables without those that would lead its Python astray."""
        return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def version(self) -> str:
        """Such as 4.5.15; InputError if it does not start."""
        return _version(self)


@cache
def _version(blender: Blender) -> str:
    arguments = ["-I", "-c", "import bpy; print('Blender', bpy.app.version_string)"]
    try:
        done = subprocess.run(
            [str(blender.path), *(arguments if blender.is_python else ["--version"])],
            capture_output=True,
            text=True,
            errors="replace",
            env=blender.environment(),
            stdin=subprocess.DEVNULL,
        )
    except OSError as err:
        raise InputError(f"{blender.path} cannot be started ({err.strerror or err})") from err
    if found := re.search(r"^Blender (\d+\.\d+\.\d+)", done.stdout, re.MULTILINE):
        return found.group(1)
    raise InputError(explain(blender.path, done.stderr or done.stdout))


def explain(python: Path, output: str) -> str:
    """One line on why Blender does not start, with what to install if system libraries are missing."""
    missing = sorted({*re.findall(r"(lib[\w+.-]+\.so[.\d]*): cannot open shared object", output), *_unlinked(python)})
    if missing:
        packages = " ".join(sorted({PACKAGES[name] for name in missing if name in PACKAGES} or set(PACKAGES.values())))
        return (
            f"{python} lacks system libraries ({', '.join(missing)}); on Debian or Ubuntu: "
            f"apt-get update && apt-get install -y --no-install-recommends {packages}"
        )
    last = (output.strip().splitlines() or ["it printed nothing"])[-1]
    return f"{python} is no Blender that starts: {last}; run `syncam render setup`, or set {VARIABLE} to another one"


def _unlinked(python: Path) -> list[str]:
    """Libraries that bpy beside that Python wants and the system does not have, where ldd can tell."""
    found = list(python.parent.parent.glob("lib/python*/site-packages/bpy/__init__*.so"))
    if not found or shutil.which("ldd") is None:
        return []
    listed = subprocess.run(["ldd", str(found[0])], capture_output=True, text=True).stdout
    return re.findall(r"(\S+) => not found", listed)


def find_blender() -> Blender:
    """What SYNCAM_BLENDER names, else what `syncam render setup` made, else blender on the PATH."""
    if named := os.environ.get(VARIABLE):
        return _named(Path(named))
    if (made := _python_of(default_folder())).is_file() and (default_folder() / DONE).is_file():
        return Blender(made, True)
    if found := shutil.which("blender"):
        return Blender(Path(found), False)
    raise InputError(
        f"no Blender on this machine: run `syncam render setup`, or set {VARIABLE} to a blender or to a python with bpy"
    )


def _named(path: Path) -> Blender:
    if path.is_dir() and _python_of(path).is_file():
        return Blender(_python_of(path), True)
    found = path if path.is_file() else shutil.which(path)
    if found is None:
        raise InputError(f"{VARIABLE} is {path}, which is neither a blender, nor a python, nor an environment with one")
    return Blender(Path(found), Path(found).name.lower().startswith("python"))


def default_folder() -> Path:
    """Where `syncam render setup` puts the environment: in the platform's folder for caches."""
    home = Path.home()
    if sys.platform == "darwin":
        caches = home / "Library" / "Caches"
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return caches / "syncam" / "blender"


def _python_of(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def set_up(into: Path | None = None, progress: Callable[[int, int, str], None] | None = None) -> dict[str, str]:
    """Makes the environment, or finishes one that was begun, checks that it starts, and returns what it is.

    progress: called with the steps that are done, their number and what is done next.
    """
    folder = (Path(into) if into is not None else default_folder()).absolute()
    blender = Blender(_python_of(folder), True)
    tell = progress or (lambda done, total, what: None)
    if not (folder / DONE).is_file() or not blender.path.is_file():
        if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
            raise InputError(f"{folder} holds something else than an environment; choose another folder")
        tell(0, 3, "making an environment")
        if not blender.path.is_file() or _python_version(blender.path) != "3.11":
            folder.parent.mkdir(parents=True, exist_ok=True)
            _run([str(_python311()), "-m", "venv", "--clear", str(folder)], folder, "the environment cannot be made")
        tell(1, 3, "installing Blender (400 MB)")
        install = [str(blender.path), "-m", "pip", "install", "--disable-pip-version-check", *REQUIREMENTS]
        _run(install, folder, "Blender cannot be installed; the same command goes on where it stopped")
    tell(2, 3, "checking Blender")
    _version.cache_clear()
    version = blender.version()
    write_json(folder / DONE, {"requirements": REQUIREMENTS, "version": version})
    tell(3, 3, "done")
    found = {"blender": version, "python": str(blender.path)}
    if folder != default_folder():
        found["to use it"] = f"export {VARIABLE}={folder}"
    return found


def _run(command: list[str], folder: Path, complaint: str) -> None:
    """Runs one step; its output goes to a log beside the folder, which is named if it fails."""
    log = folder.with_name(folder.name + "-setup.log")
    environment = Blender(Path(command[0]), True).environment()
    with log.open("ab") as file:
        done = subprocess.run(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment)
    if done.returncode:
        lines = log.read_text(errors="replace").strip().splitlines() or [""]
        told = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])
        raise InputError(f"{complaint}: {' '.join(told.split())}; the log is {log}")


def _python311() -> Path:
    """A Python 3.11: the only one for which Blender 4.5 LTS is published."""
    for candidate in (sys.executable, shutil.which("python3.11"), _of_uv()):
        if candidate and _python_version(Path(candidate)) == "3.11":
            return Path(candidate)
    raise InputError(
        "Blender 4.5 LTS needs Python 3.11, and there is none: install it (apt-get install python3.11-venv; or "
        f"uv python install 3.11), or install Blender itself and set {VARIABLE} to it"
    )


def _of_uv() -> str | None:
    if shutil.which("uv") is None:
        return None
    return subprocess.run(["uv", "python", "find", "3.11"], capture_output=True, text=True).stdout.strip() or None


def _python_version(python: Path) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
