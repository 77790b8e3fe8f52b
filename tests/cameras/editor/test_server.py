"""The rig editor's server: every answer, and every request that it refuses."""

import base64
import http.client
import io
import json
import re
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cameras.editor.client import SIZE, SPEC, Client, asking, client, rig
from cameras.examples import DATA
from syncam.cameras import arc, load_rig, parse_rig, save_rig, write_named_cameras
from syncam.cameras.editor import edit_rig, editing, local_server
from syncam.cameras.editor.assets import EDITOR
from syncam.cameras.editor.content import content_cameras
from syncam.cameras.editor.server import MAX_BODY
from syncam.cameras.editor.session import REQUESTS, Session
from syncam.errors import InputError


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(rig(), tmp_path / "out.json", SPEC)


@pytest.fixture
def ask(session: Session) -> Iterator[Client]:
    with asking(session) as client:
        yield client


# files


def test_page(ask: Client) -> None:
    status, (headers, content) = ask("GET", "/")
    assert status == 200 and headers.get_content_type() == "text/html"
    start = re.search(r'<script type="application/json" id="start">(.*?)</script>', content.decode())
    assert start and json.loads(start.group(1))["rig"] == rig()
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", [*EDITOR.modules, *EDITOR.styles])
def test_bundled_file(ask: Client, name: str) -> None:
    status, (headers, content) = ask("GET", f"/{name}")
    assert status == 200
    assert headers.get_content_type() == ("text/css" if name in EDITOR.styles else "text/javascript")
    assert content.decode() == EDITOR.text(name) and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "//etc/passwd",
        "/etc/passwd",
        "/static/",
        "/static/index.html",
        "/server.py",
        "/vendor/LICENSE.txt",
        "/static/main.js",
        "/editor/main.js/",
        "/api/rig",
    ],
)
def test_other_paths_are_not_there(ask: Client, path: str) -> None:
    status, answer = ask("GET", path)
    assert status == 404 and "there is no" in answer["error"]


# bodies


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"spec": NaN}', "NaN is no number"),
        (b"[]", "must be a JSON object, got list"),
    ],
)
def test_bad_bodies(ask: Client, body: bytes, complaint: str) -> None:
    status, answer = ask("POST", "/api/rig", body)
    assert status == 400 and complaint in answer["error"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Content-Type": "text/plain", "Content-Length": "2"}, 415),
        ({"Content-Length": "2"}, 415),
        ({"Content-Type": "application/json"}, 411),
        ({"Content-Type": "application/json", "Content-Length": "-1"}, 411),
        ({"Content-Type": "application/json", "Content-Length": "\xb2"}, 411),
        ({"Content-Type": "application/json", "Content-Length": "2", "Transfer-Encoding": "chunked"}, 411),
        ({"Content-Type": "application/json", "Content-Length": str(MAX_BODY + 1)}, 413),
        ({"Content-Type": "application/json", "Content-Length": "9" * 5000}, 413),
    ],
)
def test_bad_headers(ask: Client, headers: dict[str, str], expected: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=60)
    connection.putrequest("POST", f"/api/rig?token={ask.token}")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == expected and json.loads(answer.read())["error"]
    connection.close()


def test_body_that_ends_early(ask: Client) -> None:
    with socket.create_connection(("127.0.0.1", ask.port), timeout=60) as client:
        head = f"POST /api/rig?token={ask.token} HTTP/1.0\r\nHost: 127.0.0.1:{ask.port}\r\nContent-Length: 10\r\n"
        client.sendall(f"{head}Content-Type: application/json\r\n\r\n{{}}".encode())
        client.shutdown(socket.SHUT_WR)
        assert b"ended after 2 of 10 bytes" in client.makefile("rb").read()


def test_browsers_that_leave(ask: Client, capfd: pytest.CaptureFixture[str]) -> None:
    """In the middle of a large answer: nothing is written to the terminal."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)  # the server has to wait for it
        client.connect(("127.0.0.1", ask.port))
        path = f"/three-core?token={ask.token}"
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{ask.port}\r\n\r\n".encode())
        client.recv(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets the connection
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        time.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_unknown_request(ask: Client) -> None:
    status, answer = ask("POST", "/api/rigs", {})
    assert status == 404 and all(path in answer["error"] for path in REQUESTS)
    assert ask("PUT", "/api/rig", {})[0] == 501


# rigs in words


def test_words(ask: Client) -> None:
    status, answer = ask("POST", "/api/rig", {"spec": SPEC, **SIZE})
    expected = parse_rig(SPEC, num_frames=5, hw=(96, 128))
    cameras = content_cameras(answer).cameras
    assert status == 200 and cameras.hw == expected.hw
    assert torch.equal(cameras.c2w, expected.c2w) and torch.equal(cameras.K, expected.K)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"spec": "ark:views=2"}, "did you mean 'arc'"),
        ({"spec": None}, "spec must be a string, got NoneType"),
        ({"spec": "/etc/rig.json"}, "a path is no rig in words"),
        ({"spec": "/etc/passwd"}, "a path is no rig in words"),
        ({"num_frames": 0}, "num_frames must be a whole number from 1"),
        ({"num_frames": True}, "num_frames must be a whole number from 1"),
        ({"num_frames": 10**9}, "num_frames must be a whole number from 1"),
        ({"height": 1.5}, "height must be a whole number"),
        ({"width": "128"}, "width must be a whole number"),
    ],
)
def test_bad_words(ask: Client, change: dict[str, Any], complaint: str) -> None:
    status, answer = ask("POST", "/api/rig", {"spec": SPEC, **SIZE} | change)
    assert status == 400 and complaint in answer["error"]


# files in and out


def upload(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "base64": base64.b64encode(content).decode()}


def test_import(ask: Client, tmp_path: Path) -> None:
    source = DATA / "camera_extrinsics.json"
    body = {"files": [upload(source.name, source.read_bytes())], "height": 96, "width": 128, "format": None}
    status, answer = ask("POST", "/api/import", body)
    assert status == 200
    assert torch.equal(content_cameras(answer).cameras.c2w, parse_rig(str(source), hw=(96, 128)).c2w)
    save_rig(tmp_path / "own.json", arc(views=2, radius=3.0, num_frames=2, hw=(64, 32)))
    status, answer = ask(
        "POST", "/api/import", body | {"files": [upload("a.json", (tmp_path / "own.json").read_bytes())]}
    )
    assert status == 200 and (answer["height"], answer["width"]) == (64, 32), "a file keeps its own picture size"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"files": None}, "files must be a list"),
        ({"files": []}, "import takes 1 to"),
        ({"files": ["a"]}, "files must be objects"),
        ({"files": [{"name": "a.json"}]}, "base64 must be a string"),
        ({"files": [{"name": "a.json", "base64": "!"}]}, "the content of a.json is not base64"),
        ({"files": [upload("../a.json", b"{}")]}, "cannot be imported"),
        ({"files": [upload(".json", b"{}")]}, "cannot be imported"),
        ({"files": [upload("/tmp/a.json", b"{}")]}, "cannot be imported"),
        ({"files": [upload("a.json", b"{")]}, "a.json is not JSON"),
        ({"format": "no such format"}, "unknown camera format 'no such format'"),
        ({"format": 1}, "format must be a name or null"),
        ({"focal_mm": 0}, "focal_mm must be a positive number"),
    ],
)
def test_bad_imports(ask: Client, change: dict[str, Any], complaint: str) -> None:
    body = {"files": [upload("a.json", b"{}")], "height": 96, "width": 128, "format": None} | change
    status, answer = ask("POST", "/api/import", body)
    assert status == 400 and complaint in answer["error"]
    assert "/tmp/" not in answer["error"].replace("'/tmp/a.json'", ""), "the folder of the server is nobody's business"


def test_export(ask: Client, tmp_path: Path) -> None:
    status, (headers, content) = ask("POST", "/api/export", {"format": "syncamvideo", "rig": rig()})
    assert status == 200 and headers.get_content_type() == "application/octet-stream"
    assert headers.get_filename() == "rig_syncamvideo.json"
    (tmp_path / "camera_extrinsics.json").write_bytes(content)
    again = parse_rig(str(tmp_path / "camera_extrinsics.json"), hw=(96, 128))
    torch.testing.assert_close(again.c2w, content_cameras(rig()).cameras.c2w, rtol=0, atol=1e-9)


@pytest.mark.parametrize("format", ["blender", "gltf", "csv", "npz"])
def test_names_and_rates_go_through(ask: Client, format: str) -> None:
    """From our page to a file of another program, and back."""
    status, (headers, content) = ask("POST", "/api/export", {"format": format, "rig": rig()})
    assert status == 200
    body = {"files": [upload(headers.get_filename(), content)], "height": 96, "width": 128, "format": None}
    status, answer = ask("POST", "/api/import", body)
    assert status == 200 and [view["name"] for view in answer["views"]] == ["left", "right"]
    assert answer["fps"] == 8


def test_files_of_views_are_called_by_their_names(ask: Client) -> None:
    status, (headers, content) = ask("POST", "/api/export", {"format": "tum", "rig": rig()})
    assert (status, headers.get_filename()) == (200, "rig_tum.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["left.tum", "right.tum"]
    one = rig()
    one["views"] = one["views"][1:]
    status, (headers, content) = ask("POST", "/api/export", {"format": "tum", "rig": one})
    assert (status, headers.get_filename()) == (200, "right.tum")
    one["views"][0]["name"] = 'a"b'
    status, answer = ask("POST", "/api/export", {"format": "tum", "rig": one})
    assert status == 400 and "no file can be called that; rename the camera" in answer["error"]
    one["views"][0]["name"] = "ünten"
    status, (headers, content) = ask("POST", "/api/export", {"format": "tum", "rig": one})
    assert status == 200 and "filename*=UTF-8''%C3%BCnten.tum" in headers["Content-Disposition"]


def test_bad_exports(ask: Client) -> None:
    status, answer = ask("POST", "/api/export", {"format": "syncamvideo", "rig": rig() | {"num_frames": 4}})
    assert status == 400 and "the rig says 4 frames" in answer["error"]
    assert ask("POST", "/api/export", {"format": "fbx", "rig": rig()})[0] == 400
    assert ask("POST", "/api/export", {"format": "syncamvideo", "rig": rig() | {"fps": -1}})[0] == 400


def test_save(ask: Client, session: Session) -> None:
    content = rig() | {"editor": {"version": 1, "views": []}, "other": 1}
    assert ask("POST", "/api/save", {"rig": content}) == (200, {"path": str(session.out)})
    expected = content_cameras(content).cameras
    saved = load_rig(session.out)
    assert torch.equal(saved.c2w, expected.c2w) and torch.equal(saved.K, expected.K)
    written = json.loads(session.out.read_text())
    assert written["editor"] == content["editor"] and "other" not in written
    assert session.content == written, "a page that is loaded again shows what was saved"


def test_bad_rigs_are_not_saved(ask: Client, session: Session) -> None:
    bad = rig()
    bad["views"][1]["c2w"][2][0][0] *= -1
    status, answer = ask("POST", "/api/save", {"rig": bad})
    assert status == 400 and "views[1].c2w[2]" in answer["error"]
    session.out.mkdir()
    status, answer = ask("POST", "/api/save", {"rig": rig()})
    assert status == 500 and answer["error"]
    session.out.rmdir()
    session.out = None
    status, answer = ask("POST", "/api/save", {"rig": rig()})
    assert status == 400 and "without --out" in answer["error"]


# the whole


def test_edit_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A browser that saves and is done at once; the address stands on a line of its own, short enough not to wrap."""
    opened, users = [], []
    caplog.set_level("INFO")

    def browse(address: str) -> bool:
        ask = client(address)
        assert caplog.messages[0].splitlines()[1] == address and len(address) < 70

        def use() -> None:
            opened.extend(ask("POST", path, {"rig": rig()})[0] for path in ("/api/save", "/api/done"))

        users.append(threading.Thread(target=use))
        users[0].start()
        return True

    monkeypatch.setattr(local_server.webbrowser, "open", browse)
    out = tmp_path / "rig.json"
    assert edit_rig(SPEC, out=out) == out
    users[0].join()
    assert opened == [200, 200]
    assert load_rig(out).num_frames == 5


def test_opened_files_keep_their_keyframes(tmp_path: Path) -> None:
    save_rig(tmp_path / "rig.json", content_cameras(rig()).cameras, fps=12.0)
    content = json.loads((tmp_path / "rig.json").read_text()) | {"editor": {"version": 1, "views": []}}
    (tmp_path / "rig.json").write_text(json.dumps(content))
    assert editing._content(str(tmp_path / "rig.json"), None, None) == content
    chosen = editing._content(f"{tmp_path / 'rig.json'}#cam02", None, (48, 64))
    assert "editor" not in chosen and len(chosen["views"]) == 1 and chosen["height"] == 48
    assert editing._content(str(DATA / "camera_extrinsics.json"), None, (48, 64))["width"] == 64
    assert editing._content(SPEC, None, None)["num_frames"] == 17


def test_opened_files_of_other_programs_keep_names_and_rates(tmp_path: Path) -> None:
    named = content_cameras(rig())
    for format, name in (("blender", "rig.blender.json"), ("csv", "rig.csv")):
        write_named_cameras(tmp_path / name, named, format=format)
        content = editing._content(str(tmp_path / name), None, None)
        assert content["schema"] == "syncam-rig" and content["fps"] == 8
        assert [view["name"] for view in content["views"]] == ["left", "right"]


def test_ctrl_c_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(address: str) -> bool:
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        return True

    def interrupted(event: threading.Event) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(local_server.webbrowser, "open", press)
    assert edit_rig(SPEC) is None


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out must end in .json"):
        edit_rig(SPEC, out=tmp_path / "rig.txt")
    with pytest.raises(InputError, match="unknown rig"):
        edit_rig("hexagon", out=tmp_path / "rig.json")
    with pytest.raises(InputError, match="port 70000"):
        edit_rig(SPEC, port=70000)
