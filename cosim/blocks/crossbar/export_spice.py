"""The crossbar as a SPICE subcircuit, programmed with given conductances and with the fitted resistances and V_0.

`network` is the circuit itself: wires, drivers and clamps as resistors, cells as resistors or with their sinh law.

`matrix` is the linear array without its inner nodes. Seen from its drivers and clamps it is an n-port with the
admittance matrix

    [ Y_rr      -G_eff ]      Y_cc: `elimination.clamp_matrix`; Y_rr: the same of the array with drivers and clamps
    [ -G_eff^T   Y_cc  ]      exchanged,

which is symmetric, and whose rows sum to zero since no cell leads to ground. Such an n-port is a resistor of
conductance -Y_pq between every two pins p and q: exact for any drivers and clamps, ideal or not.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.crossbar.elimination import clamp_matrix
from cosim.blocks.crossbar.inputs import check_cells, check_conductances, device_of
from cosim.blocks.crossbar.netlist import array_lines
from cosim.blocks.exports import Export, ExportOptions, checked_options
from cosim.errors import CosimError

Array = NDArray[np.float64]


class CrossbarExport(ExportOptions):
    """Options of the crossbar's export."""

    conductances: str = Field(
        description="file of the cells' conductances [S], rows by columns: .csv, or .npy; 0 is an open cell"
    )
    form: Literal["network", "matrix"] = Field("network", description="all wires and cells, or the n-port they make")
    cell: CellKind | None = Field(None, description="law of the cells; default: sinh in a network, linear in a matrix")


def spice(model: CrossbarModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit with a pin for each word line and each bit line; options as in `CrossbarExport`."""
    chosen = checked_options(CrossbarExport, options)
    cells = read_conductances(chosen.conductances)
    law: CellKind = chosen.cell or ("sinh" if chosen.form == "network" else "linear")
    if chosen.form == "matrix" and law != "linear":
        raise CosimError(
            "only linear cells make a matrix; the circuit with sinh cells is --set form=network", key="cell", value=law,
            allowed="linear",
        )  # fmt: skip
    if law == "sinh" and "v_0" not in model.parameters:
        raise CosimError(
            f"the form '{model.form}' of the model has no sinh law; its linear cells are --set cell=linear", key="cell",
            value=law, allowed="linear",
        )  # fmt: skip
    check_window(cells, model, chosen.conductances)
    for name, values in (("rows", cells.shape[0]), ("columns", cells.shape[1]), ("conductance", cells)):
        model.domain.check(name, values)
    rows, columns = cells.shape
    pins = [*(f"r{i}" for i in range(rows)), *(f"c{j}" for j in range(columns))]
    name = chosen.name or "crossbar"
    body = network(cells, model, law) if chosen.form == "network" else matrix(cells, model)
    head = textwrap.wrap(f".subckt {name} {' '.join(pins)}", 110)
    text = "\n+ ".join(head) + f"\n{body}\n.ends {name}"
    return Export(_notes(name, cells, model, chosen, law), text)


def _notes(name: str, cells: Array, model: CrossbarModel, chosen: CrossbarExport, law: CellKind) -> tuple[str, ...]:
    rows, columns = cells.shape
    notes = [
        f"Crossbar, {rows} rows by {columns} columns, {law} cells, conductances of {Path(chosen.conductances).name}"
        f" ({cells.min():.6g} .. {cells.max():.6g} S).",
        f"Pins of {name}: r0 .. r{rows - 1}: the word lines before their drivers' resistance; c0 .. c{columns - 1}: the"
        " bit lines behind their clamps' resistance. Currents flow from r to c; no pin is grounded inside, so that"
        " V_CLP is what the clamps are held at.",
    ]
    if chosen.form == "matrix":
        notes.append(
            "A resistor between every two pins: exactly the n-port of the linear array with its wires, for any drivers"
            " and clamps. With ideal ones I(c_j) = sum_i V(r_i) G_eff[i, j]. Left out: capacitances."
        )
    else:
        cell = (
            f"I = G V_g sinh(V / V_0) / sinh(V_g / V_0), V_g = {model.v_g:g} V, V_0 = {model.value('v_0')!r} V"
            if law == "sinh" else "I = G V"
        )  # fmt: skip
        notes.append(
            f"All wires as resistors of the fitted values; each cell {cell}. Left out: capacitances, read noise, the"
            " access transistor as an element of its own (a cell's conductance holds it)."
        )
    return tuple(notes)


def read_conductances(path: str | Path) -> Array:
    """Conductances of shape (rows, columns) [S] from a CSV file of plain numbers, or a NumPy file.

    Raises CosimError for a file that cannot be read or holds anything else.
    """
    try:
        if Path(path).suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
            if values.dtype.kind not in "fiu":
                raise CosimError("conductances must be real numbers", file=path, key="conductances",
                                 value=str(values.dtype))  # fmt: skip
        else:
            values = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
        return check_cells(values)
    except OSError as error:
        raise CosimError(f"cannot read this file: {error.strerror or error}", file=path) from error
    except (ValueError, TypeError) as error:
        raise CosimError(
            f"not a table of conductances: {error}",
            file=path,
            allowed="rows of numbers with commas between them, or .npy",
        ) from error
    except CosimError as error:
        raise CosimError(error.message, file=path, key=error.key, value=error.value, allowed=error.allowed) from error


def check_window(cells: Array, model: CrossbarModel, path: str | Path) -> None:
    """CosimError where the file holds a conductance that the device has not: most often a wrong unit."""
    rows, columns = cells.shape
    try:
        check_conductances(cells, model.config.model_copy(update={"rows": rows, "columns": columns}))
    except CosimError as error:
        raise CosimError(error.message, file=path, key=error.key, value=error.value, allowed=error.allowed) from error


def network(cells: Array, model: CrossbarModel, law: CellKind) -> str:
    """Wires and cells one by one; pins r0 ..., c0 ..."""
    r_row, r_column, r_driver, r_clamp = model.resistances
    fitted = model.config.model_copy(
        update={"r_wire_row": r_row, "r_wire_column": r_column, "r_driver": r_driver, "r_clamp": r_clamp,
                "cell": "1R", "memristor": "law"} | ({"v_0": model.value("v_0")} if law == "sinh" else {})
    )  # fmt: skip
    stated_at = device_of(fitted).v_read
    if stated_at != model.v_g:
        raise CosimError(
            f"device '{fitted.device}' states its conductances at another voltage than when the model was fitted",
            key="v_g", value=stated_at, allowed=[model.v_g],
        )  # fmt: skip
    return array_lines(cells, fitted, law)


def matrix(cells: Array, model: CrossbarModel) -> str:
    """A resistor between every two pins that see each other; pins r0 ..., c0 ..."""
    r_row, r_column, r_driver, r_clamp = model.resistances
    rows, columns = cells.shape
    effective = model.matrix(cells)
    between_columns = -clamp_matrix(cells, r_row, r_column, r_driver, r_clamp)
    mirrored = np.ascontiguousarray(cells.T[::-1, ::-1])
    between_rows = -clamp_matrix(mirrored, r_column, r_row, r_clamp, r_driver)[::-1, ::-1]
    lines = [_resistor(f"r{i}", f"c{j}", effective[i, j]) for i in range(rows) for j in range(columns)]
    lines += [_resistor(f"r{i}", f"r{k}", between_rows[i, k]) for i in range(rows) for k in range(i)]
    lines += [_resistor(f"c{j}", f"c{k}", between_columns[j, k]) for j in range(columns) for k in range(j)]
    return "\n".join(line for line in lines if line)


def _resistor(first: str, second: str, conductance: float) -> str:
    """Empty where the pins do not see each other, or only by rounding."""
    return f"R{first}{second} {first} {second} {float(1.0 / conductance)!r}" if conductance > 1e-30 else ""
