"""Command lines as documentation shows them, split into arguments, and parsed without being run."""

import functools
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from syncam import cli


def command_lines(text: str) -> Iterator[list[str]]:
    """The arguments of every `syncam ...` line in a shell session or code block, backslashes at line ends joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if found := re.match(r"\s*(?:\$ )?(?:\.venv/bin/)?syncam (.*)", line):
            yield shlex.split(found.group(1), comments=True)


def parse(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the verb would be called with; SystemExit if the arguments are wrong."""
    called = {}

    def recorder(verb: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(verb)
        def record(*values: Any, **options: Any) -> None:
            called.update(options, positional=values)

        return record

    def recorded(verbs: dict[str, Any]) -> dict[str, Any]:
        return {n: recorded(verb) if isinstance(verb, dict) else recorder(verb) for n, verb in verbs.items()}

    monkeypatch.setattr(cli, "VERBS", recorded(cli.VERBS))
    cli.main(arguments)
    monkeypatch.undo()
    return called
