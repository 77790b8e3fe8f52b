"""Captions from tables and models, and lenses from folder names."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
)

from data_package.layouts import HW, make_syncamvideo
from data_package.test_unpack import archive
from syncam import cli
from syncam.data.captions import caption_from_model, caption_from_table, load_captioner, write_lenses
from syncam.data.sources import open_dataset
from syncam.errors import InputError

SCENES = "train/f24_aperture5"


def test_texts_of_scenes_and_of_their_videos(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path / "Set")
    table = tmp_path / "captions.csv"
    table.write_text(
        "path,text\nf24_aperture5/scene1/videos/cam02.mp4,a dance\n"
        "f24_aperture5/scene1/videos/cam01.mp4,another\nval/basic,a walk\n"
    )
    assert caption_from_table(tmp_path, table) == 2
    captions = {scene.path.name: scene.caption for scene in open_dataset(tmp_path / "Set")}
    assert captions == {"scene1": "a dance", "scene2": "", "basic": "a walk"}
    table.write_text("path,text\nval/basic,new\nval/lost,x\n")
    with pytest.raises(InputError, match="names val/lost, which is not in"):
        caption_from_table(tmp_path, table)
    assert (tmp_path / "Set/val/basic/caption.txt").read_text() == "a walk\n"


def test_lenses_stay_with_moved_scenes(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    (tmp_path / SCENES).rename(tmp_path / "train/f35_aperture2.4")
    assert write_lenses(tmp_path) == 2
    file = tmp_path / "train/f35_aperture2.4/scene1/cameras/lens.json"
    assert json.loads(file.read_text()) == {"focal_mm": 35, "aperture": 2.4, "sensor_mm": 23.76}
    shutil.move(tmp_path / "train/f35_aperture2.4/scene1", tmp_path / "val/moved")
    cameras = open_dataset(tmp_path, "val")[1].cameras
    assert cameras is not None
    torch.testing.assert_close(cameras.K[0, 0, 0, 0].item(), 35 / 23.76 * HW[1])
    (tmp_path / "val/moved/cameras/lens.json").write_text("[]")
    with pytest.raises(InputError, match=r"lens\.json"):
        _ = open_dataset(tmp_path, "val")[1].cameras


def tiny_captioner(folder: Path) -> Path:
    """A random BLIP that says random words."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "cat", "dog", "walks"]
    tokenizer = BertTokenizerFast(vocab={word: index for index, word in enumerate(words)})
    size = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    text = dict(
        size, vocab_size=8, bos_token_id=4, eos_token_id=3, sep_token_id=3, pad_token_id=0, encoder_hidden_size=16
    )
    config = BlipConfig(text_config=text, vision_config=dict(size, image_size=16, patch_size=8), projection_dim=16)
    network = BlipForConditionalGeneration(config)
    with torch.no_grad():
        network.text_decoder.cls.predictions.bias[5] = 50.0
    network.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 16, "width": 16}), tokenizer).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_model_captions_what_has_no_caption(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path / "data")
    (tmp_path / "data/val/basic/caption.txt").write_text("a walk\n")
    describe = load_captioner(str(tiny_captioner(tmp_path / "model")))
    assert caption_from_model(open_dataset(tmp_path / "data"), describe) == 2
    captions = [scene.caption for scene in open_dataset(tmp_path / "data")]
    assert captions[2] == "a walk" and captions[0].split().count("cat") > 5


def test_models_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="captioner .* cannot be loaded"):
        load_captioner(str(tmp_path))


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "captions.csv").write_text("path,text\nSet/train/f24_aperture5/scene0,a dance\n")
    source, out = archive(tmp_path / "Set.tar.gz"), tmp_path / "out"
    cli.main(["data", "unpack", str(source), "--out", str(out), "--captions", str(tmp_path / "captions.csv"), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["files written"] == 4 and result["captions"] == 1
    assert (out / "Set/train/f24_aperture5/scene0/caption.txt").read_text() == "a dance\n"
