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
    Literal["syncamvideo", "syncamvideo-first", "realestate10k", "dl3dv", "shards", "videos"] | None,
    arg(help_behavior_hint=""),
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
    files, missing captions, files that differ from the manifest. Ends with 1 if there is anything.

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
        quick: Read headers only, instead of decoding every frame and comparing checksums.
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


def caption(
    dir: Annotated[Positional[Path], arg(metavar="DIR")],
    *,
    table: File = None,
    model: Word = None,
    prompt: Word = None,
    frames: Count = None,
    view: Word = None,
    batch: int = 1,
    max_tokens: int = 128,
    device: Word = None,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"] | None, arg(help_behavior_hint="")] = None,
    split: Word = None,
    kind: Kind = None,
    out: File = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Give the scenes of a data set their captions, from a table or by a model that describes pictures.

    Captions go to caption.txt in the folder of each scene; for RealEstate10K and for folders of videos to captions.csv
    in DIR, which is read with the data set. Captions that are there stay, so that a run goes on where it was stopped.
    Ends with 1 if the table names what is not there, or scenes could not be described. For example:
      $ syncam data caption SynCamVideo-Dataset --table captions.jsonl
      $ syncam data caption RealEstate10K --split train --model Salesforce/blip-image-captioning-large --batch 16
      $ syncam data caption MultiCamVideo --model llava-hf/llava-1.5-7b-hf --frames 3 --prompt "What happens here?"
      $ syncam data caption clips --table metadata.csv --out captions.csv --overwrite

    Args:
        dir: The folder of the data set.
        table: A csv with a header, or a jsonl: a column path (or file_name, scene, video), of scenes or files in them,
            and a column text (or caption, prompt).
        model: An image-text model of transformers with safetensors: a folder, or a name on the hub.
        prompt: What a model that is asked is asked; or how the text of another begins. Default: to say what happens.
        frames: How many frames of a scene are shown, spread evenly. Default: 4 to a model that is asked, else 1.
        view: The name of the view that is shown, such as cam01. Default: the first.
        batch: How many scenes are described at once.
        max_tokens: The longest caption, in tokens of the model.
        device: Where to compute, such as cpu or cuda:1. Default: cuda where there is one.
        dtype: The precision of the weights. Default: bfloat16 on cuda, else float32.
        split: The folder in it to caption, such as train. Default: all of it.
        kind: The layout. Default: told by what is in the folder.
        out: A csv to write captions to, instead of where they belong; it goes on where it ends.
        overwrite: Replace captions that are there.
        json: Print the report as JSON.
    """
    import sys
    from dataclasses import asdict

    from syncam.data.captioner import ModelCaptioner
    from syncam.data.captions import caption_from_table, caption_scenes, describe_captions
    from syncam.data.sources import open_dataset
    from syncam.errors import InputError

    if (table is None) == (model is None):
        raise InputError("caption needs --table FILE or --model NAME, one of the two; see syncam data caption --help")
    of_model = {"prompt": prompt, "frames": frames, "view": view, "device": device, "dtype": dtype}
    of_model |= {"batch": None if batch == 1 else batch, "max-tokens": None if max_tokens == 128 else max_tokens}
    useless = [name for name, value in of_model.items() if value is not None]
    if table is not None and useless:
        raise InputError(f"--{useless[0]} is for --model, and there is none; leave it out")
    dataset = open_dataset(dir, split, kind)
    if table is not None:
        report = caption_from_table(dataset, table, overwrite=overwrite, out=out)
    else:
        captioner = ModelCaptioner(model or "", prompt=prompt, max_tokens=max_tokens, device=device, dtype=dtype)
        with progress_bar() as progress:
            report = caption_scenes(
                dataset,
                captioner,
                num_frames=frames,
                view=view,
                batch_size=batch,
                overwrite=overwrite,
                out=out,
                progress=partial(progress, what="scenes captioned"),
            )
    show_result(asdict(report) if json else describe_captions(report), as_json=json)
    if report.unknown or report.failed:
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
      $ syncam data unpack downloads --out data --captioner Salesforce/blip-image-captioning-large

    Args:
        source: The archive (tar, tar.gz, tar.bz2, tar.xz or zip), any of its parts, or the folder that holds them.
        out: The folder to unpack to.
        captions: A table of captions of scenes or videos, as of syncam data caption --table.
        captioner: A model that describes pictures, as of syncam data caption --model, for scenes without a caption.
        json: Print the result as JSON.
    """
    import sys

    from syncam.data.captioner import ModelCaptioner
    from syncam.data.captions import caption_from_table, caption_scenes, write_lenses
    from syncam.data.sources import open_dataset
    from syncam.data.unpack import unpack as run

    describe = None if captioner is None else ModelCaptioner(captioner)
    with progress_bar() as progress:
        result = run(source, out, progress=partial(progress, what="MiB read"))
        result["lenses"] = write_lenses(out)
        if captions is not None:
            report = caption_from_table(open_dataset(out), captions, overwrite=True)
            result["captions"] = report.captioned
            result["not there"] = report.unknown or None
        if describe is not None:
            report = caption_scenes(open_dataset(out), describe, progress=partial(progress, what="scenes captioned"))
            result["captions by model"] = report.captioned
            result["failed"] = report.failed or None
    show_result(result, as_json=json)
    if result.get("not there") or result.get("failed"):
        sys.exit(1)


def shard(
    dir: Annotated[Positional[Path], arg(metavar="DIR")],
    *,
    out: Path,
    split: Word = None,
    size: Word = None,
    count: Count = None,
    json: bool = False,
) -> None:
    """Put the scenes of a data set into tar files in the format of webdataset, one scene a sample, with an index.

    Run again after an interruption, it writes only the tar files that are missing. For example:
      $ syncam data shard data --out shards
      $ syncam data shard data --out shards --split train --size 500MB
      $ syncam data shard data --out shards --count 100 --json

    Args:
        dir: The folder of the data set: scene folders in the layout of SynCamVideo, as syncam render writes them.
        out: The folder to write the tar files to. syncam data check reads it, as syncam.data.sources.open_dataset does.
        split: The folder in it to take, such as train. Default: every one, in tar files of its own.
        size: The length of a tar file, such as 500MB or 2GiB; a scene is never cut. Default: 1GB.
        count: The number of scenes in a tar file, instead of a length.
        json: Print the result as JSON.
    """
    from syncam.data.shard_writer import write_shards
    from syncam.data.sources import open_dataset

    dataset = open_dataset(dir, split)
    with progress_bar() as progress:
        result = write_shards(dataset, out, size=size, count=count, progress=partial(progress, what="scenes"))
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


DATA_VERBS: dict[str, Callable[..., None]] = {
    "check": check,
    "caption": caption,
    "unpack": unpack,
    "view": view,
    "sheet": sheet,
    "shard": shard,
}
