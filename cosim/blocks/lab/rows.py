"""What a column can be, and the measured points that were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError


@dataclass(frozen=True)
class Quantity:
    """What a column can be.

    Attributes
    ----------
    description: in a few words.
    unit: SI unit it is kept in; "1" for numbers, "whole" for whole numbers, "text" for names.
    low, high: what it can be at all, in that unit; a value outside is most often a wrong unit.
    required: the description must give it.
    index: it tells the rows apart, so it cannot be missing in a row.
    choices: of a text; any when empty.
    """

    description: str
    unit: str
    low: float = float("-inf")
    high: float = float("inf")
    required: bool = False
    index: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Measured points of one table, in the order of the file.

    Attributes
    ----------
    file: the description, for messages.
    key: of the table in the description.
    values: quantity -> numbers in SI units (NaN = missing), or texts; shape (rows,).
    places: file and line of each row.
    given: quantities that the description gives, rows with no value counted.
    """

    file: Path
    key: str
    values: Mapping[str, NDArray[Any]]
    places: tuple[tuple[Path, int], ...]
    given: frozenset[str]

    def __len__(self) -> int:
        return len(self.places)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A quantity's numbers, NaN in every row where the description does not give it; shape (rows,)."""
        if name not in self.values:
            return np.full(len(self), np.nan)
        return np.asarray(self.values[name], dtype=np.float64)

    def whole(self, name: str, default: int = 0) -> NDArray[np.int64]:
        """A whole number in each row."""
        if name not in self.values:
            return np.full(len(self), default, dtype=np.int64)
        return np.asarray(self.values[name], dtype=np.int64)

    def texts(self, name: str, default: str) -> list[str]:
        """A text in each row."""
        return [str(text) for text in self.values[name]] if name in self.values else [default] * len(self)

    def refuse(self, row: int, message: str, *, key: str, value: Any, allowed: Any = None) -> CosimError:
        """The error that names a row."""
        file, line = self.places[row]
        return CosimError(f"line {line}: {message}", file=file, key=key, value=value, allowed=allowed)

    def first_of(self, row: int, earlier: int) -> str:
        """Where the row is that another one repeats."""
        file, line = self.places[earlier]
        return f"line {line}" if file == self.places[row][0] else f"line {line} of {file.name}"
