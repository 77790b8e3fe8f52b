"""Shape and type checks on every annotated function of syncam, one thread, no network, equal random numbers."""

import os
import random
import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of commands in the background; some tests press ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402  the environment is read when these are imported
import pytest  # noqa: E402
import torch  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

from chromium import browser, page, skip_without_chromium  # noqa: E402, F401  fixtures of the tests marked browser

torch.set_num_threads(1)
CHECKED = ["cameras", "data", "render", "adapters", "pipelines", "training", "evaluation"]
install_import_hook([f"syncam.{package}" for package in CHECKED], "typecheck.typechecker")


@pytest.fixture(autouse=True)
def equal_random_numbers() -> None:
    """Every test starts from the same global random state, in whichever order and process it runs."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tests marked gpu or browser where there is none; -ra names them and this reason at the end."""
    skip_without_chromium(items)
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
