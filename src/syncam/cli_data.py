"""The verbs of `syncam data`: typed functions without logic of their own, as in syncam.cli."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from syncam.console import progress_bar
from syncam.console import show as show_result

__all__ = ["DATA_VERBS"]

Word = Annotated[str | None, arg(help_behavior_hint="")]
Count = Annotated[int | None, arg(help_behavior_hint="")]
File = Annotated[Path | None, arg(help_behavior_hint="")]
Kind = Annotated[
    Literal["syncamvideo", "syncamvideo-first", "realestate10k", "dl3dv", "videos"] | None, arg(help_behavior_hint="")
]


def check(
    dir: Annotated[Positional[Path], arg(metavar="DIR")],
    *,
    split: Word = None,
    kind: Kind = None,
    quick: bool = False,
    uncaptioned: bool = False,
    workers: Count = None,
    report: File = None,
    json: bool = False,
) -> None:
    """Look for what is wrong with a data set: broken and short videos, cameras that do not fit, wrong sizes, equal
    files, missing captions. Ends with 1 if there is anything.

    SynCamVideo in both releases, MultiCamVideo, RealEstate10K, DL3DV-10K and folders of videos are known.
    For example:
      $ syncam data check SynCamVideo-Dataset --uncaptioned
      $ syncam data check SynCamVideo-Dataset --split val --quick
      $ syncam data check RealEstate10K --workers 8 --report problems.json
      $ syncam data check clips --kind videos --json

    Args:
        dir: The folder of the data set.
        split: The folder in it to check, such as train. Default: all of it.
        kind: The layout. Default: told by what is in the folder.
        quick: Read headers only, instead of decoding every frame.
        uncaptioned: Scenes need no caption, as in the published sets.
        workers: Number of processes. Default: one for each CPU.
        report: A JSON file to write, with everything that was found.
        json: Print the report as JSON.
    """
    import sys

    from syncam.data.check import check_dataset, describe_check
    from syncam.data.sources import open_dataset
    from syncam.files import write_json

    dataset = open_dataset(dir, split, kind)
    with progress_bar() as progress:
        result = check_dataset(
            dataset, quick=quick, captions=not uncaptioned, workers=workers, progress=partial(progress, what="scenes")
        )
    if report is not None:
        write_json(report, result)
    show_result(result if json else describe_check(result), as_json=json)
    if result["problems"]:
        sys.exit(1)


def unpack(
    source: Annotated[Positional[Path], arg(metavar="SOURCE")],
    *,
    out: Path,
    captions: File = None,
    captioner: Word = None,
    json: bool = False,
) -> None:
    """Unpack a published data set, from one archive or from the parts it was cut into, without joining them on disk.

    Run again after an interruption, it writes only what is missing. For example:
      $ syncam data unpack SynCamVideo-Dataset.tar.gz --out data
      $ syncam data unpack MultiCamVideo-Dataset.partaa --out data
      $ syncam data unpack downloads --out data --captions captions.csv
      $ syncam data unpack downloads --out data --captioner Salesforce/blip-image-captioning-base

    Args:
        source: The archive (tar, tar.gz, tar.bz2, tar.xz or zip), any of its parts, or the folder that holds them.
        out: The folder to unpack to.
        captions: A CSV file with the columns path and text, of scene folders or videos, to write as caption.txt.
        captioner: A model of transformers that describes pictures, a folder or a name on the hub, for scenes that have
            no caption.
        json: Print the result as JSON.
    """
    from syncam.data.captions import caption_from_model, caption_from_table, load_captioner, write_lenses
    from syncam.data.sources import open_dataset
    from syncam.data.unpack import unpack as run

    describe = None if captioner is None else load_captioner(captioner)
    with progress_bar() as progress:
        result = run(source, out, progress=partial(progress, what="MiB read"))
        result["lenses"] = write_lenses(out)
        if captions is not None:
            result["captions"] = caption_from_table(out, captions)
        if describe is not None:
            scenes = open_dataset(out).scenes
            captioned = partial(progress, total=len(scenes), what="scenes captioned")
            result["captions by model"] = caption_from_model(scenes, describe, progress=captioned)
    show_result(result, as_json=json)


def view(
    dir: Annotated[Positional[Path], arg(metavar="DIR")],
    *,
    split: Word = None,
    kind: Kind = None,
    scene: Word = None,
    links: bool = False,
    port: int = 0,
    no_browser: bool = False,
) -> None:
    """Play the synchronised views of a data set in the browser, beside the rig in space.

    The page is served on this machine alone, and ends with ctrl-C. For example:
      $ syncam data view data
      $ syncam data view SynCamVideo-Dataset --split val --scene scene12
      $ syncam data view RealEstate10K --kind realestate10k --scene 100
      $ syncam data view data --port 8123 --no-browser

    Args:
        dir: The folder of the data set.
        split: The folder in it to show, such as train. Default: all of it.
        kind: The layout. Default: told by what is in the folder.
        scene: The scene to open first: its name, the end of it, or its number in the list. Default: the first.
        links: Also show what links in the folder lead to outside of it.
        port: The port to serve the page at. Default: any that is free.
        no_browser: Only say where the page is, and open no browser.
    """
    from syncam.data.viewer import view_dataset

    view_dataset(dir, split, kind, scene=scene, links=links, port=port, open_browser=not no_browser)


def sheet(
    dir: Annotated[Positional[Path], arg(metavar="DIR")],
    *,
    out: Path,
    split: Word = None,
    kind: Kind = None,
    scene: Word = None,
    scenes: Count = None,
    views: Annotated[Literal["first", "all"] | None, arg(help_behavior_hint="")] = None,
    columns: int = 6,
    json: bool = False,
) -> None:
    """Write a contact sheet: the views of a scene, or scenes from all over a data set, at moments from first to last.

    Nothing but the pictures that are shown is read. For example:
      $ syncam data sheet data --out sheet.png
      $ syncam data sheet data --scene train/f24_aperture5/scene3 --out scene3.png
      $ syncam data sheet SynCamVideo-Dataset --scenes 36 --columns 1 --out sheet.png
      $ syncam data sheet MultiCamVideo --split val --scenes 3 --views all --out sheet.jpg

    Args:
        dir: The folder of the data set.
        out: The picture to write: .png, .jpg or .webp.
        split: The folder in it to show, such as train. Default: all of it.
        kind: The layout. Default: told by what is in the folder.
        scene: One scene: its name, the end of it, or its number as in syncam data view.
        scenes: How many scenes, spread evenly over the data set, instead of --scene. Default: 12.
        views: The first or all views of every scene. Default: all of one scene, the first of several.
        columns: The number of moments. With 1, the pictures are laid out as a block.
        json: Print what was written as JSON.
    """
    from syncam.data.sheets import write_sheet
    from syncam.data.sources import open_dataset
    from syncam.errors import InputError

    if scene is not None and scenes is not None:
        raise InputError("--scene shows one scene and --scenes several; give one of the two")
    dataset = open_dataset(dir, split, kind)
    index = None if scene is None else dataset.find(scene)
    views = views or ("first" if scene is None else "all")
    count = 12 if scenes is None else scenes
    result = write_sheet(out, dataset, scene=index, num_scenes=count, views=views, num_columns=columns)
    show_result({"file": str(out), **result}, as_json=json)


DATA_VERBS: dict[str, Callable[..., None]] = {"check": check, "unpack": unpack, "view": view, "sheet": sheet}
