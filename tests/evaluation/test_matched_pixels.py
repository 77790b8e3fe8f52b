"""Pixels matched by a keypoint matching model of transformers: a tiny one stands for the published ones."""

from pathlib import Path

import pytest
import torch
from transformers import AutoImageProcessor, EfficientLoFTRConfig, EfficientLoFTRForKeypointMatching

from evaluation.scenes import write_clip
from evaluation.test_evaluate import clip
from syncam.evaluation import networks as networks_module
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.networks import MatcherNetwork, NetworkPaths, Networks
from syncam.evaluation.outcome import NotMeasurable

SIZE = {"height": 64, "width": 96}


@pytest.fixture(scope="module")
def tiny_matcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EfficientLoFTR with random weights, which finds the same in two equal pictures."""
    folder = tmp_path_factory.mktemp("matcher")
    torch.manual_seed(0)
    config = EfficientLoFTRConfig(
        stage_num_blocks=[1, 1, 1, 1],
        out_features=[8, 8, 16, 32],
        hidden_size=32,
        num_attention_layers=1,
        num_attention_heads=8,
        fine_matching_slice_dim=4,
        coarse_matching_threshold=0.0,
        coarse_matching_border_removal=1,
    )
    EfficientLoFTRForKeypointMatching(config).save_pretrained(folder)
    from transformers.models.efficientloftr.image_processing_pil_efficientloftr import EfficientLoFTRImageProcessorPil

    EfficientLoFTRImageProcessorPil(size=SIZE).save_pretrained(folder)
    return folder


def test_matches_are_those_of_the_model(tiny_matcher: Path) -> None:
    network = MatcherNetwork(str(tiny_matcher))
    model = EfficientLoFTRForKeypointMatching.from_pretrained(tiny_matcher).eval()
    processor = AutoImageProcessor.from_pretrained(tiny_matcher)
    pictures = [torch.rand(3, 64, 96), torch.rand(3, 64, 96)]
    gray = [0.2989 * one[0] + 0.5870 * one[1] + 0.1140 * one[2] for one in pictures]
    pixels = torch.stack([one.mul(255).round().div(255).expand(3, -1, -1) for one in gray])[None]
    with torch.inference_mode():
        output = model(pixels)
    kept = (output.matches[0] > -1).all(0) & (output.matching_scores[0, 0] > 0)
    found = network.confidences(*pictures)
    assert len(found) and network.size == (64, 96)
    assert len(found) == pytest.approx(int(kept.sum()), abs=2)
    assert processor.size["height"] == 64


def test_pixels_surer_than_the_threshold_count(
    tmp_path: Path, tiny_matcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "run", clip(frames=2))

    def rows(confidence: float) -> dict[str, dict]:
        config = EvaluateConfig(
            runs=(tmp_path / "run",),
            metrics="matched_pixels",
            networks=NetworkPaths(matcher=str(tiny_matcher)),
            confidence=confidence,
            workers=1,
            cache=tmp_path / "cache",
        )
        return {row["metric"]: row for row in evaluate(config)["runs"][0]["rows"]}

    all_of_them = rows(0.0)
    count, share = all_of_them["matched_pixels:count"], all_of_them["matched_pixels:share"]
    assert count["value"] > 0 and share["value"] == pytest.approx(count["value"] / (64 * 96))
    assert count["by_pair"] == {"1-2": count["value"]} and count["num_samples"] == 2
    assert (count["network"], count["confidence"]) == (str(tiny_matcher), 0.0) and len(count["network_sha256"]) == 64
    assert count["resize"] == "64x96, as the model's processor"
    monkeypatch.setattr(MatcherNetwork, "confidences", None)  # another threshold needs no matching
    assert rows(0.9)["matched_pixels:count"]["value"] < count["value"]


def test_a_missing_matcher_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotMeasurable, match="no matcher: .*none does not load; give --matcher a folder or a hub id"):
        _ = Networks(NetworkPaths(matcher=str(tmp_path / "none"))).matcher
    monkeypatch.setattr(networks_module, "DEFAULT_MATCHER", str(tmp_path / "default"))
    with pytest.raises(NotMeasurable, match="default does not load"):
        _ = Networks(NetworkPaths()).matcher
