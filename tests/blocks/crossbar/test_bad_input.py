from collections.abc import Callable

import numpy as np
import pytest

from cosim.blocks.config import load_config
from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.characterisation import characterise
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.netlist import array_lines, crossbar_deck
from cosim.blocks.model import Domain, ModelError, Parameter
from cosim.errors import CosimError

CONFIG = CrossbarConfig(rows=4, columns=3)
CELLS = np.full((4, 3), 50e-6)
INPUTS = np.full((2, 4), 0.1)


def model() -> CrossbarModel:
    values = {"r_wire_row": 1.0, "r_wire_column": 1.0, "r_driver": 100.0, "r_clamp": 10.0}
    parameters = {name: Parameter(value, "ohm") for name, value in values.items()} | {"v_0": Parameter(0.43, "V")}
    error = ModelError(rms=1e-4, maximum=1e-3, unit="relative to full scale", points=1, limit=2e-3, held_out="none")
    wide = {"rows": (1, 128), "columns": (1, 128), "conductance": (0, 1), "voltage": (-1, 1)}
    errors = {"sinh_current": error, "linear_current": error}
    return CrossbarModel(CONFIG, "odd_powers", parameters, 0.2, errors, Domain(wide))


def changed(values: np.ndarray, entry: float) -> np.ndarray:
    values = values.copy()
    values[1, 2] = entry
    return values


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (changed(CELLS, np.nan), "key 'conductances': value nan: a conductance is not a finite number"),
        (changed(CELLS, np.inf), "key 'conductances': value inf: a conductance is not a finite number"),
        (changed(CELLS, -1e-6), "key 'conductances': value '-1 µS': a conductance is negative"),
        (CELLS[0], r"value \(3,\): conductances must have the shape \(rows, columns\)"),
        (np.empty((0, 3)), r"value \(0, 3\): conductances must have the shape"),
    ],
)
def test_conductances_that_are_none(cells: np.ndarray, message: str) -> None:
    for call in (
        lambda: array_lines(cells, CONFIG),
        lambda: model().matrix(cells),
        lambda: model().coefficients(cells),
    ):
        with pytest.raises(CosimError, match=message):
            call()


def test_a_conductance_that_the_device_cannot_hold() -> None:
    for entry, shown in ((600e-6, "600 µS"), (20e-9, "20 nS")):
        with pytest.raises(CosimError) as caught:
            array_lines(changed(CELLS, entry), CONFIG)
        assert f"value '{shown}'" in str(caught.value)
        assert "the device taox_1t1r cannot hold this conductance (1 of 12 cells)" in str(caught.value)
        assert "Allowed: 100 nS to 520 µS, or 0 (open)" in str(caught.value)


def test_more_cells_than_the_array_has() -> None:
    with pytest.raises(CosimError, match=r"value \(6, 3\): more cells than.*up to \(4, 3\)"):
        crossbar_deck(np.full((6, 3), 1e-5), np.zeros((1, 6)), CONFIG)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (INPUTS[:, :3], r"key 'inputs': value \(2, 3\): voltages must have the shape.*Allowed: \(any, 4\)"),
        (INPUTS[0], r"value \(4,\): voltages must have the shape"),
        (INPUTS[:0], r"value \(0, 4\): voltages must have the shape"),
        (changed(INPUTS, np.nan), "value nan: a voltage is not a finite number"),
    ],
)
def test_voltages_that_are_none(inputs: np.ndarray, message: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: crossbar_deck(CELLS, inputs, CONFIG),
        lambda: model().currents(inputs, CELLS),
    ]
    for call in calls:
        with pytest.raises(CosimError, match=message):
            call()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("rows", 1, "2"),
        ("rows", 129, "128"),
        ("columns", 0, "1"),
        ("columns", 129, "128"),
        ("r_wire_row", "-1 ohm", "0 ohm to 10 kohm"),
        ("r_driver", "1 V", "ohm"),
        ("v_read", "0.7 V", "500 mV"),
        ("v_0", "0 V", "20 mV"),
        ("r_wires", "1 ohm", "r_wire_row"),
    ],
)
def test_configurations_outside_the_limits(key: str, value: object, allowed: str) -> None:
    with pytest.raises(CosimError) as caught:
        load_config(CrossbarConfig, overrides={key: value})
    assert f"key '{key}'" in str(caught.value)
    assert allowed in str(caught.value)


def test_an_unknown_device() -> None:
    with pytest.raises(CosimError, match="taox"):
        array_lines(CELLS, CrossbarConfig(device="taox_1t1"))


def test_characterisations_that_cannot_be_judged() -> None:
    for arguments, key in (
        ({"arrays": 1}, "arrays"),
        ({"vectors": 1}, "vectors"),
        ({"sizes": [(5, 3)]}, "sizes"),
        ({"measurements": ("current",)}, "measurements"),
        ({"measurements": ()}, "measurements"),
        ({"shares": (0.0,)}, "shares"),
        ({"fractions": (1.5,)}, "fractions"),
        ({"measurements": ("leakage",), "active": 4}, "active"),
        ({"measurements": ("stuck",), "stuck": (2.0,)}, "stuck"),
        ({"chips": 0}, "chips"),
        ({"measurements": ("pulses",), "input_bits": 1}, "input_bits"),
    ):
        with pytest.raises(CosimError, match=f"key '{key}'"):
            characterise(CONFIG, **arguments)  # type: ignore[arg-type]
