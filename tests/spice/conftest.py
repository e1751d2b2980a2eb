"""For the tests of the engine: a Dask cluster, and the ngspice packages of the distribution."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def packaged(request: pytest.FixtureRequest) -> Callable[[str, int], Path]:
    """`packaged("ngspice", 39)`: the folder into which that package of the distribution was unpacked.

    They are kept in pytest's cache. A test is skipped, with the reason, where the package cannot be had.
    """
    spec = importlib.util.spec_from_file_location("get_ngspice", Path(__file__).parents[2] / "tools" / "get_ngspice.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def unpacked(package: str, version: int) -> Path:
        folder = Path(request.config.cache.mkdir("packages")) / f"{package}-{version}"  # type: ignore[union-attr]
        if folder.is_dir():
            return folder
        if not (sys.platform.startswith("linux") and shutil.which("apt-get") and shutil.which("dpkg")):
            pytest.skip("this system has no apt to get another ngspice from")
        with tempfile.TemporaryDirectory() as scratch:
            try:
                apt = tool.PrivateApt(Path(scratch))
                apt.update()
                offered = [text for text, _ in apt.versions(package) if tool.upstream(text) == version]
                if not offered:
                    pytest.skip(f"the distribution offers no {package} {version}")
                draft = folder.with_name(f"{folder.name}.part")
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir()
                apt.unpack(package, offered[0], draft)
                draft.rename(folder)
            except tool.SetupError as error:
                pytest.skip(f"{package} {version} cannot be had: {error}")
        return folder

    return unpacked
