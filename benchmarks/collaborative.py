"""How far six views agree: all made together, or pair by pair, with a model that was trained with two to four.

python benchmarks/collaborative.py --out runs/collaborative
python benchmarks/collaborative.py --out runs/collaborative --prompts 24 --seeds 2 --views 6 --probes runs/probes/export
python benchmarks/collaborative.py --out runs/collaborative --prompts 1 --seeds 1 --steps 2 --ways together,partition

Every way makes videos of the same prompts (the first of the set small-200), from the same seeds, and so from the same
noise; they are measured by `syncam evaluate`, and by the distances between the views' colours, as small_model.py takes
them (CIELAB, median of subject and ground). `calls` are forward passes, each of as many views as there are at most, and
`seconds` those of denoising, of one prompt and seed. What a run has made stays in its folder, so that it can be
continued and other ways be added. Writes results.json and results.md into --out.
"""

import argparse
import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

import diffusers
import torch
from small_model import distances

from syncam.data.video import read_video
from syncam.evaluation.benchmark_sets import get_set
from syncam.evaluation.cache import default_folder
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.networks import NetworkPaths
from syncam.evaluation.suites import SUITES
from syncam.files import write_json, write_text
from syncam.pipelines.generate import GenerateConfig, run

MEASURED = (
    "sampson",
    "epipolar_precision:cvd",
    "matched_points:count",
    "sync_offset",
    "sync_likeness",
    "flicker:vbench",
)


def ways(views: int) -> dict[str, dict[str, int]]:
    """Settings of syncam generate, by name."""
    return {
        "together": {},
        "partition": {"partners": 1},
        "partition x3": {"partners": 1, "repeats": 3},
        "multi-partition": {"partners": 2},
        "multi-partition x3": {"partners": 2, "repeats": 3},
        "exhaustive": {"partners": views - 1},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2, help="generations of each prompt")
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--span", type=float, default=90.0, help="degrees between the first and the last camera")
    parser.add_argument("--lead-view", choices=("True", "False"), help="default: as the model does")
    parser.add_argument("--ways", help="names with commas between; default: all")
    parser.add_argument("--model", help="default: the built-in one")
    parser.add_argument("--steps", type=int, help="default: the model's")
    parser.add_argument("--probes", type=Path, help="networks for the suite small-world; without them, what needs none")
    parser.add_argument("--workers", type=int, help="processes that measure; default: one for each CPU")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    chosen = ways(arguments.views)
    if arguments.ways is not None:
        if unknown := sorted(set(arguments.ways.split(",")) - set(chosen)):
            parser.error(f"there is no {', '.join(unknown)}; the ways are {', '.join(chosen)}")
        chosen = {name: settings for name, settings in chosen.items() if name in arguments.ways.split(",")}
    report = measure(chosen, arguments)
    write_json(arguments.out / "results.json", report)
    text = table(report["ways"])
    write_text(arguments.out / "results.md", text)
    print(json.dumps(report) if arguments.json else text)


def measure(chosen: dict[str, dict[str, int]], arguments: argparse.Namespace) -> dict[str, Any]:
    """Makes what is missing, and measures all of it."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    prompts = arguments.out / f"prompts-{arguments.prompts}x{arguments.seeds}.jsonl"
    entries = [
        {"prompt": entry.prompt, "seed": seed, "name": f"{entry.name}-{seed}"}
        for entry in get_set("small-200").entries[: arguments.prompts]
        for seed in range(arguments.seeds)
    ]
    write_text(prompts, "".join(f"{json.dumps(entry)}\n" for entry in entries))
    shared: dict[str, Any] = {
        "prompts": prompts,
        "rig": f"hemisphere:views={arguments.views},radius=5,elevation=15,span={arguments.span:g}",
        "model": arguments.model,
        "steps": arguments.steps,
        "lead_view": None if arguments.lead_view is None else arguments.lead_view == "True",
    }
    found: dict[str, dict[str, Any]] = {}
    for name, settings in chosen.items():
        folder = arguments.out / name.replace(" ", "-")
        run(GenerateConfig(out=folder, **shared, **settings))
        found[name] = cost(GenerateConfig(out=folder, **shared, **settings, dry_run=True))
        clips = [sorted((folder / entry["name"]).glob("view*.mp4")) for entry in entries]
        seconds = [json.loads((clip[0].parent / "run.json").read_text())["seconds"]["denoising"] for clip in clips]
        found[name]["seconds"] = sum(seconds) / len(seconds)
        colours = distances([torch.stack([read_video(view) for view in clip]) for clip in clips])
        for part, value in colours.items():  # one clip has no spread
            found[name][f"{part}_colour"] = value | ({"standard_error": None} if len(clips) == 1 else {})
    probed = SUITES["small-world"] if arguments.probes is not None else ()
    config = EvaluateConfig(
        runs=tuple(arguments.out / name.replace(" ", "-") for name in chosen),
        metrics=",".join(dict.fromkeys((*probed, *MEASURED))),
        networks=NetworkPaths(probes=None if arguments.probes is None else str(arguments.probes)),
        cache=default_folder(),
        workers=arguments.workers,
    )
    for name, result in zip(chosen, evaluate(config)["runs"], strict=True):
        for row in result["rows"]:
            found[name][row["metric"]] = {
                "mean": row["value"],
                "standard_error": row["standard_error"],
                "n": row["num_clips"],
            }
    return {
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads, "
        f"{torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'}",
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "rig": shared["rig"],
        "generations": len(entries),
        "ways": found,
    }


def cost(config: GenerateConfig) -> dict[str, Any]:
    """Forward passes of one generation."""
    plan = run(config)
    if "forward_passes" in plan:
        return {"calls": plan["forward_passes"]}
    return {"calls": plan["num_steps"] * 2 * (2 if plan["lead_view"] else 1)}


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown, a column per way and a row per figure; means with their standard errors."""
    figures = list(dict.fromkeys(figure for values in found.values() for figure in values))
    lines = [f"| | {' | '.join(found)} |", f"| --- |{' --- |' * len(found)}"]
    for figure in figures:
        lines.append(f"| {figure} | {' | '.join(_cell(values.get(figure)) for values in found.values())} |")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        mean, error = value["mean"], value["standard_error"]
        return "-" if mean is None else f"{mean:.4g}" if error is None else f"{mean:.4g} +- {error:.2g}"
    return "-" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
