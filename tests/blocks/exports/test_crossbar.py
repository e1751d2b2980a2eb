"""The exported crossbar carries the model's currents in ngspice, beside others in one deck, and with real drivers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks import crossbar
from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.export_spice import read_conductances
from cosim.blocks.domain import Domain, OutsideDomainWarning
from cosim.blocks.model import Parameter
from cosim.errors import CosimError
from cosim.spice import Deck, SimulatorPool, Tolerances

from .conftest import exported

Array = NDArray[np.float64]
ROWS, COLUMNS, V_CLP = 8, 5, 1.0
RNG = np.random.default_rng(5)
CELLS = RNG.uniform(1e-6, 150e-6, (ROWS, COLUMNS))
VECTOR = RNG.uniform(-0.2, 0.2, ROWS)


@pytest.fixture(scope="session")
def model(pool: SimulatorPool) -> CrossbarModel:
    config = crossbar.Config(rows=ROWS, columns=COLUMNS, r_wire_row=3.0, r_wire_column=2.0)
    data = crossbar.characterise(
        config, measurements=("currents",), arrays=2, vectors=24, seed=2, pool=pool, show_progress=False
    )
    fitted: CrossbarModel = crossbar.fit(data)
    return fitted


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "cells.csv"
    np.savetxt(path, CELLS, delimiter=",", fmt="%.17g")
    return str(path)


def currents(
    pool: SimulatorPool, texts: list[str], names: list[str], r_driver: float = 0.0, r_clamp: float = 0.0
) -> list[tuple[Array, Array]]:
    """Currents out of the drivers and into the clamps of several arrays in one deck [A], the arrays on `VECTOR`.

    `r_driver`, `r_clamp` [ohm]: of drivers and clamps outside the subcircuits.
    """
    lines, saves = list(texts), []
    for a, name in enumerate(names):
        pins = [f"a{a}r{i}" for i in range(ROWS)] + [f"a{a}c{j}" for j in range(COLUMNS)]
        lines.append(f"X{a} {' '.join(pins)} {name}")
        for pin, voltage, ohm in [
            *((pin, V_CLP + v, r_driver) for pin, v in zip(pins, VECTOR.tolist(), strict=False)),
            *((pin, V_CLP, r_clamp) for pin in pins[ROWS:]),
        ]:
            source = f"s{pin}" if ohm else pin
            lines.append(f"V{pin} {source} 0 {voltage!r}")
            lines += [f"R{pin} {source} {pin} {ohm!r}"] if ohm else []
            saves.append(f"i(v{pin})")
    deck = Deck("arrays", "\n".join(lines), (".op",), tuple(saves),
                Tolerances(reltol=1e-9, abstol=1e-18, vntol=1e-12, gmin=1e-18))  # fmt: skip
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    found = np.array([float(result[name][0]) for name in saves]).reshape(len(names), ROWS + COLUMNS)
    return [(-each[:ROWS], each[ROWS:]) for each in found]


def test_the_fit_is_that_of_the_circuit(model: CrossbarModel) -> None:
    assert model.resistances == pytest.approx((3.0, 2.0, 100.0, 10.0), rel=1e-3)


def test_network_and_matrix_give_the_currents_of_the_model(
    model: CrossbarModel, pool: SimulatorPool, table: str
) -> None:
    """Ideal drivers and clamps, linear cells: the solver's own digits; and what the rows give is what the columns get.

    Sources of some uA are told to 1e-9 of the largest.
    """
    texts = [
        exported("crossbar", model, "spice", conductances=table, cell="linear", name="net"),
        exported("crossbar", model, "spice", conductances=table, form="matrix"),
    ]
    wanted = model.currents(VECTOR[None], CELLS, "linear")[0]
    for rows, columns in currents(pool, texts, ["net", "crossbar"]):
        np.testing.assert_allclose(columns, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
        assert rows.sum() == pytest.approx(columns.sum(), abs=1e-9 * np.abs(wanted).max())


def test_matrix_is_the_network_for_drivers_and_clamps_that_are_not_ideal(
    model: CrossbarModel, pool: SimulatorPool, table: str
) -> None:
    texts = [
        exported("crossbar", model, "spice", conductances=table, cell="linear", name="net"),
        exported("crossbar", model, "spice", conductances=table, form="matrix", name="nport"),
    ]
    (net_rows, net), (rows, columns) = currents(pool, texts, ["net", "nport"], 700.0, 300.0)
    scale = np.abs(net).max()
    np.testing.assert_allclose(columns, net, rtol=0, atol=1e-9 * scale)
    np.testing.assert_allclose(rows, net_rows, rtol=0, atol=1e-9 * scale)
    ideal = model.currents(VECTOR[None], CELLS, "linear")[0]
    assert np.abs(net - ideal).max() > 0.01 * scale  # they do count


def test_sinh_network_is_within_the_models_own_error(model: CrossbarModel, pool: SimulatorPool, table: str) -> None:
    """The model is a polynomial of the circuit: its stated error of full scale, four times over for a single point."""
    ((_, found),) = currents(pool, [exported("crossbar", model, "spice", conductances=table)], ["crossbar"])
    wanted = model.currents(VECTOR[None], CELLS)[0]
    linear = model.currents(VECTOR[None], CELLS, "linear")[0]
    scale = np.abs(wanted).max()
    limit = max(4 * model.error.maximum, 5e-4) * scale
    np.testing.assert_allclose(found, wanted, rtol=0, atol=limit)
    assert np.abs(found - linear).max() > 3 * limit  # a linear array would not do


@pytest.mark.parametrize("form", ["network", "matrix"])
def test_open_cells_carry_nothing(model: CrossbarModel, pool: SimulatorPool, tmp_path: Path, form: str) -> None:
    """A column of open cells is out of the fitted domain, which is said; its clamp gets no current."""
    cells = CELLS.copy()
    cells[:, 2] = 0.0
    np.save(tmp_path / "open.npy", cells)
    model = replace(model, domain=Domain(model.domain.limits))
    with pytest.warns(OutsideDomainWarning, match="conductance"):
        text = exported("crossbar", model, "spice", conductances=str(tmp_path / "open.npy"), form=form, cell="linear")
    ((_, found),) = currents(pool, [text], ["crossbar"])
    wanted = effective_conductance(cells, *model.resistances).T @ VECTOR
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
    assert abs(found[2]) < 1e-16  # [A]


def test_tables_are_read_exactly(tmp_path: Path, table: str) -> None:
    np.save(tmp_path / "cells.npy", CELLS)
    np.testing.assert_array_equal(read_conductances(table), CELLS)
    np.testing.assert_array_equal(read_conductances(tmp_path / "cells.npy"), CELLS)


@pytest.mark.parametrize(
    ("content", "message"),
    [("1e-6,2e-6\n3e-6\n", "not a table"), ("1e-6,-2e-6\n", "negative"), ("1e-6,nan\n", "not a finite"),
     ("a,b\n", "not a")],
)  # fmt: skip
def test_bad_tables_are_refused(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(content)
    with pytest.raises(CosimError, match=message) as refused:
        read_conductances(path)
    assert refused.value.file == str(path)


def test_a_matrix_of_sinh_cells_is_refused(model: CrossbarModel, table: str) -> None:
    with pytest.raises(CosimError, match="form=network"):
        exported("crossbar", model, "spice", conductances=table, form="matrix", cell="sinh")


def test_conductances_are_required(model: CrossbarModel) -> None:
    with pytest.raises(CosimError, match="conductances"):
        exported("crossbar", model, "spice")


def test_what_the_device_cannot_hold_is_refused_in_both_forms(model: CrossbarModel, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("50,60\n70,80\n")  # microsiemens
    for form in ("network", "matrix"):
        with pytest.raises(CosimError, match="cannot hold this conductance") as caught:
            exported("crossbar", model, "spice", conductances=str(path), form=form)
        assert caught.value.file == str(path)


@pytest.mark.parametrize("values", [np.array([[1e-5 + 1j]]), np.array([[True]])])
def test_an_array_of_other_than_real_numbers_is_refused(values: Array, tmp_path: Path) -> None:
    np.save(tmp_path / "cells.npy", values)
    with pytest.raises(CosimError, match="real numbers"):
        read_conductances(tmp_path / "cells.npy")


def test_the_form_without_a_sinh_law_is_exported_with_linear_cells(model: CrossbarModel, table: str) -> None:
    parameters = {name: each for name, each in model.parameters.items() if name != "v_0"} | {
        "gain": Parameter(1.0, "1")
    }
    linear = replace(model, form="linear", parameters=parameters)
    options = {"conductances": table, "cell": "linear"}
    assert exported("crossbar", linear, "spice", **options) == exported("crossbar", model, "spice", **options)
    with pytest.raises(CosimError, match="no sinh law") as caught:
        exported("crossbar", linear, "spice", conductances=table)
    assert (caught.value.key, caught.value.allowed) == ("cell", "linear")
