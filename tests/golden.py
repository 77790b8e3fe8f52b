"""Where the golden tensors are: values of the reference implementations, too large to be kept with the code."""

import os
from pathlib import Path


def golden(name: str) -> Path | None:
    """The path of a golden file, in the folder $SYNCAM_GOLDEN or in ../shared/golden beside the repository; or None."""
    folder = os.environ.get("SYNCAM_GOLDEN") or Path(__file__).parents[2] / "shared" / "golden"
    path = Path(folder) / name
    return path if path.exists() else None
