"""torch.compile of the transformer's blocks, with the adapter's hooks inside the graph."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.examples import KINDS


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("backend", "num_layers"), [("aot_eager", 10), ("inductor", 2)])
def test_compiled_blocks_give_the_same_output(kind: str, backend: str, num_layers: int) -> None:
    """One graph serves all blocks: ten of them would break torch's limit of eight recompilations otherwise.

    CogVideoX takes two, with or without an adapter: its first block is given tensors of other strides.
    """
    graphs = 2 if KINDS[kind].is_joint else 1
    command = [sys.executable, str(Path(__file__).parent / "compiled.py"), kind, backend, str(num_layers)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["difference"] < 1e-5
    assert report["graphs"] == graphs
    assert report["graphs_after_other_cameras"] == graphs
    assert report["other_cameras"] > 1e-3
    if backend != "inductor":
        assert report["disabled"] < 1e-5
        assert report["gradient_difference"] < 1e-5
