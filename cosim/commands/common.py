"""What the commands share: output, options written name=value, checks before any work."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from cosim.errors import CosimError

# Names of files and units may hold brackets, and a path must not be broken where a line is full.
out = Console(highlight=False, markup=False, soft_wrap=True)


def print_json(content: Any) -> None:
    """One JSON object on stdout."""
    from cosim.provenance import plain

    print(json.dumps(content, default=plain, indent=2, allow_nan=False))


def pairs(texts: Iterable[str] | None, option: str) -> Iterator[tuple[str, Any]]:
    """`name=value` options; a value that is a number or a TOML literal becomes one, anything else stays text."""
    seen = set()
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise CosimError("an option of this kind is written name=value", key=option, value=text)
        if name.strip() in seen:
            raise CosimError("this is given twice", key=option, value=name.strip())
        seen.add(name.strip())
        yield name.strip(), _literal(value.strip())


def lists(texts: Iterable[str] | None, option: str) -> dict[str, list[Any]]:
    """`name=value,value` options: values between commas, or a TOML list."""
    found: dict[str, list[Any]] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            raise CosimError("an option of this kind is written name=value,value", key=option, value=text)
        if name in found:
            raise CosimError("this setting is given twice", key=option, value=name)
        whole = _literal(value)
        found[name] = whole if isinstance(whole, list) else [_literal(each.strip()) for each in value.split(",")]
    return found


def _literal(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def check_seed(seed: int) -> None:
    if seed < 0:
        raise CosimError("a seed cannot be negative", key="--seed", value=seed, allowed="0 or more")


def beside(path: Path, suffix: str) -> Path:
    """The file of that name with another suffix; CosimError where the path names none."""
    if not path.name:
        raise CosimError("this is a folder, not a file", file=path)
    return path.with_suffix(suffix)


def check_writable(path: Path, *, folder: bool = False, key: str = "--output") -> None:
    """Raise CosimError when a file (or a folder's files) cannot be written, before hours of work; leave no trace."""
    place = path if folder else path.parent
    if path.is_dir() and not folder:
        raise CosimError("cannot write here: this is a folder", file=path, key=key)
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise CosimError(f"cannot write here: '{place}' is a file, not a folder", file=path, key=key)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise CosimError(f"cannot write here: {error.strerror or error}", file=path, key=key) from error


def quantity(value: float, unit: str) -> str:
    """A quantity for people; only a plain unit takes a prefix."""
    from cosim.units import format_si

    return format_si(value, unit) if unit.isalpha() else f"{value:.4g} {'' if unit == '1' else unit}".strip()


def interval(ends: Any) -> str:
    return f"[{ends[0]:.2%}, {ends[1]:.2%}]"
