"""What all tests share: nothing comes from a user's cache, and one pool of ngspice workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim.spice import SimulatorPool


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache folder for the whole test run, in place of the user's."""
    folder = tmp_path_factory.mktemp("cosim-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COSIM_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def pool(own_cache: Path) -> Iterator[SimulatorPool]:
    """Two ngspice workers for all tests, without the store of results: these tests simulate."""
    with SimulatorPool(2, use_cache=False, timeout=120) as pool:
        yield pool
