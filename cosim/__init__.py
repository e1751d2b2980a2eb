"""SPICE-calibrated accuracy studies of neural networks on memristor hardware.

Importing this package is cheap on purpose: the simulator, numba, matplotlib and PyTorch are
loaded by the modules that need them, when they are used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> Any:
    # Looking the version up reads the disk, so it waits until someone asks.
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("cosim")
        except PackageNotFoundError:  # run from a tree that was never installed
            return "0+not.installed"
    if name == "from_torch":
        from importlib import import_module

        return import_module("cosim.networks.from_torch").from_torch
    raise AttributeError(f"module 'cosim' has no attribute {name!r}")
