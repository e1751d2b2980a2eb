"""The crossbar as a fast model: one matrix for linear cells, four for cells with a sinh law.

Linear cells: I_j = sum_i V_i G_eff[i, j] (`elimination`), exact. Sinh cells: an odd polynomial of the word lines'
voltages (`sinh`). The fitted parameters are the circuit's own: two wire resistances, those of drivers and clamps, and
V_0. All voltages are measured from V_CLP, currents flow out of the bit lines into the clamps.

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
from cosim.blocks.crossbar.elimination import clamp_admittance, clamp_matrix, effective_conductance
from cosim.blocks.crossbar.inputs import check_cells, check_voltages, differential_inputs
from cosim.blocks.crossbar.sinh import odd_power_coefficients, odd_power_currents
from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.errors import CosimError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Comparison",
    "CrossbarModel",
    "clamp_admittance",
    "clamp_matrix",
    "differential_inputs",
    "effective_conductance",
    "load_model",
    "odd_power_coefficients",
    "odd_power_currents",
]

Array = NDArray[np.float64]

RESISTANCES = ("r_wire_row", "r_wire_column", "r_driver", "r_clamp")


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
    parameters: `r_wire_row`, `r_wire_column`, `r_driver`, `r_clamp` [ohm] and `v_0` [V] with their intervals.
    v_g: voltage at which conductances are stated [V]; of the device.
    error: of sinh cells on points that the fit did not see, relative to full scale, which is the largest current of
        an array over its vectors and columns.
    error_linear: the same of linear cells.
    errors: kind of cell -> part of the data ("seen", "unseen_vectors", "unseen_weights") -> rms, maximum, points.
    domain: rows, columns, conductance [S] and voltage [V] of the fit; leaving it warns and is counted.
    """

    config: CrossbarConfig
    parameters: Mapping[str, Parameter]
    v_g: float
    error: ModelError
    error_linear: ModelError
    domain: Domain
    errors: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A parameter's value."""
        number = self.parameters[name].value
        assert isinstance(number, float)
        return number

    @property
    def resistances(self) -> tuple[float, float, float, float]:
        """r_wire_row, r_wire_column, r_driver, r_clamp [ohm], as `effective_conductance` takes them."""
        row, column, driver, clamp = (self.value(name) for name in RESISTANCES)
        return row, column, driver, clamp

    def matrix(self, conductances: ArrayLike) -> Array:
        """Effective conductances of linear cells [S]; `conductances` and result of shape (rows, columns)."""
        return effective_conductance(self._cells(conductances), *self.resistances)

    def coefficients(self, conductances: ArrayLike) -> Array:
        """Odd-power coefficients of sinh cells, shape (4, rows, columns), for `odd_power_currents`."""
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
            "error_linear": {name: getattr(self.error_linear, name) for name in ModelError.__dataclass_fields__},
            "errors": self.errors,
        }
        return save_model(
            path,
            block="crossbar",
            parameters=self.parameters,
            settings=settings,
            error=self.error,
            domain=self.domain.limits,
            provenance=self.provenance,
        )


def load_model(path: str | Path, accept: bool = False) -> CrossbarModel:
    """Read a model file; refused as `cosim.blocks.model.load_model_file` says, and when linear cells are off."""
    file = load_model_file(path, "crossbar", accept)
    settings = file.settings
    error_linear = ModelError(**settings["error_linear"])
    if not (accept or error_linear.within_limit):
        raise CosimError(
            f"the model's error with linear cells exceeds its limit ({error_linear.rms:.3g} rms of full scale)",
            file=path,
            key="settings.error_linear.rms",
            value=error_linear.rms,
            allowed=f"at most {error_linear.limit:g}",
        )
    return CrossbarModel(
        config=CrossbarConfig(**settings["config"]),
        parameters=file.parameters,
        v_g=float(settings["v_g"]),
        error=file.error,
        error_linear=error_linear,
        domain=file.fitted_domain(),
        errors=settings["errors"],
        provenance=file.provenance,
    )
