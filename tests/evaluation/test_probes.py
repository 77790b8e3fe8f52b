"""Probes of the small world: their words are those of the renders, and what they tell is held against the prompt."""

from pathlib import Path

import pytest
import torch

from evaluation.scenes import FPS, rig, write_clip
from syncam.cameras import hemisphere
from syncam.cameras.spherical import to_spherical
from syncam.data.clip import MultiViewClip
from syncam.errors import InputError
from syncam.evaluation.cache import Cache
from syncam.evaluation.clips import RunClip
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.material import Material
from syncam.evaluation.networks import NetworkPaths, Networks
from syncam.evaluation.outcome import NotMeasurable
from syncam.evaluation.probe_measures import PROBE_MEASURES
from syncam.evaluation.probe_network import (
    STILL_LABELS,
    ProbeNetwork,
    load_probes,
    probe_moments,
    save_probes,
    shrunk,
    view_angles,
)
from syncam.evaluation.probe_words import LABELS, UNSAID, said
from syncam.evaluation.report import table
from syncam.render.generate import generate_scene
from syncam.render.scene import BASIC_COLOURS, BASIC_GROUNDS, BASIC_SKIES, GAITS, GROUNDS, SKIES
from syncam.render.species import BASIC_SPECIES

HELD_OUT = {"species": 0.9, "azimuth_deg": 12.5, "same_scene": 0.8}
PROMPT = "a red horse walks on green grass under a dusk sky, with trees"


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Probes that have learnt nothing."""
    folder = tmp_path_factory.mktemp("probes")
    torch.manual_seed(0)
    save_probes(folder, ProbeNetwork(), HELD_OUT, {"held_out_scenes": 2})
    return folder


def clip(frames: int = 17, views: int = 3, hw: tuple[int, int] = (64, 64)) -> MultiViewClip:
    video = torch.rand(views, frames, 3, *hw, generator=torch.Generator().manual_seed(1))
    cameras = hemisphere(views=views, radius=5.0, elevation_deg=20.0, num_frames=frames, hw=hw)
    return MultiViewClip(video, cameras, PROMPT, FPS)


def opened(folder: Path, probes: Path, shown: MultiViewClip, cache: Path | None = None) -> Material:
    if not folder.exists():
        write_clip(folder, shown)
    return Material(RunClip(folder), Cache(cache), Networks(NetworkPaths(probes=str(probes))))


def test_labels_are_the_words_of_the_basic_content() -> None:
    assert LABELS["species"] == BASIC_SPECIES and LABELS["colour"] == BASIC_COLOURS
    assert LABELS["ground"] == tuple(GROUNDS[name].words for name in BASIC_GROUNDS)
    assert LABELS["sky"] == tuple(SKIES[name].words for name in BASIC_SKIES)
    assert LABELS["action"] == tuple(GAITS[name][0] for name in ("walk", "trot", "turn"))


@pytest.mark.parametrize("seed", range(12))
def test_captions_are_read_as_they_were_written(seed: int) -> None:
    scene = generate_scene(seed, content="basic", duration_s=2.0, two_animals=0.4, props=0.5)
    found = said(scene.caption)
    assert LABELS["ground"][found["ground"]] == GROUNDS[scene.ground].words
    assert LABELS["sky"][found["sky"]] == SKIES[scene.sky].words
    if len(scene.animals) == 1:
        [animal] = scene.animals
        assert LABELS["species"][found["species"]] == animal.species
        assert LABELS["colour"][found["colour"]] == animal.colour
        assert LABELS["action"][found["action"]] == GAITS[animal.gait][0]
    else:
        assert found["species"] == found["colour"] == found["action"] == UNSAID


def test_captions_of_other_worlds_say_little() -> None:
    assert set(said("a tram passes in the rain").values()) == {UNSAID}
    assert said("a horse on white snow") == {"species": 0, "colour": -1, "ground": 2, "sky": -1, "action": -1}
    assert said("Red horse, trots.")["colour"] == 0


def test_moments_are_half_a_second_apart() -> None:
    assert probe_moments(17, 8.0) == [0, 4, 8, 12, 16]
    assert probe_moments(81, 15.0) == [0, 8, 15, 22, 30]
    assert probe_moments(9, 8.0) == [0, 4, 8]
    assert probe_moments(1, 1.0) == [0]


def test_angles_are_those_about_the_target() -> None:
    cameras = hemisphere(views=4, radius=5.0, elevation_deg=20.0, span_deg=200.0, num_frames=1, hw=(64, 64))
    azimuth, elevation = view_angles(cameras.c2w[:, 0])
    truth = to_spherical(cameras.c2w[:, 0], torch.tensor([0.0, 0.0, 0.8]))
    assert torch.allclose(torch.rad2deg(azimuth), truth[0], atol=1e-3)
    assert torch.allclose(torch.rad2deg(elevation), truth[1], atol=1e-3)


@pytest.mark.parametrize("hw", [(64, 80), (32, 32)])
def test_pictures_of_other_shapes_are_refused(hw: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="the probes know square pictures of 64 pixels or more, got"):
        shrunk(torch.rand(1, 3, *hw))


def test_measures_hold_against_prompt_and_cameras(tmp_path: Path, probes: Path, monkeypatch) -> None:
    """With answers put into the network's mouth, labels and angles come out as counted by hand."""
    shown = clip()
    assert shown.cameras is not None
    azimuth = view_angles(shown.cameras.c2w[:, 0].double())[0]

    def labels(self, cells):
        logits = {label: torch.zeros(len(cells), len(LABELS[label])) for label in STILL_LABELS}
        logits["species"][:10, 0] = 1  # 10 of 15 pictures show a horse
        logits["species"][10:, 1] = 1
        logits["sky"][:, 3] = 1
        return logits

    def relate(self, first, second):
        turn = (azimuth[1] - azimuth[0]).expand(len(first)) + torch.deg2rad(torch.tensor(10.0))
        far = torch.stack([turn.cos(), turn.sin()], dim=1) * 7
        numbers = torch.arange(len(first))
        return {"azimuth": far, "elevation": 0 * turn, "same_scene": turn + 9, "same_moment": (numbers % 5) - 1.5}

    monkeypatch.setattr(ProbeNetwork, "labels", labels)
    monkeypatch.setattr(ProbeNetwork, "relate", relate)
    material = opened(tmp_path / "clip", probes, shown)
    take = {name: PROBE_MEASURES[f"{name}:probe"].take(material).samples for name in ("species", "sky", "ground")}
    assert sum(take["species"]) == 10 and len(take["species"]) == 15
    assert set(take["sky"]) == {1.0} and set(take["ground"]) == {1.0}  # the first of equals is grass
    apart = float(torch.rad2deg(azimuth[1] - azimuth[0]))
    samples = PROBE_MEASURES["azimuth_err:probe"].take(material).samples
    assert samples[:5] == pytest.approx([10.0] * 5, abs=1e-3)  # views 1 and 2
    assert samples[5:10] == pytest.approx([abs(apart - 10.0)] * 5, abs=1e-3)  # views 1 and 3, twice as far
    assert samples[10:] == pytest.approx([10.0] * 5, abs=1e-3)
    assert PROBE_MEASURES["elevation_err:probe"].take(material).samples == pytest.approx([0.0] * 15, abs=1e-3)
    assert sum(PROBE_MEASURES["same_scene:probe"].take(material).samples) == 15
    assert sum(PROBE_MEASURES["same_moment:probe"].take(material).samples) == 9


def test_answers_are_kept(tmp_path: Path, probes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "azimuth_err:probe"
    before = PROBE_MEASURES[name].take(opened(tmp_path / "clip", probes, clip(5), tmp_path / "cache")).samples
    monkeypatch.setattr(ProbeNetwork, "encode", None)
    after = PROBE_MEASURES[name].take(opened(tmp_path / "clip", probes, clip(5), tmp_path / "cache")).samples
    assert before == after


def test_what_the_probes_cannot_tell(tmp_path: Path, probes: Path) -> None:
    short = opened(tmp_path / "short", probes, clip(5))
    with pytest.raises(NotMeasurable, match="told from 5 moments half a second apart; the clip is shorter"):
        PROBE_MEASURES["action:probe"].take(short)
    alone = opened(tmp_path / "alone", probes, clip(5, views=1))
    with pytest.raises(NotMeasurable, match="one view alone"):
        PROBE_MEASURES["same_scene:probe"].take(alone)
    assert len(PROBE_MEASURES["species:probe"].take(alone).samples) == 2
    oblong = opened(
        tmp_path / "oblong", probes, MultiViewClip(torch.rand(2, 5, 3, 64, 80), rig(5, hw=(64, 80)), "", FPS)
    )
    with pytest.raises(InputError, match="square pictures"):
        PROBE_MEASURES["same_moment:probe"].take(oblong)
    with pytest.raises(NotMeasurable, match="the prompt names no species that the probes know"):
        PROBE_MEASURES["species:probe"].take(oblong)


def test_how_good_they_are_stands_beside_every_result(tmp_path: Path, probes: Path) -> None:
    write_clip(tmp_path / "run", clip(5, views=2))
    networks = NetworkPaths(probes=str(probes))
    names = "azimuth_err,species,flicker"
    result = evaluate(EvaluateConfig(runs=(tmp_path / "run",), metrics=names, networks=networks, workers=1))
    rows = {row["metric"]: row for row in result["runs"][0]["rows"]}
    assert rows["azimuth_err:probe"]["held_out"] == 12.5 and rows["species:probe"]["held_out"] == 0.9
    assert rows["species:probe"]["resize"] == "64x64, bilinear, antialiased"
    assert rows["species:probe"]["network_sha256"] == load_probes(probes)[2]
    assert "held_out" not in rows["flicker:vbench"]
    assert [row["renders"] for row in table(result["runs"][0]["rows"])] == ["12.5", "0.9", "-"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "config.json").unlink(),
            "holds no probes; expected config.json and",
        ),
        (lambda folder: (folder / "probes.safetensors").write_bytes(b"x"), "holds no probes"),
        (lambda folder: (folder / "config.json").write_text("[]"), "is not of probes of version 1"),
    ],
)
def test_damaged_probes_are_named(tmp_path: Path, spoil, message: str) -> None:
    save_probes(tmp_path, ProbeNetwork(), HELD_OUT, {})
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        load_probes(tmp_path)
