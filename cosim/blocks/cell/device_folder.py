"""A fitted model of a cell as a device folder, `parameters.toml` and `model.cir`, that `--set device=FOLDER` takes.

Each value names the data set that it was fitted to; its valid range is its 95 % interval. What the data set did not
measure comes from a `base` device, and says so.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from cosim.blocks.cell.conduction import RESOLUTION
from cosim.blocks.cell.fitted_laws import FittedLaws
from cosim.devices import Device, load_device
from cosim.devices.device import SCHEMA
from cosim.devices.laws import DriftLaw, NoiseLaw, PolynomialSigma
from cosim.devices.pulses import SetPulses
from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.provenance import sha256_of_json

READ_CELLS = """* {name}, for reading, state frozen
*
* pins        te  top electrode
*             be  bottom electrode
* parameters  g [S] conductance of the cell at v_read; v_read [V] voltage at which g is defined; v_0 [V] of the sinh law
* memristor_linear  i = g v
* memristor_sinh    i = g v_read sinh(v / v_0) / sinh(v_read / v_0)
.subckt memristor_linear te be g=10u v_read=0.2 v_0=1
rcell te be {{1/max(g,1e-15)}}
.ends
.subckt memristor_sinh te be g=10u v_read=0.2 v_0=1
bcell te be i={{g*v_read/sinh(v_read/v_0)}}*sinh(min(max(v(te,be),-4),4)/{{v_0}})
.ends
"""

Row = tuple[str, float, str, str, tuple[float, float], str]
"""(dotted key, value, unit, source, valid range, description)"""


def write_device(model: FittedLaws, folder: Path, name: str | None = None, base: Device | None = None) -> Path:
    """Write the folder and return it; `name` of the device is that of the folder unless given.

    `base`: what was not measured comes from it. Raises CosimError where a part that every device has is in neither
    (V_read, I-V, programming, read noise), for a law that no device has, and where the folder holds another device.
    """
    own = name or folder.name
    rows = [*_window_rows(model, base), *_iv_rows(model, base), *_programming_rows(model, base)]
    rows += [*_noise_rows(model, base), *_drift_rows(model, base), *_pulse_rows(model, base)]
    laws = dict(each for each in _law_names(model, base) if each[1])
    if (folder / "parameters.toml").exists():
        raise CosimError("a device is there already; give another folder", file=folder / "parameters.toml")
    switching, text = _switching(model, base)
    head = {
        "schema": SCHEMA,
        "name": own,
        "description": f"fitted by cosim to the data set {origin(model)}",
    }
    lines = [
        f"# Written by cosim from a fitted model of a cell, form '{model.form}'; each source names its data set.",
        "",
    ]
    lines += [f"{key} = {json.dumps(each, ensure_ascii=False)}" for key, each in head.items()]
    opened: set[str] = set()
    for key, value, unit, source, valid, description in rows:
        table = key.partition(".")[0]
        if table in laws and table not in opened:
            opened.add(table)
            lines += ["", f"[{table}]", f"law = {json.dumps(laws[table])}"]
        content: dict[str, Any] = {"value": _quantity(value, unit), "source": source,
                   "valid": [_quantity(edge, unit) for edge in valid], "description": description}  # fmt: skip
        lines += ["", f"[{key}]", *_entries(content)]
    for table, entries in switching:
        lines += ["", f"[{table}]", *_entries(entries)]
    folder.mkdir(parents=True, exist_ok=True)
    body = "\n".join(lines) + "\n"
    write_atomically(
        folder / "model.cir",
        lambda part: part.write_text(text.rstrip() + "\n" if text else READ_CELLS.format(name=own)),
    )
    write_atomically(folder / "parameters.toml", lambda part: part.write_text(body, encoding="utf-8"))
    load_device(folder)  # it holds, or the message says what does not
    return folder


def origin(model: FittedLaws) -> str:
    """The hash of what the model was fitted to: of its decks, or of the measured files."""
    sets = model.provenance.get("data_sets") or [model.provenance["data_set"]]
    named = [each["files"] if "files" in each else each["decks_sha256"] for each in sets]
    return f"sha256 {sha256_of_json(named)[:16]}"


def _fitted(model: FittedLaws, name: str) -> tuple[str, tuple[float, float]]:
    """Source and valid range of a fitted parameter."""
    each = model.parameters[name]
    value = model.value(name)
    if each.low is None or each.high is None:
        return f"fit of {name} to {origin(model)}", (value, value)
    low, high = float(np.min(each.low)), float(np.max(each.high))
    return f"fit of {name} to {origin(model)}, valid: its 95 % interval", (min(low, value), max(high, value))


def _of_base(base: Device) -> str:
    """Source of what the data set did not measure."""
    return f"not in the data set; device {base.name}, sha256 {base.sha256[:16]}"


def _lacking(model: FittedLaws, part: str) -> CosimError:
    reason = model.absent.get(part, "the data set does not state it")
    return CosimError(
        f"a device needs its {part}, which this model has not ({reason}); give a base device that has it", key=part
    )


def _window_rows(model: FittedLaws, base: Device | None) -> list[Row]:
    low, high = model.window
    floor, ceiling = ((float(edge) if np.isfinite(edge) else None) for edge in model.limits)
    source = f"window of the data set {origin(model)}"
    least = floor if floor is not None and floor <= low else 0.0
    most = ceiling if ceiling is not None else 2.0 * high
    rows: list[Row] = [
        ("g_min", low, "S", source, (low, low), "lowest conductance that may be asked for"),
        ("g_max", high, "S", source, (high, high), "highest conductance that may be asked for"),
        ("g_lowest", least, "S", source, (least, least), "least that a cell can have"),
        ("g_highest", most, "S", source if ceiling is not None else "[own] twice g_max: the data show no limit",
         (most, most), "most that a cell can have"),
    ]  # fmt: skip
    v_read = model.settings["v_read"]
    if v_read is None:
        if base is None:
            raise _lacking(model, "v_read")
        source = _of_base(base)
        v_read = base.v_read
    return [*rows, ("v_read", v_read, "V", source, (v_read, v_read), "read voltage at which conductance is defined")]


def _iv_rows(model: FittedLaws, base: Device | None) -> list[Row]:
    text = "voltage of the sinh law of the cell's current"
    rows: list[Row] = []
    if "iv" not in model.laws:
        if base is None:
            raise _lacking(model, "iv")
        return [("v_0", base.v_0, "V", _of_base(base), (base.v_0, base.v_0), text)]
    if model.laws["iv"] in ("cubic", "sinh_power"):
        raise CosimError(
            "no device has this law of the current; fit a form that has the sinh law (full)", key="iv",
            value=model.laws["iv"],
        )  # fmt: skip
    if "iv.v_0" in model.parameters:
        v_0 = model.value("iv.v_0")
        rows.append(("v_0", v_0, "V", *_fitted(model, "iv.v_0"), text))
    else:  # a sinh bends by (v / v_0)^2 / 6
        v_0 = model.domain.limits["voltage"][1] / math.sqrt(6.0 * RESOLUTION)
        source = f"no bend above {RESOLUTION:g} in {origin(model)}: at least this"
        rows.append(("v_0", v_0, "V", source, (v_0, 1e3 * v_0), text))
    if "iv.r_access" in model.parameters:
        rows.append(("access_resistance", model.value("iv.r_access"), "ohm",
                     *_fitted(model, "iv.r_access"),
                     "on-resistance of the access transistor, part of the conductance"))  # fmt: skip
    return rows


def _programming_rows(model: FittedLaws, base: Device | None) -> list[Row]:
    text = "standard deviation of the conductance after write and verify"
    if "programming" in model.laws:
        stuck: list[Row] = [
            (f"stuck_{name}_rate", model.value(key), "1", *_fitted(model, key), model.parameters[key].description)
            for name in ("off", "on")
            if (key := f"programming.stuck_{name}_rate") in model.parameters
        ]
        if model.laws["programming"] == "constant":
            where = _fitted(model, "programming.c_0")
            return [*stuck, ("programming_sigma", model.value("programming.c_0"), "S", *where, text)]
        return [*stuck, *_law_rows("programming", model.programming, model)]
    if "pulses" in model.laws:
        source = f"spread of one SET pulse, its memory gone, of {origin(model)}"
        law = model.programming
        return [(f"programming.{key}", value, "S", source, (value, value), text)
                for key, value in (("g_ref", law.g_ref), ("c_0", law.c_0), ("c_1", law.c_1))]  # fmt: skip
    if base is None:
        raise _lacking(model, "programming")
    source = _of_base(base)
    if base.programming is None:
        value = base.programming_sigma
        return [("programming_sigma", value, "S", source, (value, value), text)]
    return _base_law("programming", base.programming, source)


def _noise_rows(model: FittedLaws, base: Device | None) -> list[Row]:
    text = "standard deviation of the conductance from read to read, relative to it"
    if "noise" in model.laws:
        if model.laws["noise"].startswith("proportional"):
            where = _fitted(model, "noise.slope")
            return [("read_noise", model.value("noise.slope"), "1", *where, text)]
        return _law_rows("noise", model.noise, model)
    if base is None:
        raise _lacking(model, "noise")
    source = _of_base(base)
    if base.noise is None:
        return [("read_noise", base.read_noise, "1", source, (base.read_noise, base.read_noise), text)]
    return _base_law("noise", base.noise, source)


def _drift_rows(model: FittedLaws, base: Device | None) -> list[Row]:
    if "drift" in model.laws:
        return _law_rows("drift", model.drift, model)
    return _base_law("drift", base.drift, _of_base(base)) if base and base.drift else []


def _pulse_rows(model: FittedLaws, base: Device | None) -> list[Row]:
    if "pulses" in model.laws:
        return _law_rows("pulses", model.pulses, model)
    return _base_law("pulses", base.pulses, _of_base(base)) if base and base.pulses else []


def _law_names(model: FittedLaws, base: Device | None) -> list[tuple[str, str]]:
    """Table -> name of the law in it, where the device has one."""
    found: dict[str, Any] = {}
    if "programming" in model.laws or "pulses" in model.laws:
        found["programming"] = None if model.laws.get("programming") == "constant" else model.programming
    elif base:
        found["programming"] = base.programming
    if "noise" in model.laws:
        found["noise"] = None if model.laws["noise"].startswith("proportional") else model.noise
    elif base:
        found["noise"] = base.noise
    found["drift"] = model.drift if "drift" in model.laws else base.drift if base else None
    found["pulses"] = model.pulses if "pulses" in model.laws else base.pulses if base else None
    return [(table, law.NAME) for table, law in found.items() if law is not None]


_Law = PolynomialSigma | DriftLaw | NoiseLaw | SetPulses


def _law_rows(table: str, law: _Law, model: FittedLaws) -> list[Row]:
    """All numbers of a fitted law; those that follow from others or from the data set say so."""
    rows: list[Row] = []
    for each in fields(law):
        value, unit, key = float(getattr(law, each.name)), law.UNITS[each.name], f"{table}.{each.name}"
        if key in model.parameters and model.value(key) == value:
            source, valid = _fitted(model, key)
            text = model.parameters[key].description
        else:
            source, valid, text = f"held by the fit to {origin(model)}", (value, value), f"{each.name} of the law"
        rows.append((key, value, unit, source, valid, text))
    return rows


def _base_law(table: str, law: _Law, source: str) -> list[Row]:
    values = {each.name: float(getattr(law, each.name)) for each in fields(law)}
    return [(f"{table}.{name}", value, law.UNITS[name], source, (value, value), f"{name} of the law")
            for name, value in values.items()]  # fmt: skip


def _switching(model: FittedLaws, base: Device | None) -> tuple[list[tuple[str, Mapping[str, Any]]], str]:
    """Tables of the subcircuit that switches and the text of `model.cir`, of the device that was characterised."""
    device = base
    if device is None and model.provenance["device"]["name"]:
        device = model.config.parameters
        if device.sha256 != model.provenance["device"]["sha256"]:
            raise CosimError(
                "the device that was characterised has changed since: its SPICE model may be another one",
                key="device", value=device.name,
            )  # fmt: skip
    if device is None:
        return [], ""
    raw = tomllib.loads((device.folder / "parameters.toml").read_text(encoding="utf-8"))
    tables: list[tuple[str, Mapping[str, Any]]] = [(f"model.{key}", each) for key, each in raw.get("model", {}).items()]
    dynamic = raw.get("dynamic", {})
    if dynamic:
        plain = {key: each for key, each in dynamic.items() if not isinstance(each, Mapping)}
        tables += [("dynamic", plain)]
        tables += [(f"dynamic.{key}", each) for key, each in dynamic.items() if isinstance(each, Mapping)]
    return tables, device.model_text()


def _quantity(value: float, unit: str) -> str | float:
    """A value that reads back as the same double."""
    return float(value) if unit == "1" else f"{float(value)!r} {unit}"


def _entries(content: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(each, ensure_ascii=False)}" for key, each in content.items()]
