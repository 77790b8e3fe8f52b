"""The command line: help that answers at once and whose examples parse, errors of one line, exit codes."""

import dataclasses
import inspect
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

import syncam
from commands import command_lines, parse
from syncam import cli
from syncam.cli_render import RENDER_VERBS
from syncam.errors import InputError
from syncam.rig_words import RIG_KEYS, RIG_WORDS

RIG = "hemisphere:views=2,radius=5,elevation=15,span=90"


def run_syncam(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "syncam", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
    )


def failing(error: BaseException):
    def verb() -> None:
        """Fails."""
        raise error

    return {"fail": verb, "other": verb}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--version"])
    assert capsys.readouterr().out == f"syncam {syncam.__version__}\n"


def test_help_takes_less_than_half_a_second_of_cpu_and_loads_no_torch() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run_syncam("--help", PYTHONPROFILEIMPORTTIME="1")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert not {"torch", "numpy", "diffusers"} & {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert all(verb in done.stdout for verb in cli.VERBS)


def test_without_arguments_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([])
    assert "generate" in capsys.readouterr().out


def all_verbs() -> Iterator[tuple[str, Callable[..., None]]]:
    for name, verb in cli.VERBS.items():
        if isinstance(verb, dict):
            yield from ((f"{name} {second}".strip(), function) for second, function in verb.items())
        else:
            yield name, verb


ALL_VERBS = dict(all_verbs())


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_help_of_a_verb_shows_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([*verb.split(), "--help"])
    shown, about = capsys.readouterr().out, ALL_VERBS[verb].__doc__ or ""
    assert shown.count(f"$ syncam {verb} ") >= 2
    documented = {line.split(":")[0].strip() for line in about.split("Args:")[1].splitlines()}
    assert set(inspect.signature(ALL_VERBS[verb]).parameters) <= documented


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_examples_in_help_parse(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = list(command_lines(ALL_VERBS[verb].__doc__ or ""))
    assert 2 <= len(examples) <= 5
    for example in examples:
        assert " ".join(example).startswith(verb)
        assert parse(example, monkeypatch)


def test_a_group_of_verbs_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["rig", "--help"])
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in cli.VERBS["rig"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["rig", "show"],
        ["rig", RIG],
        ["rig", "show", RIG, "--no-such-option"],
        ["generate", "x", "--offload", "disk"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("rig has 3 views, expected 4"), "syncam: error: rig has 3 views, expected 4\n"),
        (OSError("first line\nsecond   line"), "syncam: error: first line second line\n"),
        (FileNotFoundError(2, "No such file", "a.json"), "syncam: error: [Errno 2] No such file: 'a.json'\n"),
    ],
)
def test_bad_input_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "VERBS", failing(error))
    with pytest.raises(SystemExit) as left:
        cli.main(["fail"])
    assert left.value.code == 2
    assert capsys.readouterr().err == line


def test_debug_shows_where_bad_input_came_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", failing(InputError("bad")))
    monkeypatch.setenv("SYNCAM_DEBUG", "1")
    with pytest.raises(InputError, match="bad"):
        cli.main(["fail"])


def test_interrupt_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", failing(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as left:
        cli.main(["fail"])
    assert left.value.code == 130


def test_programming_mistakes_stay_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "VERBS", failing(ValueError("mistake")))
    with pytest.raises(ValueError, match="mistake"):
        cli.main(["fail"])


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m syncam rig show {RIG} --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("size", ["96", "96x", "x96", "-1x3", "96 128", "9.5x3"])
def test_size_is_height_x_width(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["rig", "show", RIG, f"--size={size}"])
    assert f"--size must be height x width in pixels, such as 96x128, got '{size}'" in capsys.readouterr().err


def test_rig_help_lists_the_words_and_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["rig", "show", "--help"])
    shown = capsys.readouterr().out
    assert all(f"  {word}:" in shown for word in RIG_WORDS)
    assert all(f"  {key} " in shown and about.about in shown for key, about in RIG_KEYS.items())


def test_rig_shows_a_file_as_it_is(tmp_path: Path) -> None:
    cli.main(["rig", "make", RIG, "--frames", "3", "--size", "48x64", "--out", str(tmp_path / "rig.json")])
    cli.main(["rig", "make", str(tmp_path / "rig.json"), "--out", str(tmp_path / "copy.json")])
    assert (tmp_path / "copy.json").read_bytes() == (tmp_path / "rig.json").read_bytes()


def test_rig_prints_one_row_per_view(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["rig", "show", RIG, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2
    cli.main(["rig", "show", RIG])
    table = capsys.readouterr().out
    assert all(name.split("_")[0] in table for name in rows[0])


def test_rig_writes_both_formats(tmp_path: Path) -> None:
    cli.main(["rig", "make", RIG, "--frames", "3", "--size", "48x64", "--out", str(tmp_path / "rig.json")])
    ours = syncam.load_rig(tmp_path / "rig.json")
    assert (ours.num_views, ours.num_frames, ours.hw) == (2, 3, (48, 64))
    cli.main(
        ["rig", "make", RIG, "--frames", "3", "--format", "syncamvideo", "--out", str(tmp_path / "extrinsics.json")]
    )
    assert set(json.loads((tmp_path / "extrinsics.json").read_text())) == {"frame0", "frame1", "frame2"}
    # the file is a rig as well
    cli.main(["rig", "show", f"{tmp_path / 'extrinsics.json'}#cam02", "--size", "48x64", "--json"])


def test_rig_draws_checks_converts_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["rig", "show", RIG, "--out", str(tmp_path / "rig.png")])
    assert (tmp_path / "rig.png").read_bytes().startswith(b"\x89PNG")
    cli.main(["rig", "make", RIG, "--frames", "3", "--out", str(tmp_path / "rig.json")])
    cli.main(["rig", "convert", str(tmp_path / "rig.json"), "--out", str(tmp_path / "rig.csv")])
    capsys.readouterr()
    cli.main(["rig", "diff", str(tmp_path / "rig.json"), str(tmp_path / "rig.csv"), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 and max(row["largest_m"] + row["largest_deg"] for row in rows) < 1e-6
    cli.main(["rig", "check", RIG])
    assert "nothing found" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        cli.main(["rig", "check", "hemisphere:views=2 then pedestal -3m", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert {finding["kind"] for finding in report["findings"]} >= {"ground"}
    assert len(report["shared_surface"]) == 2


def test_rig_convert_keeps_names_and_frames_per_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, table, named = tmp_path / "rig.json", str(tmp_path / "rig.csv"), str(tmp_path / "named.blender.json")
    cli.main(["rig", "make", "linear:views=2", "--frames", "3", "--out", str(file)])
    file.write_text(json.dumps(json.loads(file.read_text()) | {"fps": 24}).replace("cam01", "wide"))
    cli.main(["rig", "convert", str(file), "--out", table])
    cli.main(["rig", "convert", table, "--names", "left, right", "--out", named])
    content = json.loads(Path(named).read_text())
    assert ([camera["name"] for camera in content["cameras"]], content["fps"]) == (["left", "right"], 24)
    cli.main(["rig", "make", f"{table}#wide then pan 5", "--out", str(tmp_path / "one.json")])
    content = json.loads((tmp_path / "one.json").read_text())
    assert ([view["name"] for view in content["views"]], content["fps"]) == (["wide"], 24)
    extrinsics = tmp_path / "camera_extrinsics.json"
    cli.main(["rig", "convert", str(file), "--format", "syncamvideo", "--out", str(extrinsics)])
    assert set(json.loads(extrinsics.read_text())["frame0"]) == {"wide", "cam02"}
    with pytest.raises(SystemExit, match="2"):
        cli.main(["rig", "convert", table, "--format", "tum", "--out", str(tmp_path / "tum")])
    assert "wide stands before cam02" in capsys.readouterr().err


def test_check_against_an_adapter_needs_its_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["rig", "check", RIG, "--adapter", str(tmp_path)])
    assert "has no trained_range.json" in capsys.readouterr().err
    (tmp_path / "trained_range.json").write_text('{"views": [3, 4]}')
    cli.main(["rig", "check", RIG, "--adapter", str(tmp_path)])
    assert "the model was trained with 3 to 4 views" in capsys.readouterr().out
    (tmp_path / "trained_range.json").write_text('{"focal_mm": [35, 35]}')
    cli.main(["rig", "check", RIG, "--adapter", str(tmp_path)])
    assert "focal length" not in capsys.readouterr().out
    cli.main(["rig", "check", f"{RIG},focal=50", "--adapter", str(tmp_path)])
    assert "focal length 50.0 mm; the model was trained with 35 to 35" in capsys.readouterr().out


def test_errors_reach_the_shell() -> None:
    done = run_syncam("rig", "show", "hemisphere:views=none")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("syncam: error: ") and done.stderr.count("\n") == 1


def test_defaults_are_those_of_the_configurations() -> None:
    """The options that state a default, so that help can show it, state the one of the configuration they fill in."""
    from syncam.pipelines.generate import GenerateConfig
    from syncam.pipelines.reshoot_run import ReshootConfig
    from syncam.render.config import RenderConfig

    renamed = {"hw": "size", "num_frames": "frames", "num_scenes": "scenes", "num_views": "views"}
    renamed |= {"num_workers": "workers", "elevation_deg": "elevation", "focal_mm": "focal"}
    for verb, config, inner in (
        (cli.generate, GenerateConfig, set()),
        (cli.reshoot, ReshootConfig, set()),
        (RENDER_VERBS[""], RenderConfig, {"masks"}),
    ):
        options = inspect.signature(verb).parameters
        fields = {field.name: field.default for field in dataclasses.fields(config)}
        assert {renamed.get(name, name) for name in fields.keys() - inner} == options.keys() - {"json"}
        for name, default in fields.items():
            if name not in inner and default is not dataclasses.MISSING:
                value = f"{default[0]}x{default[1]}" if name == "hw" and default else default
                value = None if value == () and name != "move" else value  # no labels
                assert options[renamed.get(name, name)].default == value, name


def test_schedulers_are_those_of_the_pipeline() -> None:
    from syncam.pipelines.schedulers import SCHEDULERS, V_PREDICTION_SCHEDULERS

    both = {*SCHEDULERS, *V_PREDICTION_SCHEDULERS}  # re-shooting has no adapter for models of v-prediction
    for verb, known in ((cli.generate, both), (cli.reshoot, set(SCHEDULERS))):
        assert set(get_args(inspect.signature(verb).parameters["scheduler"].annotation)) == known


def test_generate_passes_everything_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from syncam.pipelines import generate

    configs = []
    monkeypatch.setattr(generate, "run", lambda config: configs.append(config) or {"videos": ["out"], "skipped": None})
    cli.main(["generate", "a red horse", "--size", "64x96", "--frames", "9", "--dtype", "bfloat16", "--overwrite"])
    assert configs == [
        generate.GenerateConfig(prompt="a red horse", hw=(64, 96), num_frames=9, dtype="bfloat16", overwrite=True)
    ]
    assert capsys.readouterr().out.split() == ["videos", "out"]


def test_reshoot_passes_everything_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from syncam.pipelines import reshoot_run

    configs = []
    monkeypatch.setattr(reshoot_run, "run", lambda config: configs.append(config) or {"videos": ["out"]})
    options = ["--size", "64x96", "--frames", "9", "--fit", "pad", "--short", "hold", "--distance", "3"]
    cli.main(["reshoot", "a.mp4", "--move", "arc 30 then dolly 1", "--move", "3", *options])
    moves = ("arc 30 then dolly 1", "3")
    expected = {"hw": (64, 96), "num_frames": 9, "fit": "pad", "short": "hold", "distance": 3.0}
    assert configs == [reshoot_run.ReshootConfig(source=Path("a.mp4"), move=moves, **expected)]


def test_generate_needs_a_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["generate"])
    assert capsys.readouterr().err.startswith("syncam: error: ")


def test_render_makes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--scenes", "1", "--views", "2", "--frames", "2", "--size", "32x48"]
    cli.main(["render", "--out", str(tmp_path / "data"), *small, "--json"])
    assert json.loads(capsys.readouterr().out)["rendered_scenes"] == 1
    assert len(syncam.ClipStore(tmp_path / "data")) == 1


def test_train_lists_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["train", "--list", "--json"])
    assert "small-view-sync" in [row["recipe"] for row in json.loads(capsys.readouterr().out)]


def test_train_passes_everything_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from syncam.training import recipes

    calls = []

    def run(recipe, *, progress, encoding_progress, **options):
        encoding_progress(1, 2)
        progress(1, 10, {"loss": 0.5})
        progress(10, 10, {"loss": 0.25})
        calls.append((recipe, options))
        return Path("runs/x/export")

    monkeypatch.setattr(recipes, "train", run)
    given = "--data data takes --base base --adapter trained --out runs/x --steps 10 --resume"
    cli.main(["train", "small-view-sync", *given.split()])
    options = {"data": (Path("data"), Path("takes")), "out": Path("runs/x"), "base": "base", "adapter": "trained"}
    options |= {"steps": 10, "seed": None, "resume": True}
    assert calls == [("small-view-sync", options)]
    assert capsys.readouterr().out.split() == ["weights", "runs/x/export"]


@pytest.mark.parametrize("arguments", [[], ["small-view-sync"], ["--data", "data", "--out", "out"]])
def test_train_says_what_is_missing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", *arguments])
    assert "train needs a RECIPE, --data and --out" in capsys.readouterr().err


def test_convert_reports_what_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["convert", str(tmp_path / "missing.ckpt"), "--out", str(tmp_path / "out")])
    assert "missing.ckpt" in capsys.readouterr().err
