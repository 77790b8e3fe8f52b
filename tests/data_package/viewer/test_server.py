"""What the viewer's server answers: scenes by their numbers, whatever of them can be read, and nothing else."""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cameras.editor.client import Client, client
from data_package.layouts import MAKERS, make_videos
from data_package.viewer.sets import FRAMES, HW, TRAIN, asking, make_set, numbers, pictures, session
from syncam import cli
from syncam.cameras.editor import local_server
from syncam.cameras.editor.content import content_cameras
from syncam.cameras.editor.local_server import TOKEN_HEADER
from syncam.data.labels import write_labels
from syncam.data.shard_writer import write_shards
from syncam.data.sources import open_dataset
from syncam.data.video import write_video
from syncam.data.viewer import viewing
from syncam.data.viewer.pictures import MOST_FRAMES, shown_hw
from syncam.data.viewer.session import REQUESTS
from syncam.data.viewer.viewing import BUNDLE
from syncam.errors import InputError

FIRST = {"scene": 0, "view": 0, "first": 0, "count": 1, "label": None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def ask(root: Path) -> Iterator[Client]:
    with asking(session(root)) as client:
        yield client


def facts(root: Path, scene: int = 0, **options: Any) -> dict[str, Any]:
    return session(root, **options).open(scene)


# scenes


def test_the_page_and_its_files(ask: Client) -> None:
    status, (headers, content) = ask("GET", "/")
    assert status == 200 and headers.get_content_type() == "text/html"
    assert b'"total": 2' in content and "'unsafe-inline'" not in headers["Content-Security-Policy"]
    for name in (*BUNDLE.modules, *BUNDLE.styles):
        status, (_, content) = ask("GET", f"/{name}")
        assert status == 200 and content.decode() == BUNDLE.text(name)


def test_modules_import_only_what_there_is() -> None:
    for name in BUNDLE.modules:
        imported = set(re.findall(r"""(?:\bfrom|\bimport)\s*["']([\w./-]+)["']""", BUNDLE.text(name)))
        assert {other for other in imported if not other.startswith("three/addons/")} <= BUNDLE.modules.keys(), name
    for path in (BUNDLE.html.parent).iterdir():
        assert path.read_text(encoding="utf-8").count("\n") <= 400, f"split {path.name}"


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_kind_of_data_set(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    dataset = open_dataset(make(tmp_path))
    for index, scene in enumerate(dataset):
        told = facts(tmp_path, index)
        assert (told["error"], told["caption_error"], told["name"]) == (None, None, dataset.name(scene))
        assert [view["name"] for view in told["views"]] == scene.names
        assert {(view["error"], view["frames"], view["height"], view["width"]) for view in told["views"]} == {
            (None, scene.num_frames, *scene.hw)
        }
        assert (told["fps"], told["frames"], told["caption"]) == (scene.fps, scene.num_frames, scene.caption)
        cameras = scene.cameras
        if cameras is None:
            assert told["rig"] is None and "come without cameras" in told["no_rig"]
            continue
        shown = content_cameras(told["rig"]["content"])
        assert told["no_rig"] is None and list(shown.names) == scene.names
        torch.testing.assert_close(shown.cameras.c2w, cameras.c2w.double())
        torch.testing.assert_close(shown.cameras.K, cameras.K.double())
        assert told["rig"]["metric"] == (dataset.kind in ("syncamvideo", "syncamvideo-first"))


def test_worlds_without_up_take_that_of_their_cameras(tmp_path: Path) -> None:
    MAKERS["realestate10k"](tmp_path)
    told = facts(tmp_path)
    c2w = content_cameras(told["rig"]["content"]).cameras.c2w
    torch.testing.assert_close(torch.tensor(told["rig"]["up"]).double(), -c2w[0, 0, :3, 1], atol=1e-5, rtol=0)


def test_the_list_and_the_search(ask: Client) -> None:
    status, answer = ask("POST", "/api/scenes", {"search": "", "page": 0})
    assert status == 200
    assert (answer["total"], answer["found"], answer["pages"], answer["unread"]) == (2, 2, 1, 0)
    assert [scene["name"] for scene in answer["scenes"]] == [f"{TRAIN}/scene1", f"{TRAIN}/scene2"]

    def found(search: str) -> list[int]:
        for _ in range(1000):
            answer = ask("POST", "/api/scenes", {"search": search, "page": 0})[1]
            if answer["unread"] == 0:
                return [scene["index"] for scene in answer["scenes"]]
            threading.Event().wait(0.01)
        raise AssertionError("captions are never read")

    assert found("HORSE") == [0, 1] and found("red horse") == [0] and found("horse blue") == [1]
    assert found("scene2") == [1] and found("f24 horse number") == [0, 1] and found("cat") == []
    assert ask("POST", "/api/scenes", {"search": "", "page": 2})[1]["scenes"] == []


def test_of_large_sets_only_names_are_known(tmp_path: Path) -> None:
    """No file of a scene is opened before it is; pages are of a hundred."""
    for index in range(250):
        (tmp_path / "train" / f"scene{index}" / "videos").mkdir(parents=True)
    many = session(tmp_path)
    answer = many.catalogue.page("", 2)
    assert (answer["found"], answer["pages"], len(answer["scenes"])) == (250, 3, 50)
    assert answer["scenes"][0] == {"index": 200, "name": "train/scene200"}
    assert all(set(scene.__dict__) <= {"path", "text"} for scene in many.dataset)
    assert many.catalogue.page("scene20", 0)["found"] == 11
    many.catalogue.close()
    assert all(set(scene.__dict__) <= {"path", "text"} for scene in many.dataset), (
        "captions are not kept in the handles"
    )


# pictures


def test_every_frame_is_the_one_that_was_asked_for(ask: Client) -> None:
    for view in range(3):
        for first, count in ((0, MOST_FRAMES), (MOST_FRAMES, FRAMES - MOST_FRAMES), (17, 3)):
            body = {"scene": 1, "view": view, "first": first, "count": count, "label": None}
            status, (_, content) = ask("POST", "/api/frames", body)
            found = [numbers(picture) for picture in pictures(content)]
            assert status == 200 and found == [[2, view, frame] for frame in range(first, first + count)]


def test_labels_are_shown_with_what_their_colours_say(tmp_path: Path) -> None:
    """Depth from near to far and the sky, flow by its direction, and joints as dots, also from a tar shard."""
    root = make_set(tmp_path / "set", scenes=1, views=2, frames=2)
    height, width = HW
    depth = np.full((2, 2, *HW), 1.0, np.float32)
    depth[..., : width // 2], depth[..., :8, :] = 100.0, np.inf
    flow = np.zeros((2, 2, *HW, 2), np.float32)
    flow[..., : width // 2, 0], flow[:, -1] = 0.05 * width, np.nan
    joints = np.full((2, 2, 1, 24, 3), np.nan, np.float32)
    joints[..., 0, :] = width / 4, height / 2, 3.0
    labels = {"depth": depth, "flow_forward": flow, "joints": joints}
    write_labels(root / TRAIN / "scene1", ["cam01", "cam02"], labels, 10.0)
    write_shards(open_dataset(root), tmp_path / "shards")
    shown = []
    for place in (root, tmp_path / "shards"):
        with asking(session(place)) as ask:
            facts = ask("POST", "/api/scene", {"scene": 0})[1]
            kinds = ["masks", "joints", "depth", "flow_forward"]
            assert facts["labels"] == kinds and facts["error"] is None
            body = FIRST | {"view": 1, "count": 2}
            shown.append({kind: pictures(ask("POST", "/api/frames", body | {"label": kind})[1][1]) for kind in kinds})
    (found, again), legends = shown, facts["legends"]
    assert all(np.array_equal(a, b) for kind in kinds for a, b in zip(found[kind], again[kind], strict=True))

    def said(kind: str, words: str) -> list[int]:
        colour = dict(legends[kind]["colours"])[words]
        return [int(colour[at : at + 2], 16) for at in (1, 3, 5)] + [255]

    for row, column, words in ((2, 2, "sky"), (30, 2, "100 m"), (30, 60, "1 m")):
        assert found["depth"][0][row, column].tolist() == said("depth", words)
    first, last = found["flow_forward"]
    assert first[30, 2].tolist() == said("flow_forward", "right") and first[30, 60].tolist() == [255] * 4
    assert (last == said("flow_forward", "not known")).all() and "3.2 pixels" in legends["flow_forward"]["note"]
    dots = found["joints"][0]
    rows, columns = np.nonzero(dots[..., 3])
    assert rows.mean() / dots.shape[0] == pytest.approx(1 / 2, abs=0.02)
    assert columns.mean() / dots.shape[1] == pytest.approx(1 / 4, abs=0.02)
    assert dots[dots.shape[0] // 2, dots.shape[1] // 4].tolist() == said("joints", "1")


def test_masks_lie_over_the_pictures(ask: Client) -> None:
    assert ask("POST", "/api/scene", {"scene": 0})[1]["labels"] == ["masks"]
    status, (_, content) = ask("POST", "/api/frames", FIRST | {"view": 2, "count": 2, "label": "masks"})
    assert status == 200
    for picture in pictures(content):
        height, width, channels = picture.shape
        assert channels == 4 and height / HW[0] == width / HW[1] > 1, "lines along edges are thin"
        assert (picture[:, : width * 3 // 8 - 2, 3] > 0).all() and (picture[:, width * 3 // 8 + 2 :, 3] == 0).all()


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    write_video(tmp_path / "large.mp4", torch.rand(2, 3, 600, 1200), 8)
    large = session(tmp_path)
    assert large.open(0)["shown"] == (480, 960)
    (picture,) = pictures(REQUESTS["/api/frames"](large, FIRST))  # pyright: ignore[reportArgumentType]
    assert picture.shape == (480, 960, 3)
    assert shown_hw((1280, 720), 10) == (480, 270) and shown_hw((48, 64), 36) == (48, 64)


def test_pictures_without_an_open_scene(root: Path) -> None:
    """After other pages have opened many others: it is opened again."""
    fresh = session(root)
    (picture,) = pictures(REQUESTS["/api/frames"](fresh, FIRST | {"first": 5}))  # pyright: ignore[reportArgumentType]
    assert numbers(picture) == [1, 0, 5]
    for index in range(2):
        fresh.open(index)
    assert len(fresh._opened) == 2


# damage


def damaged(tmp_path: Path) -> Path:
    return make_set(tmp_path, scenes=1, frames=5) / TRAIN / "scene1"


def test_a_damaged_video_is_a_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    scene = damaged(tmp_path)
    (scene / "videos/cam01.mp4").write_bytes(b"")
    (scene / "cameras/rig.json").unlink()  # the published cameras need the size of the videos
    told = facts(tmp_path)
    assert "cam01.mp4 is empty" in told["views"][0]["error"]
    assert [view["error"] for view in told["views"][1:]] == [None, None]
    assert told["rig"] is not None and (told["frames"], told["fps"], told["shown"]) == (5, 10.0, HW)
    with asking(session(tmp_path)) as ask:
        status, answer = ask("POST", "/api/frames", FIRST)
        assert status == 400 and "cam01.mp4 is empty" in answer["error"]
        assert ask("POST", "/api/frames", FIRST | {"view": 1})[0] == 200


@pytest.mark.parametrize(
    ("damage", "place", "complaint"),
    [
        (lambda s: (s / "cameras/rig.json").write_text("{"), "no_rig", "rig.json is not JSON"),
        (lambda s: [p.unlink() for p in (s / "cameras").iterdir()], "no_rig", "camera_extrinsics.json is missing"),
        (lambda s: (s / "caption.txt").write_bytes(b"\xff"), "caption_error", "caption.txt is not UTF-8"),
        (lambda s: [p.unlink() for p in (s / "videos").iterdir()], "error", "holds no mp4 files"),
    ],
)
def test_other_damage_is_a_line_in_its_place(
    tmp_path: Path, damage: Callable[[Path], object], place: str, complaint: str
) -> None:
    damage(damaged(tmp_path))
    told = facts(tmp_path)
    assert complaint in told[place] and "\n" not in told[place]
    others = {"error", "caption_error", "no_rig"} - {place}
    assert place == "error" or {told[other] for other in others} == {None}
    assert len(told["views"]) == (0 if place == "error" else 3)


def test_damaged_masks(tmp_path: Path) -> None:
    scene = damaged(tmp_path)
    mask = scene / "masks/cam01.npz"
    mask.write_bytes(mask.read_bytes()[:100])
    with asking(session(tmp_path)) as ask:
        assert ask("POST", "/api/scene", {"scene": 0})[1]["labels"] == ["masks"]
        status, answer = ask("POST", "/api/frames", FIRST | {"label": "masks"})
        assert status == 400 and "cam01.npz cannot be read" in answer["error"]
        assert ask("POST", "/api/frames", FIRST | {"view": 1, "label": "masks"})[0] == 200
        status, answer = ask("POST", "/api/frames", FIRST | {"view": 1, "first": 4, "count": 3, "label": "masks"})
        assert status == 400 and "frames of mask" in answer["error"] and "must lie in 0..4" in answer["error"]


def test_short_videos_and_other_sizes(tmp_path: Path) -> None:
    scene = damaged(tmp_path)
    write_video(scene / "videos/cam02.mp4", torch.rand(3, 3, 32, 32), 10)
    told = facts(tmp_path)
    assert [view["frames"] for view in told["views"]] == [5, 3, 5] and told["frames"] == 5
    with asking(session(tmp_path)) as ask:
        status, (_, content) = ask("POST", "/api/frames", FIRST | {"view": 1, "count": 3})
        assert status == 200 and {picture.shape for picture in pictures(content)} == {(*HW, 3)}
        status, answer = ask("POST", "/api/frames", FIRST | {"view": 1, "first": 3})
        assert status == 400 and "cam02.mp4 has 3 frames" in answer["error"]


# who may ask, and for what


@pytest.mark.parametrize("path", ["/", "/viewer/main.js", "/styles/viewer.css", *REQUESTS])
def test_nothing_is_answered_without_the_token(ask: Client, path: str) -> None:
    method, body = ("POST", FIRST | {"search": "", "page": 0}) if path in REQUESTS else ("GET", None)
    for headers in ({TOKEN_HEADER: ""}, {TOKEN_HEADER: "wrong"}):
        status, answer = ask(method, path, body, headers)
        assert status == 403 and "that syncam data view shows" in answer["error"]
    for headers in ({"Host": "example.com"}, {"Origin": "http://example.com"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(method, path, body, headers)[0] == 403


@pytest.mark.parametrize(
    ("path", "change", "complaint"),
    [
        ("/api/scene", {"scene": "../../etc"}, "scene must be a whole number from 0 to 1"),
        ("/api/scene", {"scene": -1}, "scene must be a whole number"),
        ("/api/scene", {"scene": 2}, "scene must be a whole number"),
        ("/api/scene", {"scene": True}, "scene must be a whole number"),
        ("/api/frames", {"view": 3}, "view must be a whole number from 0 to 2"),
        ("/api/frames", {"view": "cam01"}, "view must be a whole number"),
        ("/api/frames", {"first": -1}, "first must be a whole number"),
        ("/api/frames", {"first": FRAMES}, f"has {FRAMES} frames but frame {FRAMES} was asked for"),
        ("/api/frames", {"count": 0}, "count must be a whole number from 1"),
        ("/api/frames", {"count": MOST_FRAMES + 1}, f"to {MOST_FRAMES}"),
        ("/api/frames", {"label": 1}, "label must be a string"),
        ("/api/frames", {"label": "albedo"}, "unknown labels 'albedo'; known are masks, instances"),
        ("/api/frames", {"label": "depth"}, "cam01.mkv is missing; the scene has no labels"),
        ("/api/scenes", {"search": None}, "search must be a string"),
        ("/api/scenes", {"search": "a" * 201}, "at most 200 letters"),
        ("/api/scenes", {"page": -1}, "page must be a whole number"),
    ],
)
def test_bad_requests(ask: Client, path: str, change: dict[str, Any], complaint: str) -> None:
    status, answer = ask("POST", path, FIRST | {"search": "", "page": 0} | change)
    assert status == 400 and complaint in answer["error"]


@pytest.mark.parametrize("path", ["/../viewing.py", "/static/main.js", "/train", "//etc/passwd", "/api/scene"])
def test_other_paths_are_not_there(ask: Client, path: str) -> None:
    assert ask("GET", path)[0] == 404


def test_long_bodies_are_not_read(ask: Client) -> None:
    status, answer = ask("POST", "/api/scenes", {"search": "a" * 70_000, "page": 0})
    assert status == 413 and "at most 65536" in answer["error"]


# links


def link(path: Path, target: Path) -> None:
    path.unlink() if path.is_file() else None
    path.symlink_to(target)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A whole scene outside of the data set in tmp_path/set."""
    make_set(tmp_path / "set", scenes=2, frames=3)
    make_set(tmp_path / "elsewhere", scenes=1, frames=3)
    return tmp_path / "elsewhere" / TRAIN / "scene1"


def test_a_linked_scene_is_shown_on_request_only(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "set" / TRAIN / "scene3").symlink_to(outside)
    told = facts(tmp_path / "set", 2)
    assert told["name"].endswith("scene3") and told["views"] == [] and told["rig"] is None
    assert "scene3 leads out of the data set by a link; start with --links" in told["error"]
    with asking(session(tmp_path / "set")) as ask:
        status, answer = ask("POST", "/api/frames", FIRST | {"scene": 2})
        assert status == 400 and "can be shown" in answer["error"]
    assert facts(tmp_path / "set", 2, links=True)["error"] is None


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("videos/cam01.mp4", "view"),
        ("cameras/rig.json", "no_rig"),
        ("caption.txt", "caption_error"),
        ("masks/cam02.npz", "label"),
    ],
)
def test_linked_files_are_shown_on_request_only(tmp_path: Path, outside: Path, name: str, place: str) -> None:
    link(tmp_path / "set" / TRAIN / "scene1" / name, outside / name)
    told, all = (facts(tmp_path / "set", links=links) for links in (False, True))
    said = told["views"][0]["error"] if place == "view" else told.get(place)
    if place == "label":
        assert told["labels"] == [] and all["labels"] == ["masks"]
    else:
        assert said is not None and f"{name} leads out of the data set by a link" in said
        assert all["views"][0]["error"] is None and all.get(place) is None
    assert place != "no_rig" or told["rig"] is None
    assert place != "caption_error" or told["caption"] == ""


def test_pictures_and_labels_through_links_are_not_sent(tmp_path: Path, outside: Path) -> None:
    """Also where the link appears after the scene was opened."""
    with asking(session(tmp_path / "set")) as ask:
        assert ask("POST", "/api/scene", {"scene": 0})[0] == 200
        for name, body in (("videos/cam01.mp4", FIRST), ("masks/cam01.npz", FIRST | {"label": "masks"})):
            link(tmp_path / "set" / TRAIN / "scene1" / name, outside / name)
            status, answer = ask("POST", "/api/frames", body)
            assert status == 400 and "by a link" in answer["error"]


def test_captions_through_links_are_not_searched(tmp_path: Path, outside: Path) -> None:
    (outside / "caption.txt").write_text("a secret")
    link(tmp_path / "set" / TRAIN / "scene1" / "caption.txt", outside / "caption.txt")
    for links, found in ((False, 0), (True, 1)):
        catalogue = session(tmp_path / "set", links=links).catalogue
        catalogue.page("secret", 0)
        assert catalogue._reader is not None
        catalogue._reader.join()
        assert catalogue.page("secret", 0)["found"] == found


def test_links_inside_and_to_the_whole_are_followed(tmp_path: Path, outside: Path) -> None:
    scene = tmp_path / "set" / TRAIN / "scene1"
    (tmp_path / "set" / TRAIN / "scene9").symlink_to(scene)
    (tmp_path / "linked").symlink_to(tmp_path / "set")
    told = [facts(tmp_path / "linked", index) for index in range(3)]
    assert [(one["error"], one["views"][0]["error"], one["no_rig"]) for one in told] == [(None, None, None)] * 3


def test_a_linked_table_of_captions(tmp_path: Path) -> None:
    make_videos(tmp_path / "set")
    (tmp_path / "set" / "metadata.csv").rename(tmp_path / "elsewhere.csv")
    (tmp_path / "set" / "metadata.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["data", "view", str(tmp_path / "set"), "--no-browser"])


# the whole


def run_view(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[Any]:
    """What the browser is told by the verb, which then is ended with Ctrl-C."""
    answers: list[Any] = []

    def browse(address: str) -> bool:
        ask = client(address)
        answers.extend([ask("GET", "/")[0], ask("POST", "/api/scene", {"scene": 0})[1]["name"], address])
        answers.append(ask("GET", "/")[1][1].decode())
        return True

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    monkeypatch.setattr(local_server.webbrowser, "open", browse)
    monkeypatch.setattr(viewing, "Event", Interrupted)
    cli.main(["data", "view", *arguments])
    return answers


def test_the_verb(root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    status, name, address, page = run_view(monkeypatch, str(root), "--scene", "scene2")
    assert (status, name) == (200, f"{TRAIN}/scene1") and '"first": 1' in page
    assert caplog.messages[0].splitlines()[1] == address and "ended" in caplog.messages[1]
    assert run_view(monkeypatch, str(root), "--no-browser") == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none"], "is not a folder"),
        (
            ["set", "--scene", "scene7"],
            "no scene is called 'scene7'; expected a number from 1 to 2 or a name like train/",
        ),
        (["set", "--scene", "scene"], "no scene is called"),
        (["set", "--split", "val"], "is not a folder"),
        (["set", "--port", "70000"], "port 70000"),
    ],
)
def test_bad_arguments(root: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = root if arguments[0] == "set" else root / "none"
    with pytest.raises(SystemExit, match="2"):
        cli.main(["data", "view", str(where), *arguments[1:], "--no-browser"])
    assert complaint in capsys.readouterr().err


def test_scenes_are_found_by_name_and_number(root: Path) -> None:
    dataset = open_dataset(root)
    assert [dataset.find(word) for word in (f"{TRAIN}/scene2", "scene2", "f24_aperture5/scene1", "2")] == [1, 1, 0, 1]
    for word in ("ene2", "3", "0", "", "scene"):
        with pytest.raises(InputError, match="no scene is called"):
            dataset.find(word)


def test_names_that_fit_several_scenes(tmp_path: Path) -> None:
    for folder in ("train/scene1", "val/scene1", "train/2"):
        (tmp_path / folder / "videos").mkdir(parents=True)
    dataset = open_dataset(tmp_path)
    assert dataset.find("val/scene1") == 2 and dataset.find("2") == 0, "a name counts before a number"
    with pytest.raises(InputError, match=r"2 scenes are called 'scene1', such as train/scene1, val/scene1; give more"):
        dataset.find("scene1")


def test_pixels_survive_the_way(ask: Client, root: Path) -> None:
    """JPEG files, but of good quality: what is compared by eye is what was stored."""
    _, (_, content) = ask("POST", "/api/frames", FIRST)
    shown = pictures(content)[0].astype(float) / 255
    stored = open_dataset(root)[0].read(views=[0], frames=[0]).video[0, 0].permute(1, 2, 0).numpy()
    assert np.abs(shown - stored).mean() < 0.02
