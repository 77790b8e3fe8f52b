"""Pairs of views: every view has its partners, no pair comes twice, and what is drawn follows from the seed."""

import pytest
import torch

from syncam.errors import InputError
from syncam.pipelines.matchings import check_partners, disjoint, draw_led_pairs, draw_pairs, num_pairs

ALL = [(views, partners) for views in range(2, 9) for partners in range(1, views)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("views", "partners"), ALL)
def test_every_view_has_its_partners_and_no_pair_comes_twice(views: int, partners: int) -> None:
    pairs = draw_pairs(views, partners, seeded(0))
    assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs) == num_pairs(views, partners)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    counts = pairs.flatten().bincount(minlength=views)
    assert counts.min() == partners
    assert counts.sum() - views * partners == (views % 2 and partners % 2)  # one view has one more where it must


@pytest.mark.parametrize("views", [2, 3, 6, 7])
def test_all_other_views_as_partners_are_all_pairs(views: int) -> None:
    pairs = draw_pairs(views, views - 1, seeded(1))
    assert sorted(map(tuple, pairs.tolist())) == [(a, b) for a in range(views) for b in range(a + 1, views)]


def test_partitions_are_drawn_evenly_and_follow_from_the_seed() -> None:
    assert torch.equal(draw_pairs(6, 1, seeded(3)), draw_pairs(6, 1, seeded(3)))
    generator, met = seeded(0), torch.zeros(6, 6)
    for _ in range(1500):
        first, second = draw_pairs(6, 1, generator).T
        met[first, second] += 1
    assert ((met[met > 0] - 300).abs() < 75).all() and (met > 0).sum() == 15  # every pair a fifth of the time


@pytest.mark.parametrize(("views", "partners"), ALL)
def test_a_known_view_is_a_partner_of_all_others_besides(views: int, partners: int) -> None:
    pairs = draw_led_pairs(views, partners, seeded(0)).tolist()
    assert [pair for pair in pairs if 0 in pair] == [[0, other] for other in range(1, views)]
    assert len({tuple(pair) for pair in pairs}) == len(pairs) == num_pairs(views, partners, led=True)
    counts = torch.tensor(pairs).flatten().bincount(minlength=views)[1:]
    assert counts.min() == 1 + min(partners, views - 2)


def test_partners_are_other_views() -> None:
    check_partners(6, 5)
    for partners in (0, 6):
        with pytest.raises(InputError, match=f"partners must be 1 to 5 for 6 views, got {partners}"):
            draw_pairs(6, partners, seeded(0))
    with pytest.raises(InputError, match="the rig has a single one; give a rig of two or more"):
        check_partners(1, 1)


@pytest.mark.parametrize(("views", "partners"), ALL)
def test_groups_are_of_different_views_and_hold_every_pair(views: int, partners: int) -> None:
    pairs = draw_pairs(views, partners, seeded(0))
    groups = disjoint(pairs)
    assert sorted(torch.cat(groups).tolist()) == sorted(pairs.tolist())
    assert all(len(group.unique()) == group.numel() for group in groups)
    assert len(groups) == 1 or partners > 1 or views % 2
