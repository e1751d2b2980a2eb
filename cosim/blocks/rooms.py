"""The rooms of a block, opened when somebody asks for them: listing the blocks must not load the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def rooms(package: str, places: Mapping[str, tuple[str, str]]) -> Callable[[str], Any]:
    """A module-level `__getattr__` for the `__init__` of a block.

    `places`: name -> (module of the block, attribute there), e.g. `{"Config": ("config", "DacConfig")}`.
    """

    def __getattr__(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, attribute = places[name]
        return getattr(import_module(f"{package}.{module}"), attribute)

    return __getattr__
