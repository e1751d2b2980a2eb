"""The `.tran` line of a deck: its time steps, and the same line with all of them halved."""

from __future__ import annotations

import re

from cosim.errors import CosimError

# SPICE's scale factors; letters after them ("10ns") say nothing. `mil` is 25.4 um, `meg` is not milli.
_SCALES = {
    "t": 1e12, "g": 1e9, "meg": 1e6, "k": 1e3, "mil": 25.4e-6, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12,
    "f": 1e-15, "a": 1e-18,
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(meg|mil|[tgkmunpfa])?[a-z]*", re.IGNORECASE)

_FEWEST_STEPS = 50  # ngspice takes at least so many steps in a transient without an explicit limit


def spice_number(text: str) -> float | None:
    """The number that SPICE reads from `text` ("10n", "2.5meg", "1e-9s"), or None where it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return float(match[1]) * _SCALES.get((match[2] or "").lower(), 1.0)


def halved_tran(line: str) -> str:
    """`.tran tstep tstop [tstart [tmax]] [uic]` with the printing step and the largest step halved.

    Without a limit of its own ngspice takes min(tstep, (tstop - tstart) / 50); that is written out and halved. Raises
    CosimError when the line does not hold two to four plain numbers (an expression in braces has no value here).
    """
    words = line.split()
    with_uic = words[-1].lower() == "uic"
    numbers = [spice_number(word) for word in words[1 : len(words) - with_uic]]
    times = [number for number in numbers if number is not None]
    if not 2 <= len(numbers) <= 4 or len(times) < len(numbers):
        raise CosimError(
            "the time steps of this analysis cannot be halved", value=line, allowed=".tran tstep tstop [tstart [tmax]]"
        )
    step, stop, start, limit = [*times, 0.0, 0.0][:4]
    if limit == 0.0:  # zero too means: not given
        limit = min(step, (stop - start) / _FEWEST_STEPS)
    return f"{words[0]} {step / 2!r} {stop!r} {start!r} {limit / 2!r}{' uic' if with_uic else ''}"
