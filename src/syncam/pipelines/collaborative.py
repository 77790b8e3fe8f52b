"""More views than a model denoises together: it is called for pairs of them, and their predictions are averaged.

Pairs are drawn anew at every step (matchings.py), so that in the end every view has agreed with every other. The loop
over the steps is that of diffusers' pipelines: what they call is a model that does all this within one call.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError
from syncam.pipelines.adapted import seeded_generator
from syncam.pipelines.lead import with_lead
from syncam.pipelines.matchings import check_partners, draw_led_pairs, draw_pairs, num_pairs
from syncam.pipelines.recurrent import recurrent

__all__ = ["Collaboration", "averaged", "averaged_over_pairs", "calls_instead", "in_pairs", "pair_rows"]

PER_VIEW = ("hidden_states", "timestep", "encoder_hidden_states")
"""Of what pipelines give a transformer, by name, what has a row per view."""
MATCHINGS = -1
"""Takes the place of a view's number in the seed of what no single view owns."""

Predict = Callable[[Int[Tensor, "pairs 2"]], Float[Tensor, "c rows *latent"]]
"""What a model predicts for pairs, given as rows of the views' batch: two rows per pair, side by side."""


@dataclass(frozen=True, kw_only=True)
class Collaboration:
    """How views are made to agree pair by pair."""

    partners: int = 1
    """Of every view, at every step: 1 is a partition of the views, all others is exhaustive."""
    repeats: int = 1
    """How often every step but the last is made, each time with other partners."""
    pairs_at_once: int | None = None
    """How many pairs a call of the model holds: memory and speed alone. None: as many as hold every view once."""

    def __post_init__(self) -> None:
        for name in ("partners", "repeats", "pairs_at_once"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")

    def check(self, num_views: int) -> None:
        """InputError unless so many views can have these partners."""
        check_partners(num_views, self.partners)

    def at_once(self, num_views: int, num_scenes: int = 1) -> int:
        """The number of pairs in one call of the model."""
        return self.pairs_at_once or num_scenes * num_pairs(num_views, 1)

    def draw(self, num_views: int, seeds: Sequence[int], step: int, *, led: bool = False) -> Int[Tensor, "b pairs 2"]:
        """The pairs of a step, for every seed by itself."""
        draw = draw_led_pairs if led else draw_pairs
        return torch.stack([draw(num_views, self.partners, seeded_generator(seed, MATCHINGS, step)) for seed in seeds])


def pair_rows(pairs: Int[Tensor, "b pairs 2"], num_views: int) -> Int[Tensor, "b*pairs 2"]:
    """Where the views of the pairs of b scenes are in the batch (b v)."""
    return (pairs + num_views * torch.arange(len(pairs))[:, None, None]).flatten(0, 1)


def averaged_over_pairs(
    predict: Predict, rows: Int[Tensor, "pairs 2"], num_rows: int, at_once: int
) -> Float[Tensor, "c num_rows *latent"]:
    """For every view the mean of what is predicted for it in its pairs, of which `at_once` are predicted at a time.

    c are the branches of guidance, where a model predicts several of them together.
    """
    return averaged(((chunk.flatten(), predict(chunk)) for chunk in rows.split(at_once)), num_rows)


def averaged(
    predictions: Iterable[tuple[Int[Tensor, " rows"], Float[Tensor, "c rows *latent"]]], num_rows: int
) -> Float[Tensor, "c num_rows *latent"]:
    """For every row the mean of what is predicted for it, of predictions with the rows that they are for.

    Summed in float32 and in the order of the rows, so that chunks change no more than the model's own rounding.
    """
    total, counts = None, torch.zeros(num_rows, dtype=torch.int64)
    for rows, predicted in predictions:
        if total is None:
            shape = (predicted.shape[0], num_rows, *predicted.shape[2:])
            total, dtype = predicted.new_zeros(shape, dtype=torch.float32), predicted.dtype
        for place, row in enumerate(rows.tolist()):
            total[:, row] += predicted[:, place]
            counts[row] += 1
    if total is None or not counts.all():
        raise ValueError(f"pairs must cover {num_rows} rows, got {counts.tolist()} predictions of each")
    return (total / counts.to(total).view(-1, *[1] * (total.ndim - 2))).to(dtype)


@contextmanager
def calls_instead(module: nn.Module, call: Callable[..., Any]) -> Iterator[None]:
    """For the length of the `with` block, who calls `module` gets `call(stock, ...)`, `stock` being its own call.

    It stays what it was in all else, its hooks included: those fire when `stock` is called.
    """
    own = type(module)

    def instead(self: nn.Module, *arguments: Any, **inputs: Any) -> Any:
        return call(partial(own.__call__, self), *arguments, **inputs)

    module.__class__ = type(own.__name__, (own,), {"__call__": instead})
    try:
        yield
    finally:
        module.__class__ = own


@contextmanager
def in_pairs(
    base: Any,
    adapter: ViewSyncAdapter,
    cameras: Cameras,
    noise: Callable[[int], Float[Tensor, "bv ..."]],
    seeds: Sequence[int],
    collaboration: Collaboration,
    lead: Float[Tensor, "b ..."] | None = None,
) -> Iterator[None]:
    """For the length of the `with` block, the pipeline `base` denoises all views of its scenes pair by pair.

    `cameras` [V, f] are those at latent frames; there is a scene per seed, its views side by side. `noise` makes what
    is added before the given step, where it is a repeat. With a `lead`, view 0 of every scene shows that, and at every
    step the others are paired with it, too. What is predicted with the adapter disabled takes no pairs.
    """
    transformer, num_views = base.transformer, cameras.num_views
    num_rows, at_once = len(seeds) * num_views, collaboration.at_once(num_views, len(seeds))

    def call(stock: Callable[..., Any], **inputs: Any) -> tuple[Tensor]:
        branches = len(inputs["hidden_states"]) // num_rows
        if lead is not None:
            inputs = with_lead(inputs, lead, num_views)

        def predict(rows: Int[Tensor, " rows"]) -> Float[Tensor, "c rows *latent"]:
            rows = torch.cat([branch * num_rows + rows for branch in range(branches)])
            chosen = {name: inputs[name][rows.to(inputs[name].device)] for name in PER_VIEW}
            return stock(**inputs | chosen)[0].unflatten(0, (branches, -1))

        def predict_pairs(rows: Int[Tensor, "pairs 2"]) -> Float[Tensor, "c rows *latent"]:
            with adapter.cameras(cameras.c2w[rows % num_views]):
                return predict(rows.flatten())

        if not adapter.enabled:
            alone = [predict(some) for some in torch.arange(num_rows).split(2 * at_once)]
            return (torch.cat(alone, dim=1).flatten(0, 1),)
        pairs = collaboration.draw(num_views, seeds, scheduler.call, led=lead is not None)
        return (averaged_over_pairs(predict_pairs, pair_rows(pairs, num_views), num_rows, at_once).flatten(0, 1),)

    with recurrent(base, collaboration.repeats, noise) as scheduler, calls_instead(transformer, call):
        yield
