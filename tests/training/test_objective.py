"""Flow matching: laws, and formulas written a second time in plain numpy."""

import numpy as np
import pytest
import torch

from syncam.errors import InputError
from syncam.training.objective import add_noise, reference_weight, sample_sigmas, shift_sigmas, velocity


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0, 7.5])
def test_shift_keeps_ends_and_order(shift: float) -> None:
    sigmas = torch.linspace(0, 1, 101, dtype=torch.float64)
    shifted = shift_sigmas(sigmas, shift)
    assert shifted[0] == 0 and shifted[-1] == 1
    assert (shifted.diff() > 0).all()
    assert (shifted >= sigmas).all()
    np.testing.assert_allclose(shifted, 1 / (1 + (1 / np.maximum(sigmas.numpy(), 1e-300) - 1) / shift), atol=1e-12)


def test_shift_of_one_changes_nothing() -> None:
    sigmas = torch.rand(2, 3)
    assert torch.equal(shift_sigmas(sigmas, 1.0), sigmas)


def test_shifts_multiply() -> None:
    sigmas = torch.rand(7, dtype=torch.float64)
    torch.testing.assert_close(shift_sigmas(shift_sigmas(sigmas, 2.0), 3.0), shift_sigmas(sigmas, 6.0))


@pytest.mark.parametrize("distribution", ["uniform", "logit_normal"])
@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_samples_lie_inside_and_one_per_stratum(count: int, distribution: str) -> None:
    sigmas = sample_sigmas(count, shift=5.0, distribution=distribution, generator=generator())
    assert sigmas.shape == (count,)
    assert ((sigmas > 0) & (sigmas < 1)).all()
    plain = sigmas.double() / (5 - 4 * sigmas.double())  # the shift undone
    if distribution == "logit_normal":
        plain = torch.special.ndtr(torch.logit(plain))
    assert sorted((plain * count).floor().int().tolist()) == list(range(count))


def test_samples_depend_on_the_generator_alone() -> None:
    first = sample_sigmas(8, shift=3.0, distribution="uniform", generator=generator(1))
    torch.rand(5)
    assert torch.equal(first, sample_sigmas(8, shift=3.0, distribution="uniform", generator=generator(1)))
    assert not torch.equal(first, sample_sigmas(8, shift=3.0, distribution="uniform", generator=generator(2)))


def test_unknown_distributions_are_refused() -> None:
    with pytest.raises(InputError, match="distribution must be uniform or logit_normal, got 'normal'"):
        sample_sigmas(1, shift=1.0, distribution="normal", generator=generator())


def test_logit_normal_samples_have_normal_logits() -> None:
    logits = torch.logit(sample_sigmas(4000, shift=1.0, distribution="logit_normal", generator=generator()).double())
    assert abs(logits.mean()) < 0.01
    assert abs(logits.std() - 1) < 0.01


@pytest.mark.parametrize("rest", [(), (4,), (4, 3, 5, 6), (2, 4, 3, 5, 6)])
def test_noise_and_velocity_are_one_line(rest: tuple[int, ...]) -> None:
    clean, noise = torch.randn(3, *rest, dtype=torch.float64), torch.randn(3, *rest, dtype=torch.float64)
    sigmas = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    noisy, slope = add_noise(clean, noise, sigmas), velocity(clean, noise)
    torch.testing.assert_close(noisy[0], clean[0])
    torch.testing.assert_close(noisy[2], noise[2])
    column = sigmas.view(-1, *[1] * len(rest))
    torch.testing.assert_close(noisy - column * slope, clean)  # one step back along the line is the data
    torch.testing.assert_close(noisy + (1 - column) * slope, noise)
    further = add_noise(clean, noise, sigmas + 1e-3)
    torch.testing.assert_close((further - noisy) / 1e-3, slope, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
def test_reference_weight_has_mean_one_over_the_training_timesteps(shift: float) -> None:
    grid = np.linspace(1, 0, 1001)[:-1]
    grid = shift * grid / (1 + (shift - 1) * grid)
    bell = np.exp(-2 * ((1000 * grid - 500) / 1000) ** 2)
    expected = (bell - bell.min()) / (bell - bell.min()).mean()
    found = reference_weight(torch.from_numpy(grid), shift)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert abs(found.mean() - 1) < 1e-12
    assert found.min() == 0


def test_reference_weight_is_a_bell_around_the_middle() -> None:
    sigmas = torch.tensor([0.1, 0.5, 0.9])
    low, middle, high = reference_weight(sigmas).tolist()
    assert middle > max(low, high)
    assert low == pytest.approx(high, abs=1e-6)
    assert reference_weight(sigmas).dtype == sigmas.dtype
    assert reference_weight(torch.rand(2, 3)).shape == (2, 3)
