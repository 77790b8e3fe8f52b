"""CVD end to end on a tiny AnimateDiff with random weights: pairs, repeats, what the stock pipeline gives, errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.adapters.spatial_lora import LORA_FILE
from syncam.cameras import Cameras, hemisphere, parse_rig
from syncam.errors import InputError
from syncam.pipelines.collaborative import Collaboration
from syncam.pipelines.cvd import CVDPipeline, warn_about_first_poses
from syncam.pipelines.generate import GenerateConfig, run
from syncam.pipelines.recurrent import num_calls
from tiny import seeded, tiny_animatediff

FRAMES, HW = 3, (32, 48)
TOLD: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 4.0, "output_type": "latent", "seed": 1}
PROMPT = "a pig"


def trained_like(kind: Any, unet: torch.nn.Module, **settings: Any) -> Any:
    def build() -> Any:
        adapter = kind.from_transformer(unet, num_heads=2, **settings)
        for parameter in adapter.parameters():
            torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
        return adapter

    return seeded(build, 3)


@pytest.fixture(scope="module")
def pipeline() -> CVDPipeline:
    base = tiny_animatediff()
    sync = trained_like(EpipolarSyncAdapter, base.unet, norm_groups=4, trained_size=64)
    return CVDPipeline(base, sync, trained_like(PlueckerAdapter, base.unet, max_frames=8, trained_frames=3))


def rig(views: int, pattern: str = "circle") -> Cameras:
    return parse_rig(f"{pattern}:views={views},radius=1", num_frames=FRAMES, hw=HW)


def made(pipeline: CVDPipeline, views: int, settings: dict[str, int] | None = None, **more: Any) -> torch.Tensor:
    collaboration = None if settings is None else Collaboration(**settings)
    return pipeline(PROMPT, rig(views), collaboration=collaboration, **TOLD | more).latents


@pytest.mark.parametrize("views", [2, 3, 5])
def test_makes_one_video_per_camera(pipeline: CVDPipeline, views: int) -> None:
    result = pipeline(PROMPT, rig(views), **TOLD | {"output_type": "pt"})
    assert result.videos is not None and result.videos.shape == (views, FRAMES, 3, *HW)
    assert result.videos.min() >= 0 and result.videos.max() <= 1
    assert torch.equal(result.latents, made(pipeline, views))
    assert not torch.allclose(result.latents, made(pipeline, views, seed=2), atol=1e-2)


def test_two_views_in_one_pass_are_the_stock_pipeline_with_adapters(pipeline: CVDPipeline) -> None:
    """First frames lie on horizontal lines here, so that nothing is drawn."""
    sync, control, base = pipeline.sync, pipeline.control, pipeline.base
    assert control is not None
    before = sync.config["slopes"]
    sync.register_to_config(slopes="horizontal")
    try:
        ours = made(pipeline, 2)
        with sync.cameras(rig(2)), control.cameras(rig(2)):
            stock = base(
                prompt=[PROMPT] * 2,
                negative_prompt=[""] * 2,
                height=HW[0],
                width=HW[1],
                num_frames=FRAMES,
                num_inference_steps=3,
                guidance_scale=4.0,
                latents=pipeline._noise(1, rig(2)),
                output_type="latent",
            ).frames
    finally:
        sync.register_to_config(slopes=before)
    torch.testing.assert_close(ours, stock, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("views", "settings"), [(4, {"partners": 1, "repeats": 2}), (5, {"partners": 3})])
def test_pair_by_pair_is_all_pairs_at_once(pipeline: CVDPipeline, views: int, settings: dict[str, int]) -> None:
    most, one = (made(pipeline, views, settings | {"pairs_at_once": number}) for number in (9, 1))
    torch.testing.assert_close(one, most, atol=1e-3, rtol=0)
    assert not torch.allclose(most, made(pipeline, views, {"partners": 2}), atol=1e-2)


def test_calls_of_the_unet(pipeline: CVDPipeline) -> None:
    batches: list[int] = []
    hook = pipeline.base.unet.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    try:
        made(pipeline, 4, {"partners": 1, "repeats": 3})
        assert batches == [8] * num_calls(3, 3)  # with and without the prompt
        batches.clear()
        made(pipeline, 5, {"partners": 1, "pairs_at_once": 1}, guidance_scale=1.0)
        assert batches == [2] * 3 * 3
    finally:
        hook.remove()


def test_views_that_are_paired_see_each_other(pipeline: CVDPipeline) -> None:
    together, weights = made(pipeline, 2), [block.proj_out.weight for block in pipeline.sync.blocks]
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight in weights:
            weight.zero_()
        alone = made(pipeline, 2)
        for weight, kept in zip(weights, before, strict=True):
            weight.copy_(kept)
    assert not torch.allclose(alone, together, atol=1e-3)


def test_negative_prompts_and_cameras_matter(pipeline: CVDPipeline) -> None:
    plain = made(pipeline, 2)
    assert not torch.allclose(plain, made(pipeline, 2, negative_prompt="blurred"), atol=1e-4)
    other = pipeline(PROMPT, rig(2, "interpolate"), **TOLD).latents
    assert not torch.allclose(plain, other, atol=1e-3)


@pytest.fixture(scope="module")
def folders(pipeline: CVDPipeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and the folder of its adapters."""
    folder = tmp_path_factory.mktemp("cvd")
    model, adapter = folder / "model", folder / "cvd"
    pipeline.base.save_pretrained(model)
    pipeline.base.motion_adapter.save_pretrained(adapter / "motion")
    pipeline.sync.save_pretrained(adapter / "sync")
    assert pipeline.control is not None
    pipeline.control.save_pretrained(adapter / "control")
    return model, adapter


def test_loaded_from_folders_it_makes_the_same(
    pipeline: CVDPipeline, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    model, adapter = folders
    loaded = CVDPipeline.from_pretrained(model, adapter=adapter, device="cpu", dtype=torch.float32)
    torch.testing.assert_close(made(loaded, 3), made(pipeline, 3), atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="offload must be none, or model on another device"):
        CVDPipeline.from_pretrained(model, adapter=adapter, device="cpu", offload="model")
    with pytest.raises(InputError, match="does not load as Stable Diffusion 1.5"):
        CVDPipeline.from_pretrained(tmp_path / "nothing", adapter=adapter, device="cpu")
    with pytest.raises(InputError, match="has no folder motion; expected motion, sync and maybe control"):
        CVDPipeline.from_pretrained(model, adapter=tmp_path, device="cpu")


def test_a_lora_is_added_to_the_model(folders: tuple[Path, Path], tmp_path: Path) -> None:
    model, adapter = folders
    shutil.copytree(adapter, tmp_path / "cvd")
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    down, up = torch.randn(2, 8), torch.randn(8, 2)
    (tmp_path / "cvd" / "lora").mkdir()
    lora = {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up}
    save_file(lora, tmp_path / "cvd" / "lora" / LORA_FILE)
    plain, changed = (
        CVDPipeline.from_pretrained(model, adapter=folder, device="cpu", dtype=torch.float32).base.unet
        for folder in (adapter, tmp_path / "cvd")
    )
    expected = plain.get_submodule(layer).weight + up @ down
    torch.testing.assert_close(changed.get_submodule(layer).weight, expected)


def test_generate_writes_what_it_always_writes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    told: dict[str, Any] = {
        "prompt": PROMPT,
        "method": "cvd",
        "rig": "circle:views=3,radius=1",
        "model": str(folders[0]),
        "adapter": str(folders[1]),
        "out": tmp_path / "out",
        "hw": HW,
        "num_frames": FRAMES,
        "steps": 2,
        "repeats": 2,
        "device": "cpu",
        "dtype": "float32",
    }
    plan = run(GenerateConfig(**told, dry_run=True))
    assert plan["forward_passes"] == num_calls(2, 2) * 2 and not (tmp_path / "out").exists()  # 0-1 and 1-2, one by one
    run(GenerateConfig(**told))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"view0{view}.mp4" for view in (1, 2, 3)} | {
        "grid.mp4",
        "contact_sheet.png",
        "cameras.json",
        "run.json",
    }
    assert json.loads((tmp_path / "out" / "run.json").read_text())["settings"]["method"] == "cvd"
    assert run(GenerateConfig(**told))["skipped"]
    for change, message in (
        ({"lead_view": True}, "lead_view is for the method view-sync"),
        ({"scheduler": "euler"}, "scheduler is for the method view-sync"),
        ({"adapter": None}, "cvd needs a model, .* and an adapter"),
        ({"rig": "still"}, "the rig has a single one"),
    ):
        with pytest.raises(InputError, match=message):
            run(GenerateConfig(**told | change))


def test_cameras_that_start_apart_are_warned_of(pipeline: CVDPipeline, caplog: pytest.LogCaptureFixture) -> None:
    assert warn_about_first_poses(rig(4)) is None
    around = hemisphere(views=2, radius=2, span_deg=60, num_frames=1, hw=HW)
    pipeline(PROMPT, around, num_frames=FRAMES, **TOLD)
    assert "the cameras start up to 1.93 m and" in caplog.text and "but CVD has learnt views that share" in caplog.text


@pytest.mark.parametrize(
    ("views", "more", "message"),
    [
        (1, {}, "the rig has a single one; give two or more"),
        (3, {"collaboration": Collaboration(partners=3)}, "partners must be 1 to 2 for 3 views"),
        (2, {"output_type": "pil"}, "output_type must be pt or latent"),
        (2, {"num_frames": 5}, "cameras have 3 frames"),
    ],
)
def test_bad_input(pipeline: CVDPipeline, views: int, more: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline(PROMPT, rig(views), **TOLD | more)


def test_free_init_and_repeats_do_not_go_together(pipeline: CVDPipeline) -> None:
    pipeline.base.enable_free_init(num_iters=2)
    try:
        with pytest.raises(InputError, match="FreeInit begins the denoising anew"):
            made(pipeline, 2, {"repeats": 2})
    finally:
        pipeline.base.disable_free_init()
