"""The characterisation data set: what a circuit did at every point, with units and provenance, in NetCDF.

An `xarray.Dataset` with named dimensions, `units` and `long_name` on every variable, a `status` variable
(0 = the simulation succeeded, anything else = it failed; the failed point stays) and the attributes listed in
`REQUIRED_ATTRIBUTES`. `cosim fit` reads nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.provenance import canonical_json, provenance, sha256_of_json

SCHEMA = "cosim.dataset/1"
REQUIRED_ATTRIBUTES = (
    "schema", "block", "cosim_version", "created", "seed", "simulator", "solver",
    "deck_hashes", "device", "device_sha256", "config",
)  # fmt: skip

# One HDF5 attribute must stay below 64 kB; longer lists of hashes go into the variable `deck_hash`.
_LONGEST_ATTRIBUTE = 60_000
_IN_VARIABLE = "in variable deck_hash"
LAB_FILES = "lab_files"
"""Attribute of a data set of measured points: name -> sha256 of the files that it was made of (JSON)."""

Entry = tuple[str | Sequence[str], Any, str, str]
"""(dimensions, values, unit, long name) of a variable; unit "1" for plain numbers."""


def new_dataset(
    *,
    block: str,
    variables: Mapping[str, Entry],
    coords: Mapping[str, Entry],
    config: Mapping[str, Any],
    seed: int | None,
    deck_hashes: Sequence[str],
    simulator: str,
    solver: str,
    device: str = "",
    device_sha256: str = "",
) -> xr.Dataset:
    """Build a data set that meets the contract.

    Parameters
    ----------
    block: name of the block, e.g. "ramp_adc".
    variables: name -> (dimensions, values, unit, long name); one of them is `status`.
    coords: the same for coordinates.
    config: the block's configuration, as JSON holds it.
    seed: of all random draws; None when there are none.
    deck_hashes: `Deck.key` of every simulation, in order.
    simulator, solver: e.g. "ngspice-46", "KLU".
    device, device_sha256: name and hash of the device model; empty for a block without memristors.
    """
    data = xr.Dataset(
        data_vars={name: _variable(*entry) for name, entry in variables.items()},
        coords={name: _variable(*entry) for name, entry in coords.items()},
    )
    made = provenance()
    data.attrs = {
        "schema": SCHEMA,
        "block": block,
        "cosim_version": made["cosim_version"],
        "created": made["created"],
        "python": made["python"],
        "seed": "none" if seed is None else str(seed),  # text: a SeedSequence's entropy has 128 bits
        "simulator": simulator,
        "solver": solver,
        "deck_hashes": json.dumps(list(deck_hashes)),
        "device": device,
        "device_sha256": device_sha256,
        "config": canonical_json(dict(config)),
    }
    if len(data.attrs["deck_hashes"]) > _LONGEST_ATTRIBUTE:
        hashes = np.array(list(deck_hashes), dtype=object)
        data["deck_hash"] = _variable("deck", hashes, "1", "sha256 of the simulated deck")
        data.attrs["deck_hashes"] = _IN_VARIABLE
    validate(data)
    return data


def save_dataset(data: xr.Dataset, path: str | Path) -> Path:
    """Write the data set to a NetCDF file, whole or not at all; returns the path."""
    validate(data, file=path)
    encoding: dict[Hashable, dict[str, Any]] = {
        name: {"zlib": True, "complevel": 4, "shuffle": True}
        for name, variable in data.variables.items()
        if variable.dtype.kind in "fiub" and variable.size > 1000
    }
    return write_atomically(path, lambda part: data.to_netcdf(part, engine="h5netcdf", encoding=encoding))


def load_dataset(path: str | Path, block: str | None = None) -> xr.Dataset:
    """Read a data set into memory and check it; `block` is the name of the block that it must be of.

    Raises CosimError when the file is missing, is not NetCDF, has another schema, is of another block, or a
    variable has no units.
    """
    if not Path(path).is_file():
        raise CosimError("no such data set", file=path)
    try:
        data = xr.load_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False)
    except PermissionError as error:
        raise CosimError(f"cannot read this file: {error.strerror or error}", file=path) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # what HDF5 raises for damaged files
        raise CosimError("not a NetCDF file that can be read; `cosim characterise` makes one", file=path) from error
    validate(data, block, file=path)
    return data


def validate(data: xr.Dataset, block: str | None = None, *, file: str | Path | None = None) -> None:
    """Check a data set against the contract; raises CosimError naming the attribute or variable."""
    schema = data.attrs.get("schema")
    if schema is None:
        raise CosimError("not a data set of cosim: it states no schema", file=file, allowed=SCHEMA)
    if schema != SCHEMA:
        raise CosimError(
            "this schema is unknown; the file may come from another version of cosim",
            file=file,
            key="schema",
            value=schema,
            allowed=SCHEMA,
        )
    for name in REQUIRED_ATTRIBUTES:
        if name not in data.attrs:
            raise CosimError("the data set lacks this attribute", file=file, key=name)
        if not isinstance(data.attrs[name], str):
            raise CosimError("this attribute must be text", file=file, key=name, value=data.attrs[name])
        if len(data.attrs[name].encode()) > _LONGEST_ATTRIBUTE:
            raise CosimError("too long for an attribute; store it as a variable", file=file, key=name)
    if block is not None and data.attrs["block"] != block:
        stated = data.attrs["block"]
        raise CosimError("this data set is of another block", file=file, key="block", value=stated, allowed=block)
    for variable_name, variable in data.variables.items():
        for attribute in ("units", "long_name"):
            text = variable.attrs.get(attribute)
            if not isinstance(text, str) or not text:
                raise CosimError(f"this variable has no {attribute}", file=file, key=str(variable_name))
    if "status" not in data.data_vars:
        raise CosimError("the data set lacks the variable 'status'", file=file)
    if data["status"].dtype.kind not in "iub":
        raise CosimError("the variable must hold integers, 0 for success", file=file, key="status")
    _json_attribute(data, "config", dict, file)
    deck_hashes(data, file=file)


def failed_points(data: xr.Dataset) -> int:
    """How many points have a status other than 0."""
    return int(np.count_nonzero(data["status"].values))


def deck_hashes(data: xr.Dataset, *, file: str | Path | None = None) -> tuple[str, ...]:
    """The hashes of the simulated decks, wherever the file keeps them."""
    if data.attrs["deck_hashes"] != _IN_VARIABLE:
        return tuple(str(each) for each in _json_attribute(data, "deck_hashes", list, file))
    if "deck_hash" not in data.variables:
        raise CosimError("the data set lacks the variable 'deck_hash'", file=file)
    return tuple(str(each) for each in data["deck_hash"].values)


def origin_of(data: xr.Dataset) -> dict[str, Any]:
    """Where a model that is fitted to this data set comes from: simulator, seed, sizes, decks or files, device."""
    hashes = deck_hashes(data)
    files = {"files": _json_attribute(data, LAB_FILES, dict, None)} if LAB_FILES in data.attrs else {}
    return provenance(
        data_set={
            **{name: data.attrs[name] for name in ("created", "simulator", "solver", "seed")},
            "sizes": {str(name): int(size) for name, size in data.sizes.items()},
            "failed": failed_points(data),
            "decks": len(hashes),
            "decks_sha256": sha256_of_json(list(hashes)),
            **files,
        },
        device={"name": data.attrs["device"], "sha256": data.attrs["device_sha256"]},
    )


def config_of(data: xr.Dataset) -> dict[str, Any]:
    """The configuration of the block that the data set was made with."""
    config: dict[str, Any] = _json_attribute(data, "config", dict, None)
    return config


def _variable(dimensions: str | Sequence[str], values: Any, unit: str, long_name: str) -> xr.Variable:
    return xr.Variable(dimensions, values, {"units": unit, "long_name": long_name})


def _json_attribute(data: xr.Dataset, name: str, kind: type, file: str | Path | None) -> Any:
    try:
        content = json.loads(data.attrs[name])
    except ValueError as error:
        raise CosimError("this attribute is not JSON", file=file, key=name) from error
    if not isinstance(content, kind):
        raise CosimError(f"this attribute must be a JSON {kind.__name__}", file=file, key=name)
    return content
