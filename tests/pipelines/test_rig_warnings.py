"""Warnings about rigs that a model was not trained for."""

import logging

import pytest
import torch

from syncam.cameras import Cameras, hemisphere
from syncam.cameras.trained_range import TrainedRange
from syncam.pipelines.rig_warnings import warn_about_rig

RIG = hemisphere(views=4, radius=5.0, elevation_deg=15.0, span_deg=90.0, hw=(128, 128))


def zoomed(rig: Cameras) -> Cameras:
    K = rig.K.clone()
    K[1, :, :2, :2] *= 2
    return Cameras(rig.c2w, K, rig.hw)


def test_nothing_is_said_of_a_rig_within_the_range(caplog: pytest.LogCaptureFixture) -> None:
    trained = TrainedRange(distance_m=(3.5, 6.5), elevation_deg=(0, 40), focal_mm=(24, 24), views=(2, 4))
    assert warn_about_rig(RIG, trained) == warn_about_rig(RIG, None) == []
    assert not caplog.records


def test_what_leaves_the_range_is_named_and_long_lists_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        messages = warn_about_rig(RIG, TrainedRange(distance_m=(3.5, 4.0)))
    assert len(messages) == 4 and "view 1 has distance 5.0 m; the model was trained with 3.5 to 4" in messages[0]
    assert len(caplog.records) == 4 and "and 1 more; syncam rig check" in caplog.records[-1].getMessage()


@pytest.mark.parametrize("trained", [None, TrainedRange(views=(2, 4))])
def test_several_lenses_are_no_news_to_an_adapter_that_sees_poses_only(trained: TrainedRange | None) -> None:
    assert warn_about_rig(RIG, trained) == []
    assert "told poses only" in warn_about_rig(zoomed(RIG), trained)[0]


def test_a_lens_outside_the_range_is_named_with_its_view() -> None:
    messages = warn_about_rig(zoomed(RIG), TrainedRange(focal_mm=(24, 24)))
    assert messages == ["view 2 has focal length 48.0 mm; the model was trained with 24 to 24 (frame 0)"]
    assert torch.equal(zoomed(RIG).K[0], RIG.K[0])
