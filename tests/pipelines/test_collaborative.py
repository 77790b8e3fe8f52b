"""More views than a model holds: pairs and their averages, and the pipeline that denoises by them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from syncam.cameras import Cameras, hemisphere
from syncam.errors import InputError
from syncam.pipelines.collaborative import Collaboration, averaged_over_pairs, calls_instead, pair_rows
from syncam.pipelines.matchings import draw_pairs, num_pairs
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.pipelines.recurrent import num_calls

SIZE: dict[str, Any] = {"num_frames": 5, "height": 16, "width": 32, "num_inference_steps": 3, "guidance_scale": 3.0}
PROMPT = "a red horse"


@pytest.fixture(scope="module")
def pipeline(wan_folder: Path, adapter_folder: Path) -> MultiViewPipeline:
    return MultiViewPipeline.from_pretrained(wan_folder, adapter=adapter_folder, dtype=torch.float32, device="cpu")


def rig(views: int) -> Cameras:
    return hemisphere(views=views, radius=4, num_frames=1, hw=(16, 32))


def made(pipeline: MultiViewPipeline, views: int, settings: dict[str, int], **more: Any) -> torch.Tensor:
    """Latents of a collaboration of these settings."""
    told: dict[str, Any] = SIZE | {"output_type": "latent"} | more
    return pipeline(PROMPT, rig(views), collaboration=Collaboration(**settings), **told).latents


@pytest.mark.parametrize("at_once", [1, 2, 100])
@pytest.mark.parametrize(("views", "partners"), [(2, 1), (5, 1), (5, 3), (6, 2), (6, 5)])
def test_every_view_gets_the_mean_of_what_its_pairs_predict(views: int, partners: int, at_once: int) -> None:
    scenes, branches = 2, 2
    pairs = torch.stack([draw_pairs(views, partners, torch.Generator().manual_seed(seed)) for seed in range(scenes)])
    rows = pair_rows(pairs, views)
    values = torch.randn(branches, scenes * views, 3)

    def predict(chosen: torch.Tensor) -> torch.Tensor:
        """Depends on the view itself and on its partner."""
        assert len(chosen) <= at_once
        own, other = values[:, chosen.flatten()], values[:, chosen.flip(-1).flatten()]
        return own + own * other.cos()

    found = averaged_over_pairs(predict, rows, scenes * views, at_once)
    for scene in range(scenes):
        for view in range(views):
            own = values[:, scene * views + view]
            others = [sum(pair) - view for pair in pairs[scene].tolist() if view in pair]
            expected = torch.stack([own + own * values[:, scene * views + other].cos() for other in others]).mean(0)
            torch.testing.assert_close(found[:, scene * views + view], expected)


def test_views_without_a_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="pairs must cover 3 rows"):
        averaged_over_pairs(lambda rows: torch.zeros(1, rows.numel(), 1), torch.tensor([[0, 1]]), 3, 1)


def test_a_module_calls_something_else_for_a_while() -> None:
    class Doubled(torch.nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    module, given, seen = Doubled(2, 2), torch.ones(1, 2), []
    own = module(given)
    module.register_forward_hook(lambda *_: seen.append(1))
    with pytest.raises(ZeroDivisionError), calls_instead(module, lambda stock, x: stock(x) + stock(x)):
        assert torch.equal(module(given), 2 * own) and len(seen) == 2
        assert isinstance(module, Doubled) and type(module).__name__ == "Doubled"
        raise ZeroDivisionError
    assert type(module) is Doubled and torch.equal(module(given), own)


def test_two_views_in_pairs_are_two_views_together(pipeline: MultiViewPipeline) -> None:
    together = pipeline(PROMPT, rig(2), output_type="latent", **SIZE).latents
    torch.testing.assert_close(made(pipeline, 2, {"partners": 1}), together, atol=1e-5, rtol=0)


@pytest.mark.parametrize("settings", [{"partners": 1, "repeats": 2}, {"partners": 3}])
def test_pair_by_pair_is_all_pairs_at_once(pipeline: MultiViewPipeline, settings: dict[str, int]) -> None:
    most, default, one = (
        made(pipeline, 5, settings | more) for more in ({"pairs_at_once": 99}, {}, {"pairs_at_once": 1})
    )
    torch.testing.assert_close(one, most, atol=1e-5, rtol=0)
    torch.testing.assert_close(default, most, atol=1e-5, rtol=0)


def test_seeds_decide_pairs_and_noise_scene_by_scene(pipeline: MultiViewPipeline) -> None:
    settings = {"partners": 1, "repeats": 2}
    both = pipeline(
        [PROMPT, "a blue elephant"],
        rig(4),
        seed=[1, 2],
        collaboration=Collaboration(**settings),
        output_type="latent",
        **SIZE,
    ).latents
    torch.testing.assert_close(made(pipeline, 4, settings, seed=1), both[0], atol=1e-4, rtol=0)
    assert torch.equal(made(pipeline, 4, settings, seed=1), made(pipeline, 4, settings, seed=1))
    assert not torch.allclose(made(pipeline, 4, settings, seed=2), both[0], atol=1e-2)
    assert not torch.allclose(made(pipeline, 4, {"partners": 1}, seed=1), both[0], atol=1e-2)


def test_at_every_step_a_view_sees_its_partner_alone(pipeline: MultiViewPipeline) -> None:
    """What is predicted for a view changes with the noise of the view it is paired with, and of no other."""
    collaboration = Collaboration(partners=1)
    pairs = collaboration.draw(6, [0], step=0)[0].tolist()
    view, partner = pairs[0]
    told: dict[str, Any] = SIZE | {"collaboration": collaboration, "output_type": "latent", "num_inference_steps": 1}
    noise = pipeline.noise

    def latents(changed: int | None) -> torch.Tensor:
        def shaken(*arguments: Any) -> torch.Tensor:
            drawn = noise(*arguments)
            if changed is not None:
                drawn[changed] += 0.5
            return drawn

        pipeline.noise = shaken  # pyright: ignore[reportAttributeAccessIssue]
        try:
            return pipeline(PROMPT, rig(6), **told).latents
        finally:
            pipeline.noise = noise  # pyright: ignore[reportAttributeAccessIssue]

    plain, other, stranger = latents(None), latents(partner), latents(pairs[1][0])
    assert not torch.allclose(other[view], plain[view], atol=1e-4)
    torch.testing.assert_close(stranger[view], plain[view], atol=1e-6, rtol=0)


def calls(pipeline: MultiViewPipeline, views: int, settings: dict[str, int], **more: Any) -> list[int]:
    """The batch of every call of the transformer."""
    found: list[int] = []
    hook = pipeline.base.transformer.register_forward_pre_hook(
        lambda _, __, inputs: found.append(len(inputs["hidden_states"])), with_kwargs=True
    )
    try:
        made(pipeline, views, settings, **more)
    finally:
        hook.remove()
    return found


@pytest.mark.parametrize(
    ("views", "settings", "more", "pairs_then_alone"),
    [
        (6, {"partners": 1}, {}, ([6], [6])),
        (6, {"partners": 2}, {}, ([6, 6], [6, 6])),
        (5, {"partners": 2, "pairs_at_once": 2}, {}, ([4, 4, 2], [4, 4, 2])),
        (5, {"partners": 2, "pairs_at_once": 2}, {"guide_adapter": True}, ([4, 4, 2], [4, 1])),
        (5, {"partners": 1, "pairs_at_once": 9}, {"guidance_scale": 1.0}, ([6], [])),
    ],
)
def test_what_the_transformer_is_called_with(
    pipeline: MultiViewPipeline, views: int, settings: dict, more: dict, pairs_then_alone: tuple[list, list]
) -> None:
    one = [*pairs_then_alone[0], *pairs_then_alone[1]]
    assert calls(pipeline, views, settings, **more) == one * SIZE["num_inference_steps"]
    repeated = calls(pipeline, views, settings | {"repeats": 2}, **more)
    assert repeated == one * num_calls(SIZE["num_inference_steps"], 2)


def test_guidance_by_views_moves_away_from_views_that_are_alone(pipeline: MultiViewPipeline) -> None:
    predicted: list[torch.Tensor] = []
    settings = SIZE | {"num_inference_steps": 1, "output_type": "latent", "guide_adapter": True}
    hook = pipeline.base.transformer.register_forward_hook(lambda _, __, output: predicted.append(output[0]))
    try:
        pipeline(PROMPT, rig(4), collaboration=Collaboration(partners=1), **settings)
        pipeline(PROMPT, rig(4), synchronise=False, **settings)
    finally:
        hook.remove()
    assert torch.equal(predicted[1], predicted[3])


def test_a_leading_view_is_kept_and_all_others_see_it(pipeline: MultiViewPipeline) -> None:
    settings = {"partners": 1, "repeats": 2}
    led = made(pipeline, 5, settings, lead_view=True)
    together = made(pipeline, 5, settings, lead_view=False)
    assert torch.equal(led[0], together[0]) and not torch.equal(led[1:], together[1:])
    pairs = num_pairs(5, 1, led=True)
    batches = calls(pipeline, 5, settings | {"pairs_at_once": 99}, lead_view=True, guidance_scale=1.0)
    assert batches == [6] * 5 + [2 * pairs] * 5
    video = torch.rand(5, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    given = made(pipeline, 5, settings, video=video)
    assert torch.equal(given[:1], pipeline.encode(video[None]))
    assert not torch.allclose(given[1:], made(pipeline, 5, settings, video=1 - video)[1:], atol=1e-3)


def test_a_pair_with_a_known_view_is_two_views_led_by_it(pipeline: MultiViewPipeline) -> None:
    video = torch.rand(5, 3, 16, 32, generator=torch.Generator().manual_seed(0))
    together = pipeline(PROMPT, rig(2), video=video, output_type="latent", **SIZE).latents
    torch.testing.assert_close(made(pipeline, 2, {"partners": 1}, video=video), together, atol=1e-5, rtol=0)


def test_the_pipeline_is_as_before_afterwards(pipeline: MultiViewPipeline) -> None:
    scheduler, kind = pipeline.base.scheduler, type(pipeline.base.transformer)
    before = pipeline(PROMPT, rig(3), output_type="latent", **SIZE).latents
    made(pipeline, 3, {"partners": 1, "repeats": 2})
    assert pipeline.base.scheduler is scheduler and type(pipeline.base.transformer) is kind
    assert torch.equal(pipeline(PROMPT, rig(3), output_type="latent", **SIZE).latents, before)


@pytest.mark.parametrize(
    ("views", "settings", "more", "message"),
    [
        (4, {"partners": 4}, {}, "partners must be 1 to 3 for 4 views, got 4"),
        (1, {}, {}, "the rig has a single one"),
        (4, {"partners": 0}, {}, "partners must be at least 1, got 0"),
        (4, {"repeats": 0}, {}, "repeats must be at least 1, got 0"),
        (4, {"pairs_at_once": 0}, {}, "pairs_at_once must be at least 1, got 0"),
        (4, {"repeats": 2}, {"scheduler": "unipc"}, "those of UniPCMultistepScheduler build on the ones before"),
        (4, {}, {"synchronise": False}, "of views that are synchronised"),
    ],
)
def test_bad_input(pipeline: MultiViewPipeline, views: int, settings: dict, more: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(pipeline, views, settings, **more)


def test_other_schedulers_do_without_repeats(pipeline: MultiViewPipeline) -> None:
    assert made(pipeline, 4, {"partners": 2}, scheduler="unipc").isfinite().all()
