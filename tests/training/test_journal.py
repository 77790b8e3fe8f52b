"""The record of a run: appended row by row, cut at the step a run goes on from."""

import csv
from pathlib import Path

from PIL import Image

from syncam.training.journal import Journal, draw_curves


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_there_as_soon_as_added(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "train.csv")
    for step in (1, 2):
        journal.add({"step": step, "loss": 1 / 3 * step})
        assert rows(tmp_path / "train.csv")[-1] == {"step": str(step), "loss": repr(1 / 3 * step)}
    assert journal.column("loss") == ([1, 2], [1 / 3, 2 / 3])


def test_a_new_column_is_empty_in_the_rows_before_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "train.csv")
    journal.add({"step": 1, "loss": 0.5})
    journal.add({"step": 2, "loss": 0.4, "kl": 7.0})
    journal.add({"step": 3, "loss": 0.3})
    assert rows(tmp_path / "train.csv") == [
        {"step": "1", "loss": "0.5", "kl": ""},
        {"step": "2", "loss": "0.4", "kl": "7.0"},
        {"step": "3", "loss": "0.3", "kl": ""},
    ]
    assert journal.column("kl") == ([2], [7.0])


def test_resuming_drops_the_rows_that_will_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    journal = Journal(path)
    for step in (2, 4, 6, 8):
        journal.add({"step": step, "loss": 1 / step})
    before = path.read_text().splitlines()
    resumed = Journal(path, resume_step=4)
    assert path.read_text().splitlines() == before[:3]  # the same text, numbers and all
    resumed.add({"step": 6, "loss": 1 / 6})
    assert path.read_text().splitlines() == before[:4]
    assert resumed.column("loss") == ([2, 4, 6], [1 / 2, 1 / 4, 1 / 6])


def test_a_line_cut_by_a_crash_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    for cut in ("1", "12,", "12,1e-", '12,"'):
        path.write_text("step,loss\n10,0.5\n" + cut)
        assert Journal(path, resume_step=20).rows == [{"step": 10, "loss": 0.5}]


def test_without_a_checkpoint_nothing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    Journal(path).add({"step": 1, "loss": 0.5})
    assert Journal(path).rows == []
    assert path.read_text() == ""


def test_curves_show_every_figure(tmp_path: Path) -> None:
    train, validation = Journal(tmp_path / "train.csv"), Journal(tmp_path / "validation.csv")
    draw_curves(tmp_path / "empty.png", train, validation)
    for step in range(1, 4):
        train.add({"step": step, "loss": 1 / step})
    validation.add({"step": 2, "psnr": 20.0, "subject_psnr": 15.0})
    validation.add({"step": 3, "psnr": 21.0})
    draw_curves(tmp_path / "curves.png", train, validation)
    with Image.open(tmp_path / "empty.png") as one, Image.open(tmp_path / "curves.png") as three:
        assert three.width == 3 * one.width
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "empty.png", "train.csv", "validation.csv"]
