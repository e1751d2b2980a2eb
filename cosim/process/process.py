"""A CMOS process as its TOML file describes it: where the models are, how to call a transistor, how much it varies."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from cosim.errors import CosimError
from cosim.process.inline import Library, inline_library, stamp_of
from cosim.resources import process_file
from cosim.units import Unit, parse_quantity
from cosim.validation import read_toml, validated

SCHEMA = "cosim.process/1"
CORNERS = ("TT", "FF", "SS", "FS", "SF")
"""Typical, fast, slow, and the two skewed corners; the first letter is of the NMOS."""
MOST_LIBRARIES = 16  # sections kept in memory


@dataclass(frozen=True)
class Transistor:
    """How a process' transistor is called, and its area constants of mismatch.

    Attributes
    ----------
    device: name of the `.model` or of the subcircuit.
    prefix: "M" for a model, "X" for a subcircuit.
    instance: parameters of the instance, from `w`, `l` [m] and `m` (devices in parallel), as SPICE text.
    a_vt: Pelgrom constant of the threshold voltage [V m].
    a_beta: Pelgrom constant of the current factor [m].
    """

    device: str
    prefix: str
    instance: str
    a_vt: float
    a_beta: float


@dataclass(frozen=True)
class Process:
    """A CMOS process; `text` gives all that a deck needs of it.

    Attributes
    ----------
    name, file: as in the TOML file, and where that is.
    v_dd: nominal supply [V].
    l_min: least channel length [m].
    nmos, pmos: the core transistors.
    sections: corner -> (library file, section or None).
    """

    name: str
    file: Path = field(compare=False)
    v_dd: float
    l_min: float
    nmos: Transistor
    pmos: Transistor
    sections: dict[str, tuple[Path, str | None]] = field(compare=False)

    def text(self, corner: str = "TT") -> str:
        """Models of the corner, and the subcircuits `nmos` and `pmos` that netlists are written with.

            xm1 drain gate source bulk nmos w=8u l=0.5u [m=1] [dvt=0 db=0]

        `dvt` [V] is added to the threshold voltage (which is negative in a PMOS), `db` [1] is the relative error of
        the current factor.
        """
        if corner not in self.sections:
            raise CosimError("the process has no such corner", key="corner", value=corner, allowed=list(self.sections))
        library, section = self.sections[corner]
        models = _library_text(library, section)
        # Kits bin their models by the width of one finger, as HSPICE does; ngspice takes the whole width unless told.
        # With four fingers the open 130 nm kit gave 28 % too much current without this.
        return "\n".join([models, ".option wnflag=1", _wrapper("nmos", self.nmos), _wrapper("pmos", self.pmos)])


def load_process(name: str | Path) -> Process:
    """The process of that name (shipped) or of a TOML file; its libraries must be there.

    Raises CosimError naming file, key, value and what is allowed.
    """
    path = process_file(name)
    return _load(path, stamp_of(path))


@lru_cache(maxsize=16)
def _load(path: Path, stamp: tuple[int, int]) -> Process:
    del stamp  # only so that a file that was changed is read again
    content = read_toml(path)
    if content.get("schema") != SCHEMA:
        raise CosimError("not a process file", file=path, key="schema", value=content.get("schema"), allowed=SCHEMA)
    stated = validated(_File, content, file=path)
    sections: dict[str, tuple[Path, str | None]] = {}
    library = Path(stated.library.file).expanduser()
    library = library if library.is_absolute() else path.parent / library
    if not library.is_file():
        raise CosimError("no such model library", file=path, key="library.file", value=str(library))
    for corner, section in stated.library.sections.items():
        sections[corner] = (library, section or None)
    nmos, pmos = (Transistor(**each.model_dump()) for each in (stated.nmos, stated.pmos))
    return Process(stated.name, path, stated.v_dd, stated.l_min, nmos, pmos, sections)


def _wrapper(name: str, transistor: Transistor) -> str:
    """A transistor with the same pins and parameters in every process.

    A `.model` takes mismatch as BSIM4's own instance parameters. A kit's subcircuit may offer none, so there the
    threshold shift is a voltage in series with the gate, and the current factor a current beside the channel.
    """
    head = f".subckt {name} d g s b w=1u l=1u m=1 dvt=0 db=0"
    if transistor.prefix == "M":
        body = [f"m1 d g s b {transistor.device} {transistor.instance} delvto={{dvt}} mulu0={{1+db}}"]
    else:
        body = [
            "vshift g gi {dvt}",
            "vsense d di 0",
            "fbeta d s vsense {db}",
            f"x1 di gi s b {transistor.device} {transistor.instance}",
        ]
    return "\n".join([head, *body, ".ends"])


_libraries: OrderedDict[tuple[Path, str | None], Library] = OrderedDict()  # the latest used last


def _library_text(path: Path, section: str | None) -> str:
    """Text of a section, read again when any of its files was changed; a kit's corner is 7 MB from hundreds of them."""
    found = _libraries.pop((path, section), None)
    if found is None or not found.is_current:
        found = inline_library(path, section)
    _libraries[path, section] = found
    while len(_libraries) > MOST_LIBRARIES:
        _libraries.popitem(last=False)
    return found.text


def _quantity(unit: str) -> Any:
    def to_si(value: Any) -> Any:
        if not isinstance(value, str | bool):
            return value  # a bare number in a file: `validated` says that its unit is missing
        try:
            return parse_quantity(value, unit)
        except CosimError as error:
            raise PydanticCustomError(
                "quantity", "{message}", {"message": error.message, "allowed": error.allowed}
            ) from error

    return BeforeValidator(to_si)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Transistor(_Table):
    device: str = Field(min_length=1, pattern=r"^\S+$")
    prefix: Literal["M", "X"] = "M"
    instance: str = "w={w} l={l} m={m}"
    a_vt: Annotated[float, _quantity("V*m"), Unit("V*m")] = Field(ge=0, le=1e-7)
    a_beta: Annotated[float, _quantity("m"), Unit("m")] = Field(ge=0, le=1e-6)


class _Library(_Table):
    file: str = Field(min_length=1)
    sections: dict[Literal["TT", "FF", "SS", "FS", "SF"], str] = Field(min_length=1)


class _File(_Table):
    # The keyword `schema` is taken in pydantic, hence the alias.
    schema_: Literal["cosim.process/1"] = Field(alias="schema")
    name: str = Field(min_length=1)
    description: str = ""
    v_dd: Annotated[float, _quantity("V"), Unit("V")] = Field(ge=0.4, le=5.0)
    l_min: Annotated[float, _quantity("m"), Unit("m")] = Field(ge=5e-9, le=5e-6)
    library: _Library
    nmos: _Transistor
    pmos: _Transistor
