"""Networks: published layouts, preprocessing by formulas of its own, weights without pickles, and tiny ones in use."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from evaluation.scenes import write_clip
from evaluation.test_evaluate import clip
from syncam.errors import InputError
from syncam.evaluation import networks as networks_module
from syncam.evaluation.clips import find_clips
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.frechet import frechet_distance
from syncam.evaluation.i3d import I3d
from syncam.evaluation.i3d import _same as same
from syncam.evaluation.inception import FidInception, resized_as_tensorflow_1
from syncam.evaluation.lpips import Lpips
from syncam.evaluation.network_measures import views_as_frames
from syncam.evaluation.networks import ClipNetwork, NetworkPaths, Networks, load_weights
from syncam.evaluation.outcome import NotMeasurable
from syncam.evaluation.similarity import clip_f, clip_t, clip_v
from tiny import tiny_tokenizer


def test_inception_has_the_published_layers() -> None:
    """The count of Keras' InceptionV3, which has 1000 classes and no scales in its normalisation."""
    with torch.device("meta"):
        network = FidInception()
        features = network(torch.rand(2, 3, 64, 80))
    assert features.shape == (2, 2048)
    sizes = {name: tensor.numel() for name, tensor in network.named_parameters()}
    channels = sum(size for name, size in sizes.items() if name.endswith("bn.bias"))
    convolutions = sum(size for name, size in sizes.items() if name.endswith("conv.weight"))
    assert channels == 34_432 / 2
    assert convolutions + channels + 2048 * 1000 + 1000 == 23_817_352


def test_i3d_has_the_published_layers() -> None:
    with torch.device("meta"):
        network = I3d()
        assert network(torch.rand(2, 10, 3, 32, 40)).shape == (2, 400)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Mixed_4f.b1b.conv3d.weight"] == (320, 160, 3, 3, 3)
    assert shapes["Mixed_5c.b3b.bn.running_mean"] == (128,) and shapes["logits.conv3d.bias"] == (400,)


@pytest.mark.parametrize("size", range(5, 12))
def test_same_padding_is_tensorflows(size: int) -> None:
    x = torch.rand(1, 1, size, size, size)
    for kernel, stride in ((7, 2), (3, 2), (3, 1), (2, 2)):
        padded = same(x, (kernel,) * 3, (stride,) * 3)
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        assert padded.shape[-1] == size + total
        assert torch.equal(padded[0, 0, total // 2, total // 2, total // 2 : total // 2 + size], x[0, 0, 0, 0])


def test_resizing_is_tensorflow_ones() -> None:
    picture = torch.rand(1, 1, 5, 7)
    found, side = resized_as_tensorflow_1(picture, 9)[0, 0], 9
    values = picture[0, 0].numpy()
    for i in range(side):
        for j in range(side):
            y, x = i * 5 / side, j * 7 / side
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, 4), min(x0 + 1, 6)
            top = values[y0, x0] + (values[y0, x1] - values[y0, x0]) * (x - x0)
            bottom = values[y1, x0] + (values[y1, x1] - values[y1, x0]) * (x - x0)
            assert float(found[i, j]) == pytest.approx(top + (bottom - top) * (y - y0), abs=1e-6)


def test_lpips_of_equal_and_of_different_pictures() -> None:
    network = Lpips().eval()
    for number in range(5):
        nn.init.uniform_(network.get_submodule(f"lin{number}.model.1").weight, 0, 1)
    one, other = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert network(one, one).tolist() == [0.0, 0.0]
        assert bool((network(one, other) > network(one, one + 0.05 * (other - one))).all())
        assert torch.allclose(network(one, other), network(other, one))
    assert {"features.10.weight", "lin4.model.1.weight"} <= network.state_dict().keys()


def test_similarities_by_their_formulas() -> None:
    frames, text = torch.randn(3, 4, 5), torch.randn(5)

    def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
        return 100 * float(a @ b) / float(a.norm() * b.norm())

    assert clip_t(frames, text)[1, 2].item() == pytest.approx(cosine(frames[1, 2], text), rel=1e-4)
    assert clip_f(frames)[2, 0].item() == pytest.approx(cosine(frames[2, 0], frames[2, 1]), rel=1e-4)
    assert clip_v(frames)[1, 3].item() == pytest.approx(cosine(frames[0, 3], frames[2, 3]), rel=1e-4)
    assert clip_v(frames).shape == (3, 4)
    with pytest.raises(InputError, match="two or more, got 1"):
        clip_v(frames[:1])


def test_views_become_frames() -> None:
    video = torch.arange(3.0).view(3, 1, 1, 1, 1).expand(3, 2, 3, 4, 4)
    assert views_as_frames(video).shape == (2, 16, 3, 4, 4)
    assert views_as_frames(video)[1, :, 0, 0, 0].tolist() == [0.0] * 6 + [1.0] * 6 + [2.0] * 4


class Means(nn.Module):
    """Stands for Inception and I3D: the mean colours of a frame or of a video, through a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3, 3, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.mix(pixels.mean((-1, -2)) if pixels.ndim == 4 else pixels.mean((1, -1, -2)))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("FidInception", "I3d"):
        monkeypatch.setattr(networks_module, name, Means)
    save_file({"mix.weight": torch.randn(3, 3)}, tmp_path / "means.safetensors")
    return str(tmp_path / "means.safetensors")


def test_distances_of_runs(tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_clip(tmp_path / "run" / f"clip{number}", clip(number, frames=10))
        write_clip(tmp_path / "real" / f"clip{number}", clip(number + 5, frames=10))
    config = EvaluateConfig(
        runs=(tmp_path / "run",),
        metrics="fid,kid,fvd,fvd_v,psnr",
        reference=tmp_path / "real",
        networks=NetworkPaths(inception=weights, i3d=weights),
        workers=1,
        cache=tmp_path / "cache",
    )
    rows = {row["metric"]: row for row in evaluate(config)["runs"][0]["rows"]}
    assert all(row["value"] is not None for row in rows.values())
    network = Networks(config.networks).inception
    sides = []
    for name in ("run", "real"):
        videos = [one.read().video.flatten(0, 1) for one in find_clips(tmp_path / name).values()]
        sides.append(network.frames(torch.cat(videos)))
    assert rows["fid:tf1"]["value"] == pytest.approx(frechet_distance(*sides), rel=1e-4)
    assert rows["fid:tf1"]["network_sha256"] == load_weights(weights)[1] and rows["fid:tf1"]["num_samples"] == 60
    assert rows["psnr"]["num_samples"] == 60
    assert rows["fid:tf1"]["interval_95"] is None  # of three clips
    monkeypatch.setattr(Means, "forward", None)  # features come from the cache
    again = {row["metric"]: row for row in evaluate(config)["runs"][0]["rows"]}
    assert again["fvd:stylegan_v"]["value"] == rows["fvd:stylegan_v"]["value"]


def test_one_clip_is_too_few(tmp_path: Path, weights: str) -> None:
    write_clip(tmp_path / "run", clip(frames=10, views=1))
    write_clip(tmp_path / "real", clip(1, frames=10, views=1))
    networks = NetworkPaths(i3d=weights)
    config = EvaluateConfig(
        runs=(tmp_path / "run",), metrics="fvd,flicker", reference=tmp_path / "real", networks=networks, workers=1
    )
    [row, _] = evaluate(config)["runs"][0]["rows"]
    assert row["value"] is None and list(row["failures"]) == [
        "the run gives 1 of the samples that fvd is taken of, from 1 clip; 2 or more are needed: measure more clips",
    ]


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = tiny_tokenizer()
    sides = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = sides | {"vocab_size": len(tokenizer), "max_position_embeddings": 8, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(text_config=text, vision_config=sides | {"image_size": 32, "patch_size": 8}, projection_dim=12)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_clip_sees_what_its_own_processor_prepares(tiny_clip: Path) -> None:
    network = ClipNetwork(str(tiny_clip))
    frames = torch.nn.functional.interpolate(torch.rand(2, 3, 6, 8), (48, 64), mode="bicubic").clamp(0, 1)
    pixels = [(frame.permute(1, 2, 0) * 255).round().byte().numpy() for frame in frames]
    prepared = CLIPImageProcessor.from_pretrained(tiny_clip)(images=list(map(np.asarray, pixels)), return_tensors="pt")
    with torch.inference_mode():
        expected = networks_module._pooled(network.model.get_image_features(**prepared))
    assert torch.allclose(network.frames(frames), expected, atol=2e-2)
    assert network.frames(frames).shape == (2, 12) and network.text("a red horse walks " * 9).shape == (12,)


def test_clip_metrics_of_a_run(tmp_path: Path, tiny_clip: Path) -> None:
    write_clip(tmp_path / "run", clip())
    config = EvaluateConfig(
        runs=(tmp_path / "run",),
        metrics="clip_t,clip_f,clip_v",
        networks=NetworkPaths(clip=str(tiny_clip)),
        workers=1,
    )
    rows = {row["metric"]: row for row in evaluate(config)["runs"][0]["rows"]}
    assert rows["clip_v"]["value"] == pytest.approx(100.0, abs=1e-3)  # both views are the same
    assert rows["clip_f"]["value"] < 100 and rows["clip_t"]["num_samples"] == 10
    assert rows["clip_t"]["network"] == str(tiny_clip) and len(rows["clip_t"]["network_sha256"]) == 64


def test_missing_and_foreign_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotMeasurable, match="no network: give --i3d I3D of Kinetics-400"):
        _ = Networks(NetworkPaths()).i3d
    with pytest.raises(InputError, match="does not exist; expected a file, a folder, or owner/name:file on the hub"):
        load_weights(tmp_path / "none.pth")
    with pytest.raises(NotMeasurable, match="no CLIP: .* does not load; give --clip"):
        ClipNetwork(str(tmp_path))
    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"lacks features.0.weight and 14 others; expected a folder with AlexNet"):
        _ = Networks(NetworkPaths(lpips=str(tmp_path / "other.safetensors"))).lpips
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(InputError, match="script.pt cannot be read as plain tensors; expected safetensors"):
        load_weights(tmp_path / "script.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(InputError, match="module.pt cannot be read as plain tensors"):
        load_weights(tmp_path / "module.pt")
