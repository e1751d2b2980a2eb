"""Any setting of a block as a dimension of its data set: corners, temperatures, supplies, word lengths ...

The block is characterised once for every combination, with the same seed: a chip is the same chip under every
condition.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cosim.blocks.config import load_config
from cosim.blocks.dataset import Entry, deck_hashes, new_dataset
from cosim.blocks.registry import Block
from cosim.errors import CosimError, did_you_mean
from cosim.provenance import canonical_json
from cosim.units import parse_quantity
from cosim.validation import unit_of_key

_UNITS = {"temperature": "degC"}  # kept in a unit that is not SI


def conditions(
    block: Block,
    config_file: str | Path | None,
    settings: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
) -> list[Any]:
    """The block's configuration at every combination of the axes, the last one running fastest; all are checked.

    `axes`: name of a setting -> its values. Raises CosimError for an unknown setting, one that holds a table or a
    list, a value that is not allowed or given twice, and a setting that stands in `settings` too.
    """
    known = list(block.Config.model_fields)
    for name, values in axes.items():
        if name not in known:
            raise CosimError(f"unknown setting.{did_you_mean(name, known)}", key=f"--over {name}", allowed=known)
        if name in settings:
            raise CosimError("this setting is given twice", key=f"--over {name}", value=settings[name])
        if not values:
            raise CosimError("no value is given", key=f"--over {name}")
    configs = [
        load_config(block.Config, config_file, {**settings, **dict(zip(axes, point, strict=True))})
        for point in itertools.product(*axes.values())
    ]
    for name in axes:
        if not isinstance(getattr(configs[0], name), int | float | str):
            raise CosimError("only a setting of one value can be swept", key=f"--over {name}")
        if len({getattr(config, name) for config in configs}) < len(axes[name]):
            raise CosimError("a value is given twice", key=f"--over {name}", value=list(axes[name]))
    return configs


def combine(block: Block, configs: Sequence[Any], names: Sequence[str], parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """One data set of those of every condition: `names` become its first dimensions, in that order.

    Raises CosimError when the conditions give data sets of different sizes (such as codes of different `bits`).
    """
    if not names:
        return parts[0]
    for name in names:
        if name in parts[0].variables:
            raise CosimError("the block's own data hold this quantity; sweep it there", key=f"--over {name}")
    for config, part in zip(configs, parts, strict=True):
        if dict(part.sizes) | {"deck": 0} != dict(parts[0].sizes) | {"deck": 0}:
            raise CosimError(
                "conditions with data of different sizes do not fit into one data set; characterise them apart",
                key=f"--over {names[0]}", value={name: getattr(config, name) for name in names},
            )  # fmt: skip
    hashes = [key for part in parts for key in deck_hashes(part)]
    values = {name: list(dict.fromkeys(getattr(config, name) for config in configs)) for name in names}
    bare = [part.drop_vars("deck_hash", errors="ignore") for part in parts]
    merged = _merge(bare, [len(each) for each in values.values()], names)
    for name, each in values.items():
        unit = unit_of_key(block.Config, name) or _UNITS.get(name, "1")
        text = block.Config.model_fields[name].description or name
        listed = np.array(each, dtype=object) if isinstance(each[0], str) else np.array(each)
        merged = merged.assign_coords({name: xr.Variable(name, listed, {"units": unit, "long_name": text})})
    entries: dict[str, Entry] = {
        str(name): (tuple(map(str, each.dims)), each.values, each.attrs["units"], each.attrs["long_name"])
        for name, each in merged.variables.items()
    }
    first = parts[0].attrs
    data = new_dataset(
        block=first["block"],
        variables={name: entry for name, entry in entries.items() if name in merged.data_vars},
        coords={name: entry for name, entry in entries.items() if name in merged.coords},
        config=json.loads(first["config"]) | values,
        seed=None if first["seed"] == "none" else int(first["seed"]),
        deck_hashes=hashes,
        simulator=first["simulator"],
        solver=first["solver"],
        device=first["device"],
        device_sha256=first["device_sha256"],
    )
    data.attrs["conditions"] = json.dumps(values)
    for variable in set(data.variables) & set(parts[0].variables):
        data[variable].attrs.update(parts[0][variable].attrs)
        stated = [part[variable].attrs for part in parts if variable in part.variables]
        changes = [each["step_change"] for each in stated if "step_change" in each]
        if changes:  # the largest under any condition
            data[variable].attrs["step_change"] = float(np.fmax.reduce(changes))
    return data


def _merge(parts: Sequence[xr.Dataset], sizes: Sequence[int], names: Sequence[str]) -> xr.Dataset:
    """Data sets of a grid of conditions, joined along new dimensions from the last to the first."""
    level = list(parts)
    for name, size in zip(reversed(names), reversed(sizes), strict=True):
        level = [
            xr.concat(
                level[start : start + size], dim=str(name), data_vars="all", coords="different",
                compat="equals", join="exact", combine_attrs="drop_conflicts",
            )
            for start in range(0, len(level), size)
        ]  # fmt: skip
    return level[0]


def at_condition(data: xr.Dataset, chosen: Mapping[str, Any]) -> xr.Dataset:
    """The data set of one condition, as the block alone would have given it; its deck hashes stay those of all.

    `chosen`: name of a setting -> its value, quantities with their unit; needed for every setting that the data set
    was made over, and for no other. Raises CosimError that lists what there is.
    """
    taken: dict[str, list[Any]] = json.loads(data.attrs.get("conditions", "{}"))
    for name in chosen:
        if name not in taken:
            raise CosimError(
                "the data set was not made over this setting", key=f"--at {name}", value=chosen[name],
                allowed=list(taken) or "none: it is of one condition",
            )  # fmt: skip
    config = json.loads(data.attrs["config"])
    for name, values in taken.items():
        if name not in chosen:
            unit = data[name].attrs["units"]
            example = f"--at '{name}={values[0]}{'' if _is_plain(unit) else ' ' + unit}'"
            message = f"the data set is of several conditions, and a model of one; choose it, e.g. {example}"
            raise CosimError(message, key=name, allowed=values)
        config[name] = _nearest(chosen[name], values, data[name].attrs["units"], f"--at {name}")
        data = data.isel({name: values.index(config[name])}).drop_vars(name)
    data = data.copy()
    data.attrs["config"] = canonical_json(config)
    data.attrs.pop("conditions", None)
    return data


def every_condition(data: xr.Dataset) -> Iterator[xr.Dataset]:
    """The data set of each condition, as `at_condition` gives it, the last setting running fastest."""
    taken: dict[str, list[Any]] = json.loads(data.attrs.get("conditions", "{}"))
    units = {name: data[name].attrs["units"] for name in taken}
    for point in itertools.product(*taken.values()):
        named = zip(taken, point, strict=True)
        yield at_condition(data, {name: v if _is_plain(units[name]) else f"{v!r} {units[name]}" for name, v in named})


def _nearest(value: Any, values: Sequence[Any], unit: str, key: str) -> Any:
    """The one of `values` that is meant, numbers up to rounding."""
    if isinstance(values[0], str):
        found = [each for each in values if each == str(value)]
    else:
        number = parse_quantity(value, "1" if _is_plain(unit) else unit, key=key)
        found = [each for each in values if math.isclose(each, number, rel_tol=1e-9, abs_tol=0.0)]
    if not found:
        raise CosimError("the data set has no such condition", key=key, value=value, allowed=list(values))
    return found[0]


def _is_plain(unit: str) -> bool:
    """Numbers of this unit are given without one: counts, shares, words, and temperatures in deg C."""
    return unit in ("1", *_UNITS.values())
