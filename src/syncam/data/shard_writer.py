"""Scene folders put into tar files, in the format of webdataset: the same scenes always give the same bytes."""

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from syncam.cameras.formats.source import read_json
from syncam.data.scene import Scene
from syncam.data.shards import SCHEMA, VERSION, Layout, name_in_shard
from syncam.data.sources import Dataset
from syncam.errors import InputError
from syncam.files import atomic_path, remove_leftovers, write_json

__all__ = ["SIZE", "parse_size", "write_shards"]

SIZE = "1GB"
UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
UNITS |= {f"{letter}i": 1024**power for power, letter in enumerate("kmgt", start=1)}
CHUNK = 2**20


@dataclass
class _Shard:
    """A tar file to write: the files of its scenes, and where they will lie."""

    path: Path
    files: list[tuple[tarfile.TarInfo, Path]] = field(default_factory=list)
    layout: Layout = field(default_factory=dict)
    length: int = 0
    """Of what is in it, without its end."""

    @property
    def bytes(self) -> int:
        """Of the whole file."""
        return _rounded(self.length + 2 * tarfile.BLOCKSIZE, tarfile.RECORDSIZE)


def write_shards(
    dataset: Dataset,
    out: str | Path,
    *,
    size: str | None = None,
    count: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Writes the scenes of a data set into tar files in `out` and returns what was done.

    A tar file takes scenes of one split in the order of the data set: as many as fit into `size`, such as 1GB or
    500MiB, at least one, or `count`. It appears whole or not at all, and is kept if it is there. `progress` gets the
    scenes that are done, and all. InputError for files that have no name in a tar file, and where `out` holds others.
    """
    if dataset.kind != "syncamvideo":
        raise InputError(
            f"{dataset.root} is a data set of the kind {dataset.kind}; expected scene folders in the layout of "
            "SynCamVideo, as syncam.data.dataset.write_clip writes them"
        )
    if size is not None and count is not None:
        raise InputError("size and count both say how long the tar files are; give one of them")
    if count is not None and count < 1:
        raise InputError(f"count must be at least 1, got {count}")
    out, limit = Path(out), parse_size(size or SIZE)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder for the tar files")
    remove_leftovers(out, r".*-\d{6}\.(?:tar|json)|index\.json")
    done = written = kept = 0
    expected: dict[str, set[Path]] = {}
    for prefix, shard in _plan(dataset, out, limit, count):
        expected.setdefault(prefix, set()).add(shard.path)
        if _is_there(shard):
            kept += 1
        else:
            _write(shard)
            written += 1
        done += len(shard.layout)
        if progress is not None:
            progress(done, len(dataset))
    for prefix, paths in expected.items():
        name = re.compile(rf"{re.escape(prefix)}-\d{{6}}\.tar")
        if others := sorted({path for path in out.iterdir() if name.fullmatch(path.name)} - paths):
            raise InputError(f"{others[0]} is not of these scenes; choose another folder, or remove what it holds")
    index = _write_index(out)
    return {
        "out": str(out),
        "scenes": done,
        "shards": written + kept,
        "shards written": written,
        "shards kept": kept,
        "bytes": index["bytes"],
    }


def parse_size(text: str) -> int:
    """The bytes of a size such as 1GB, 500 MB, 64MiB or 4096; InputError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text.lower())
    number = 0 if found is None else int(float(found[1]) * UNITS[found[2] or ""])
    if number < 1:
        raise InputError(f"size must be a number of bytes such as 1GB, 500MB or 64MiB, got {text!r}")
    return number


def _plan(dataset: Dataset, out: Path, limit: int, count: int | None) -> Iterator[tuple[str, _Shard]]:
    """The shards in order, each with the name that those of its split share."""
    named = [(dataset.name(scene), scene) for scene in dataset]
    named.sort(key=lambda pair: _prefix(pair[0]))  # keeps the order within a split
    for prefix, scenes in groupby(named, key=lambda pair: _prefix(pair[0])):
        number, shard = 0, _Shard(out / f"{prefix}-000000.tar")
        for key, scene in scenes:
            files = _files_of(key, scene)
            length = sum(len(_header(info)) + _rounded(info.size, tarfile.BLOCKSIZE) for info, _ in files)
            full = len(shard.layout) == count if count else shard.length + length > limit
            if full and shard.layout:
                yield prefix, shard
                number, shard = number + 1, _Shard(out / f"{prefix}-{number + 1:06d}.tar")
            shard.layout[key] = {}
            for info, path in files:
                start = shard.length + len(_header(info))
                shard.layout[key][info.name.removeprefix(f"{key}.")] = (start, info.size)
                shard.files.append((info, path))
                shard.length = start + _rounded(info.size, tarfile.BLOCKSIZE)
        yield prefix, shard


def _prefix(key: str) -> str:
    """The first folder of a scene's name, which is its split; of scenes that lie in no folder, shard."""
    return key.partition("/")[0] if "/" in key else "shard"


def _files_of(key: str, scene: Scene) -> list[tuple[tarfile.TarInfo, Path]]:
    if "." in PurePosixPath(key).name:
        raise InputError(f"{scene.path} has a dot in its name, with which names of files begin in a shard; rename it")
    found = {}
    for path in scene.path.rglob("*"):
        file = PurePosixPath(path.relative_to(scene.path).as_posix())
        if path.is_file() and not any(part.startswith(".") for part in file.parts):
            try:
                found[name_in_shard(file)] = path
            except InputError as err:
                raise InputError(f"{scene.path}: {err}") from err
    files = []
    for name, path in sorted(found.items()):
        info = tarfile.TarInfo(f"{key}.{name}")  # of nobody, of 1970, readable by all
        info.size = path.stat().st_size
        files.append((info, path))
    return files


def _is_there(shard: _Shard) -> bool:
    """True for a shard that an earlier run has finished; InputError if it is another one."""
    index = shard.path.with_suffix(".json")
    if not index.is_file() or not shard.path.is_file():
        return False
    content = read_json(index)
    told = content.get("scenes") if isinstance(content, dict) else None
    if told != _as_json(shard.layout) or shard.path.stat().st_size != shard.bytes:
        raise InputError(
            f"{shard.path} holds other scenes, or the scenes have changed, or the tar files are to be longer or "
            "shorter; choose another folder, or remove what it holds"
        )
    return True


def _write(shard: _Shard) -> None:
    digest = hashlib.sha256()
    with atomic_path(shard.path) as temporary, temporary.open("wb") as file:

        def put(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        for info, path in shard.files:
            put(_header(info))
            length = 0
            with path.open("rb") as content:
                while chunk := content.read(CHUNK):
                    length += len(chunk)
                    put(chunk)
            if length != info.size:
                raise InputError(f"{path} changed while it was read; run the same command again")
            put(bytes(_rounded(length, tarfile.BLOCKSIZE) - length))
        put(bytes(shard.bytes - shard.length))
    told = {"schema": SCHEMA, "version": VERSION, "file": shard.path.name, "bytes": shard.bytes}
    write_json(shard.path.with_suffix(".json"), told | {"sha256": digest.hexdigest(), "scenes": _as_json(shard.layout)})


def _write_index(out: Path) -> dict[str, Any]:
    """index.json, of all shards that are there: those of the other split, too."""
    shards = []
    for path in sorted(out.glob("[!.]*.tar")):
        if path.with_suffix(".json").is_file():
            told = read_json(path.with_suffix(".json"))
            shards.append({name: told[name] for name in ("file", "bytes", "sha256")} | {"scenes": len(told["scenes"])})
    totals = {name: sum(shard[name] for shard in shards) for name in ("scenes", "bytes")}
    index = {"schema": f"{SCHEMA}s", "version": VERSION, **totals, "shards": shards}
    write_json(out / "index.json", index)
    return index


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _rounded(length: int, unit: int) -> int:
    return -(-length // unit) * unit


def _as_json(layout: Layout) -> dict[str, dict[str, list[int]]]:
    return {key: {name: list(stretch) for name, stretch in files.items()} for key, files in layout.items()}
