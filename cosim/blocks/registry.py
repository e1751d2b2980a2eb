"""Name -> block. A new block is a package with the attributes of `Block` and one line here or an entry point.

From another distribution:

    [project.entry-points."cosim.blocks"]
    my_adc = "my_package.my_adc"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast

from pydantic import BaseModel

from cosim.blocks.plots import Plot
from cosim.errors import CosimError, did_you_mean
from cosim.units import format_si
from cosim.validation import unit_of_key

BUILT_IN = {
    "cell": "cosim.blocks.cell",
    "ramp_adc": "cosim.blocks.ramp_adc",
    "crossbar": "cosim.blocks.crossbar",
    "integrator": "cosim.blocks.integrator",
    "dac": "cosim.blocks.dac",
    "comparator": "cosim.blocks.comparator",
    "sample_hold": "cosim.blocks.sample_hold",
    "sar_adc": "cosim.blocks.sar_adc",
    "macro": "cosim.blocks.macro",
}
ENTRY_POINT_GROUP = "cosim.blocks"
_CONSTANTS = ("NAME", "DESCRIPTION", "SWEEPS", "FIGURES")
_CALLABLES = ("Config", "characterise")


class Block(Protocol):
    """What the package of a block offers.

    Its `__init__` must be cheap: it holds the four constants and imports what simulates only when that is
    asked for (a module-level `__getattr__`, or imports inside the functions), because `cosim characterise
    --list` loads it.

    Attributes
    ----------
    NAME: the name in the registry.
    DESCRIPTION: one line.
    SWEEPS: name of a keyword argument of `characterise`, which `--sweep` takes -> what is swept, with its unit.
    SUMMARY_OF: coordinate -> value of the points that the printed summary is of; may be absent.
    FIGURES: name of a variable of the data set -> what it is, with its unit.
    PLOTS: what is drawn of a data set (see `cosim.blocks.plots`); may be absent.
    Config: pydantic model of the configuration (see `cosim.blocks.config`).
    characterise: config -> data set (see `cosim.blocks.dataset`).
    fit: data set -> behavioural model; absent where a block is characterised only.
    load_model: path of a model file -> behavioural model; absent together with `fit`.
    residuals: (model, data set) -> `cosim.blocks.residuals.Residuals` of every quantity; absent together with `fit`.
    FORMS: name of a candidate form of the model, which `fit` takes as `form` -> what it is; the first is the one that
        is fitted unless told. May be absent where there is one only.
    EXPORTS: language -> "module:function" that writes the model in it (see `cosim.blocks.exports`); may be absent.
    FIT_MANY: True where `fit` and `residuals` take a list of data sets, each of any conditions; may be absent.
    """

    NAME: str
    DESCRIPTION: str
    SWEEPS: Mapping[str, str]
    FIGURES: Mapping[str, str]
    Config: type[BaseModel]
    characterise: Callable[..., Any]
    fit: Callable[..., Any]
    load_model: Callable[..., Any]


def block_names() -> list[str]:
    """All names, those of cosim first."""
    return [*BUILT_IN, *sorted(_installed())]


def get_block(name: str) -> Block:
    """The block of that name, imported on first use; CosimError when there is none or it cannot be used."""
    return _with(_import(name), name, (*_CONSTANTS, *_CALLABLES))


def fit_of(block: Block) -> Callable[..., Any]:
    """The block's `fit`; CosimError where it has none."""
    if not hasattr(block, "fit"):
        raise CosimError("this block has no behavioural model: it is characterised only", key="block", value=block.NAME)
    return block.fit


def residuals_of(block: Block) -> Callable[..., Any]:
    """The block's `residuals`; CosimError where it has none."""
    if not hasattr(block, "residuals"):
        raise CosimError("the model of this block states no residuals", key="block", value=block.NAME)
    function: Callable[..., Any] = block.residuals
    return function


def forms_of(block: Block) -> dict[str, str]:
    """Candidate forms of the block's model with what they are, the usual one first; empty where there is one only."""
    return dict(getattr(block, "FORMS", {}))


def fits_many(block: Block) -> bool:
    """Whether the block's `fit` takes a list of data sets of any conditions."""
    return bool(getattr(block, "FIT_MANY", False))


def plots_of(block: Block) -> tuple[Plot, ...]:
    """What the block wants drawn of its data sets."""
    return tuple(getattr(block, "PLOTS", ()))


def list_blocks() -> list[dict[str, Any]]:
    """Name, description, sweeps and figures of every block, for `cosim characterise --list`.

    A block that cannot be imported stands in the list with its `error`.
    """
    blocks: list[dict[str, Any]] = []
    for name in block_names():
        try:
            block = _with(_import(name), name, _CONSTANTS)
        except CosimError as error:
            blocks.append({"name": name, "error": str(error)})
            continue
        blocks.append(
            {
                "name": name,
                "description": block.DESCRIPTION,
                "sweeps": dict(block.SWEEPS),
                "figures": dict(block.FIGURES),
                "settings": _settings(name, block),
            }
        )
    return blocks


def _settings(name: str, block: Block) -> dict[str, str]:
    """What each setting is, with its default and unit."""
    model = getattr(block, "Config", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    texts = {}
    for key, field in model.model_fields.items():
        unit = unit_of_key(model, key)
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = format_si(default, unit) if unit and isinstance(default, int | float) else default
        texts[key] = f"{field.description or ''} ({shown})".strip()
    return texts


def _import(name: str) -> Any:
    installed = _installed()
    if name in BUILT_IN:
        return import_module(BUILT_IN[name])
    if name not in installed:
        names = block_names()
        raise CosimError(f"unknown block.{did_you_mean(name, names)}", value=name, allowed=names)
    point = installed[name]
    try:
        return point.load()
    except Exception as error:  # somebody else's package may fail in any way
        raise CosimError(f"this block cannot be imported from {point.value}: {error}", value=name) from error


def _with(block: Any, name: str, attributes: tuple[str, ...]) -> Block:
    lacking = [attribute for attribute in attributes if not hasattr(block, attribute)]
    if lacking:
        raise CosimError(f"this block lacks: {', '.join(lacking)}", value=name)
    return cast(Block, block)


@cache
def _installed() -> dict[str, EntryPoint]:
    """Entry points of other distributions; a name of cosim's own cannot be taken over."""
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in BUILT_IN}
