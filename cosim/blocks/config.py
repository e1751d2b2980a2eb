"""A block's configuration: TOML, then what the command line overrides, checked by the block's pydantic model.

Quantities are written with their unit (`v_read = "0.2 V"`) and kept as floats in SI units; Python code may
give plain floats in SI units. A model of a configuration derives from `BlockConfig` and annotates its fields
with `Volt`, `Siemens` and so on:

    class Config(BlockConfig):
        bits: int = Field(5, ge=2, le=8)
        v_read: Volt = Field(0.2, gt=0, le=0.5)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from cosim.errors import CosimError
from cosim.units import Unit, parse_quantity
from cosim.validation import read_toml, validated

Config = TypeVar("Config", bound=BaseModel)


class BlockConfig(BaseModel):
    """Base of a block's configuration: frozen, no unknown keys, defaults checked like the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def load_config(
    model: type[Config], path: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """The configuration of a TOML file with some keys overridden.

    Parameters
    ----------
    model: pydantic model with `extra="forbid"`.
    path: TOML file, or None for the defaults.
    overrides: key -> value; a dotted key reaches into a table; None leaves the key alone, so that options
        that were not given on a command line can be passed as they are.

    Raises CosimError with file, key, value and what is allowed; an unknown key with the nearest known one.
    """
    content = {} if path is None else read_toml(path)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    for dotted, value in given.items():
        *tables, key = dotted.split(".")
        table = content
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise CosimError("this key holds no table", file=path, key=name, value=table)
        table[key] = value
    return validated(model, content, file=path, from_code=[dotted.split(".")[0] for dotted in given])


def _quantity(unit: str) -> Callable[[Any], Any]:
    """A validator that turns "0.2 V" into 0.2 and leaves numbers alone, which code gives in SI units."""

    def to_si(value: Any) -> Any:
        if not isinstance(value, str | bool):
            return value
        try:
            return parse_quantity(value, unit)
        except CosimError as error:
            context = {"message": error.message, "allowed": error.allowed}
            raise PydanticCustomError("quantity", "{message}", context) from error

    return to_si


Volt = Annotated[float, BeforeValidator(_quantity("V")), Unit("V")]
Ampere = Annotated[float, BeforeValidator(_quantity("A")), Unit("A")]
Siemens = Annotated[float, BeforeValidator(_quantity("S")), Unit("S")]
Ohm = Annotated[float, BeforeValidator(_quantity("ohm")), Unit("ohm")]
Farad = Annotated[float, BeforeValidator(_quantity("F")), Unit("F")]
Second = Annotated[float, BeforeValidator(_quantity("s")), Unit("s")]
Metre = Annotated[float, BeforeValidator(_quantity("m")), Unit("m")]
Hertz = Annotated[float, BeforeValidator(_quantity("Hz")), Unit("Hz")]
Ratio = Annotated[float, BeforeValidator(_quantity("1")), Unit("1")]
"""A plain number, in files also with "%"."""
