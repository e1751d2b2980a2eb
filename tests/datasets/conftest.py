"""Real data through COSIM_DATA."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

REAL = os.environ.get("COSIM_DATA")  # read before a test changes it


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The folder of a data set below COSIM_DATA; skips where it is not there."""

    def find(folder: str) -> Path:
        if not REAL or not (Path(REAL).expanduser() / folder).is_dir():
            pytest.skip(f"no '{folder}' below COSIM_DATA")
        return Path(REAL).expanduser() / folder

    return find
