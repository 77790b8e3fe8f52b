"""Bad input on the command line: one clear line, exit code 2, and nothing half-written."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.conftest import trained_like_adapter
from syncam import cli
from syncam.cameras import hemisphere, save_rig
from syncam.pipelines.loading import BUILT_IN
from tiny import save_tiny_wan_pipeline

DATA = Path(__file__).parent / "data"
GENERATE = ["generate", "a red horse walks", "--model", "model", "--adapter", "adapter", "--out", "out"]
SMALL = ["--size", "16x32", "--frames", "5", "--steps", "1", "--device", "cpu"]
TWO_VIEWS = ["--rig", "hemisphere:views=2,radius=4"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and an adapter for it."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny_wan_pipeline(folder / "model")
    trained_like_adapter().save_pretrained(folder / "adapter")
    return folder


@pytest.fixture
def place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a command: links to the model and the adapter, and nothing else."""
    for name in ("model", "adapter"):
        (tmp_path / name).symlink_to(models / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_copy(place: Path, name: str) -> Path:
    """A copy of a linked model, which may be damaged."""
    original = (place / name).resolve()
    (place / name).unlink()
    return Path(shutil.copytree(original, place / name))


def refused(arguments: list[str], place: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command says; what was on disk before is there, and nothing else."""
    before = sorted(path.relative_to(place) for path in place.rglob("*"))
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert sorted(path.relative_to(place) for path in place.rglob("*")) == before
    shown = [line for line in capfd.readouterr().err.splitlines() if "syncam" in line or "Traceback" in line]
    assert len(shown) == 1 and shown[0].startswith("syncam: error: "), shown
    return shown[0].removeprefix("syncam: error: ")


def rig_of(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], list[str]]:
    """--rig with a rig file of two views and five frames in which something was changed."""

    def make(place: Path) -> list[str]:
        save_rig(place / "rig.json", hemisphere(views=2, radius=4.0, num_frames=5, hw=(16, 32)))
        content = json.loads((place / "rig.json").read_text())
        change(content)
        (place / "rig.json").write_text(json.dumps(content))
        return ["--rig", "rig.json"]

    return make


def pose(content: dict[str, Any]) -> list[list[float]]:
    return content["views"][1]["c2w"][0]


def mirrored(content: dict[str, Any]) -> None:
    for row in pose(content)[:3]:
        row[0] = -row[0]


def extrinsics(place: Path, change: Callable[[dict[str, Any]], object] = lambda content: None) -> list[str]:
    content = json.loads((DATA / "camera_extrinsics.json").read_text())
    change(content)
    (place / "extrinsics.json").write_text(json.dumps(content))
    return ["--rig", "extrinsics.json"]


def file(name: str, content: bytes, *arguments: str) -> Callable[[Path], list[str]]:
    def make(place: Path) -> list[str]:
        (place / name).write_bytes(content)
        return list(arguments)

    return make


def words(*arguments: str) -> Callable[[Path], list[str]]:
    return lambda place: list(arguments)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        pytest.param(
            words("--rig", "hemisfere"), "unknown rig 'hemisfere' (did you mean 'hemisphere'?)", id="rig word"
        ),
        pytest.param(words("--rig", "orbit:radios=2"), "rig orbit has no key 'radios'", id="rig key"),
        pytest.param(words("--rig", "orbit:views=0"), "at least one view", id="no views"),
        pytest.param(words("--rig", "orbit:radius=nan"), "radius", id="NaN in words"),
        pytest.param(rig_of(lambda c: pose(c)[0].__setitem__(3, float("nan"))), "NaN", id="NaN in a matrix"),
        pytest.param(rig_of(mirrored), "left-handed", id="left-handed matrix"),
        pytest.param(rig_of(lambda c: c["views"][1].pop("K")), "rig.json", id="view without lens"),
        pytest.param(rig_of(lambda c: c["views"].clear()), "rig.json", id="rig without views"),
        pytest.param(rig_of(lambda c: c["views"][1]["c2w"].pop()), "rig.json", id="rig with a frame missing"),
        pytest.param(file("rig.json", b"{oops", "--rig", "rig.json"), "rig.json", id="rig that is no JSON"),
        pytest.param(words("--rig", "none.json"), "none.json", id="missing rig file"),
        pytest.param(
            lambda place: [*extrinsics(place)[:1], "extrinsics.json#cam01,cam77"], "lacks camera cam77", id="camera"
        ),
        pytest.param(
            lambda place: extrinsics(place, lambda c: c["frame3"].pop("cam02")),
            "cam02 in frame 3",
            id="camera missing in a frame",
        ),
        pytest.param(lambda place: extrinsics(place, lambda c: c.pop("frame3")), "lacks frame 3", id="missing frame"),
        pytest.param(extrinsics, "has 9 frames but the video has 5", id="rig and frames disagree"),
        pytest.param(words("--size", "20x32"), "height must be a multiple of 16 for this model, got 20", id="size"),
        pytest.param(words("--size", "big"), "--size must be height x width", id="size that is none"),
        pytest.param(words("--frames", "6"), "1 more than a multiple of 4", id="frames"),
        pytest.param(words("--steps", "0"), "steps must be positive, got 0", id="steps"),
        pytest.param(words("--seed", "-1"), "seed must not be negative, got -1", id="seed"),
        pytest.param(words("--device", "abacus"), "device 'abacus' cannot be used here", id="device"),
        pytest.param(words("--model", "nowhere/at-all"), "nowhere/at-all", id="missing model"),
        pytest.param(words("--adapter", "no/adapter/here"), "no/adapter/here", id="missing adapter"),
        pytest.param(words("--adapter", "model"), "model", id="a model is no adapter"),
        pytest.param(words("--adapter", str(BUILT_IN / "view_sync")), "expected", id="adapter of another width"),
        pytest.param(file("taken", b"", "--out", "taken"), "taken is a file; choose another --out", id="out is a file"),
        pytest.param(file("taken", b"", "--out", "taken/out"), "cannot write to taken/out", id="out not writable"),
    ],
)
def test_generate_refuses(
    make: Callable[[Path], list[str]], line: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changed = make(place)
    arguments = [*GENERATE, *SMALL, *TWO_VIEWS]
    for name, value in zip(changed[::2], changed[1::2], strict=True):
        if name in arguments:
            arguments[arguments.index(name) + 1] = value
        else:
            arguments += [name, value]
    assert line in refused(arguments, place, capfd)


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"", "is empty; expected one prompt per line"), ("caf\u00e9".encode("latin-1"), "is not UTF-8 (byte 3)")],
)
def test_generate_refuses_prompt_files(
    content: bytes, line: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "prompts.txt").write_bytes(content)
    arguments = ["generate", "--prompts", "prompts.txt", *GENERATE[2:], *SMALL, *TWO_VIEWS]
    assert line in refused(arguments, place, capfd)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda place: cut_short(weights(own_copy(place, "model") / "transformer")), "damaged"),
        (lambda place: weights(own_copy(place, "model") / "vae").unlink(), "vae holds no weights"),
        (lambda place: weights(own_copy(place, "model") / "text_encoder").write_bytes(b"nonsense"), "damaged"),
        (lambda place: shutil.rmtree(own_copy(place, "model") / "tokenizer"), "lacks tokenizer"),
        (lambda place: cut_short(weights(own_copy(place, "adapter"))), "damaged"),
        (lambda place: (own_copy(place, "adapter") / "config.json").unlink(), "adapter"),
    ],
    ids=["weights cut short", "no weights", "nonsense for weights", "no tokenizer", "adapter cut short", "no config"],
)
def test_generate_refuses_damaged_models(
    damage: Callable[[Path], object], line: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage(place)
    assert line in refused(GENERATE + SMALL + TWO_VIEWS, place, capfd)


def weights(folder: Path) -> Path:
    (path,) = folder.glob("*.safetensors")
    return path


def test_a_full_disk(place: Path) -> None:
    """Files may not grow beyond 4 KiB: the first video does not fit."""
    limit = 4096
    done = subprocess.run(
        [sys.executable, "-m", "syncam", *GENERATE, *SMALL, *TWO_VIEWS],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("syncam: error: "), done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["adapter", "model"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["rig", "show", "hemisphere:views=0"], "at least one view"),
        (["rig", "show", "none.json"], "none.json"),
        (["rig", "show", "hemisphere", "--frames", "0"], "frame"),
        (["render", "--out", "data", "--scenes", "0"], "scene"),
        (["render", "--out", "data", "--views", "0"], "view"),
        (["render", "--out", "data", "--size", "63x64"], "even"),
        (["render", "--out", "data", "--moving", "2"], "moving"),
        (["train", "small-view-sync"], "--data and --out"),
        (["train", "no-such-recipe", "--data", "data", "--out", "run"], "unknown recipe 'no-such-recipe'"),
        (["train", "small-autoencoder", "--data", "data", "--out", "run"], "data/train is not a folder"),
        (["train", "small-text-to-video", "--data", "data", "--out", "run"], "needs base"),
        (["train", "small-autoencoder", "--data", "data", "--out", "run", "--resume"], "holds no run to resume"),
        (["convert", "none.ckpt", "--out", "converted"], "none.ckpt"),
        (["convert", "model", "--out", "converted"], "model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_other_verbs_refuse(arguments: list[str], line: str, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert line in refused(arguments, place, capfd)


def test_convert_refuses_what_is_no_checkpoint(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "step20000.ckpt").write_bytes(b"nonsense")
    assert "step20000.ckpt" in refused(["convert", "step20000.ckpt", "--out", "converted"], place, capfd)
    torch.save({"weight": torch.zeros(3)}, place / "step20000.ckpt")
    assert "step20000.ckpt" in refused(["convert", "step20000.ckpt", "--out", "converted"], place, capfd)


def test_the_commands_work_without_the_mistake(place: Path) -> None:
    """What all the refused commands have in common is not what is wrong with them."""
    cli.main([*GENERATE, *SMALL, *TWO_VIEWS])
    assert (place / "out" / "view02.mp4").is_file()
