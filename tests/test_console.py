"""What the command line shows."""

import dataclasses
import io
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from syncam.console import progress_bar, set_up_logging, show, stoppable


@dataclasses.dataclass
class Result:
    out: Path
    largest_difference: float
    base: str | None = None


def test_dataclass_and_mapping_show_one_value_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(Result(Path("a"), 0.123456), as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["out", "a"],
        ["largest", "difference", "0.1235"],
    ]
    show({"videos": ["a", "b"], "skipped": None}, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["videos", "a"], ["b"]]


def test_list_shows_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"view": 1, "fov_deg": 52.0}, {"view": 2, "fov_deg": 30.5}], as_json=False)
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("view", "fov_deg", "52", "30.5"))


def test_text_shows_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show("two\nlines [not markup]", as_json=False)
    assert capsys.readouterr().out == "two\nlines [not markup]\n"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    show(Result(Path("a"), 0.5), as_json=True)
    assert capsys.readouterr().out.split() == [
        "{",
        '"out":',
        '"a",',
        '"largest_difference":',
        "0.5,",
        '"base":',
        "null",
        "}",
    ]


def test_progress_goes_to_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (False, True):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda terminal=terminal: terminal, raising=False)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        with progress_bar() as progress:
            progress(2, 4, what="scenes")
            progress(4, 4, {"loss": 0.25}, what="scenes")
        assert ("loss 0.25" in stream.getvalue()) == terminal


@pytest.mark.parametrize(("frames", "failed"), [(0, 0), (68, 0), (68, 2)])
def test_progress_counts_frames_and_failures(monkeypatch: pytest.MonkeyPatch, frames: int, failed: int) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar() as progress:
        progress(1, 4, {"frames": 0, "failed": 0}, what="scenes")
        progress(2, 4, {"frames": frames, "failed": failed}, what="scenes")
    shown = stream.getvalue()
    assert ("frames/s" in shown) == (frames > 0) and ("2 failed" in shown) == (failed > 0)
    assert re.search(r"scenes, [\d.]+/s", shown)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_gives_advice(number: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left, stoppable("go on with the same command"):
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert left.value.code == code
    assert capsys.readouterr().err == "syncam: stopped; go on with the same command\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_log_goes_to_stderr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    set_up_logging()
    logging.getLogger("syncam.part").info("read [3] files")
    logging.getLogger("another").info("chatter")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.split() == ["INFO", "read", "[3]", "files"]
