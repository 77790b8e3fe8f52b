"""The multi-view pipeline end to end on tiny models: shapes, determinism, independence of batching, errors."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch

from syncam.cameras import Cameras, hemisphere
from syncam.errors import InputError
from syncam.pipelines import multiview as pipeline_module
from syncam.pipelines.defaults import Defaults
from syncam.pipelines.lead import leading
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.pipelines.schedulers import SCHEDULERS, ReferenceScheduler, make_scheduler

SIZE = {"num_frames": 5, "height": 16, "width": 32, "num_inference_steps": 2, "guidance_scale": 3.0}


@pytest.fixture(scope="module")
def pipeline(wan_folder: Path, adapter_folder: Path) -> MultiViewPipeline:
    return MultiViewPipeline.from_pretrained(wan_folder, adapter=adapter_folder, dtype=torch.float32, device="cpu")


def rig(views: int, frames: int = 1) -> Cameras:
    return hemisphere(views=views, radius=4, num_frames=frames, hw=(16, 32))


@pytest.mark.parametrize("views", [1, 2, 3])
def test_makes_one_video_per_camera(pipeline: MultiViewPipeline, views: int) -> None:
    result = pipeline("a red horse", rig(views), **SIZE)
    assert result.videos.shape == (views, 5, 3, 16, 32)
    assert result.latents.shape[:1] == (views,)
    assert result.videos.min() >= 0 and result.videos.max() <= 1


def test_same_seed_same_videos_and_other_seed_others(pipeline: MultiViewPipeline) -> None:
    first, again, other = (pipeline("a red horse", rig(2), seed=seed, **SIZE).videos for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_prompts_in_one_batch_equal_separate_runs(pipeline: MultiViewPipeline) -> None:
    prompts = ["a red horse", "a blue elephant"]
    together = pipeline(prompts, rig(2), seed=[1, 2], **SIZE).videos
    apart = [pipeline(prompt, rig(2), seed=seed, **SIZE).videos for prompt, seed in zip(prompts, (1, 2), strict=True)]
    assert together.shape[:2] == (2, 2)
    torch.testing.assert_close(together, torch.stack(apart), atol=1e-4, rtol=0)


def test_a_views_noise_depends_on_seed_and_view_alone(pipeline: MultiViewPipeline) -> None:
    few, many = pipeline.noise([5], 2, 5, 16, 32), pipeline.noise([4, 5], 3, 5, 16, 32)
    assert torch.equal(few, many[3:5])
    assert not torch.equal(few[0], few[1])


def test_cameras_and_the_adapter_matter(pipeline: MultiViewPipeline) -> None:
    near, far = rig(2), hemisphere(views=2, radius=9, span_deg=160, hw=(16, 32))
    one, two = (pipeline("a red horse", cameras, **SIZE).latents for cameras in (near, far))
    assert not torch.equal(one, two)
    alone = [pipeline("a red horse", cameras, synchronise=False, **SIZE).latents for cameras in (near, far)]
    assert torch.equal(*alone)
    assert not torch.equal(alone[0], one)


def test_without_synchronisation_it_is_the_stock_pipeline(pipeline: MultiViewPipeline) -> None:
    ours = pipeline("a red horse", rig(2), synchronise=False, output_type="latent", **SIZE)
    assert ours.videos is None
    with pipeline.adapter.disabled():
        stock = pipeline.base(
            "a red horse",
            negative_prompt=pipeline.defaults.negative_prompt,
            num_videos_per_prompt=2,
            latents=pipeline.noise([0], 2, 5, 16, 32),
            output_type="latent",
            max_sequence_length=32,
            **SIZE,
        ).frames
    assert torch.equal(ours.latents, stock)


def test_a_leading_view_is_kept_and_the_others_are_made_again(pipeline: MultiViewPipeline) -> None:
    given = []

    def watch(_: torch.nn.Module, args: tuple, inputs: dict) -> None:
        given.append((inputs["hidden_states"], inputs["timestep"]))

    # Behind the hook of the leading view: it sees what the transformer gets.
    plain, pipeline_module.leading = pipeline_module.leading, watched(watch)
    try:
        led = pipeline("a red horse", rig(3), lead_view=True, output_type="latent", **SIZE).latents
    finally:
        pipeline_module.leading = plain
    together = pipeline("a red horse", rig(3), lead_view=False, output_type="latent", **SIZE).latents
    alone = pipeline("a red horse", rig(3), synchronise=False, output_type="latent", **SIZE).latents
    assert torch.equal(led[0], together[0])
    assert not torch.equal(led[1:], together[1:]) and not torch.equal(led[1:], alone[1:])
    assert len(given) == 2 * SIZE["num_inference_steps"]  # with and without the prompt
    for latents, timesteps in given:
        assert torch.equal(latents[0], led[0]) and not torch.equal(latents[1], led[1])
        assert timesteps[0] == 0 and timesteps[1] == timesteps[2] > 0


def watched(watch: Any) -> Any:
    """`leading`, with a hook behind its own."""

    @contextlib.contextmanager
    def with_hook(transformer: torch.nn.Module, *arguments: Any) -> Any:
        with leading(transformer, *arguments):
            hook = transformer.register_forward_pre_hook(watch, with_kwargs=True)
            try:
                yield
            finally:
                hook.remove()

    return with_hook


def test_scenes_of_a_batch_each_have_their_leading_view(pipeline: MultiViewPipeline) -> None:
    prompts, settings = ["a red horse", "a blue elephant"], SIZE | {"lead_view": True, "output_type": "latent"}
    together = pipeline(prompts, rig(2), seed=[1, 2], **settings).latents
    apart = [
        pipeline(prompt, rig(2), seed=seed, **settings).latents for prompt, seed in zip(prompts, (1, 2), strict=True)
    ]
    torch.testing.assert_close(together, torch.stack(apart), atol=1e-4, rtol=0)


def test_a_single_view_has_none_to_lead(pipeline: MultiViewPipeline) -> None:
    one, other = (pipeline("a red horse", rig(1), lead_view=lead, **SIZE).latents for lead in (True, False))
    assert torch.equal(one, other)


def test_the_leading_view_is_a_default_of_the_model(pipeline: MultiViewPipeline) -> None:
    asked = pipeline("a red horse", rig(2), lead_view=True, **SIZE).latents
    before, pipeline.defaults = pipeline.defaults, Defaults(lead_view=True)
    try:
        assert torch.equal(pipeline("a red horse", rig(2), **SIZE).latents, asked)
    finally:
        pipeline.defaults = before


def test_guidance_by_views_moves_away_from_views_that_are_alone(pipeline: MultiViewPipeline) -> None:
    def predictions(**settings: Any) -> list[torch.Tensor]:
        made: list[torch.Tensor] = []
        hook = pipeline.base.transformer.register_forward_hook(lambda _, __, output: made.append(output[0]))
        try:
            pipeline("a red horse", rig(2), output_type="latent", **SIZE | {"num_inference_steps": 1} | settings)
        finally:
            hook.remove()
        return made

    together, apart, guided = predictions(), predictions(synchronise=False), predictions(guide_adapter=True)
    assert [len(made) for made in (together, apart, guided)] == [2, 2, 2]  # with and without the prompt
    assert torch.equal(guided[0], together[0]) and not torch.equal(together[0], apart[0])
    assert torch.equal(guided[1], apart[1]) and not torch.equal(together[1], apart[1])
    again = predictions()
    assert all(torch.equal(*both) for both in zip(again, together, strict=True)), "nothing of it is left"
    before, pipeline.defaults = pipeline.defaults, Defaults(guide_adapter=True)
    try:
        assert torch.equal(predictions()[1], apart[1]), "it is a default of the model"
        assert torch.equal(predictions(guide_adapter=False)[1], together[1])
        assert torch.equal(predictions(synchronise=False)[1], apart[1])
    finally:
        pipeline.defaults = before


def test_a_given_video_is_what_view_0_shows(pipeline: MultiViewPipeline) -> None:
    video = torch.rand(5, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    result = pipeline("a red horse", rig(3), video=video, **SIZE)
    seen = pipeline.encode(video[None])
    assert torch.equal(result.latents[:1], seen)
    torch.testing.assert_close(result.videos[:1], pipeline.decode(seen))
    other = pipeline("a red horse", rig(3), video=1 - video, **SIZE)
    assert not torch.equal(result.latents[1:], other.latents[1:])
    both = pipeline(["a red horse"] * 2, rig(3), video=torch.stack([video, 1 - video]), **SIZE)
    torch.testing.assert_close(both.latents, torch.stack([result.latents, other.latents]), atol=1e-4, rtol=0)


def test_encoding_gives_the_latents_that_decode_to_the_video(pipeline: MultiViewPipeline) -> None:
    latents = pipeline("a red horse", rig(2), output_type="latent", **SIZE).latents
    config = pipeline.base.vae.config
    mean, std = (torch.tensor(numbers).view(1, -1, 1, 1, 1) for numbers in (config.latents_mean, config.latents_std))
    video = torch.rand(2, 5, 3, 16, 32)
    expected = pipeline.base.vae.encode(video.transpose(1, 2) * 2 - 1).latent_dist.mode()
    assert pipeline.encode(video).shape == latents.shape
    torch.testing.assert_close(pipeline.encode(video) * std + mean, expected)


def test_decoding_one_view_at_a_time_changes_nothing(pipeline: MultiViewPipeline) -> None:
    latents = pipeline("a red horse", rig(3), output_type="latent", **SIZE).latents
    torch.testing.assert_close(pipeline.decode(latents)[1:2], pipeline.decode(latents[1:2]))


def test_moving_cameras_are_taken_at_latent_frames(pipeline: MultiViewPipeline) -> None:
    moving = hemisphere(views=2, radius=4, num_frames=5, hw=(16, 32))
    taken = pipeline.check(moving, 5, 16, 32)
    assert taken.num_frames == 2
    assert torch.equal(taken.c2w[:, 1], moving.c2w[:, 4])


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_reference_scheduler_has_the_published_noise_levels(steps: int) -> None:
    scheduler = ReferenceScheduler(shift=5.0)
    scheduler.set_timesteps(steps)
    plain = torch.linspace(1, 0, steps + 1)[:-1]
    expected = torch.cat([5 * plain / (1 + 4 * plain), torch.zeros(1)])
    torch.testing.assert_close(scheduler.sigmas, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_samples_and_is_put_back(pipeline: MultiViewPipeline, name: str) -> None:
    before = pipeline.base.scheduler
    videos = pipeline("a red horse", rig(1), scheduler=name, **SIZE).videos
    assert torch.isfinite(videos).all()
    assert pipeline.base.scheduler is before


def test_unknown_scheduler_lists_the_known_ones(pipeline: MultiViewPipeline) -> None:
    with pytest.raises(InputError, match="unknown scheduler 'ddim'; expected one of model, euler, unipc, reference"):
        make_scheduler("ddim", pipeline.base.scheduler)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 17}, "height must be a multiple of 16 for this model, got 17; 16 is the nearest"),
        ({"width": 20}, "width must be a multiple of 16 for this model, got 20"),
        ({"num_frames": 6}, "1 more than a multiple of 4, got 6"),
        ({"num_frames": 9}, "cameras have 5 frames but the video has 9"),
        ({"seed": [1, 2]}, "one seed, or one per prompt, got 2 seeds for 1 prompts"),
        ({"output_type": "pil"}, "output_type must be pt or latent"),
        ({"video": torch.zeros(5, 3, 16, 16)}, r"video must be \(5, 3, 16, 32\) .*, got \(5, 3, 16, 16\)"),
        ({"video": torch.zeros(5, 3, 16, 32), "synchronise": False}, "needs other views to make, and synchronise=True"),
    ],
)
def test_bad_input_is_refused_before_any_work(pipeline: MultiViewPipeline, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline("a red horse", rig(2, frames=5), **(SIZE | change))


def test_save_and_load_give_the_same_videos(pipeline: MultiViewPipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "model")
    loaded = MultiViewPipeline.from_pretrained(tmp_path / "model", dtype=torch.float32, device="cpu")
    assert loaded.defaults == pipeline.defaults == Defaults()
    ours, theirs = (made("a red horse", rig(2), **SIZE).videos for made in (pipeline, loaded))
    assert torch.equal(ours, theirs)


def test_offload_needs_another_device(wan_folder: Path, adapter_folder: Path) -> None:
    with pytest.raises(InputError, match="offload=model moves parts between the CPU and another device"):
        MultiViewPipeline.from_pretrained(wan_folder, adapter=adapter_folder, device="cpu", offload="model")
