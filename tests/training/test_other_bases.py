"""View-sync training on a base of another class and objective: CogVideoX, which predicts v at steps of a schedule."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import CogVideoXDDIMScheduler, DDIMScheduler, FlowMatchEulerDiscreteScheduler

from syncam.adapters import JointViewSyncAdapter
from syncam.cameras import hemisphere
from syncam.errors import InputError
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.training.config import Phase, TrainConfig
from syncam.training.objective import FlowMatching, VPrediction, objective_of
from syncam.training.recipes import RECIPES, train
from tiny import tiny_joint_pipeline
from training.examples import render_store, stage, text_to_video_stage, write_store

FRAMES, SIZE = 9, 16


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered clips of scenes seen by cameras that move."""
    root = tmp_path_factory.mktemp("clips")
    return render_store(root, cameras="takes", num_views=3, num_frames=FRAMES, hw=(SIZE, SIZE))


@pytest.fixture(scope="module", params=[False, True], ids=["2b", "5b"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    tiny_joint_pipeline(rotary=request.param).save_pretrained(folder)
    return folder


def view_sync_stage(steps: int = 30, **changes: Any) -> TrainConfig:
    phases = (
        Phase(steps=steps // 2, batch_size=4, num_frames=1, views=(2,)),
        Phase(steps=steps - steps // 2, batch_size=2, num_frames=FRAMES, views=(2, 3)),
    )
    numbers = {"validate_every": steps, "checkpoint_every": steps, "learning_rate": 1e-2, "ema_decay": 0.5}
    options = {"sample_steps": 1, "caption_dropout": 0.0}
    return stage("view_sync", *phases, options=options, **numbers | changes)


def test_a_few_steps_lower_the_loss_and_the_weights_generate(clips: Path, base: Path, tmp_path: Path) -> None:
    export = train(view_sync_stage(), data=clips, base=base, out=tmp_path / "run")
    with (tmp_path / "run" / "validation.csv").open() as file:
        figures = {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
    assert figures["loss_right"] < 0.95 * figures["loss_off"], "on clips that were held out"
    config = json.loads((export / "view_sync" / "config.json").read_text())
    assert config["_class_name"] == "JointViewSyncAdapter"
    assert config["moving_cameras"] is True, "as those of the data do"
    made = MultiViewPipeline.from_pretrained(base, adapter=export / "view_sync", dtype=torch.float32, device="cpu")
    assert isinstance(made.adapter, JointViewSyncAdapter)
    cameras = hemisphere(views=2, radius=4, num_frames=1, hw=(SIZE, SIZE))
    size: dict[str, Any] = {"num_frames": FRAMES, "height": SIZE, "width": SIZE, "num_inference_steps": 2}
    together, apart = (
        made("a red horse", cameras, synchronise=synchronise, output_type="latent", **size).latents
        for synchronise in (True, False)
    )
    assert not torch.equal(together, apart)


def test_objectives_belong_to_the_bases_sampler() -> None:
    own = CogVideoXDDIMScheduler(prediction_type="v_prediction")
    objective = objective_of(own)
    assert isinstance(objective, VPrediction) and objective.shift == 1.0
    clean, noise = torch.randn(2, 4, 2, 3, 16, 4, 4).unbind(0)
    levels = torch.tensor([0.0, 0.25, 0.7, 1.0])
    steps = objective.timesteps(levels)
    assert steps.tolist() == [0, 250, 700, 999]
    alpha = own.alphas_cumprod[steps].float().view(-1, 1, 1, 1, 1, 1)
    noisy, target = objective.noisy(clean, noise, levels), objective.target(clean, noise, levels)
    expected = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    torch.testing.assert_close(noisy[1:], expected[1:])
    assert torch.equal(noisy[0], clean[0]), "a leading view has no noise at all"
    torch.testing.assert_close(alpha.sqrt() * expected - (1 - alpha).sqrt() * target, clean, atol=1e-4, rtol=1e-4)
    assert torch.equal(objective.weight(levels, 1.0), torch.ones(4))
    flow = objective_of(FlowMatchEulerDiscreteScheduler())
    assert isinstance(flow, FlowMatching) and flow.shift == 5.0
    with pytest.raises(InputError, match="the base model predicts 'sample'; expected flow_prediction"):
        objective_of(DDIMScheduler(prediction_type="sample"))


def test_the_published_recipe_differs_by_its_frames_alone() -> None:
    wan, cog = RECIPES["wan-view-sync"](), RECIPES["cogvideox-view-sync"]()
    assert {phase.num_frames for phase in cog.phases} == {49}
    assert [phase.steps for phase in cog.phases] == [phase.steps for phase in wan.phases]
    assert cog.learning_rate == wan.learning_rate


def test_what_cannot_be_trained_on_such_a_base_is_refused(clips: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="text_to_video trains Wan's transformers, but .* is a CogVideoXPipeline"):
        train(text_to_video_stage(), data=clips, base=base, out=tmp_path / "a")
    short = write_store(tmp_path / "short", num_frames=5, size=SIZE)
    with pytest.raises(InputError, match="must be 1 more than a multiple of 8, got 5"):
        train(view_sync_stage(), data=short, base=base, out=tmp_path / "b")
