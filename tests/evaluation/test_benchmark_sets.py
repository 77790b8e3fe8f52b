"""Benchmark sets are what their versions say, and go through `syncam generate`'s own readers; leaderboards."""

import itertools
import json
import shlex
from collections import Counter
from pathlib import Path

import pytest
import torch

from evaluation.scenes import FPS, write_clip
from golden import golden
from syncam import cli
from syncam.cameras.formats import read_extrinsics_json
from syncam.cameras.rig import parse_rig
from syncam.data.clip import MultiViewClip
from syncam.errors import InputError
from syncam.evaluation.benchmark_sets import SETS, VALIDATION_RIG, export_set, get_set, recognised, validation_rig
from syncam.evaluation.clips import find_clips
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.leaderboard import add_to_board, board_tables, check_board, read_board
from syncam.evaluation.probe_words import LABELS, UNSAID, said
from syncam.files import write_json
from syncam.pipelines.loading import BUILT_IN
from syncam.pipelines.prompts import read_prompts
from syncam.rig_words import PRESETS

DIGESTS = {
    "syncam-100": (1, "077f902d37c2"),
    "small-200": (1, "8239302a036c"),
    "recam-10": (1, "24c0a8c6f58d"),
}
"""A set that changes needs a new version."""
HW = (32, 48)


@pytest.mark.parametrize("name", SETS)
def test_a_version_fixes_every_word(name: str) -> None:
    chosen = get_set(name)
    assert (chosen.version, chosen.sha256[:12]) == DIGESTS[name]
    assert chosen.name == name and bool(chosen.entries) != bool(chosen.moves)


def test_prompts_of_the_real_world() -> None:
    entries = get_set("syncam-100").entries
    assert len({entry.prompt for entry in entries}) == len(entries) == 100
    assert len({entry.seed for entry in entries}) == 100
    assert all(entry.prompt.endswith(".") and 5 <= len(entry.prompt.split()) <= 20 for entry in entries)


def test_prompts_of_the_small_world_are_even_and_known_to_its_model() -> None:
    entries = get_set("small-200").entries
    assert len({entry.prompt for entry in entries}) == len(entries) == 200
    told = [said(entry.prompt) for entry in entries]
    for label in told[0]:
        counts = Counter(one[label] for one in told)
        assert UNSAID not in counts and max(counts.values()) - min(counts.values()) <= 1
    for one, other in itertools.combinations(told[0], 2):
        counts = Counter((row[one], row[other]) for row in told)
        assert len(counts) == len(LABELS[one]) * len(LABELS[other]), (one, other)
        assert max(counts.values()) - min(counts.values()) <= 3, (one, other)
    tokens = json.loads((Path(BUILT_IN) / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    assert {word for entry in entries for word in entry.prompt.split()} <= set(tokens)
    for rig in {entry.rig for entry in entries}:
        cameras = parse_rig(rig, num_frames=1, hw=(64, 64))
        distance = (cameras.positions - torch.tensor([0.0, 0.0, 0.8])).norm(dim=-1)
        assert cameras.num_views == 4 and 3.5 <= float(distance.min()) <= float(distance.max()) <= 6.5


def test_the_validation_rig_is_the_published_one() -> None:
    file = golden("syncammaster_example_cameras.json")
    if file is None:
        pytest.skip("no golden files")
    names = ["cam03", "cam01", "cam05", "cam07"]
    published = read_extrinsics_json(file, cameras=names, hw=(480, 832)).frames([0])
    own = validation_rig()
    assert torch.allclose(own.relative_to(0).double(), published.relative_to(0).double(), atol=1e-4)
    assert torch.allclose(own.K.double(), published.K.double(), atol=1e-3)


@pytest.mark.parametrize("name", ["syncam-100", "small-200"])
def test_exported_prompts_are_what_generate_reads(name: str, tmp_path: Path) -> None:
    told = export_set(name, tmp_path / "set")
    rows, entries = read_prompts(tmp_path / "set" / "prompts.jsonl"), get_set(name).entries
    assert [(row["name"], row["prompt"], row["seed"]) for row in rows] == [(e.name, e.prompt, e.seed) for e in entries]
    cameras = parse_rig(rows[0]["rig"], num_frames=5, hw=HW)
    asked = validation_rig(HW) if entries[0].rig == VALIDATION_RIG else parse_rig(entries[0].rig, num_frames=5, hw=HW)
    assert torch.allclose(cameras.relative_to(0)[:, :1], asked.relative_to(0)[:, :1], atol=1e-4)
    assert cameras.num_frames == 5 and cameras.hw == HW and torch.allclose(cameras.K[:, :1], asked.K[:, :1], atol=1e-2)
    assert shlex.split(told["command"])[:3] == ["syncam", "generate", "--prompts"]
    export_set(name, tmp_path / "set")  # over itself
    (tmp_path / "set" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds notes.txt, which is of no set"):
        export_set(name, tmp_path / "set")


def test_trajectories_are_the_ten(tmp_path: Path) -> None:
    command = shlex.split(export_set("recam-10", tmp_path / "set")["command"])
    assert [command[i + 1] for i, word in enumerate(command) if word == "--move"] == list(PRESETS)
    about = json.loads((tmp_path / "set" / "set.json").read_text())
    assert about["set"]["sha256"] == get_set("recam-10").sha256
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["set.json"]


def run_of(folder: Path, name: str, count: int, **change: str) -> Path:
    """A run of the first entries of a set: noise with the right names, prompts and cameras."""
    for entry in get_set(name).entries[:count]:
        cameras = validation_rig(HW) if entry.rig == VALIDATION_RIG else parse_rig(entry.rig, num_frames=1, hw=HW)
        video = torch.rand(4, 2, 3, *HW, generator=torch.Generator().manual_seed(entry.seed))
        prompt = change.get("prompt", entry.prompt)
        write_clip(folder / entry.name, MultiViewClip(video, cameras.repeat_frames(2), prompt, FPS))
    return folder


def test_runs_of_sets_are_recognised(tmp_path: Path) -> None:
    part = recognised(find_clips(run_of(tmp_path / "part", "syncam-100", 2)))
    assert part == get_set("syncam-100").identity | {"num_clips": 2, "complete": False}
    found = recognised(find_clips(run_of(tmp_path / "small", "small-200", 2)))
    assert found is not None and found["name"] == "small-200"
    assert recognised(find_clips(run_of(tmp_path / "other", "small-200", 1, prompt="a tram"))) is None
    run_of(tmp_path / "mixed", "small-200", 2)
    cameras = [tmp_path / "mixed" / name / "cameras.json" for name in ("001", "002")]
    cameras[0].write_text(cameras[1].read_text())
    assert recognised(find_clips(tmp_path / "mixed")) is None
    assert recognised({}) is None


def test_reshot_clips_are_recognised_by_their_moves_and_sources(tmp_path: Path) -> None:
    run_of(tmp_path / "takes", "small-200", 2)
    settings = {"prompt": "a tram", "move": list(PRESETS), "distance": 4.0, "source_sha256": "ab"}
    for name in ("001", "002"):
        write_json(tmp_path / "takes" / name / "run.json", {"settings": settings})
    found = recognised(find_clips(tmp_path / "takes"))
    assert found is not None and (found["name"], found["num_clips"], found["complete"]) == ("recam-10", 2, True)
    write_json(tmp_path / "takes" / "002" / "run.json", {"settings": settings | {"source_sha256": "cd"}})
    other = recognised(find_clips(tmp_path / "takes"))
    assert other is not None and other["clips_sha256"] != found["clips_sha256"]
    write_json(tmp_path / "takes" / "002" / "run.json", {"settings": settings | {"move": ["pan_right"]}})
    assert recognised(find_clips(tmp_path / "takes")) is None


@pytest.fixture
def small_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The set of the real world with its first two prompts alone."""
    import dataclasses

    whole = get_set("syncam-100")
    monkeypatch.setitem(SETS, "syncam-100", lambda: dataclasses.replace(whole, entries=whole.entries[:2]))


def test_leaderboards_keep_apart_what_cannot_be_compared(
    small_set: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = tmp_path / "board.json"
    shared = ["--metrics", "flicker", "--no-cache", "--workers", "1", "--leaderboard", str(board)]
    for name in ("ours", "theirs", "ours"):  # the third time replaces the first
        if not (tmp_path / name).exists():
            run_of(tmp_path / name, "syncam-100", 2)
        cli.main(["evaluate", str(tmp_path / name), *shared])
    rows = read_board(board)
    assert [(row["run"], row["set"]["name"], row["num_clips"]) for row in rows] == [
        ("theirs", "syncam-100", 2),
        ("ours", "syncam-100", 2),
    ]
    assert "clips" not in rows[0] and rows[0]["convention"] == "vbench"
    [table] = board_tables(rows)
    assert table.startswith("syncam-100, version 1: flicker:vbench of 2 clips, share, higher is better\n")
    assert "ours" in table and "theirs" in table
    paper = {"run": "a paper", "set": None, "metric": "flicker:vbench", "value": 0.99, "num_clips": 2}
    fewer = rows[0] | {"run": "fewer", "num_clips": 1}
    other = rows[0] | {"run": "held against others", "reference_set": {"num_clips": 3, "sha256": "abcdef0123"}}
    newer = rows[0] | {"run": "newer", "set": rows[0]["set"] | {"version": 2}}
    tables = board_tables([*rows, paper, fewer, other, newer])
    assert len(tables) == 5
    [apart] = [table for table in tables if "a paper" in table]
    assert apart.startswith("no set of syncam: ") and "ours" not in apart
    capsys.readouterr()
    cli.main(["evaluate", "--leaderboard", str(board)])
    assert capsys.readouterr().out == table + "\n"


def test_only_whole_sets_get_on_a_leaderboard(small_set: None, tmp_path: Path) -> None:
    def result(run: Path) -> dict:
        return evaluate(EvaluateConfig(runs=(run,), metrics="flicker", workers=1))

    with pytest.raises(InputError, match="part has 1 clips of syncam-100, not all of them"):
        add_to_board(tmp_path / "board.json", result(run_of(tmp_path / "part", "syncam-100", 1)))
    with pytest.raises(InputError, match="other is of no benchmark set"):
        add_to_board(tmp_path / "board.json", result(run_of(tmp_path / "other", "syncam-100", 1, prompt="a tram")))
    with pytest.raises(InputError, match="part has 1 clips of syncam-100"):
        check_board(tmp_path / "board.json", [tmp_path / "part"])
    check_board(tmp_path / "board.json", [run_of(tmp_path / "whole", "syncam-100", 2)])
    assert not (tmp_path / "board.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist; syncam evaluate RUN --leaderboard"),
        ("{", "is not JSON"),
        ("[]", "is no leaderboard of version 1"),
        ('{"schema": "syncam-leaderboard", "version": 1}', "rows is not a list"),
        (
            '{"schema": "syncam-leaderboard", "version": 1, "rows": [{"run": "a"}]}',
            "row 1 lacks set, metric, value",
        ),
        ('{"schema": "syncam-leaderboard", "version": 1, "rows": ["a"]}', "row 1 lacks run, set"),
    ],
)
def test_damaged_leaderboards_are_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "board.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read_board(tmp_path / "board.json")


def test_wrong_use_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--export-set", "small-200"], "--export-set writes a set into the folder --out"),
        (["run", "--export-set", "small-200", "--out", "a"], "--export-set writes a set into the folder --out"),
        ([], "evaluate needs a folder"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(["evaluate", *arguments])
        assert left.value.code == 2 and message in capsys.readouterr().err
    with pytest.raises(InputError, match="there is no set 'small-20'.*did you mean 'small-200'"):
        get_set("small-20")
