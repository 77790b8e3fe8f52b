"""Who may ask the rig editor's server: its own page, with the token of the session, and nobody else."""

import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cameras.editor.browser import READY
from cameras.editor.client import SIZE, SPEC, Client, asking, client, rig
from syncam.cameras.editor.local_server import TOKEN_HEADER
from syncam.cameras.editor.server import serving
from syncam.cameras.editor.session import REQUESTS, Session
from syncam.errors import InputError


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(rig(), tmp_path / "out.json", SPEC)


@pytest.fixture
def ask(session: Session) -> Iterator[Client]:
    with asking(session) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/styles/base.css", "/editor/main.js", "/nothing", *REQUESTS])
@pytest.mark.parametrize("given", ["", "wrong", "tökén", "short"])
def test_nothing_is_answered_without_the_token(ask: Client, session: Session, path: str, given: str) -> None:
    given = ask.token[:-1] if given == "short" else given
    method, body = ("POST", {"rig": rig()}) if path in REQUESTS else ("GET", None)
    for where, headers in ((path, {TOKEN_HEADER: given}), (f"{path}?token={ask.token[:9]}", {TOKEN_HEADER: given})):
        status, answer = ask(method, where, body, headers)
        assert status == 403 and "needs the session's token" in answer["error"]
        assert ask.token not in str(answer)
    assert session.out and not session.out.exists() and not session.done.is_set()


def test_the_token_counts_as_query_or_header(ask: Client) -> None:
    query, none = f"?token={ask.token}", {TOKEN_HEADER: ""}
    for path in ("/", "/styles/editor.css"):
        assert ask("GET", path + query, None, none)[0] == ask("GET", path)[0] == 200
    body = {"spec": SPEC, **SIZE}
    assert ask("POST", "/api/rig" + query, body, none)[0] == ask("POST", "/api/rig", body)[0] == 200
    status, _ = ask("GET", f"/?token={ask.token}", None, {TOKEN_HEADER: "wrong"})
    assert status == 403, "a wrong header is wrong, whatever the query says"


def test_every_session_has_a_token_of_its_own(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="syncam")  # which a command may have set
    tokens = []
    for _ in range(2):
        with serving(session) as address:
            ask = client(address)
            assert ask("GET", f"/?token={ask.token}")[0] == 200
            assert all(ask("GET", "/", None, {TOKEN_HEADER: other})[0] == 403 for other in tokens)
            tokens.append(ask.token)
    assert len(set(tokens)) == 2 and all(re.fullmatch(r"[\w-]{22}", token) for token in tokens)
    assert "GET /" in caplog.text and not any(token in caplog.text for token in tokens)


@pytest.mark.parametrize("path", ["//[", "/?token=%ff", "/?token", "/?" + "a=1&" * 500])
def test_odd_addresses(ask: Client, path: str) -> None:
    assert ask("GET", path, None, {TOKEN_HEADER: ""})[0] == 403


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_hosts_are_refused(ask: Client, host: str, method: str) -> None:
    status, answer = ask(method, "/", headers={"Host": host.format(port=ask.port)})
    assert status == 403 and "expected 127.0.0.1:" in answer["error"]


@pytest.mark.parametrize("origin", ["http://example.com", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_other_origins_are_refused(ask: Client, session: Session, origin: str) -> None:
    status, answer = ask("POST", "/api/save", {"rig": rig()}, {"Origin": origin.format(port=ask.port)})
    assert status == 403 and "only this page itself may ask" in answer["error"]
    assert session.out and not session.out.exists()


def test_other_sites_are_refused(ask: Client) -> None:
    status, answer = ask("POST", "/api/done", {}, {"Sec-Fetch-Site": "cross-site"})
    assert status == 403 and "another site" in answer["error"]


def test_our_own_page_may_ask_by_both_names(ask: Client) -> None:
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


@pytest.mark.browser
@pytest.mark.slow
def test_other_pages_of_the_browser_get_nothing(page, session: Session, tmp_path: Path) -> None:
    """A page from disk and one of another port; each may send requests, but to no effect."""
    asks = """async ([address, body]) => {
      const tries = [{ method: "GET" }, { method: "POST", body }, { method: "POST", body, mode: "no-cors" }];
      const seen = [];
      for (const options of tries) {
        try {
          seen.push((await fetch(address, options)).type);
        } catch (error) {
          seen.push("refused");
        }
      }
      return seen;
    }"""
    (tmp_path / "other.html").write_text("<p>other")
    with serving(session) as address, serving(session) as other:
        for origin in ((tmp_path / "other.html").as_uri(), other):
            page.goto(origin, wait_until="commit")
            for path in ("/", "/api/done"):
                url = f"http://127.0.0.1:{client(address).port}{path}"
                assert page.evaluate(asks, [url, "{}"])[:2] == ["refused", "refused"]
        assert not session.done.is_set()
        page.complaints.clear()
        page.goto(address, wait_until="commit")
        assert page.evaluate(READY) == 2 and page.complaints == []
