"""A Dask cluster for the tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cosim.spice import open_pool

if TYPE_CHECKING:
    from cosim.spice.cluster import ClusterPool


@pytest.fixture(scope="session")
def dask_pool(own_cache: Path) -> Iterator[ClusterPool]:
    """Two Dask workers on this machine, each with a nanny that replaces it; without the store of results."""
    pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not installed")
    from cosim.spice.cluster import ClusterPool

    with open_pool(scheduler="local:2", use_cache=False, timeout=60) as pool:
        assert isinstance(pool, ClusterPool)
        yield pool
