"""The rig editor's server: every answer, and every request that it refuses."""

import base64
import http.client
import io
import json
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cameras.examples import DATA
from syncam.cameras import NamedCameras, arc, load_rig, parse_rig, save_rig, write_named_cameras
from syncam.cameras.editor import edit_rig, editing
from syncam.cameras.editor.assets import MODULES, STYLE
from syncam.cameras.editor.content import content_cameras, rig_content
from syncam.cameras.editor.server import MAX_BODY, serving
from syncam.cameras.editor.session import REQUESTS, Session
from syncam.errors import InputError

Ask = Callable[..., tuple[int, Any]]
SPEC = "arc:views=2,radius=4,move=40"
SIZE = {"num_frames": 5, "height": 96, "width": 128}


def rig() -> dict[str, Any]:
    return rig_content(NamedCameras(("left", "right"), parse_rig(SPEC, num_frames=5, hw=(96, 128)), 8.0))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(rig(), tmp_path / "out.json", SPEC)


@pytest.fixture
def ask(session: Session) -> Iterator[Ask]:
    """Sends one request; gives the status and the JSON, or for other types the headers and the bytes."""
    with serving(session) as address:
        port = int(address.rstrip("/").rpartition(":")[2])

        def send(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
            raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            kind = {"Content-Type": "application/json"} if raw is not None else {}
            connection.request(method, path, raw, kind | (headers or {}))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if answer.headers.get_content_type() == "application/json":
                return answer.status, json.loads(content)
            return answer.status, (answer.headers, content)

        send.port = port  # pyright: ignore[reportFunctionMemberAccess]
        yield send


# files


def test_page(ask: Ask) -> None:
    status, (headers, content) = ask("GET", "/")
    assert status == 200 and headers.get_content_type() == "text/html"
    start = re.search(r'<script type="application/json" id="start">(.*?)</script>', content.decode())
    assert start and json.loads(start.group(1))["rig"] == rig()
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize("file", [*MODULES.values(), STYLE])
def test_bundled_file(ask: Ask, file: str) -> None:
    status, (headers, content) = ask("GET", f"/{file}")
    assert status == 200 and headers.get_content_type() == ("text/css" if file == STYLE else "text/javascript")
    assert content and headers["X-Content-Type-Options"] == "nosniff"


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
        "/static/main.js/",
        "/api/rig",
    ],
)
def test_other_paths_are_not_there(ask: Ask, path: str) -> None:
    status, answer = ask("GET", path)
    assert status == 404 and "there is no" in answer["error"]


# who may ask


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_hosts_are_refused(ask: Ask, host: str, method: str) -> None:
    status, answer = ask(method, "/", headers={"Host": host.format(port=ask.port)})
    assert status == 403 and "expected 127.0.0.1:" in answer["error"]


@pytest.mark.parametrize("origin", ["http://example.com", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_other_origins_are_refused(ask: Ask, session: Session, origin: str) -> None:
    status, answer = ask("POST", "/api/save", {"rig": rig()}, {"Origin": origin.format(port=ask.port)})
    assert status == 403 and "only this page itself may ask" in answer["error"]
    assert not session.out.exists()


def test_other_sites_are_refused(ask: Ask) -> None:
    status, answer = ask("POST", "/api/done", {}, {"Sec-Fetch-Site": "cross-site"})
    assert status == 403 and "another site" in answer["error"]


def test_our_own_page_may_ask_by_both_names(ask: Ask) -> None:
    for name in ("127.0.0.1", "localhost"):
        headers = {"Host": f"{name}:{ask.port}", "Origin": f"http://{name}:{ask.port}", "Sec-Fetch-Site": "same-origin"}
        assert ask("POST", "/api/rig", {"spec": SPEC, **SIZE}, headers)[0] == 200


def test_it_listens_on_this_machine_only(session: Session) -> None:
    with serving(session) as address:
        assert address.startswith("http://127.0.0.1:")


def test_taken_port(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 cannot be used"), serving(session, port):
            pass


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
def test_bad_bodies(ask: Ask, body: bytes, complaint: str) -> None:
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
def test_bad_headers(ask: Ask, headers: dict[str, str], expected: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=60)
    connection.putrequest("POST", "/api/rig")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == expected and json.loads(answer.read())["error"]
    connection.close()


def test_body_that_ends_early(ask: Ask) -> None:
    with socket.create_connection(("127.0.0.1", ask.port), timeout=60) as client:
        head = f"POST /api/rig HTTP/1.0\r\nHost: 127.0.0.1:{ask.port}\r\nContent-Type: application/json\r\n"
        client.sendall(f"{head}Content-Length: 10\r\n\r\n{{}}".encode())
        client.shutdown(socket.SHUT_WR)
        assert b"ended after 2 of 10 bytes" in client.makefile("rb").read()


def test_unknown_request(ask: Ask) -> None:
    status, answer = ask("POST", "/api/rigs", {})
    assert status == 404 and all(path in answer["error"] for path in REQUESTS)
    assert ask("PUT", "/api/rig", {})[0] == 501


# rigs in words


def test_words(ask: Ask) -> None:
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
def test_bad_words(ask: Ask, change: dict[str, Any], complaint: str) -> None:
    status, answer = ask("POST", "/api/rig", {"spec": SPEC, **SIZE} | change)
    assert status == 400 and complaint in answer["error"]


# files in and out


def upload(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "base64": base64.b64encode(content).decode()}


def test_import(ask: Ask, tmp_path: Path) -> None:
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
def test_bad_imports(ask: Ask, change: dict[str, Any], complaint: str) -> None:
    body = {"files": [upload("a.json", b"{}")], "height": 96, "width": 128, "format": None} | change
    status, answer = ask("POST", "/api/import", body)
    assert status == 400 and complaint in answer["error"]
    assert "/tmp/" not in answer["error"].replace("'/tmp/a.json'", ""), "the folder of the server is nobody's business"


def test_export(ask: Ask, tmp_path: Path) -> None:
    status, (headers, content) = ask("POST", "/api/export", {"format": "syncamvideo", "rig": rig()})
    assert status == 200 and headers.get_content_type() == "application/octet-stream"
    assert headers.get_filename() == "rig_syncamvideo.json"
    (tmp_path / "camera_extrinsics.json").write_bytes(content)
    again = parse_rig(str(tmp_path / "camera_extrinsics.json"), hw=(96, 128))
    torch.testing.assert_close(again.c2w, content_cameras(rig()).cameras.c2w, rtol=0, atol=1e-9)


@pytest.mark.parametrize("format", ["blender", "gltf", "csv", "npz"])
def test_names_and_rates_go_through(ask: Ask, format: str) -> None:
    """From our page to a file of another program, and back."""
    status, (headers, content) = ask("POST", "/api/export", {"format": format, "rig": rig()})
    assert status == 200
    body = {"files": [upload(headers.get_filename(), content)], "height": 96, "width": 128, "format": None}
    status, answer = ask("POST", "/api/import", body)
    assert status == 200 and [view["name"] for view in answer["views"]] == ["left", "right"]
    assert answer["fps"] == 8


def test_files_of_views_are_called_by_their_names(ask: Ask) -> None:
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


def test_bad_exports(ask: Ask) -> None:
    status, answer = ask("POST", "/api/export", {"format": "syncamvideo", "rig": rig() | {"num_frames": 4}})
    assert status == 400 and "the rig says 4 frames" in answer["error"]
    assert ask("POST", "/api/export", {"format": "fbx", "rig": rig()})[0] == 400
    assert ask("POST", "/api/export", {"format": "syncamvideo", "rig": rig() | {"fps": -1}})[0] == 400


def test_save(ask: Ask, session: Session) -> None:
    content = rig() | {"editor": {"version": 1, "views": []}, "other": 1}
    assert ask("POST", "/api/save", {"rig": content}) == (200, {"path": str(session.out)})
    expected = content_cameras(content).cameras
    saved = load_rig(session.out)
    assert torch.equal(saved.c2w, expected.c2w) and torch.equal(saved.K, expected.K)
    written = json.loads(session.out.read_text())
    assert written["editor"] == content["editor"] and "other" not in written
    assert session.content == written, "a page that is loaded again shows what was saved"


def test_bad_rigs_are_not_saved(ask: Ask, session: Session) -> None:
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


def test_edit_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that saves and is done at once."""
    opened, users = [], []

    def browse(address: str) -> bool:
        port = int(address.rstrip("/").rpartition(":")[2])

        def use() -> None:
            for path in ("/api/save", "/api/done"):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("POST", path, json.dumps({"rig": rig()}), {"Content-Type": "application/json"})
                opened.append(connection.getresponse().status)
                connection.close()

        users.append(threading.Thread(target=use))
        users[0].start()
        return True

    monkeypatch.setattr(editing.webbrowser, "open", browse)
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

    monkeypatch.setattr(editing.webbrowser, "open", press)
    assert edit_rig(SPEC) is None


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out must end in .json"):
        edit_rig(SPEC, out=tmp_path / "rig.txt")
    with pytest.raises(InputError, match="unknown rig"):
        edit_rig("hexagon", out=tmp_path / "rig.json")
    with pytest.raises(InputError, match="port 70000"):
        edit_rig(SPEC, port=70000)
