"""What is chosen for all of a network, or by the names of layers, matrices and parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cosim.errors import CosimError, did_you_mean
from cosim.tiles.hardware import REST


def chosen(key: str, choice: Any, names: Sequence[str], layers: Iterable[str]) -> dict[str, Any]:
    """Name -> what is chosen for all, or by the longest beginning of this name (in whole words) in a mapping.

    key: what it is, for messages; layers: names to begin with, for messages. Raises CosimError for a name that none
    begins with, and for one that nothing is chosen for.
    """
    if not isinstance(choice, Mapping):
        return dict.fromkeys(names, choice)
    beginnings = {name: [".".join(name.split(".")[:n]) for n in range(name.count(".") + 1, 0, -1)] for name in names}
    known = {each for those in beginnings.values() for each in those}
    for name in choice:
        if name != REST and name not in known:
            raise CosimError(
                f"there is no such layer, matrix or part.{did_you_mean(name, sorted(known))}", key=key, value=name,
                allowed=[*layers, REST],
            )  # fmt: skip
    found = {}
    for name, those in beginnings.items():
        fits = next((each for each in those if each in choice), REST)
        if fits not in choice:
            raise CosimError(f"nothing is chosen for '{name}'", key=key, allowed=f"'{REST}' for the rest")
        found[name] = choice[fits]
    return found
