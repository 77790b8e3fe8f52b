"""Prompt files: what is refused, each with its place."""

from pathlib import Path

import pytest

from syncam.errors import InputError
from syncam.pipelines.prompts import read_prompts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", b"", "is empty; expected one prompt per line"),
        ("p.txt", b"\n  \n", "is empty"),
        ("p.txt", "rouge caf\u00e9".encode("latin-1"), r"is not UTF-8 \(byte 9\)"),
        ("p.jsonl", b"{nope", "line 1 is not JSON"),
        ("p.jsonl", b'{"seed": 3}', "expected an object with a prompt"),
        ("p.jsonl", b'{"prompt": "a", "sead": 3}', "sead = 3 is not one of"),
        ("p.jsonl", b'{"prompt": "a", "name": "../up"}', "must be a plain folder name"),
    ],
)
def test_bad_prompt_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_prompts(tmp_path / name)


def test_missing_prompt_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_prompts(tmp_path / "none.txt")
