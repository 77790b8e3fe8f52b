"""Guidance that strengthens what views have in common, besides the prompt.

Classifier-free guidance moves away from what the transformer predicts for the negative prompt. If that prediction is
made without the adapter, for each view by itself, guidance also moves away from views that know nothing of each other::

    v = v(no prompt, alone) + w (v(prompt, together) - v(no prompt, alone))

It costs nothing: of the two predictions of a step one becomes cheaper.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from syncam.adapters.adapter import Adapter
from syncam.adapters.backbones import Transformer

__all__ = ["guided_by_views"]

NEGATIVE = "uncond"
"""The cache context in which diffusers' pipelines ask for the prediction to move away from."""


@contextmanager
def guided_by_views(transformer: Transformer, adapter: Adapter) -> Iterator[None]:
    """For the length of the `with` block, predictions for the negative prompt are made without the adapter."""
    own = transformer.cache_context

    @contextmanager
    def context(name: str, **settings: Any) -> Iterator[None]:
        with own(name, **settings), adapter.disabled() if name == NEGATIVE else nullcontext():
            yield

    transformer.cache_context = context
    try:
        yield
    finally:
        del transformer.cache_context
