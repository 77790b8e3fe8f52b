"""Windows cover a video, and joining them gives it back."""

import pytest
import torch

from syncam.errors import InputError
from syncam.pipelines.windows import blended, cut_windows, window_starts


@pytest.mark.parametrize(("length", "window"), [(81, 81), (82, 81), (400, 81), (17, 17), (43, 17), (7, 5), (20, 5)])
def test_windows_cover_all_frames_and_share_some(length: int, window: int) -> None:
    starts = window_starts(length, window, 4)
    assert starts[0] == 0 and starts[-1] == length - window
    assert all(0 < after - before < window for before, after in zip(starts, starts[1:], strict=False))
    assert all(start % 4 == 0 for start in starts[:-1])


def test_the_published_window_shares_17_frames() -> None:
    assert window_starts(209, 81, 4) == [0, 64, 128]


def test_a_short_video_has_no_window() -> None:
    with pytest.raises(InputError, match="the video has 4 frames, but 5 are made at a time"):
        window_starts(4, 5, 4)


@pytest.mark.parametrize("length", [5, 6, 9, 18])
def test_cutting_and_joining_changes_nothing(length: int) -> None:
    video = torch.rand(length, 3, 2, 4)
    starts = window_starts(length, 5, 4)
    windows = list(cut_windows(iter(video), starts, 5))
    for window, start in zip(windows, starts, strict=True):
        assert torch.equal(window, video[start : start + 5])
    joined = torch.cat(list(blended((torch.stack([w, 1 - w]) for w in windows), starts)), 1)
    torch.testing.assert_close(joined, torch.stack([video, 1 - video]))


def test_windows_fade_linearly() -> None:
    windows = [torch.zeros(1, 5, 1, 1, 1), torch.ones(1, 5, 1, 1, 1)]
    pieces = list(blended(windows, [0, 2]))
    assert [piece.shape[1] for piece in pieces] == [2, 5]
    assert torch.cat(pieces, 1).flatten().tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_a_video_that_ends_early_is_refused() -> None:
    with pytest.raises(InputError, match="the video ends after 7 frames, expected 9"):
        list(cut_windows(iter(torch.rand(7, 3, 2, 4)), [0, 4], 5))
