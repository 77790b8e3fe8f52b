"""The record of a run: one CSV per kind of row, and the curves drawn from them."""

import csv
from pathlib import Path

from syncam.files import atomic_path, write_text
from syncam.optional import require

__all__ = ["Journal", "draw_curves"]


class Journal:
    """Rows of numbers by step, appended as they come; a resumed run first drops the rows it is about to repeat."""

    def __init__(self, path: Path, *, resume_step: int = 0) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        if path.is_file():
            text = path.read_text()
            whole = text[: text.rfind("\n") + 1]  # a crash may have cut the last line
            read = csv.DictReader(whole.splitlines())
            rows = [{key: float(value) for key, value in row.items() if value} for row in read]
            self.rows = [row | {"step": int(row["step"])} for row in rows if row["step"] <= resume_step]
        self._columns: list[str] = []
        self._rewrite()

    def add(self, row: dict[str, float]) -> None:
        """Appends a row; a new column rewrites the file with the column in all rows."""
        self.rows.append(row)
        if not row.keys() <= set(self._columns):
            self._rewrite()
            return
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _rewrite(self) -> None:
        self._columns = list(dict.fromkeys(key for row in self.rows for key in row))
        lines = [",".join(self._columns)] if self._columns else []
        lines += [",".join(repr(row[key]) if key in row else "" for key in self._columns) for row in self.rows]
        write_text(self.path, "".join(line + "\n" for line in lines))

    def column(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of one column, where it has values."""
        found = [(row["step"], row[name]) for row in self.rows if name in row]
        return [step for step, _ in found], [value for _, value in found]


def draw_curves(path: Path, train: Journal, validation: Journal) -> None:
    """Draws the training loss, smoothed, and every validation figure over the steps."""
    figures = require("matplotlib.figure", extra="train")
    names = [name for name in dict.fromkeys(key for row in validation.rows for key in row) if name != "step"]
    figure = figures.Figure(figsize=(4 * (1 + len(names)), 3))  # pyplot would look for a screen
    axes = figure.subplots(1, 1 + len(names), squeeze=False)
    steps, losses = train.column("loss")
    smooth, mean = [], losses[0] if losses else 0.0
    for loss in losses:
        mean += 0.05 * (loss - mean)
        smooth.append(mean)
    axes[0, 0].plot(steps, losses, alpha=0.25)
    axes[0, 0].plot(steps, smooth)
    axes[0, 0].set_title("training loss")
    for axis, name in zip(axes[0, 1:], names, strict=True):
        axis.plot(*validation.column(name), marker=".")
        axis.set_title(name)
    for axis in axes[0]:
        axis.set_xlabel("step")
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)
