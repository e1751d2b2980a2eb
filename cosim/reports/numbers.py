"""Numbers as they are printed: rounded to what is known, with prefixes and intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

_PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_PREFIXED = {"V", "A", "S", "s", "J", "F", "Hz", "ohm", "W"}
_SYMBOLS = {
    "ohm": "Ω", "1": "", "1/V": "V⁻¹", "1/V^2": "V⁻²", "m^2": "m²", "1e12/J": "TOPS/W", "1e12/(s mm^2)": "TOPS/mm²",
}  # fmt: skip
_AREAS = ((1e-8, 1e-6, "mm²"), (0.0, 1e-12, "µm²"))  # from this area on, in units of, its name
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NBSP = "\u00a0"


def superscript(number: int) -> str:
    """A whole number in raised digits."""
    return str(number).translate(_SUPERSCRIPTS)


def fixed(value: float | None, decimals: int) -> str:
    """With that many decimals and a true minus sign; a dash for what is not there."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return "−" + text[1:] if text.startswith("-") and float(text) else text.lstrip("-")


def significant(value: float | None, digits: int = 3) -> str:
    """With that many significant digits; powers of ten outside 0.0001 to 99999."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    if -4 <= int(power) < 5:
        return fixed(value, max(0, digits - 1 - int(power)))
    return f"{mantissa.replace('-', '−')}{NBSP}×{NBSP}10{superscript(int(power))}"


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in percent; only all is 100 %, and only nothing is 0 %."""
    if share is None or not math.isfinite(share):
        return "–"
    if share in (0, 1):
        return f"{100 * share:.0f}{NBSP}%"
    last = 10.0**-decimals
    inside = min(max(100 * share, last), 100 - last) if 0 < share < 1 else 100 * share
    return f"{fixed(inside, decimals)}{NBSP}%"


def percent_range(interval: Sequence[float] | None, decimals: int = 1) -> str:
    """An interval of shares in percent."""
    if not interval:
        return "–"
    return f"{fixed(100 * interval[0], decimals)} to {fixed(100 * interval[1], decimals)}{NBSP}%"


def points(difference: float | None, decimals: int = 2) -> str:
    """A difference of shares in percentage points, with its sign."""
    text = fixed(None if difference is None else 100 * difference, decimals)
    return f"+{text}" if difference and difference > 0 and float(text) else text


def points_range(interval: Sequence[float] | None, decimals: int = 2) -> str:
    """An interval of differences, in points."""
    return "–" if not interval else f"{points(interval[0], decimals)} to {points(interval[1], decimals)}"


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """A value with its unit, with a prefix where the unit takes one."""
    if value is None:
        return "–"
    factor, label = prefixed_unit(value, unit)
    return f"{significant(value / factor, digits)}{NBSP}{label}".rstrip()


def parameter(entry: dict[str, Any]) -> tuple[str, str]:
    """(value, 95 % interval) of a fitted parameter, rounded to what its interval tells; of a list, its range."""
    value, interval = entry["value"], entry.get("interval")
    unit = entry.get("unit", "1")
    if isinstance(value, list | tuple) and (numbers := list(_numbers(value))):
        return f"{len(numbers)} values, {quantity(min(numbers), unit)} to {quantity(max(numbers), unit)}", "–"
    if not isinstance(value, int | float):
        return str(value), "–"
    if not interval:
        return quantity(value, unit, 4), "–"
    factor, label = prefixed_unit(value, unit)
    half = abs(interval[1] - interval[0]) / 2 / factor
    decimals = max(0, 1 - math.floor(math.log10(half))) if half > 0 else 6
    if decimals > 6:
        return f"{fixed(value / factor, 6)}{NBSP}{label}".rstrip(), f"± {significant(half, 2)}{NBSP}{label}".rstrip()
    low, high = (fixed(end / factor, decimals) for end in interval)
    return f"{fixed(value / factor, decimals)}{NBSP}{label}".rstrip(), f"{low} to {high}{NBSP}{label}".rstrip()


def _numbers(values: Any) -> Iterator[float]:
    """All numbers of a list of lists."""
    for each in values if isinstance(values, list | tuple) else (values,):
        if isinstance(each, list | tuple):
            yield from _numbers(each)
        elif isinstance(each, int | float):
            yield each


def duration(seconds: float) -> str:
    """Seconds, minutes and seconds, or hours and minutes."""
    if seconds < 100:
        return f"{significant(seconds, 3) if seconds < 1 else fixed(seconds, 1)}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 120:
        return f"{minutes // 60}{NBSP}h {minutes % 60}{NBSP}min"
    return f"{minutes}{NBSP}min {rest}{NBSP}s"


def prefixed_unit(value: float, unit: str) -> tuple[float, str]:
    """(what the prefixed unit is in the plain one, its name) for a value of that size."""
    symbol = _SYMBOLS.get(unit, unit)
    if symbol == "m²":
        return next((size, name) for least, size, name in _AREAS if abs(value) >= least)
    if unit not in _PREFIXED or value == 0:
        return 1.0, symbol
    # A value that is a rounding error below 1000 belongs to the larger prefix.
    power = 3 * math.floor(math.log10(abs(value) * (1 + 1e-6)) / 3)
    power = min(max(power, -18), 12)
    return 10.0**power, _PREFIXES[power] + symbol
