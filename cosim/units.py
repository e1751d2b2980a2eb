"""Quantities with units, as they stand in files ("150 uS"), to and from plain SI floats."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import CosimError

if TYPE_CHECKING:
    from pint import UnitRegistry

_NUMBER_THEN_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL)
_SYMBOL = re.compile(r"[\w%°Ω./*^() -]*")  # pint passes over any other character
_PREFIXES = {
    -18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "",
    3: "k", 6: "M", 9: "G", 12: "T",
}  # fmt: skip
_UNPREFIXED = ("", "1", "%", "LSB", "degC")


@dataclass(frozen=True)
class Unit:
    """The SI unit that a configuration field is kept in; stands in the metadata of its annotation."""

    symbol: str


@cache
def _registry() -> UnitRegistry:
    # Made on first use: it takes about a second. Decimals, so that "2.67 uS" is exactly the float 2.67e-6.
    import pint

    return pint.UnitRegistry(non_int_type=Decimal)


def parse_quantity(text: Any, unit: str, *, file: str | Path | None = None, key: str | None = None) -> float:
    """The number of `unit` that `text` stands for: `parse_quantity("150 uS", "S")` is 150e-6.

    Parameters
    ----------
    text: number, then unit, e.g. "150 uS", "0.43V", "2 %", "1 kohm". Unicode "µ" and "Ω" are understood.
    unit: the unit of the answer, in pint's spelling; "1" for a plain number, which may come without unit.
    file, key: where the text stands, for the message.

    The result is the double nearest to the decimal text. Raises CosimError when there is no number, no unit,
    an unknown unit or one of another dimension.
    """

    def refuse(message: str) -> CosimError:
        return CosimError(message, file=file, key=key, value=text, allowed=_example(unit))

    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise refuse("not a quantity: a number with a unit, in quotes, is wanted")
    match = _NUMBER_THEN_UNIT.fullmatch(str(text))
    if match is None:
        raise refuse("not a number with a unit")
    number, symbol = Decimal(match[1]), match[2]
    if unit == "1" and not symbol:
        return _as_float(number, refuse)
    if not symbol:
        raise refuse("the unit is missing")
    if not _SYMBOL.fullmatch(symbol):
        raise refuse(f"'{symbol}' is not a unit")
    registry = _registry()
    try:
        quantity = registry.Quantity(number, symbol)
    except Exception as error:  # pint raises AttributeError, ValueError, AssertionError and more for odd text
        raise refuse(f"'{symbol}' is not a unit") from error
    target = "dimensionless" if unit == "1" else unit
    if not quantity.is_compatible_with(target):
        raise refuse(f"'{symbol}' is a unit of another dimension than '{unit}'")
    return _as_float(quantity.to(target).magnitude, refuse)


def unit_scale(
    symbol: str, unit: str, *, file: str | Path | None = None, key: str | None = None
) -> tuple[Decimal, Decimal]:
    """Factor and offset that turn numbers in `symbol` into numbers in `unit`: value = number factor + offset.

    `unit_scale("mV", "V")` is (0.001, 0), exactly; the offset is for temperatures. Raises CosimError when the unit is
    missing, unknown, or of another dimension; `file` and `key` say where it stands.
    """
    target = "dimensionless" if unit == "1" else unit
    allowed = "a plain number's '1' or '%'" if unit == "1" else f"a unit of '{unit}', for example \"{unit}\""

    def refuse(message: str) -> CosimError:
        return CosimError(message, file=file, key=key, value=symbol, allowed=allowed)

    if not symbol.strip():
        raise refuse("the unit is missing")
    if not _SYMBOL.fullmatch(symbol):
        raise refuse(f"'{symbol}' is not a unit")
    registry = _registry()
    try:
        zero, one = (registry.Quantity(Decimal(number), "" if symbol == "1" else symbol) for number in (0, 1))
        compatible = one.is_compatible_with(target)
        offset = zero.to(target).magnitude if compatible else Decimal(0)
        factor = one.to(target).magnitude - offset if compatible else Decimal(0)
    except Exception as error:  # pint raises AttributeError, ValueError, AssertionError and more for odd text
        raise refuse(f"'{symbol}' is not a unit") from error
    if not compatible:
        raise refuse(f"'{symbol}' is a unit of another dimension than '{unit}'")
    return factor, offset


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """A quantity for people: `format_si(150e-6, "S")` is "150 µS". `digits` significant digits are kept."""
    value = float(value)
    if unit in _UNPREFIXED or value == 0.0 or not math.isfinite(value):
        return f"{value:.{digits}g} {'' if unit == '1' else unit}".strip()
    # The exponent is taken after rounding, so that 999.99e-6 gives "1 m" and not "1000 µ".
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = 3 * math.floor(math.floor(math.log10(abs(rounded)) + 1e-12) / 3)
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return f"{rounded / 10.0**exponent:.{digits}g} {_PREFIXES[exponent]}{unit}"


def _as_float(number: Decimal, refuse: Any) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise refuse("the number is too large")
    return value


def _example(unit: str) -> str:
    if unit == "1":
        return "a plain number, or one with '%'"
    return f"a number with a unit of '{unit}', for example \"0.2 {unit}\""
