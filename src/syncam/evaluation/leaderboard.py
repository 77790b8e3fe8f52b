"""Leaderboards: a JSON file of results on benchmark sets, and tables of what can be compared."""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from syncam.errors import InputError
from syncam.evaluation.benchmark_sets import recognised
from syncam.evaluation.clips import find_clips
from syncam.evaluation.report import aligned, interval_text, number_text
from syncam.files import write_json

__all__ = ["add_to_board", "board_tables", "check_board", "read_board"]

SCHEMA, VERSION = "syncam-leaderboard", 1
OUTCOME = ("value", "standard_error", "interval_95", "num_samples", "num_failures", "failures", "held_out")
PARTS = ("clips", "by_view", "by_pair", "by_angle")
"""What a row found, and its parts, which a board leaves out; the rest of it says how, and has to agree."""
OF_THE_RUN = ("run", "date", "frames", "size", "versions", "suite")
"""What may differ between rows that are compared, and is shown beside the number."""


def read_board(path: Path) -> list[dict[str, Any]]:
    """The rows of a leaderboard; InputError naming the file if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise InputError(f"{path} does not exist; syncam evaluate RUN --leaderboard {path} begins it") from err
    except ValueError as err:
        raise InputError(f"{path} is not JSON; expected a leaderboard of syncam evaluate --leaderboard") from err
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or content.get("version") != VERSION:
        raise InputError(f"{path} is no leaderboard of version {VERSION}; choose another file")
    rows = content.get("rows")
    if not isinstance(rows, list):
        raise InputError(f"{path} is damaged: rows is not a list")
    for number, row in enumerate(rows, start=1):
        needed = ("run", "set", "metric", "value", "num_clips")
        lacking = [key for key in needed if not isinstance(row, dict) or key not in row]
        if lacking:
            raise InputError(f"{path}, row {number} lacks {', '.join(lacking)}")
        if not isinstance(row["value"], int | float):
            raise InputError(f"{path}, row {number}: value is {row['value']!r}; expected a number")
    return rows


def check_board(path: Path, runs: Sequence[Path], clips: int | None = None) -> None:
    """InputError before anything is measured, if the results could not be added: see add_to_board."""
    if path.exists():
        read_board(path)
    for run in runs:
        _check_set(str(run), recognised(dict(list(find_clips(run).items())[:clips])))


def _check_set(run: str, found: Mapping[str, Any] | None) -> None:
    if found is None:
        raise InputError(
            f"{run} is of no benchmark set: names, prompts and cameras of its clips have to be those of "
            "syncam evaluate --export-set; leave --leaderboard away"
        )
    if not found["complete"]:
        raise InputError(
            f"{run} has {found['num_clips']} clips of {found['name']}, not all of them; finish it, or leave "
            "--leaderboard away"
        )


def add_to_board(path: Path, result: Mapping[str, Any]) -> int:
    """Adds the rows of all runs of a result and writes the file; returns how many.

    What the same run has of the same metric, measured in the same way, is replaced. InputError unless every run is of
    a whole benchmark set: nothing else would be the same for others.
    """
    rows = read_board(path) if path.exists() else []
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    new: list[dict[str, Any]] = []
    for run in result["runs"]:
        _check_set(run["run"], run["set"])
        shared = {"run": Path(run["run"]).resolve().name, "date": date, "set": run["set"]}
        shared |= {"reference_set": result["reference_set"], "versions": result["versions"]}
        kept = [row for row in run["rows"] if row["value"] is not None]
        new += [shared | {key: value for key, value in row.items() if key not in PARTS} for row in kept]
    taken = {(row["run"], _protocol(row)) for row in new}
    rows = [row for row in rows if (row["run"], _protocol(row)) not in taken]
    write_json(path, {"schema": SCHEMA, "version": VERSION, "rows": [*rows, *new]})
    return len(new)


def _protocol(row: Mapping[str, Any]) -> str:
    """All that has to agree before two numbers stand in one table."""
    told = {key: value for key, value in row.items() if key not in (*OUTCOME, *OF_THE_RUN)}
    return json.dumps(told, sort_keys=True)


def board_tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table for every set and metric and each way of measuring it, the best first.

    Rows stand together only if set, version, number of clips, reference set, convention, network and settings agree.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_protocol(row), []).append(row)
    tables = []
    for group in sorted(groups.values(), key=lambda group: _title(group[0])):
        upwards = group[0].get("better") == "higher"
        ranked = sorted(group, key=lambda row: row["value"], reverse=upwards)
        lines = [
            {
                "run": str(row["run"]),
                "value": number_text(row["value"]),
                "95 %": interval_text(row),
                **({"renders": number_text(row["held_out"])} if "held_out" in row else {}),
                "failed": str(row.get("num_failures", "-")),
                "frames": str(row.get("frames", "-")),
                "size": str(row.get("size", "-")),
                "date": str(row.get("date", "-")),
            }
            for row in ranked
        ]
        tables.append(f"{_title(group[0])}\n{aligned(lines)}")
    return tables


def _title(row: Mapping[str, Any]) -> str:
    found = row["set"]
    of = "no set of syncam" if not isinstance(found, dict) else f"{found.get('name')}, version {found.get('version')}"
    reference = row.get("reference_set")
    against = f", reference {str(reference['sha256'])[:8]}" if isinstance(reference, dict) else ""
    unit = f", {row['unit']}" if row.get("unit") else ""
    better = f", {row['better']} is better" if row.get("better") else ""
    return f"{of}: {row['metric']} of {row['num_clips']} clips{against}{unit}{better}"
