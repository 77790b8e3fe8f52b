"""Words that a closed vocabulary does not have."""

import logging

import pytest

from syncam.pipelines.vocabulary import known_words, unknown_words, warn_about_words
from tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer(["a", "red", "horse", "walks", "grass", ","])


def test_known_words_are_words_only() -> None:
    assert known_words(TOKENIZER) == ["a", "grass", "horse", "red", "walks"]


def test_unknown_words_come_with_similar_ones() -> None:
    assert unknown_words("A red hourse walks, on zzz.", TOKENIZER) == {"hourse": ["horse"], "on": [], "zzz": []}


def test_the_warning_names_both(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert warn_about_words("a gras", TOKENIZER) == ["gras"]
    assert "'gras' (did you mean grass?)" in caplog.text and "it knows: a grass horse red walks" in caplog.text


def test_a_known_prompt_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    assert warn_about_words("A red horse walks", TOKENIZER) == []
    assert not caplog.records
