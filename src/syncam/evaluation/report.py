"""Results as rows: one for each metric of a run, differences between runs, and a page of both in markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from syncam.evaluation.measures import Measure, clip_value
from syncam.evaluation.network_measures import SetMeasure
from syncam.evaluation.outcome import Outcome
from syncam.evaluation.statistics import bootstrap

__all__ = [
    "aligned",
    "compare",
    "differences",
    "interval_text",
    "markdown",
    "metric_row",
    "notes",
    "number_text",
    "set_row",
    "table",
]

Outcomes = Mapping[str, Outcome]
"""By the name of the clip."""


def metric_row(measure: Measure, outcomes: Outcomes, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of one metric over one run; the value is None where nothing could be measured."""
    measured = [outcome for outcome in outcomes.values() if outcome.samples]
    pooled = list(outcomes.values())
    value = measure.pool(pooled)
    spread = bootstrap(pooled, measure.pool) if math.isfinite(value) else None
    failures: dict[str, int] = {}
    for outcome in pooled:
        for reason, count in outcome.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    return {
        "metric": measure.name,
        "convention": measure.convention,
        "value": _finite(value),
        "standard_error": None if spread is None else spread[0],
        "interval_95": None if spread is None else list(spread[1]),
        "unit": measure.unit,
        "better": measure.better,
        "num_clips": len(measured),
        "num_samples": sum(len(outcome.samples) for outcome in pooled),
        "num_failures": sum(failures.values()),
        "failures": failures,
        **settings,
        **measure.details,
        "clips": {name: _finite(clip_value(outcome)) for name, outcome in outcomes.items()},
    }


def set_row(
    measure: SetMeasure,
    value: float | None,
    spread: tuple[float, tuple[float, float]] | None,
    num_clips: int,
    num_samples: int,
    failures: dict[str, int],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The same of a distance between sets, which has no value of single clips."""
    return {
        "metric": measure.name,
        "convention": measure.convention,
        "value": value,
        "standard_error": None if spread is None else spread[0],
        "interval_95": None if spread is None else list(spread[1]),
        "unit": measure.unit,
        "better": measure.better,
        "num_clips": num_clips,
        "num_samples": num_samples,
        "num_failures": sum(failures.values()),
        "failures": failures,
        **settings,
        **measure.details,
    }


def compare(measure: Measure, first: Outcomes, second: Outcomes) -> dict[str, Any] | None:
    """How much more the second run has than the first on the clips that both have; None without such clips."""
    shared = [name for name in first if name in second and first[name].samples and second[name].samples]
    if not shared:
        return None
    pairs = [(first[name], second[name]) for name in shared]

    def difference(chosen: Sequence[tuple[Outcome, Outcome]]) -> float:
        return measure.pool([pair[1] for pair in chosen]) - measure.pool([pair[0] for pair in chosen])

    value, spread = difference(pairs), bootstrap(pairs, difference)
    decided = spread is not None and (spread[1][0] > 0 or spread[1][1] < 0)
    better = ("second" if (value > 0) == (measure.better == "higher") else "first") if decided else "undecided"
    return {
        "metric": measure.name,
        "difference": value,
        "standard_error": None if spread is None else spread[0],
        "interval_95": None if spread is None else list(spread[1]),
        "unit": measure.unit,
        "num_clips": len(shared),
        "better": better,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What of the rows of one run fits on a screen; where there are probes, also how good they are on renders."""
    probed = any("held_out" in row for row in rows)
    return [
        {
            "metric": row["metric"],
            "value": number_text(row["value"]),
            "95 %": interval_text(row),
            **({"renders": number_text(row.get("held_out"))} if probed else {}),
            "unit": row["unit"],
            "better": row["better"],
            "clips": str(row["num_clips"]),
            "samples": str(row["num_samples"]),
            "failed": str(row["num_failures"]),
        }
        for row in rows
    ]


def aligned(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as columns of text, whatever the width of the screen."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why samples of these rows could not be taken, a line for each reason."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for reason, count in row["failures"].items():
            found.setdefault(reason, []).append(f"{row['metric']} ({count})")
    return [f"{reason}: {', '.join(metrics)}" for reason, metrics in found.items()]


def differences(comparison: Mapping[str, Any]) -> list[dict[str, str]]:
    """What of a comparison fits on a screen."""
    names = {"first": comparison["first"], "second": comparison["second"]}
    return [
        {
            "metric": row["metric"],
            "difference": number_text(row["difference"]),
            "95 %": interval_text(row),
            "unit": row["unit"],
            "clips": str(row["num_clips"]),
            "better": names.get(row["better"], row["better"]),
        }
        for row in comparison["rows"]
    ]


def markdown(result: Mapping[str, Any]) -> str:
    """The whole result as a page: a table for each run, and one for each comparison."""
    lines = [f"# syncam evaluate --suite {result['suite']}" if result["suite"] else "# syncam evaluate", ""]
    for run in result["runs"]:
        lines += [f"## {run['run']}", "", f"{run['num_clips']} clips of {run['views']} views, {run['frames']} frames, "]
        lines[-1] += f"{run['size']} pixels; {run['num_moments']} moments of each are matched."
        lines += ["", *_markdown_table(table(run["rows"])), ""]
        if reasons := notes(run["rows"]):
            lines += ["Not measurable:", "", *(f"- {reason}" for reason in reasons), ""]
    for one in result["comparisons"]:
        lines += [f"## {one['second']} less {one['first']}", "", *_markdown_table(differences(one)), ""]
    return "\n".join(lines)


def _markdown_table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    if not rows:
        return ["nothing in common"]
    cells = [[cell.replace("|", "\\|") for cell in row.values()] for row in rows]
    header = list(rows[0])
    return [" | ".join(["", *line, ""]).strip() for line in (header, ["---"] * len(header), *cells)]


def number_text(value: float | None) -> str:
    """Four digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def interval_text(row: Mapping[str, Any]) -> str:
    """From where to where the 95 % interval of a row goes, or a dash."""
    interval = row.get("interval_95")
    return "-" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
