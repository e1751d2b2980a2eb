"""Parameters of fitted models that a study may set: the unit of each, and which of them cannot be negative.

The names and units are those that the fits write into their model files, whatever form a model has. So a value is a
number in SI units before any file is opened, and still is when results are read where the file is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cosim.blocks.crossbar.behaviour import RESISTANCES
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.forms import FORMS, law_of
from cosim.blocks.ramp_adc.population import DESCRIPTIONS, POSITIVE
from cosim.errors import CosimError, did_you_mean
from cosim.units import parse_quantity
from cosim.validation import is_number

CURVES = ("common_mode_shift",)
"""Parameters that are a curve under every condition, for which no number can stand."""


@dataclass(frozen=True)
class ParameterKind:
    """What values a parameter takes.

    Attributes
    ----------
    unit: SI unit, "1" for a plain number.
    sign: "any"; "not negative": standard deviations, noise, energies, resistances; "positive": what is divided by, or
        enters as a logarithm.
    """

    unit: str
    sign: Literal["any", "not negative", "positive"] = "any"


@lru_cache(maxsize=8)
def parameter_kinds(block: str) -> dict[str, ParameterKind]:
    """Name -> kind of all parameters that a model of the block ("ramp_adc", "crossbar") has in any of its forms."""
    if block == "crossbar":
        # The wire, driver or clamp may be ideal. Cells' sinh law divides by V_0, and its linear form by the gain.
        return {
            **dict.fromkeys(RESISTANCES, ParameterKind("ohm", "not negative")),
            "v_0": ParameterKind("V", "positive"),
            "gain": ParameterKind("1", "positive"),
        }
    kinds = {
        name: ParameterKind(unit, "not negative" if name in POSITIVE else "any")
        for name, (unit, _) in DESCRIPTIONS.items()
    }
    for form in FORMS:
        for each in law_of(form, RampAdcConfig()).quantities:
            kinds[each.name] = ParameterKind(each.unit, "positive" if each.positive else "any")
    return kinds


def parameter_value(block: str, name: str, raw: Any, key: str, *, from_code: bool = False) -> float:
    """A parameter's value [SI unit] of what a study gives for it.

    from_code: a number is one in SI units; in a file it lacks its unit.

    Raises CosimError for a parameter that no model of the block has, no quantity, a unit that is missing or of another
    dimension, and a negative value of what cannot be negative.
    """
    if name in CURVES:
        raise CosimError("this parameter is a curve, for which no number can stand", key=key)
    kinds = parameter_kinds(block)
    if name not in kinds:
        raise CosimError(f"the model has no such parameter.{did_you_mean(name, kinds)}", key=key, allowed=[*kinds])
    kind = kinds[name]
    value = float(raw) if from_code and is_number(raw) else parse_quantity(raw, kind.unit, key=key)
    if (value < 0 and kind.sign != "any") or (value == 0 and kind.sign == "positive"):
        zero = "0" if kind.unit == "1" else f"0 {kind.unit}"
        allowed = f"above {zero}" if kind.sign == "positive" else f"at least {zero}"
        raise CosimError("out of range", key=key, value=raw, allowed=allowed)
    return value
