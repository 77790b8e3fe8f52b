"""The verb `syncam evaluate`: a typed function without logic of its own, as in syncam.cli."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from syncam.console import progress_bar, show

__all__ = ["evaluate"]

Count = Annotated[int | None, arg(help_behavior_hint="")]
Word = Annotated[str | None, arg(help_behavior_hint="")]
File = Annotated[Path | None, arg(help_behavior_hint="")]


def evaluate(
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN_DIR", help_behavior_hint="")] = (),
    *,
    suite: Literal["own", "syncam", "recam", "cvd", "vbench-lite", "small-world"] = "own",
    metrics: Annotated[str | None, arg(metavar="NAME,...", help_behavior_hint="")] = None,
    reference: File = None,
    clip: Word = None,
    inception: Word = None,
    i3d: Word = None,
    lpips: Word = None,
    matcher: Word = None,
    vbench: Word = None,
    probes: Word = None,
    out: File = None,
    export_set: Annotated[Literal["syncam-100", "small-200", "recam-10"] | None, arg(help_behavior_hint="")] = None,
    leaderboard: File = None,
    clips: Count = None,
    moments: int = 8,
    threshold: float = 1.0,
    confidence: float = 0.5,
    lens: Literal["known", "estimated"] = "known",
    cache: File = None,
    no_cache: bool = False,
    workers: Count = None,
    json: bool = False,
) -> None:
    """Measure how well videos keep to their cameras, to the same moments and to each other.

    A run is what syncam generate wrote, one clip or a batch; a folder of such folders (an mp4 for every view,
    cameras.json, and run.json or caption.txt); or a data set. Of several runs, the differences of each to the first are
    taken clip by clip. What each metric means is in syncam's docs/evaluate.md. For example:
      $ syncam evaluate demo
      $ syncam evaluate batch --suite syncam --out results
      $ syncam evaluate ours baseline --metrics sync_offset,sampson,rot_err:pair
      $ syncam evaluate --export-set small-200 --out sets/small-200
      $ syncam evaluate ours --suite small-world --leaderboard board.json

    Args:
        runs: The folders to measure.
        suite: Which metrics: our own, which need no network; those of the papers (SynCamMaster, ReCamMaster, CVD);
            those of VBench that look at videos alone; or those of models of the rendered small world, such as the
            built-in one.
        metrics: Names of metrics with commas between, instead of a suite; without its convention, a name stands for
            all conventions.
        reference: A run or data set of the truth: for PSNR, SSIM and LPIPS with clips of the same names, for FID, KID
            and FVD any real videos.
        clip: The CLIP model: a folder or hub id. Default: openai/clip-vit-base-patch32.
        inception: The weights of FID's Inception: a file, a folder, or owner/name:file on the hub.
        i3d: The weights of FVD's I3D, the same way.
        lpips: A folder with AlexNet's weights and LPIPS's heads.
        matcher: The keypoint matching model: a folder or hub id. Default: zju-community/efficientloftr.
        vbench: The python of an environment with VBench. Default: what SYNCAM_VBENCH names.
        probes: Networks for the suite small-world, as syncam train small-probes exports them. Default: those of the
            package.
        out: A folder to write, with results.json, results.md and results.png; or the set that is exported.
        export_set: Write a benchmark set, and say which command makes a run of it: 100 prompts for models of the real
            world, 200 in the words of the built-in one, ten trajectories to re-shoot clips of your own.
        leaderboard: A JSON file that the results of runs of such sets are added to; without runs, show its tables.
        clips: Measure the first clips of each run only.
        moments: How many frames of a clip are matched between views.
        threshold: Noise of matched points, in pixels.
        confidence: How sure the matcher has to be of a matched pixel, 0 to 1.
        lens: For the paths of moving cameras, take the lens of the requested cameras as known or estimate it, too.
        cache: The folder that keeps features and results by the content of the videos. Default: $SYNCAM_CACHE, else
            the folder syncam among the user's caches.
        no_cache: Keep nothing, and compute everything anew.
        workers: Number of processes. Default: one for each CPU.
        json: Print the result as JSON.
    """
    from syncam.errors import InputError
    from syncam.evaluation.benchmark_sets import export_set as write_set
    from syncam.evaluation.cache import default_folder
    from syncam.evaluation.evaluate import EvaluateConfig
    from syncam.evaluation.evaluate import evaluate as run
    from syncam.evaluation.leaderboard import add_to_board, board_tables, check_board, read_board
    from syncam.evaluation.networks import NetworkPaths
    from syncam.evaluation.report import aligned, differences, notes, table

    if export_set is not None:
        if runs or leaderboard is not None or out is None:
            raise InputError("--export-set writes a set into the folder --out, and takes no runs and no --leaderboard")
        show(write_set(export_set, out), as_json=json)
        return
    if leaderboard is not None and not runs:
        rows = read_board(leaderboard)
        if json:
            show({"rows": rows}, as_json=True)
        else:
            print("\n\n".join(board_tables(rows)))
        return
    if no_cache and cache is not None:
        raise InputError("--no-cache keeps nothing and --cache says where; give one of the two")
    config = EvaluateConfig(
        runs=runs,
        suite=suite,
        metrics=metrics,
        reference=reference,
        networks=NetworkPaths(
            clip=clip, inception=inception, i3d=i3d, lpips=lpips, matcher=matcher, vbench=vbench, probes=probes
        ),
        out=out,
        clips=clips,
        moments=moments,
        threshold_px=threshold,
        confidence=confidence,
        lens=lens,
        cache=None if no_cache else cache or default_folder(),
        workers=workers,
    )
    if leaderboard is not None:
        check_board(leaderboard, config.runs, clips)
    with progress_bar() as progress:
        result = run(config, progress=partial(progress, what="clips"))
    if leaderboard is not None:
        add_to_board(leaderboard, result)
    if json:
        show(result, as_json=True)
        return
    for one in result["runs"]:
        print(f"{one['run']}: {one['num_clips']} clips of {one['views']} views, {one['frames']} frames, {one['size']}")
        print(aligned(table(one["rows"])))
        for reason in notes(one["rows"]):
            print(f"not measurable: {reason}")
    for one in result["comparisons"]:
        print(f"{one['second']} less {one['first']}")
        print(aligned(differences(one)))
