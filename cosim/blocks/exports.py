"""Fitted models as text for circuit and logic simulators: the mechanism, and the header that every such file bears.

A block says in `EXPORTS` which languages its model can be written in, and where the function of each lies:

    EXPORTS = {"spice": "export_spice:ramp_adc_subcircuit"}

The place is `module:function`, the module seen from the block's package. The function takes the loaded model and the
options of `cosim export --set`, checked by a pydantic model of its own (`checked_options`), and returns an `Export`:
the text, and what a reader must know of it (pins, units, what is left out). The header is the same for all: where the
model comes from, how far it is from the simulation, the domain of its fit, and the command.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar, cast

from pydantic import BaseModel, Field, field_validator

import cosim
from cosim.blocks.config import BlockConfig
from cosim.blocks.model import ModelFile
from cosim.blocks.registry import Block
from cosim.errors import CosimError
from cosim.validation import validated

Options = TypeVar("Options", bound=BaseModel)

_WIDTH = 110  # of the header's lines
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)
_RESERVED = """
always analog and assign automatic begin bit branch buf byte case casex casez class const deassign default
defparam disable discipline edge electrical else end endcase endfunction endmodule endtask enum event exclude
final for force forever fork from function generate genvar ground if import inf initial inout input int integer
interface join large localparam logic longint macromodule medium module nand nature negedge nor not or output
package parameter posedge program property pull0 pull1 real realtime reg release repeat return scalared shortint
shortreal signed small specify static string strong0 strong1 struct supply0 supply1 table task this time
timeprecision timeunit tri type typedef union unique unsigned var vectored void wait wand weak0 weak1 while wire
wor wreal xnor xor
"""


@dataclass(frozen=True)
class Language:
    """A language that models are written in: its name in full, the files' suffix, what begins a comment."""

    title: str
    suffix: str
    comment: str


LANGUAGES = {
    "spice": Language("SPICE subcircuit (ngspice)", ".cir", "*"),
    "systemverilog": Language("SystemVerilog real-number model", ".sv", "//"),
    "verilog_a": Language("Verilog-A module", ".va", "//"),
}


@dataclass(frozen=True)
class Export:
    """What a block's export function returns.

    Attributes
    ----------
    notes: paragraphs for the header: pins with their units, parameters, what is left out.
    text: subcircuits or modules, without a header.
    """

    notes: tuple[str, ...]
    text: str


class ExportOptions(BlockConfig):
    """What every export can be told; a block's own options derive from it."""

    name: str | None = Field(None, description="name of the subcircuit or module; default: the block's")

    @field_validator("name")
    @classmethod
    def _is_identifier(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise CosimError("not a name for a subcircuit or module", key="name", value=name,
                             allowed="letters, digits, _; a letter first")  # fmt: skip
        if name is not None and name.lower() in _RESERVED.split():
            raise CosimError("a word of Verilog's own, no name for a module", key="name", value=name)
        return name


class ChipOptions(ExportOptions):
    """Options of a block whose chips differ."""

    chip: str = Field("nominal", description="nominal, or seed:N for a drawn chip, N = 0, 1, ...")

    @field_validator("chip")
    @classmethod
    def _is_chip(cls, chip: str) -> str:
        if chip != "nominal" and not re.fullmatch(r"seed:\d{1,18}", chip):
            raise CosimError("not a chip that can be exported", key="chip", value=chip,
                             allowed=["nominal", "seed:N with N = 0, 1, 2 and so on"])  # fmt: skip
        return chip

    @property
    def seed(self) -> int | None:
        """Seed of the drawn chip; None for the nominal one."""
        return None if self.chip == "nominal" else int(self.chip.removeprefix("seed:"))


def languages_of(block: Block) -> list[str]:
    """The languages that the block's model can be exported to; empty where there are none."""
    return [language for language in LANGUAGES if language in getattr(block, "EXPORTS", {})]


def exporter_of(block: Block, language: str) -> Callable[[Any, Mapping[str, Any]], Export]:
    """The function that writes the block's model in a language; CosimError where the block does not offer it."""
    offered = languages_of(block)
    if language not in offered:
        if not offered:
            raise CosimError("the model of this block cannot be exported", key="block", value=block.NAME)
        raise CosimError(
            f"the model of block '{block.NAME}' is not exported to this language", key="--to", value=language,
            allowed=offered,
        )  # fmt: skip
    places: Mapping[str, str] = getattr(block, "EXPORTS", {})
    module, _, function = places[language].partition(":")
    package = cast(Any, block).__name__
    return cast(Callable[..., Export], getattr(import_module(f"{package}.{module}"), function))


def checked_options(kind: type[Options], given: Mapping[str, Any]) -> Options:
    """The options of an export; CosimError for an unknown one, which lists those there are."""
    return validated(kind, given, from_code=given)


def file_text(export: Export, file: ModelFile, language: str, *, source: str, command: str) -> str:
    """The whole file: header and text.

    Parameters
    ----------
    file: the checked model file.
    source: name of that file, for the header.
    command: what was typed.
    """
    paragraphs = [*_origin(file, language, source, command), *export.notes]
    mark = LANGUAGES[language].comment
    lines = [line for paragraph in paragraphs for line in [*_wrapped(paragraph, mark), mark]]
    return "\n".join(lines[:-1]) + "\n\n" + export.text.strip("\n") + "\n"


def _origin(file: ModelFile, language: str, source: str, command: str) -> list[str]:
    """Paragraphs that are the same for every model: what it is, whence, how good, where it holds."""
    form = f", form {file.form}" if file.form else ""
    errors = [
        f"  {name}: {each.rms:.3g} {each.unit} rms, {each.maximum:.3g} {each.unit} at most, on {each.points} points"
        f" (limit {each.limit:g} {each.unit} rms{'' if each.within_limit else ': EXCEEDED'}; held out: {each.held_out})"
        for name, each in file.all_errors().items()
    ]
    domain = [f"  {name}: {low:.6g} .. {high:.6g}" for name, (low, high) in file.domain.items()]
    parameters = [
        f"  {name} = {each.value!r} {each.unit}" + (f" ({each.description})" if each.description else "")
        for name, each in file.parameters.items()
        if not isinstance(each.value, tuple)
    ]
    return [
        f"{LANGUAGES[language].title} of the behavioural model of block {file.block}{form}."
        f" Written by cosim {cosim.__version__}:\n  {command}",
        f"Model file: {source}, sha256 {file.sha256}\n" + "\n".join(_provenance(file.provenance)),
        "The model's error on points that its fit did not see:\n" + "\n".join(errors),
        "Domain of the fit, SI units; outside it the error is not known:\n" + "\n".join(domain),
        "Fitted parameters:\n" + "\n".join(parameters),
        "This text is its user's own: it may be used, changed and passed on without any condition.",
    ]


def _provenance(content: Mapping[str, Any]) -> list[str]:
    """The origin of the model's data, one line an entry; long lists are left to the model file."""
    lines = []
    for name, value in content.items():
        if isinstance(value, Mapping):
            inner = [f"{key} {each}" for key, each in value.items() if isinstance(each, str | int | float)]
            lines.append(f"  {name}: {', '.join(inner)}")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            lines.append(f"  {name}: {len(value)} entries, see the model file")
        elif value is not None:
            lines.append(f"  {name}: {value}")
    return lines


def _wrapped(paragraph: str, mark: str) -> list[str]:
    """Comment lines; a line that is indented keeps its indent where it is broken."""
    lines = []
    for line in paragraph.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        for part in textwrap.wrap(line.strip(), _WIDTH - len(indent), break_on_hyphens=False) or [""]:
            lines.append(f"{mark} {indent}{part}".rstrip())
    return lines
