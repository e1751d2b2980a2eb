"""What all tests share: nothing comes from a user's cache, and one pool of ngspice workers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cosim import cli
from cosim.spice import SimulatorPool

from .reports.browser import BROWSER, REASON, Browser, open_browser

Run = Callable[..., tuple[int, str, str]]


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


@pytest.fixture
def cosim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `cosim ARGUMENTS` in an empty folder; returns the exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cosim", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code
        assert code is None or isinstance(code, int)
        return (code or 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One headless Chromium for all tests of pages."""
    if BROWSER is None:
        pytest.skip(REASON)
    with open_browser(tmp_path_factory.mktemp("browser")) as found:
        yield found
