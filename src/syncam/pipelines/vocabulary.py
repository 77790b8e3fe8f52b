"""Words of a prompt that a model with a closed vocabulary does not know, and which of its words may be meant."""

import difflib
import logging
import re
from typing import Any

__all__ = ["known_words", "unknown_words", "warn_about_words"]

logger = logging.getLogger(__name__)


def known_words(tokenizer: Any) -> list[str]:
    """The words that have a token of their own, sorted."""
    return sorted(word for word in tokenizer.get_vocab() if re.fullmatch(r"[^\W\d_]+", word))


def unknown_words(prompt: str, tokenizer: Any) -> dict[str, list[str]]:
    """The words of `prompt` without a token, each with the most similar known words."""
    known = known_words(tokenizer)
    words = dict.fromkeys(re.findall(r"[^\W_]+", prompt.lower()))
    return {word: difflib.get_close_matches(word, known, n=3, cutoff=0.6) for word in words if word not in known}


def warn_about_words(prompt: str, tokenizer: Any) -> list[str]:
    """Logs which words the model will not understand, and which it knows; returns the unknown ones."""
    unknown = unknown_words(prompt, tokenizer)
    if unknown:
        named = ", ".join(
            f"{word!r}" + (f" (did you mean {' or '.join(close)}?)" if close else "") for word, close in unknown.items()
        )
        logger.warning("this model does not know %s; it knows: %s", named, " ".join(known_words(tokenizer)))
    return list(unknown)
