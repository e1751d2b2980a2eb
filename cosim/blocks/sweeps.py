"""How much a block sweeps: the keyword-only arguments of its `characterise`, checked before anything is simulated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cosim.errors import CosimError, did_you_mean
from cosim.validation import is_number


def sweep_options(
    characterise: Callable[..., Any], given: Mapping[str, Any], *, key: str = "--sweep", file: str | Path | None = None
) -> dict[str, Any]:
    """Arguments for `characterise`: whole numbers, switches, lists of numbers or of names as tuples.

    `key` names the option or table in messages. Raises CosimError for a sweep that the block does not have, and for a
    value of another kind.
    """
    known = {
        parameter.name: parameter.default
        for parameter in inspect.signature(characterise).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and isinstance(parameter.default, int | tuple)
        and parameter.name not in ("seed", "show_progress")
    }  # fmt: skip
    for name, value in given.items():
        if name not in known:
            raise CosimError(
                f"unknown sweep.{did_you_mean(name, known)}", file=file, key=key, value=name, allowed=list(known)
            )
        kind = _wrong_kind(value, known[name])
        if kind is not None:
            raise CosimError(
                "this sweep takes another kind of value", file=file, key=f"{key} {name}", value=value, allowed=kind
            )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _wrong_kind(value: Any, default: Any) -> str | None:
    """None where the value is of the default's kind, else that kind in words."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return None if type(value) is int else "a whole number"
    if default and all(isinstance(each, str) for each in default):
        right = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return None if right else f'a list of names, e.g. ["{default[0]}"]'
    return None if isinstance(value, list) and all(map(is_number, value)) else "a list of numbers, e.g. [0.15, 0.2]"
