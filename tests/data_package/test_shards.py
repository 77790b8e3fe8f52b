"""Data sets in tar files: the same scenes, read where they lie; the same bytes each time; whole or not at all."""

import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
from copy import copy
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch

from data_package.layouts import HW, make_realestate, make_syncamvideo, ramp, rig
from syncam import cli
from syncam.data.check import check_scene
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.data.labels import write_labels
from syncam.data.shard_writer import parse_size, write_shards
from syncam.data.shards import file_in_scene, name_in_shard
from syncam.data.sources import open_dataset
from syncam.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven scenes with masks in train, one of the published kind in val."""
    root = tmp_path_factory.mktemp("data")
    masks = torch.zeros(2, 5, *HW, dtype=torch.bool)
    masks[:, :, 4:9, 5:20] = True
    for number in range(1, 12):
        clip = MultiViewClip(ramp(2) * (0.5 + 0.04 * number), rig(2), f"the {number}th scene, ä", 15, masks)
        write_clip(root / f"train/f24_aperture5/scene{number}", clip, scene={"number": number})
    make_syncamvideo(root / "other", scenes=1)
    shutil.move(root / "other/train/f24_aperture5/scene1", root / "val/f35_aperture2.4/scene1")
    shutil.rmtree(root / "other")
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_scenes_in_tar_files_are_the_scenes(data: Path, tmp_path: Path) -> None:
    result = write_shards(open_dataset(data), tmp_path, count=4)
    assert (result["scenes"], result["shards"], result["shards written"]) == (12, 4, 4)
    names = {f"train-{number:06d}" for number in range(3)} | {"val-000000"}
    assert {path.name for path in tmp_path.iterdir()} == {"index.json"} | {
        f"{n}.{s}" for n in names for s in ("tar", "json")
    }
    before, after = open_dataset(data), open_dataset(tmp_path)
    assert after.kind == "shards"
    assert [after.name(scene) for scene in after] == [before.name(scene) for scene in before]
    for scene, other in zip(before, after, strict=True):
        assert (scene.names, scene.hw, scene.fps, scene.num_frames) == (
            other.names,
            other.hw,
            other.fps,
            other.num_frames,
        )
        clip, same = scene.read(), copy(other).read()
        assert torch.equal(clip.video, same.video) and clip.caption == same.caption
        assert clip.cameras is not None and same.cameras is not None
        assert torch.equal(clip.cameras.c2w, same.cameras.c2w) and torch.equal(clip.cameras.K, same.cameras.K)
        assert (clip.masks is None) == (same.masks is None)
        assert clip.masks is None or torch.equal(clip.masks, same.masks)
    part = after[10].read(views=[1], frames=[4, 2], hw=(8, 8), threads=1)
    assert torch.equal(part.video, before[10].read(views=[1], frames=[4, 2], hw=(8, 8)).video)
    assert [after.name(scene) for scene in open_dataset(tmp_path, "val")] == ["val/f35_aperture2.4/scene1"]


def test_labels_in_tar_files(tmp_path: Path) -> None:
    folder, ids = tmp_path / "data/train/scene1", np.arange(2 * 5 * 2).reshape(2, 5, 2, 1, 1)
    ids = np.broadcast_to(ids, (2, 5, 2, *HW))[:, :, 0].astype(np.uint8)
    write_clip(folder, MultiViewClip(ramp(2), rig(2), "labelled", 15))
    share = np.random.default_rng(0).random((5, 1, 2, 2)).astype(np.float32)
    write_labels(folder, ["cam01", "cam02"], {"instances": ids, "visibility": share}, 15)
    write_shards(open_dataset(tmp_path / "data"), tmp_path / "shards")
    scene = open_dataset(tmp_path / "shards")[0]
    assert scene.labels == open_dataset(tmp_path / "data")[0].labels == ("instances", "visibility")
    assert np.array_equal(scene.read_label("instances", 1, [3, 0]).numpy(), ids[1, [3, 0]])
    assert np.array_equal(scene.read_label("visibility", 0).numpy(), share[:, :, 0])
    with pytest.raises(InputError, match="scene1/labels/depth/cam01.mkv is missing; the scene has instances"):
        scene.read_label("depth", 0)
    assert check_scene(scene, quick=False).problems == []
    shard = tmp_path / "shards/train-000000.tar"
    content = shard.read_bytes()
    member = scene.label_files.files["instances/cam02.mkv"]
    middle = member.offset + member.size * 3 // 4
    shard.write_bytes(content[:middle] + bytes(40) + content[middle + 40 :])
    [(sort, file, message)] = check_scene(copy(scene), quick=False).problems
    assert sort == "labels" and file.endswith("scene1/labels/instances/cam02.mkv") and str(shard) in message


def test_scenes_come_back_as_they_were(data: Path, tmp_path: Path) -> None:
    write_shards(open_dataset(data), tmp_path / "shards")
    dataset = open_dataset(tmp_path / "shards")
    for scene in dataset:
        scene.unpack(tmp_path / "again" / dataset.name(scene))  # pyright: ignore[reportAttributeAccessIssue]
    assert files(tmp_path / "again") == files(data)
    with pytest.raises(InputError, match="exists; choose another"):
        dataset[0].unpack(tmp_path / "again" / dataset.name(dataset[0]))  # pyright: ignore[reportAttributeAccessIssue]


def test_the_same_scenes_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "copy")  # written at another time, in another order, by others
    for path in sorted((tmp_path / "copy").rglob("*"), reverse=True):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700)
    write_shards(open_dataset(data), tmp_path / "one", size="40kB")
    write_shards(open_dataset(tmp_path / "copy"), tmp_path / "two", size="40kB")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for shard in (tmp_path / "one").glob("*.tar"):
        with tarfile.open(shard) as archive:
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in archive} == {(0, 0, 0, "", "", 0o644)}


def test_the_index_tells_the_truth(data: Path, tmp_path: Path) -> None:
    write_shards(open_dataset(data, "train"), tmp_path, count=5)
    write_shards(open_dataset(data, "val"), tmp_path, count=5)
    index = json.loads((tmp_path / "index.json").read_text())
    assert [shard["scenes"] for shard in index["shards"]] == [5, 5, 1, 1] and index["scenes"] == 12
    for told in index["shards"]:
        content = (tmp_path / told["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (told["bytes"], told["sha256"])
        beside = json.loads((tmp_path / told["file"]).with_suffix(".json").read_text())
        with tarfile.open(tmp_path / told["file"]) as archive:
            found = {m.name: [m.offset_data, m.size] for m in archive}
        assert found == {f"{key}.{name}": at for key, names in beside["scenes"].items() for name, at in names.items()}


def test_lengths(data: Path, tmp_path: Path) -> None:
    result = write_shards(open_dataset(data, "train"), tmp_path / "small", size="1")
    assert result["shards"] == 11, "a scene is never cut"
    one = next((tmp_path / "small").glob("*.tar")).stat().st_size
    limit = 4 * one
    write_shards(open_dataset(data, "train"), tmp_path / "large", size=str(limit))
    lengths = [path.stat().st_size for path in sorted((tmp_path / "large").glob("*.tar"))]
    assert 1 < len(lengths) < 6 and max(lengths) <= limit + tarfile.RECORDSIZE
    assert [parse_size(text) for text in ("1GB", "1.5 MiB", "64k", "7", "2tib")] == [10**9, 3 * 2**19, 64_000, 7, 2**41]
    for text in ("", "GB", "0", "-1GB", "1XB", "1 GB or so"):
        with pytest.raises(InputError, match="size must be a number of bytes such as 1GB"):
            parse_size(text)


def test_an_interrupted_run_goes_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(open_dataset(data), tmp_path / "whole", count=3)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(open_dataset(data), tmp_path / "out", count=3, progress=stop)
    (tmp_path / "out" / "train-000001.json").unlink()  # killed between the tar file and its index
    (tmp_path / "out" / ".train-000002.999999999.0123abcd.tar").write_bytes(b"half")
    before = (tmp_path / "out" / "train-000000.tar").stat().st_ino
    result = write_shards(open_dataset(data), tmp_path / "out", count=3)
    assert (result["shards written"], result["shards kept"]) == (4, 1)
    assert (tmp_path / "out" / "train-000000.tar").stat().st_ino == before
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert write_shards(open_dataset(data), tmp_path / "out", count=3)["shards written"] == 0


def test_other_scenes_and_other_lengths_need_another_folder(data: Path, tmp_path: Path) -> None:
    write_shards(open_dataset(data, "train"), tmp_path, count=4)
    with pytest.raises(InputError, match=r"train-000000\.tar holds other scenes"):
        write_shards(open_dataset(data, "train"), tmp_path, count=5)
    (tmp_path / "train-000003.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"train-000003\.tar is not of these scenes"):
        write_shards(open_dataset(data, "train"), tmp_path, count=4)
    with pytest.raises(InputError, match="give one of them"):
        write_shards(open_dataset(data), tmp_path, count=4, size="1GB")
    with pytest.raises(InputError, match="count must be at least 1, got 0"):
        write_shards(open_dataset(data), tmp_path, count=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; give a folder"):
        write_shards(open_dataset(data), tmp_path / "file")
    with pytest.raises(InputError, match="of the kind realestate10k; expected scene folders"):
        write_shards(open_dataset(make_realestate(tmp_path / "still")), tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("videos/cam01.mp4", "cam01.mp4"),
        ("cameras/rig.json", "cameras.json"),
        ("cameras/camera_extrinsics.json", "cameras.camera_extrinsics.json"),
        ("caption.txt", "caption.txt"),
        ("masks/cam01.npz", "masks.cam01.npz"),
        ("labels/depth/cam01.npz", "labels.depth.cam01.npz"),
        ("README", "README"),
    ],
)
def test_names(file: str, name: str) -> None:
    assert name_in_shard(PurePosixPath(file)) == name and file_in_scene(name) == PurePosixPath(file)


@pytest.mark.parametrize("file", ["grid.mp4", "cameras.json", "videos/cam.01.mp4", "notes.of.mine.txt", "masks/README"])
def test_names_that_would_not_come_back(file: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{file} has no name in a tar shard"):
        name_in_shard(PurePosixPath(file))
    root = make_syncamvideo(tmp_path / "data", scenes=1)
    (root / "train/f24_aperture5/scene1" / file).parent.mkdir(exist_ok=True)
    (root / "train/f24_aperture5/scene1" / file).write_text("mine")
    with pytest.raises(InputError, match=rf"scene1: {file} has no name"):
        write_shards(open_dataset(root, "train"), tmp_path / "out")


def test_a_scene_with_a_dot_in_its_name_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "data/train/studio/take.1", MultiViewClip(ramp(), rig(1), "", 15))
    with pytest.raises(InputError, match=r"take\.1 has a dot in its name"):
        write_shards(open_dataset(tmp_path / "data"), tmp_path / "out")


def test_without_an_index_the_tar_files_are_searched(data: Path, tmp_path: Path) -> None:
    write_shards(open_dataset(data), tmp_path, count=4)
    names = [scene.path for scene in open_dataset(tmp_path)]
    for path in tmp_path.glob("*.json"):
        path.unlink()
    dataset = open_dataset(tmp_path, kind="shards")
    assert [scene.path for scene in dataset] == names
    assert dataset[3].read().caption == open_dataset(data)[3].caption


def test_damaged_shards_are_named(data: Path, tmp_path: Path) -> None:
    write_shards(open_dataset(data, "train"), tmp_path, count=6)
    shard, index = tmp_path / "train-000000.tar", tmp_path / "train-000000.json"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"train-000000\.tar is \d+ bytes long, train-000000\.json says \d+; fetch it"):
        open_dataset(tmp_path)
    index.unlink()
    shard.write_bytes(b"no tar file at all" * 100)
    with pytest.raises(InputError, match=r"train-000000\.tar cannot be read as an uncompressed tar file"):
        open_dataset(tmp_path, kind="shards")
    shard.write_bytes(content)
    index.write_text('{"schema": "syncam-shard"}')
    with pytest.raises(InputError, match=r"train-000000\.json is damaged"):
        open_dataset(tmp_path)
    with pytest.raises(InputError, match="holds no shards of test"):
        index.unlink()
        open_dataset(tmp_path, "test")


@pytest.mark.parametrize("name", ["/tmp/evil", "../evil", "train/../../evil", "train\\evil"])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train-000000.tar", "w") as archive:
        info = tarfile.TarInfo(f"{name}.caption.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(InputError, match="which leads out of a folder; it is not read"):
        open_dataset(tmp_path, kind="shards")
    told = {"schema": "syncam-shard", "version": 1, "bytes": (tmp_path / "train-000000.tar").stat().st_size}
    for scene, file in ((name, "caption.txt"), ("train/scene1", "x/../../evil.txt"), ("train/scene1", "..\\evil.txt")):
        text = json.dumps(told | {"scenes": {scene: {file: [512, 4]}}})
        (tmp_path / "train-000000.json").write_text(text)
        with pytest.raises(InputError, match="it is not read"):
            open_dataset(tmp_path)


def test_what_is_wrong_inside_is_named_by_the_shard(tmp_path: Path) -> None:
    root = make_syncamvideo(tmp_path / "data", scenes=2)
    first, second = (root / "train/f24_aperture5" / name for name in ("scene1", "scene2"))
    (first / "videos/cam02.mp4").write_bytes(b"no video")
    (first / "caption.txt").write_bytes(b"\xff")
    (second / "cameras/camera_extrinsics.json").write_text("{")
    write_shards(open_dataset(root, "train"), tmp_path / "out")
    one, two = open_dataset(tmp_path / "out")
    shard = str(tmp_path / "out" / "train-000000.tar")
    with pytest.raises(InputError, match=rf"scene1\.cam02\.mp4 in {shard} cannot be opened as a video"):
        one.footage[1].header()
    with pytest.raises(InputError, match=rf"^{shard}/train/f24_aperture5/scene1/caption\.txt is not UTF-8"):
        _ = one.caption
    with pytest.raises(
        InputError, match=rf"^{shard}/train/f24_aperture5/scene2/cameras/camera_extrinsics\.json is not"
    ):
        _ = two.cameras
    (tmp_path / "out" / "train-000000.tar").unlink()
    with pytest.raises(InputError, match="does not exist; expected the tar file"):
        one.footage[0].header()


def test_the_verbs(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["data", "shard", str(data), "--out", str(tmp_path), "--split", "train", "--size", "1MB", "--json"])
    assert json.loads(capsys.readouterr().out)["scenes"] == 11
    cli.main(["data", "check", str(tmp_path), "--workers", "1", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["scenes"], report["frames"], report["problems"]) == ("shards", 11, 11 * 2 * 5, [])


def test_scenes_travel_to_other_processes(data: Path, tmp_path: Path) -> None:
    write_shards(open_dataset(data, "val"), tmp_path)
    (scene,) = open_dataset(tmp_path)
    assert torch.equal(pickle.loads(pickle.dumps(scene)).read().video, scene.read().video)


def test_webdataset_reads_them(data: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="needs the package webdataset")
    write_shards(open_dataset(data, "train"), tmp_path, count=6)
    shards = str(tmp_path / "train-{000000..000001}.tar")
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    dataset = open_dataset(data, "train")
    assert [sample["__key__"] for sample in samples] == [dataset.name(scene) for scene in dataset]
    for sample, scene in zip(samples, dataset, strict=True):
        assert sample["caption.txt"].decode().strip() == scene.caption
        assert sample["cam02.mp4"] == (scene.path / "videos/cam02.mp4").read_bytes()
        assert json.loads(sample["cameras.json"])["schema"] == "syncam-rig"
        assert sample["masks.cam01.npz"] == (scene.path / "masks/cam01.npz").read_bytes()
    decoded = next(iter(webdataset.WebDataset(shards, shardshuffle=False).decode()))
    assert decoded["cameras.json"]["num_frames"] == 5 and decoded["caption.txt"].startswith("the 1th scene")
