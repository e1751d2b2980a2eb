"""Measured tables and the TOML beside them -> a data set of the block, as `cosim characterise` writes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.dataset import LAB_FILES, new_dataset
from cosim.blocks.lab.cell import CELL_QUANTITIES, cell_entries
from cosim.blocks.lab.description import LabForm, read_description, read_rows
from cosim.blocks.lab.ramp_column import CONDUCTANCES, EXTRA_CONFIG
from cosim.blocks.lab.rows import Quantity, Rows
from cosim.blocks.lab.thresholds import CHIPS, THRESHOLDS, TRANSFER, ramp_adc_entries
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.devices import load_device
from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.units import parse_quantity
from cosim.validation import validated

SIMULATOR = "measurement"
"""What a data set of measured points states as its simulator."""

Build = Callable[..., tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]]


@dataclass(frozen=True)
class _Kind:
    """How one kind of measurement of one block is read.

    Attributes
    ----------
    config: the block's settings.
    quantities: of the main table.
    tables: further tables of the description -> their quantities.
    stated: further entries of `[config]` -> their units; see `EXTRA_CONFIG`.
    build: (kind, rows, further tables' rows by name, config, stated entries, description's path) -> variables,
        coordinates, stored configuration.
    """

    config: type[Any]
    quantities: Mapping[str, Quantity]
    build: Build
    tables: Mapping[str, Mapping[str, Quantity]]
    stated: Mapping[str, str]


_ADC_TABLES = {"conductances": CONDUCTANCES, "chips": CHIPS}
KINDS: Mapping[str, Mapping[str, _Kind]] = {
    "ramp_adc": {
        "thresholds": _Kind(RampAdcConfig, THRESHOLDS, ramp_adc_entries, _ADC_TABLES, EXTRA_CONFIG),
        "transfer": _Kind(RampAdcConfig, TRANSFER, ramp_adc_entries, _ADC_TABLES, EXTRA_CONFIG),
    },
    "cell": {kind: _Kind(CellConfig, quantities, cell_entries, {}, {}) for kind, quantities in CELL_QUANTITIES.items()},
}
"""Block -> kind of measurement -> how it is read."""


def import_lab(path: str | Path) -> xr.Dataset:
    """The data set that a TOML description and its tables of measured points make.

    It has the schema, variables, dimensions and units of `cosim characterise`; `status` is 1 where points are missing.
    In place of hashes of decks the attribute `lab_files` (JSON) holds the sha256 of each file, by its name beside the
    description; `lab_notes` the description's free texts.

    Raises one CosimError that names file, line or key, value and what is allowed.
    """
    toml = Path(path)
    form = read_description(toml)
    kind = _kind_of(form, toml)
    config, stated = _config(form, kind, toml)
    rows, files = read_rows(form, kind.quantities, toml, "")
    others: dict[str, Rows | None] = dict.fromkeys(kind.tables)
    for name in ("conductances", "chips"):
        table = getattr(form, name)
        if table is None:
            continue
        if name not in kind.tables:
            allowed = list(kind.tables) or "no further table"
            raise CosimError(f"'{form.kind}' of '{form.block}' has no such table", file=toml, key=name, allowed=allowed)
        others[name], more = read_rows(table, kind.tables[name], toml, name, form.csv)
        files += more
    variables, coords, stored = kind.build(form.kind, rows, others, config, stated, toml)
    device = str(form.config.get("device", ""))
    data = new_dataset(
        block=form.block,
        variables=variables,
        coords=coords,
        config=stored,
        seed=None,
        deck_hashes=[],
        simulator=SIMULATOR,
        solver="none",
        device=device,
        device_sha256=load_device(device).sha256 if device else "",
    )
    names = {toml.name: toml, **{_shown(each, toml): each for each in files}}
    data.attrs[LAB_FILES] = json.dumps({name: sha256_of(each) for name, each in names.items()})
    data.attrs["lab_notes"] = json.dumps(form.notes, ensure_ascii=False)
    return data


def _shown(file: Path, toml: Path) -> str:
    """A table's name beside the description; of a file elsewhere its name alone, without the folder."""
    return file.relative_to(toml.parent).as_posix() if file.is_relative_to(toml.parent) else file.name


def _kind_of(form: LabForm, toml: Path) -> _Kind:
    if form.block not in KINDS:
        raise CosimError(
            f"measured data of this block cannot be imported.{did_you_mean(form.block, KINDS)}",
            file=toml, key="block", value=form.block, allowed=KINDS,
        )  # fmt: skip
    kinds = KINDS[form.block]
    if form.kind not in kinds:
        raise CosimError(
            f"no such kind of measurement of '{form.block}'.{did_you_mean(form.kind, kinds)}",
            file=toml, key="kind", value=form.kind, allowed=kinds,
        )  # fmt: skip
    return kinds[form.kind]


def _config(form: LabForm, kind: _Kind, toml: Path) -> tuple[Any, dict[str, Any]]:
    """The block's configuration from `[config]` and `[conditions]`, and what `[config]` states of the design."""
    for name in form.conditions:
        if name in form.config:
            raise CosimError("this stands in [config] too", file=toml, key=f"conditions.{name}")
    content = {**form.config, **form.conditions}
    stated = {}
    for name, unit in kind.stated.items():
        if name not in content:
            continue
        value = content.pop(name)
        if unit != "whole":
            stated[name] = parse_quantity(value, unit, file=toml, key=f"config.{name}")
        elif value in (-1, 1) and not isinstance(value, bool):
            stated[name] = value
        else:
            raise CosimError("not a sign", file=toml, key=f"config.{name}", value=value, allowed="-1 or 1")
    if isinstance(content.get("temperature"), str):
        content["temperature"] = parse_quantity(content["temperature"], "degC", file=toml, key="conditions.temperature")
    return validated(kind.config, content, file=toml), stated
