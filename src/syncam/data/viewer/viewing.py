"""`syncam data view`: opens the viewer and waits until it is ended."""

import logging
from functools import partial
from pathlib import Path
from threading import Event

from syncam.cameras.editor.assets import BASE, ORBIT, STATIC, THREE, Bundle, scripts
from syncam.cameras.editor.local_server import Site, open_page, serving
from syncam.data.folder import TABLE
from syncam.data.sources import Kind, open_dataset
from syncam.data.viewer.inside import Fence
from syncam.data.viewer.session import REQUESTS, Session

__all__ = ["BUNDLE", "site", "view_dataset"]

log = logging.getLogger(__name__)
FOLDER = Path(__file__).parent / "static"
MAX_BODY = 2**16
SILENT = "syncam data view does not answer; it may have ended."
OF_EDITOR = ["cameras", "curve", "element", "frusta", "keys", "rig", "rotation", "scene", "server"]
BUNDLE = Bundle(
    html=FOLDER / "index.html",
    styles=BASE | {"styles/viewer.css": FOLDER / "viewer.css"},
    modules=THREE
    | ORBIT
    | scripts(STATIC, "editor", *(f"{name}.js" for name in OF_EDITOR))
    | scripts(FOLDER, "viewer"),
    main="viewer/main.js",
)


def view_dataset(
    root: str | Path,
    split: str | None = None,
    kind: Kind | None = None,
    *,
    scene: str | None = None,
    links: bool = False,
    port: int = 0,
    open_browser: bool = True,
) -> None:
    """Shows a data set, as `open_dataset` takes it, in the browser until Ctrl-C.

    `scene` is the name or the number, from 1, of the one to open first. Files that links in the folder lead to outside
    of it are shown with `links` only. `port` 0 is a free one. Raises what `open_dataset` raises.
    """
    dataset = open_dataset(root, split, kind)
    fence = Fence(dataset.root, links)
    fence.check([dataset.root / TABLE])  # its captions are among the names
    session = Session(dataset, fence, 0 if scene is None else dataset.find(scene))
    try:
        with serving(site(session), port) as address:
            open_page(address, "The viewer ends with Ctrl-C.", browser=open_browser)
            Event().wait()
    except KeyboardInterrupt:
        log.info("The viewer has ended.")
    finally:
        session.catalogue.close()


def site(session: Session) -> Site:
    """The viewer as a site: its page, and what that asks for."""
    requests = {path: partial(function, session) for path, function in REQUESTS.items()}
    return Site("syncam data view", BUNDLE, lambda: session.start() | {"silent": SILENT}, requests, MAX_BODY)
