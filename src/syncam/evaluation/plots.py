"""Results as a picture: every metric by view or by pair of views, and over the angle between two views."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from syncam.files import atomic_path
from syncam.optional import require

__all__ = ["draw_results"]

MOST_NAMES = 12
"""More views or pairs than that have no names below their bars."""


def draw_results(path: Path, result: Mapping[str, Any]) -> bool:
    """Draws a PNG with a row for every metric that has parts, a colour for every run; False where none has.

    InputError without matplotlib.
    """
    figures = require("matplotlib.figure", extra="evaluate")
    runs = {run["run"]: {row["metric"]: row for row in run["rows"]} for run in result["runs"]}
    names = [name for name in next(iter(runs.values())) if any(_parts(rows[name]) for rows in runs.values())]
    if not names:
        return False
    figure = figures.Figure(figsize=(9, 2.4 * len(names)), layout="constrained")  # pyplot would look for a screen
    axes = figure.subplots(len(names), 2, squeeze=False, width_ratios=[3, 2])
    for (left, right), name in zip(axes, names, strict=True):
        rows = {run: metrics[name] for run, metrics in runs.items()}
        _bars(left, rows)
        _over_angle(right, rows)
        row = next(iter(rows.values()))
        left.set_title(f"{name}, {row['unit']} ({row['better']} is better)", fontsize="medium")
    if len(runs) > 1:
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)
    return True


def _parts(row: Mapping[str, Any]) -> Mapping[str, float]:
    """The means by view or by pair; nothing where there are none."""
    return row.get("by_view") or row.get("by_pair") or {}


def _bars(axes: Any, rows: Mapping[str, Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in _parts(row)))
    width = 0.8 / len(rows)
    for number, (run, row) in enumerate(rows.items()):
        places = [names.index(name) + (number + 0.5) * width - 0.4 for name in _parts(row)]
        axes.bar(places, list(_parts(row).values()), width, label=run)
    axes.set_xlabel("pair of views" if any("by_pair" in row for row in rows.values()) else "view")
    few = len(names) <= MOST_NAMES
    axes.set_xticks(range(len(names)) if few else [], names if few else [])


def _over_angle(axes: Any, rows: Mapping[str, Mapping[str, Any]]) -> None:
    if not any(row.get("by_angle") for row in rows.values()):
        axes.set_axis_off()
        return
    for row in rows.values():
        bins = row.get("by_angle", [])
        middles = [0.5 * (one["from_deg"] + one["to_deg"]) for one in bins]
        axes.plot(middles, [one["value"] for one in bins], marker="o")
    axes.set_xlabel("degrees between the two views")
    axes.set_xlim(left=0)
