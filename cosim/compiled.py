"""Functions compiled by Numba and kept on disk, made again when anything that they are compiled from has changed.

Numba looks at the file of a kept function alone. What that function takes from other files is compiled into it: other
compiled functions, the instructions that `cosim.blocks.lanes` writes, constants. After an upgrade that changes only one
of those, Numba would go on with the old code, and say nothing. Here the stamp of a kept function also holds the files
of the compiled code that its module imports, and theirs, and the module's constants.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

_CONSTANTS = (bool, int, float, str, tuple, frozenset)


def compiled(**options: Any) -> Callable[[Function], Function]:
    """Decorator: `numba.njit` with these options, without Python's lock, kept on disk.

    Whatever is compiled into the function must be imported above it. Where a later Numba keeps its stamps in another
    way, the function is compiled at each start instead.
    """

    def decorate(function: Function) -> Function:
        made: Any = numba.njit(nogil=True, **options)(function)
        made.enable_caching()
        kept: Any = getattr(made._cache, "_cache_file", None)
        if hasattr(kept, "_source_stamp"):
            kept._source_stamp = (kept._source_stamp, stamp(sys.modules[function.__module__]))
        else:
            made._cache.disable()
        return made  # type: ignore[no-any-return]

    return decorate


def stamp(module: ModuleType) -> str:
    """Hash over all that the compiled functions of a module are compiled from but for its own text."""
    summary = hashlib.sha256()
    for source in sources(module):
        summary.update(source.read_bytes())
    constants = {name: value for name, value in vars(module).items() if _is_constant(name, value)}
    summary.update(repr([(name, _in_order(constants[name])) for name in sorted(constants)]).encode())
    return summary.hexdigest()


def sources(module: ModuleType) -> list[Path]:
    """Files of the compiled code that a module imports from this package, and of what that imports, in order."""
    found: dict[str, Path] = {}
    left = [module]
    while left:
        for value in list(vars(left.pop()).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
            if not name.startswith("cosim.") or name in (module.__name__, __name__, *found):
                continue
            origin = sys.modules[name]
            if origin.__file__ is not None and _compiles(origin):
                found[name] = Path(origin.__file__)
                left.append(origin)
    return [found[name] for name in sorted(found)]


def _compiles(module: ModuleType) -> bool:
    """Whether a module has to do with compiled code: it has something of Numba's or LLVM's, or `compiled` itself."""
    return any(
        (getattr(value, "__name__", "") if isinstance(value, ModuleType) else type(value).__module__).partition(".")[0]
        in ("numba", "llvmlite") or value is compiled
        for value in vars(module).values()
    )  # fmt: skip


def _is_constant(name: str, value: object) -> bool:
    return not name.startswith("__") and isinstance(value, _CONSTANTS)


def _in_order(value: object) -> object:
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value
