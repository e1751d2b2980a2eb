"""The crossbar as a fast model: one matrix product for linear cells, three for cells with a sinh law.

Linear cells: I_j = sum_i V_i G_eff[i, j] (`elimination`), exact. Sinh cells: odd powers of the word lines' voltages,
and the lift of the bit lines (`sinh`). The fitted parameters are the circuit's own: two wire resistances, those of
drivers and clamps, and V_0. All voltages are measured from V_CLP, currents flow out of the bit lines into the clamps.

For many vectors on one chip, make its matrices once:

    coefficients = model.coefficients(conductances)
    currents = odd_power_currents(voltages, coefficients)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.elimination import (
    clamp_admittance,
    clamp_matrix,
    effective_conductance,
    effective_conductances,
)
from cosim.blocks.crossbar.inputs import check_cells, check_voltages, differential_inputs
from cosim.blocks.crossbar.sinh import OddPowers, odd_power_coefficients, odd_power_currents
from cosim.blocks.fitted import chosen_form
from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.errors import CosimError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Comparison",
    "CrossbarModel",
    "OddPowers",
    "clamp_admittance",
    "clamp_matrix",
    "differential_inputs",
    "effective_conductance",
    "effective_conductances",
    "load_model",
    "odd_power_coefficients",
    "odd_power_currents",
]

Array = NDArray[np.float64]

RESISTANCES = ("r_wire_row", "r_wire_column", "r_driver", "r_clamp")
FORMS = {
    "odd_powers": "sinh cells by odd powers of the voltages and the lift of the bit lines",
    "linear": "sinh cells as linear ones times a gain",
}
QUANTITIES = {"sinh": "sinh_current", "linear": "linear_current"}
"""Kind of cell -> quantity whose error the model states; the one that counts first."""


@dataclass(frozen=True)
class Comparison:
    """Every simulated current beside the model's; arrays of shape (points,).

    Attributes
    ----------
    cells: kind of the cells. part: "seen", "unseen_vectors" or "unseen_weights".
    simulated: relative to full scale, the largest current of the same array with the same cells.
    error: model - simulation, relative to full scale.
    """

    cells: NDArray[np.str_]
    part: NDArray[np.str_]
    simulated: Array
    error: Array


@dataclass(frozen=True)
class CrossbarModel:
    """The fitted model of a crossbar.

    Attributes
    ----------
    config: what was characterised.
    form: of `FORMS`.
    parameters: `r_wire_row`, `r_wire_column`, `r_driver`, `r_clamp` [ohm] and `v_0` [V], or `gain` in place of it,
        with their intervals.
    v_g: voltage at which conductances are stated [V]; of the device.
    errors: "sinh_current", "linear_current" -> error on points that the fit did not see, relative to full scale,
        which is the largest current of an array over its vectors and columns.
    parts: kind of cell -> part of the data ("seen", "unseen_vectors", "unseen_weights") -> rms, maximum, points.
    domain: rows, columns, conductance [S] and voltage [V] of the fit; leaving it warns and is counted.
    """

    config: CrossbarConfig
    form: str
    parameters: Mapping[str, Parameter]
    v_g: float
    errors: Mapping[str, ModelError]
    domain: Domain
    parts: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A parameter's value."""
        number = self.parameters[name].value
        assert isinstance(number, float)
        return number

    @property
    def error(self) -> ModelError:
        """Of sinh cells."""
        return self.errors["sinh_current"]

    @property
    def error_linear(self) -> ModelError:
        """Of linear cells."""
        return self.errors["linear_current"]

    @property
    def resistances(self) -> tuple[float, float, float, float]:
        """r_wire_row, r_wire_column, r_driver, r_clamp [ohm], as `effective_conductance` takes them."""
        row, column, driver, clamp = (self.value(name) for name in RESISTANCES)
        return row, column, driver, clamp

    def matrix(self, conductances: ArrayLike) -> Array:
        """Effective conductances of linear cells [S]; `conductances` and result of shape (rows, columns)."""
        return effective_conductance(self._cells(conductances), *self.resistances)

    def coefficients(self, conductances: ArrayLike) -> OddPowers:
        """Odd-power coefficients of sinh cells for `odd_power_currents`; CosimError for the form "linear"."""
        if self.form != "odd_powers":
            raise CosimError(
                "this form of the model has no odd powers", key="form", value=self.form, allowed="odd_powers"
            )
        return odd_power_coefficients(
            self._cells(conductances),
            *self.resistances,
            v_0=self.value("v_0"),
            v_g=self.v_g,
            v_read=self.config.v_read,
        )

    def currents(self, inputs: ArrayLike, conductances: ArrayLike, cell: CellKind = "sinh") -> Array:
        """Currents into the clamps [A], shape (vectors, columns).

        `inputs` of shape (vectors, rows): voltages of the word lines' drivers [V] (`differential_inputs` makes them
        of signed numbers); `conductances` of shape (rows, columns) [S].
        """
        cells = check_cells(conductances)
        voltages = check_voltages(inputs, len(cells))
        self.domain.check("voltage", voltages)
        if cell == "linear":
            return np.asarray(voltages @ self.matrix(cells))
        if self.form == "linear":
            return np.asarray(self.value("gain") * (voltages @ self.matrix(cells)))
        return odd_power_currents(voltages, self.coefficients(cells))

    def _cells(self, conductances: ArrayLike) -> Array:
        cells = check_cells(conductances)
        self.domain.check("rows", cells.shape[0])
        self.domain.check("columns", cells.shape[1])
        self.domain.check("conductance", cells)
        return cells

    def plot(self, comparison: Comparison, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Residuals on unseen points against the simulated current, one picture for each kind of cell.

        `comparison` is that of `fitting.compare(model, data)`; `axes` are two, made when not given.
        """
        if axes is None:
            import matplotlib.pyplot as plt

            _, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
        for axis, (kind, error) in zip(axes, (("linear", self.error_linear), ("sinh", self.error)), strict=True):
            part = comparison.cells == kind
            for name in ("unseen_vectors", "unseen_weights"):
                chosen = part & (comparison.part == name)
                axis.plot(
                    100 * comparison.simulated[chosen], comparison.error[chosen], ".",
                    markersize=2, label=name.replace("_", " "),
                )  # fmt: skip
            axis.set_xlabel("simulated current [% of full scale]")
            axis.set_ylabel("model - simulation [of full scale]")
            axis.set_title(f"{kind} cells: {error.rms:.2g} rms of full scale")
            axis.legend()
        return axes

    def save(self, path: str | Path) -> ModelFile:
        """Write the model's JSON file."""
        settings = {
            "config": self.config.model_dump(mode="json"),
            "v_g": self.v_g,
            "parts": self.parts,
        }
        return save_model(
            path,
            block="crossbar",
            parameters=self.parameters,
            settings=settings,
            error=self.error,
            errors=self.errors,
            form=self.form,
            domain=self.domain.limits,
            provenance=self.provenance,
        )


def load_model(path: str | Path, accept: bool = False) -> CrossbarModel:
    """Read a model file; refused as `cosim.blocks.model.load_model_file` says."""
    file = load_model_file(path, "crossbar", accept)
    settings = file.settings
    try:
        return CrossbarModel(
            config=CrossbarConfig(**settings["config"]),
            form=chosen_form(file.form, FORMS),
            parameters=file.parameters,
            v_g=float(settings["v_g"]),
            errors={name: file.errors[name] for name in QUANTITIES.values()},
            domain=file.fitted_domain(),
            parts=settings["parts"],
            provenance=file.provenance,
        )
    except KeyError as error:
        raise CosimError(
            "this model lacks what a crossbar's holds; fit it again", file=path, key=error.args[0]
        ) from error
