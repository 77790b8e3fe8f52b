"""Tables of captions: what is wrong with them is said with the line."""

from pathlib import Path

import pytest

from data_package.layouts import make_videos
from syncam.data.folder import read_table
from syncam.data.sources import open_dataset
from syncam.errors import InputError


def test_videos_that_only_the_table_or_only_the_folder_has(tmp_path: Path) -> None:
    make_videos(tmp_path)
    (tmp_path / "metadata.csv").write_text("file_name,text\na.mp4,a cat\nlost.mp4,a dog\n")
    dataset = open_dataset(tmp_path)
    assert {dataset.name(scene): scene.caption for scene in dataset} == {
        "a.mp4": "a cat",
        "lost.mp4": "a dog",
        "more/b.mp4": "",
    }
    with pytest.raises(InputError, match=r"lost\.mp4 does not exist"):
        dataset[1].read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,text\na.mp4,x\n", "has the columns name, text; expected file_name, and text"),
        (b"file_name,text\na.mp4\n", "line 2: expected a file name and a text"),
        (b"file_name,text\na.mp4,x\na.mp4,y\n", "line 3: a.mp4 stands there twice"),
        (b"file_name,text\n../a.mp4,x\n", "leads out"),
        (b"file_name,text\na.mp4,\xff\n", "UTF-8"),
    ],
)
def test_bad_tables(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.csv", ("file_name",))
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.csv", ("file_name",))
