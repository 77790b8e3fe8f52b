"""Pipelines other than Wan's, end to end on folders of their layout with small random weights."""

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from diffusers import CogVideoXDDIMScheduler, CogVideoXDPMScheduler

from syncam.adapters import JointViewSyncAdapter, ViewSyncAdapter
from syncam.adapters.calls import call_arguments
from syncam.cameras import Cameras, hemisphere
from syncam.data.video import read_video
from syncam.errors import InputError
from syncam.pipelines.collaborative import Collaboration
from syncam.pipelines.defaults import Defaults
from syncam.pipelines.generate import GenerateConfig, run
from syncam.pipelines.loading import load_base, read_base
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.pipelines.reshoot import ReshootPipeline
from syncam.pipelines.schedulers import V_PREDICTION_SCHEDULERS
from tiny import seeded, tiny_joint_pipeline, tiny_joint_transformer

SIZE: dict[str, Any] = {"num_frames": 9, "height": 16, "width": 24, "num_inference_steps": 2, "guidance_scale": 3.0}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PUBLISHED = {False: "CogVideoX-2b", True: "CogVideoX-5b"}


def shaken(adapter: Any) -> Any:
    """An adapter that changes the output, as a trained one does."""

    def shake() -> None:
        for block in adapter.blocks:
            torch.nn.init.normal_(block.projector.weight, std=0.3)
            torch.nn.init.normal_(block.cam_encoder.weight, std=0.3)

    seeded(shake, 0)
    return adapter


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, tuple[Path, Path]]:
    """Model and adapter by whether positions are rotary."""
    made, root = {}, tmp_path_factory.mktemp("cogvideox")
    for rotary, name in PUBLISHED.items():
        base = tiny_joint_pipeline(rotary=rotary)
        base.save_pretrained(root / name)
        adapter = JointViewSyncAdapter.from_transformer(base.transformer)
        shaken(adapter).save_pretrained(root / f"view_sync-{name}")
        made[rotary] = root / name, root / f"view_sync-{name}"
    return made


@pytest.fixture(scope="module", params=[False, True], ids=["2b", "5b"])
def pipeline(request: pytest.FixtureRequest, folders: dict[bool, tuple[Path, Path]]) -> MultiViewPipeline:
    return load(*folders[request.param])


def load(model: Path | str, adapter: Path | str | None = None) -> MultiViewPipeline:
    return MultiViewPipeline.from_pretrained(model, adapter=adapter, dtype=torch.float32, device="cpu")


def rig(views: int, radius: float = 4.0) -> Cameras:
    return hemisphere(views=views, radius=radius, num_frames=1, hw=(16, 24))


def test_one_video_per_camera_and_cameras_matter(pipeline: MultiViewPipeline) -> None:
    result = pipeline("a red horse", rig(2), **SIZE)
    assert result.videos is not None
    assert result.videos.shape == (2, 9, 3, 16, 24) and result.latents.shape == (2, 16, 3, 4, 6)
    far = pipeline("a red horse", rig(2, radius=7.0), output_type="latent", **SIZE)
    assert not torch.equal(far.latents, result.latents)
    both = pipeline(["a red horse", "a blue dog"], rig(2), seed=[0, 1], output_type="latent", **SIZE)
    torch.testing.assert_close(both.latents[0], result.latents, atol=1e-4, rtol=0)


def test_views_in_pairs(pipeline: MultiViewPipeline) -> None:
    def made(**settings: Any) -> torch.Tensor:
        return pipeline("a red horse", rig(3), output_type="latent", **SIZE, **settings).latents

    pairs = made(collaboration=Collaboration(partners=1))
    one_by_one = made(collaboration=Collaboration(partners=1, pairs_at_once=1))
    torch.testing.assert_close(one_by_one, pairs, atol=1e-4, rtol=0)
    assert not torch.allclose(pairs, made(), atol=1e-3), "each view has another partner than all"
    assert not torch.allclose(pairs, made(collaboration=Collaboration(partners=1), lead_view=True), atol=1e-3)
    with pytest.raises(InputError, match="CogVideoXDPMScheduler take more than a prediction.*such as ddim"):
        made(collaboration=Collaboration(partners=1), scheduler="dpm")
    with pytest.raises(InputError, match="CogVideoXDDIMScheduler build on the ones before"):
        made(collaboration=Collaboration(partners=1, repeats=2))


def test_without_synchronisation_it_is_the_stock_pipeline(pipeline: MultiViewPipeline) -> None:
    ours = pipeline("a red horse", rig(2), synchronise=False, output_type="latent", **SIZE).latents
    with pipeline.adapter.disabled():
        stock = pipeline.base(
            ["a red horse"] * 2,
            negative_prompt=[""] * 2,
            latents=pipeline.noise([0], 2, 9, 16, 24).transpose(1, 2),
            output_type="latent",
            max_sequence_length=5,
            use_dynamic_cfg=True,
            **SIZE,
        ).frames
    assert torch.equal(ours, stock.transpose(1, 2))


def test_encoding_and_decoding_scale_as_the_stock_pipeline(pipeline: MultiViewPipeline) -> None:
    latents = torch.randn(1, 16, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    stock = pipeline.base.decode_latents(latents.transpose(1, 2))
    torch.testing.assert_close(pipeline.decode(latents), (stock / 2 + 0.5).clamp(0, 1).transpose(1, 2))
    video = torch.rand(1, 9, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    raw = pipeline.base.vae.encode(video.transpose(1, 2) * 2 - 1).latent_dist.mode()
    torch.testing.assert_close(pipeline.encode(video), raw * pipeline.base.vae.config.scaling_factor)


def test_the_transformer_is_called_as_the_pipeline_calls_it(pipeline: MultiViewPipeline) -> None:
    given: list[dict] = []
    transformer = pipeline.base.transformer
    hook = transformer.register_forward_pre_hook(lambda _, __, inputs: given.append(inputs), with_kwargs=True)
    pipeline("a red horse", rig(2), output_type="latent", **SIZE)
    hook.remove()
    theirs = given[0]
    latents = theirs["hidden_states"].transpose(1, 2)
    ours = call_arguments(transformer, latents, theirs["timestep"], theirs["encoder_hidden_states"])
    assert latents.shape[0] == 4, "with and without the prompt in one batch"
    tables = ours.pop("image_rotary_emb", None), theirs["image_rotary_emb"]
    assert (tables[0] is None) == (tables[1] is None)
    if tables[0] is not None:
        assert all(torch.equal(*pair) for pair in zip(*tables, strict=True))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("name", V_PREDICTION_SCHEDULERS)
def test_every_scheduler_samples_and_gives_each_view_its_own_noise(pipeline: MultiViewPipeline, name: str) -> None:
    before, used = pipeline.base.scheduler, []

    def look(base: Any, step: int, timestep: Any, kept: dict) -> dict:
        used.append((type(base.scheduler), base.scheduler.config.timestep_spacing))
        return kept

    settings = SIZE | {"scheduler": name, "synchronise": False, "output_type": "latent"}
    two = pipeline("a red horse", rig(2), callback_on_step_end=look, **settings).latents
    one = pipeline("a red horse", rig(1), **settings).latents
    torch.testing.assert_close(one[0], two[0], atol=1e-4, rtol=0)
    assert pipeline.base.scheduler is before
    rotary = pipeline.base.transformer.config.use_rotary_positional_embeddings
    dpm = name == "dpm" or (name == "reference" and rotary)
    assert used[0] == (CogVideoXDPMScheduler if dpm else CogVideoXDDIMScheduler, "trailing")


def test_a_leading_view_is_kept_in_both_halves_of_the_batch(pipeline: MultiViewPipeline) -> None:
    video = torch.rand(9, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    result = pipeline("a red horse", rig(3), video=video, output_type="latent", **SIZE).latents
    assert torch.equal(result[:1], pipeline.encode(video[None]))
    prompts = ["a red horse", "a blue dog"]
    led = pipeline(prompts, rig(2), lead_view=True, seed=[0, 1], output_type="latent", **SIZE).latents
    together = pipeline(prompts, rig(2), seed=[0, 1], output_type="latent", **SIZE).latents
    assert torch.equal(led[:, 0], together[:, 0]) and not torch.equal(led[:, 1], together[:, 1])


def test_dynamic_guidance_is_a_default_of_the_model(pipeline: MultiViewPipeline) -> None:
    assert pipeline.defaults == Defaults(
        num_frames=49, height=480, width=720, fps=8.0, guidance=6.0, negative_prompt="", dynamic_guidance=True
    )
    changing = pipeline("a red horse", rig(1), output_type="latent", **SIZE).latents
    before, pipeline.defaults = pipeline.defaults, Defaults(negative_prompt="")
    try:
        assert not torch.equal(pipeline("a red horse", rig(1), output_type="latent", **SIZE).latents, changing)
    finally:
        pipeline.defaults = before


def settings(folders: dict[bool, tuple[Path, Path]], out: Path, rotary: bool = False, **changes: Any) -> GenerateConfig:
    model, adapter = folders[rotary]
    given: dict[str, Any] = {
        "prompt": "a red horse",
        "rig": "hemisphere:views=2",
        "model": str(model),
        "adapter": str(adapter),
    }
    given |= {"out": out, "hw": (16, 24), "num_frames": 9, "steps": 2, "dtype": "float32", "device": "cpu"}
    return GenerateConfig(**given | changes)


@pytest.mark.parametrize("rotary", [False, True])
def test_generate_writes_a_folder(folders: dict[bool, tuple[Path, Path]], tmp_path: Path, rotary: bool) -> None:
    run(settings(folders, tmp_path / "out", rotary))
    assert read_video(tmp_path / "out" / "view02.mp4").shape == (9, 3, 16, 24)
    record = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (record["fps"], record["guidance"], record["steps"], record["negative_prompt"]) == (8.0, 6.0, 2, "")


@pytest.mark.parametrize("rotary", [False, True])
def test_dry_run_counts_the_text_that_attends(
    folders: dict[bool, tuple[Path, Path]], tmp_path: Path, rotary: bool
) -> None:
    plan = run(settings(folders, tmp_path / "out", rotary, dry_run=True))
    assert plan["grid"] == (3, 2, 3) and plan["view_attention_tokens"] == 2 * (2 * 3 + 5)
    assert not (tmp_path / "out").exists()
    if rotary:
        return
    alone = run(settings(folders, tmp_path / "out", dry_run=True, guidance=1.0))
    assert plan["step_flops"] == pytest.approx(2 * alone["step_flops"], rel=0.01), "all but the cameras' encoding"
    assert plan["denoise_bytes"] > 1.5 * alone["denoise_bytes"]
    with pytest.raises(InputError, match="num_frames is 5, expected a multiple of 8 plus one"):
        run(settings(folders, tmp_path / "out", dry_run=True, num_frames=5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 20}, "height must be a multiple of 8 for this model, got 20; 16 is the nearest"),
        ({"num_frames": 5}, "1 more than a multiple of 8, got 5; 1 is the nearest"),
        ({"num_frames": 13}, "1 more than a multiple of 8, got 13"),
        ({"scheduler": "unipc"}, "unknown scheduler 'unipc'; expected one of model, ddim, dpm, reference"),
        ({"guide_adapter": True}, "guide_adapter needs predictions .* but CogVideoX makes both in one"),
    ],
)
def test_what_the_model_cannot_do_is_refused(pipeline: MultiViewPipeline, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline("a red horse", rig(2), **(SIZE | change))


def test_cameras_that_move_are_refused_where_the_weights_know_none(pipeline: MultiViewPipeline) -> None:
    moving = hemisphere(views=2, radius=4, num_frames=9, hw=(16, 24))
    c2w = moving.c2w.clone()
    c2w[1, 4:, 0, 3] += 1
    with pytest.raises(InputError, match="the camera of view 1 moves, but this adapter was trained with cameras that"):
        pipeline("a red horse", Cameras(c2w, moving.K, moving.hw), **SIZE)


def test_adapters_of_other_models_are_refused(
    folders: dict[bool, tuple[Path, Path]], wan_folder: Path, adapter_folder: Path, reshoot_folder: Path, tmp_path: Path
) -> None:
    model, adapter = folders[False]
    backbone = "expected backbone={}Transformer3DModel, got backbone={}Transformer3DModel"
    with pytest.raises(InputError, match=backbone.format("Wan", "CogVideoX")):
        load(model, adapter_folder)
    with pytest.raises(InputError, match=backbone.format("CogVideoX", "Wan")):
        load(wan_folder, adapter)
    with pytest.raises(InputError, match=backbone.format("Wan", "CogVideoX")):
        ReshootPipeline.from_pretrained(model, adapter=reshoot_folder, dtype=torch.float32, device="cpu")
    wide = JointViewSyncAdapter.from_transformer(tiny_joint_transformer(heads=4, num_layers=3, rotary=True))
    wide.save_pretrained(tmp_path / "wide")
    with pytest.raises(InputError, match="expected num_layers=3, dim=64, num_heads=4, got num_layers=2, dim=48"):
        load(model, tmp_path / "wide")


def test_models_that_have_no_place_for_an_adapter_are_refused(
    folders: dict[bool, tuple[Path, Path]], wan_folder: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(folders[False][0], tmp_path / "other")
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps(index | {"_class_name": "CogVideoXImageToVideoPipeline"}))
    with pytest.raises(InputError, match="is a CogVideoXImageToVideoPipeline, expected a text-to-video model of Wan, "):
        load_base(other, torch.float32)
    two = shutil.copytree(wan_folder, tmp_path / "two")
    shutil.copytree(two / "transformer", two / "transformer_2")
    index = json.loads((two / "model_index.json").read_text())
    index |= {"transformer_2": index["transformer"], "boundary_ratio": 0.9}
    (two / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="has two transformers, for much and for little noise"):
        load_base(two, torch.float32)
    (wan_folder_copy := shutil.copytree(wan_folder, tmp_path / "wan")).joinpath("syncam.json").write_text(
        '{"dynamic_guidance": true}'
    )
    shaken(ViewSyncAdapter.from_transformer(load_base(wan_folder, torch.float32).transformer)).save_pretrained(
        wan_folder_copy / "view_sync"
    )
    with pytest.raises(InputError, match="dynamic_guidance has no effect on Wan models"):
        load(wan_folder_copy)


def test_hub_ids_find_the_class_of_model_and_adapter(
    folders: dict[bool, tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the hub's cache on disk, as after a download; nothing is fetched."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name, folder in zip(("THUDM/CogVideoX-2b", "someone/view_sync"), folders[False], strict=True):
        cached = tmp_path / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, cached / "snapshots" / COMMIT)
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text(COMMIT)
    assert read_base("THUDM/CogVideoX-2b").title == "CogVideoX"
    assert type(ViewSyncAdapter.from_pretrained("someone/view_sync")) is JointViewSyncAdapter
    made = load("THUDM/CogVideoX-2b", "someone/view_sync")
    assert type(made.adapter) is JointViewSyncAdapter
    config = settings(folders, tmp_path / "out", model="THUDM/CogVideoX-2b", adapter="someone/view_sync", dry_run=True)
    assert run(config)["grid"] == (3, 2, 3)
