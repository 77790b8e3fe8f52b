"""Which metrics belong together: those of the papers as far as they can be measured, and our own without networks."""

from syncam.errors import InputError
from syncam.evaluation.measures import MEASURES, Measure
from syncam.evaluation.network_measures import NETWORK_MEASURES, SET_MEASURES, VBENCH_MEASURES
from syncam.evaluation.probe_measures import PROBE_MEASURES
from syncam.evaluation.reference_measures import REFERENCE_MEASURES

__all__ = ["CLIP_WISE", "SUITES", "chosen_metrics"]

CLIP_WISE: dict[str, Measure] = MEASURES | REFERENCE_MEASURES | NETWORK_MEASURES | PROBE_MEASURES
"""Every metric of single clips, by name."""

PAIR = ("rot_err:pair", "trans_err:pair", "rot_err:rig", "trans_err:rig")
AUC = tuple(f"{part}_auc@{limit}:cvd" for part in ("rot", "trans") for limit in (5, 10, 20))
PATH = ("rot_err:mean", "trans_err:mean", "registered")
SUITES: dict[str, tuple[str, ...]] = {
    "own": (
        "sync_offset",
        "sync_likeness",
        "sampson",
        "epipolar_precision:cvd",
        "matched_points:count",
        "matched_points:share",
        *PAIR,
        *AUC,
        *PATH,
        "flicker:vbench",
        "warp_error:lai",
    ),
    "syncam": (
        "fid:tf1",
        "fvd:stylegan_v",
        "clip_t",
        "clip_f",
        "clip_v",
        "fvd_v:sv4d",
        "matched_pixels:count",
        "matched_points:count",
        "rot_err:syncam_pair",
        "trans_err:syncam_pair",
        "flicker:vbench",
    ),
    "recam": (
        "fid:tf1",
        "fvd:stylegan_v",
        "clip_t",
        "clip_f",
        "clip_v",
        "fvd_v:paired",
        "rot_err:cameractrl",
        "trans_err:cameractrl",
        "rot_err:cami2v",
        "trans_err:cami2v",
        *PATH,
        "matched_pixels:count",
        "matched_points:count",
        "flicker:vbench",
    ),
    "cvd": (
        *AUC,
        "epipolar_precision:cvd",
        "matching_score:cvd",
        "clip_t",
        "clip_v",
        "fid:tf1",
        "kid:tf1",
        "fvd:stylegan_v",
    ),
    "vbench-lite": ("flicker:vbench", "background_consistency:clip", *VBENCH_MEASURES),
    "small-world": (*PROBE_MEASURES, "sync_offset", "sync_likeness", "flicker:vbench", "warp_error:lai"),
}


def chosen_metrics(suite: str, metrics: str | None = None) -> list[str]:
    """The names of the metrics of a suite, or of those that are asked for with commas between.

    A name without its convention stands for all conventions of the metric.
    """
    if metrics is None:
        return list(SUITES[suite])
    known = [*CLIP_WISE, *SET_MEASURES]
    chosen: list[str] = []
    for word in (part.strip() for part in metrics.split(",")):
        fitting = [name for name in known if name == word or name.partition(":")[0] == word]
        if not fitting:
            raise InputError(f"there is no metric {word!r}; expected some of {', '.join(known)}")
        chosen += [name for name in fitting if name not in chosen]
    return chosen
