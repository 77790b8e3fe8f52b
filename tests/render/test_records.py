"""Tables, manifest and card of rendered data sets: what others read, kept up to date, never over somebody's edits."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import command_lines, parse
from syncam import __version__, cli
from syncam.data.check import check_dataset
from syncam.data.dataset import ClipStore
from syncam.data.manifest import read_manifest
from syncam.data.sources import open_dataset
from syncam.errors import InputError
from syncam.render.card import CARD
from syncam.render.card_page import FLAGS, Part, command, page
from syncam.render.config import LABEL_CHOICES, RenderConfig, scene_folder
from syncam.render.dataset import render_dataset

ROOT_FILES = {"README.md", "captions-train.csv", "manifest.jsonl", "metadata.csv", "render-train.json"}


def config(out: Path, **change: Any) -> RenderConfig:
    values: dict[str, Any] = {"out": out, "num_scenes": 2, "num_views": 2, "num_frames": 2, "hw": (32, 48)}
    return RenderConfig(**(values | change))


def at_root(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir() if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("both") / "data"  # as the card calls it
    render_dataset(config(out, num_scenes=3))
    render_dataset(config(out, num_scenes=1, split="val", fps=29.97, labels=("depth", "flow")))
    return out


@pytest.fixture
def out(rendered: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(rendered, tmp_path / "data"))


def test_the_trainers_of_the_published_methods_find_every_video(rendered: Path) -> None:
    """They read <root>/metadata.csv and look for <root>/train/<file_name>, and beside it for cameras and pairs."""
    table = rows(rendered / "metadata.csv")
    assert list(table[0]) == ["file_name", "text"] and len(table) == 3 * 2
    for row in table:
        video = os.path.join(str(rendered), "train", row["file_name"])
        scene = Path(video.rsplit("/", 2)[0])
        assert Path(video).is_file() and re.search(r"cam(\d+)", video)
        assert row["text"] == (scene / "caption.txt").read_text().strip()
        extrinsics = json.loads((scene / "cameras" / "camera_extrinsics.json").read_text())
        assert {"cam01", "cam02"} <= set(extrinsics["frame0"])
        assert (scene / "2view_az30_el15_available_list.npy").is_file()


def test_captions_of_every_scene(rendered: Path) -> None:
    for split, count in (("train", 3), ("val", 1)):
        table = rows(rendered / f"captions-{split}.csv")
        assert [row["path"] for row in table] == [f"{split}/f24_aperture5/scene{i + 1}" for i in range(count)]
        assert [row["text"] for row in table] == [scene.caption for scene in ClipStore(rendered, split).scenes]


def test_the_manifest(rendered: Path) -> None:
    lines = (rendered / "manifest.jsonl").read_text().splitlines()
    about, scenes = json.loads(lines[0]), list(read_manifest(rendered / "manifest.jsonl"))
    assert about["syncam"] == __version__ and len(lines) == 1 + len(scenes) == 5
    assert about["settings"]["val"]["labels"] == ["depth", "flow"] and about["settings"]["train"]["fps"] == 8
    for scene in scenes:
        folder = rendered / scene["scene"]
        assert scene["split"] == scene["scene"].split("/")[0] and scene["engine"] == "fast"
        assert scene["seed"] == json.loads((folder / "scene.json").read_text())["scene"]["seed"]
        for name, (size, digest) in scene["files"].items():
            content = (folder / name).read_bytes()
            assert (size, digest) == (len(content), hashlib.sha256(content).hexdigest())
    report = check_dataset(open_dataset(rendered), workers=1)
    assert report["problems"] == [] and report["checksums"] == sum(len(scene["files"]) for scene in scenes)


def test_everything_follows_from_the_scenes(out: Path) -> None:
    before = at_root(out)
    for name in before:
        if not name.startswith("render-"):
            (out / name).unlink()
    render_dataset(config(out, num_scenes=3))
    assert at_root(out) == before


def test_extended_and_changed_sets(out: Path) -> None:
    scene = scene_folder(config(out), 0)
    (scene / "caption.txt").write_text('a "red" horse, twice\n')
    result = render_dataset(config(out, num_scenes=4))
    assert (result["rendered_scenes"], result["labels"], result["left_alone"]) == (1, [], None)
    assert len(rows(out / "metadata.csv")) == 8 and rows(out / "metadata.csv")[0]["text"] == 'a "red" horse, twice'
    assert "| train | 4 | 2 | 2 | 32x48 | 8 | syncam (OpenGL) |" in (out / CARD).read_text()
    assert check_dataset(open_dataset(out), workers=1)["problems"] == []
    before = at_root(out)
    render_dataset(config(out, num_scenes=1))  # fewer than there are: all are still there
    assert at_root(out) == before


def test_an_interrupted_run_leaves_records_of_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(done: int, total: int, counts: object) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_dataset(config(tmp_path, num_scenes=3), progress=interrupted)
    assert set(at_root(tmp_path)) == ROOT_FILES
    assert len(rows(tmp_path / "captions-train.csv")) == 2
    assert check_dataset(open_dataset(tmp_path), workers=1)["problems"] == []


def test_nothing_is_recorded_of_no_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncam.render.dataset.render_scenes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        render_dataset(config(tmp_path))
    assert set(at_root(tmp_path)) == {"render-train.json"}


@pytest.mark.slow
def test_control_c(tmp_path: Path) -> None:
    arguments = f"render --out {tmp_path} --scenes 500 --views 1 --frames 1 --size 32x32 --workers 2".split()
    process = subprocess.Popen([sys.executable, "-m", "syncam", *arguments], start_new_session=True)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("train/*/scene*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=100) == 130
    scenes = {path.name for path in tmp_path.glob("train/*/scene*")}
    recorded = {row["path"].split("/")[-1] for row in rows(tmp_path / "captions-train.csv")}
    assert recorded and recorded <= scenes


def test_the_card_has_what_the_hub_reads(rendered: Path) -> None:
    _, header, _ = (rendered / CARD).read_text().split("---\n", 2)
    told = yaml.safe_load(header)
    assert told["license"] == ["cc0-1.0"] and told["pretty_name"]
    assert told["task_categories"] == ["text-to-video", "depth-estimation"] and told["size_categories"] == ["n<1K"]
    files = told["configs"][0]["data_files"]
    assert [file["split"] for file in files] == ["train", "validation"]
    assert all((rendered / file["path"]).is_file() for file in files)


def test_the_card_says_how_to_read_the_set(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (rendered / CARD).read_text()
    assert "4 scenes" in text and "8 videos" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(rendered.parent)
    assert 'split="val"' in code  # which has labels
    names: dict[str, Any] = {}
    exec(compile(code, "<card>", "exec"), names)
    assert names["depth"].shape == (2, 32, 48) and names["flow_backward"].shape == (2, 32, 48, 2)


def test_an_edited_card_is_left_as_it_is(out: Path) -> None:
    ours = (out / CARD).read_text()
    for text in (ours.replace("scenes", "wonderful scenes"), ours.replace("-->", "--> "), "# mine\n", "", "\x00"):
        (out / CARD).write_text(text)
        result = render_dataset(config(out, num_scenes=3))
        assert (out / CARD).read_text() == text
        assert result["left_alone"] == [
            f"{out / CARD} was edited, or is not by syncam; remove it to have it written anew"
        ]
    (out / CARD).unlink()
    assert render_dataset(config(out, num_scenes=3))["left_alone"] is None
    assert (out / CARD).read_text() == ours


def test_edited_tables_are_left_as_they_are(out: Path) -> None:
    """Better captions for a published trainer, say."""
    better = (out / "metadata.csv").read_text().replace("a ", "a very ")
    (out / "metadata.csv").write_text(better)
    result = render_dataset(config(out, num_scenes=4))
    assert [line.split(" ")[0] for line in result["left_alone"]] == [str(out / "metadata.csv")]
    assert (out / "metadata.csv").read_text() == better and len(rows(out / "captions-train.csv")) == 4
    assert len(render_dataset(config(out, num_scenes=4))["left_alone"]) == 1
    (out / "metadata.csv").unlink()
    assert render_dataset(config(out, num_scenes=4))["left_alone"] is None
    assert len(rows(out / "metadata.csv")) == 8
    for manifest in ("", "[]", "{}", '{"tables": {}}'):
        (out / "manifest.jsonl").write_text(manifest)
        assert len(render_dataset(config(out, num_scenes=4))["left_alone"]) == 3
        [path.unlink() for path in out.glob("*.csv")]
        assert render_dataset(config(out, num_scenes=4))["left_alone"] is None


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"labels": LABEL_CHOICES, "crf": 18, "licence": "CC-BY-4.0", "fps": 29.97, "hw": (480, 832), "seed": 7},
        {"labels": ("visibility",), "engine": "blender", "samples": 64, "moving": 0.25, "elevation_deg": (5.0, 30.5)},
        {"split": "val", "content": "basic", "two_animals": 0.0, "radius": (4.0, 5.0), "focal_mm": 35.0},
    ],
)
def test_the_command_gives_the_settings_again(
    tmp_path: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = config(tmp_path, **change)
    settings = json.loads(json.dumps(vars(asked), default=str))
    told: list[RenderConfig] = []

    def rendered(config: RenderConfig, progress: object) -> dict[str, Any]:
        told.append(config)
        return {"failed_scenes": []}

    monkeypatch.setattr("syncam.render.dataset.render_dataset", rendered)
    (words,) = command_lines(command(settings, asked.num_scenes, str(tmp_path)))
    cli.main(words)
    assert told == [asked]


def test_every_setting_has_its_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = set(parse(["render", "--out", str(tmp_path)], monkeypatch)) | {"out"}
    for setting in fields(RenderConfig):
        name = FLAGS.get(setting.name, setting.name.removeprefix("num_").removesuffix("_deg").removesuffix("_mm"))
        assert name is None or name in options, f"{setting.name} is set by no option --{name}; add it to FLAGS"


def part(tmp_path: Path, licence: str = "CC0-1.0", **change: Any) -> Part:
    settings = json.loads(json.dumps(vars(config(tmp_path, licence=licence, **change)), default=str))
    made = Part(change.get("split", "train"), settings | {"engine_version": "4.5.15"})
    made.add({"files": {"videos/cam01.mp4": [3_000_000_000, ""]}, "syncam": "0.1.0", "assets": []}, 1)
    return made


def test_licences_and_credits(tmp_path: Path) -> None:
    def header(*parts: Part) -> dict[str, Any]:
        return yaml.safe_load(page(parts).split("---\n")[1])

    own, free = part(tmp_path, "CC-BY-4.0", engine="blender"), part(tmp_path, split="val")
    assert header(own, free)["license"] == ["cc-by-4.0", "cc0-1.0"]
    fox = {"words": "a fox", "licence": "My own words!", "file": "fox.glb"}
    own.add({"files": {}, "syncam": None, "assets": [fox, fox]}, 1)
    told = header(own, free)
    assert (told["license"], told["license_name"]) == ("other", "cc-by-4.0-and-cc0-1.0-and-my-own-words-")
    text = page([own, free])
    assert text.count("| a fox | fox.glb | My own words! |") == 1 and "CC-BY-4.0 and CC0-1.0, for what" in text
    assert (
        "6 GB" in text
        and "Blender 4.5.15 (Cycles)" in text
        and "0.1.0 (2 of the scenes), of an unknown version (1 of the scenes)" in text
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ("albedo",)}, "there is no label 'albedo'; expected some of depth, .*, visibility"),
        ({"crf": 52}, r"crf must lie in 0\.\.51, got 52"),
        ({"crf": -1}, r"crf must lie in 0\.\.51"),
        ({"licence": ""}, "licence must be an SPDX identifier such as CC0-1.0, got ''"),
        ({"licence": "my licence"}, "licence must be an SPDX identifier"),
    ],
)
def test_bad_settings(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config(tmp_path, **change)


def test_labels_quality_and_licence_are_settings_of_the_set(out: Path) -> None:
    with pytest.raises(InputError, match=r"labels was \[\], is \['depth'\]"):
        render_dataset(config(out, num_scenes=3, labels=("depth",)))
    with pytest.raises(InputError, match="crf was 10, is 11"):
        render_dataset(config(out, num_scenes=3, crf=11))
    with pytest.raises(InputError, match=r"licence was CC0-1\.0, is MIT"):
        render_dataset(config(out, num_scenes=3, licence="MIT"))
    assert config(out, labels=("flow", "depth", "flow")) == config(out, labels=("depth", "flow"))
    path = out / "render-train.json"
    old = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("labels", "crf", "licence")}
    path.write_text(json.dumps(old))
    render_dataset(config(out, num_scenes=3))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(
        f"render --out {tmp_path} --scenes 1 --views 1 --frames 1 --size 32x32 --labels depth,joints --json".split()
    )
    told = json.loads(capsys.readouterr().out)
    assert told["labels"] == ["depth", "joints"] and told["scenes"] == 1 and told["left_alone"] is None
    assert Path(told["folder"]) == replace(config(tmp_path)).folder
    with pytest.raises(SystemExit, match="2"):
        cli.main(["render", "--out", str(tmp_path), "--labels", "depth,,edges"])
    assert "there is no label 'edges'" in capsys.readouterr().err
