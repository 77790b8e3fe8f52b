"""Guidance that strengthens what the adapter says, besides the prompt.

Classifier-free guidance moves away from what the transformer predicts for the negative prompt. If that prediction is
made without the adapter, guidance also moves away from views that know nothing of each other, of cameras or of a
source::

    v = v(no prompt, alone) + w (v(prompt, adapter) - v(no prompt, alone))

It costs nothing: of the two predictions of a step one becomes cheaper.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from syncam.adapters.adapter import Adapter
from syncam.adapters.backbones import Transformer

__all__ = ["guided_by_adapter"]


@contextmanager
def guided_by_adapter(transformer: Transformer, adapter: Adapter) -> Iterator[None]:
    """For the length of the `with` block, predictions for the negative prompt are made without the adapter.

    They come from pipelines of diffusers, which announce them as the cache context "uncond".
    """
    own = transformer.cache_context

    @contextmanager
    def context(name: str, **settings: Any) -> Iterator[None]:
        with own(name, **settings), adapter.disabled() if name == "uncond" else nullcontext():
            yield

    transformer.cache_context = context
    try:
        yield
    finally:
        del transformer.cache_context
