"""Masks of what moves keep it out of the estimated cameras, and count among what makes a result."""

from pathlib import Path

import pytest
import torch

from evaluation.scenes import material, rendered, rig, write_clip
from evaluation.test_evaluate import clip as small_clip
from syncam.data.dataset import write_mask
from syncam.errors import InputError
from syncam.evaluation import cache as cache_module
from syncam.evaluation.cache import Cache
from syncam.evaluation.clips import RunClip
from syncam.evaluation.material import Material
from syncam.evaluation.measures import MEASURES, clip_value


def add_masks(folder: Path, masks: torch.Tensor) -> None:
    (folder / "masks").mkdir(exist_ok=True)
    for view, mask in enumerate(masks, start=1):
        write_mask(folder / "masks" / f"view{view:02d}.npz", mask)


def test_what_masks_cover_says_nothing_about_the_cameras(tmp_path: Path) -> None:
    """A picture of something else in both views, shifted against the scene: a subject in two poses."""
    clip = rendered(1, rig(1))
    pattern = torch.nn.functional.interpolate(torch.rand(1, 3, 30, 50), (90, 150), mode="nearest")[0]
    covered = torch.zeros(clip.video.shape[:2] + clip.hw, dtype=torch.bool)
    for view, (row, column) in enumerate(((190, 20), (150, 200))):
        clip.video[view, 0, :, row : row + 90, column : column + 150] = pattern
        covered[view, 0, row - 8 : row + 98, column - 8 : column + 158] = True
    spoilt = material(tmp_path / "clip", clip)
    misled = clip_value(MEASURES["rot_err:pair"].take(spoilt))
    add_masks(tmp_path / "clip", covered)
    kept = Material(RunClip(tmp_path / "clip"), Cache(None))
    assert clip_value(MEASURES["rot_err:pair"].take(kept)) < 0.5 < misled
    assert kept.content != spoilt.content


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", small_clip())
    add_masks(tmp_path / "clip", torch.zeros(2, 5, 10, 10, dtype=torch.bool))
    with pytest.raises(InputError, match=r"mask of view01 .* is \(5, 10, 10\), not \(5, 48, 64\)"):
        _ = Material(RunClip(tmp_path / "clip"), Cache(None)).masks


def test_what_other_versions_stored_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    cache.store_value({"a": 1}, 2)
    cache.store({"a": 1}, {"x": torch.ones(2)})
    assert cache.value({"a": 1}) == 2 and cache.tensors({"a": 1}) is not None
    monkeypatch.setattr(cache_module, "_versions", lambda: {"torch": "another"})
    assert cache.value({"a": 1}) is None and cache.tensors({"a": 1}) is None
