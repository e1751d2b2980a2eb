"""The exported cell carries the model's current over voltage and conductance."""

import numpy as np
import pytest

from cosim.blocks.cell.behaviour import CellModel
from cosim.blocks.cell.config import CellConfig
from cosim.blocks.domain import Domain
from cosim.blocks.model import ModelError, Parameter
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

from .conftest import exported, swept

ERROR = ModelError(rms=0.01, maximum=0.02, unit="relative", points=9, limit=0.1, held_out="for the tests")
LAWS = {
    "ohmic": {},
    "sinh": {"iv.curvature": 5.4},
    "sine": {"iv.curvature": -0.4},
    "cubic": {"iv.cubic": 0.9},
    "sinh_power": {"iv.curvature": 5.4, "iv.power": -0.3},
    "transistor": {"iv.curvature": 5.4, "iv.r_access": 900.0},
}


def model_of(law: str) -> CellModel:
    parameters = {name: Parameter(value, "1") for name, value in LAWS[law].items()}
    name = law if law in ("ohmic", "cubic", "sinh_power") else "sinh"
    settings = {
        "laws": {"iv": name}, "absent": {"drift": "for the tests"}, "parts": {"iv": {"v_read": 0.2, "g_ref": 150e-6}},
        "window": [1e-6, 150e-6], "limits": [None, None], "v_read": 0.2,
    }  # fmt: skip
    return CellModel(
        config=CellConfig(), form="best", parameters=parameters, error=ERROR, errors={}, settings=settings,
        domain=Domain({"voltage": (-1.0, 1.0), "iv_conductance": (0.0, 1.0)}),
    )  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
def test_currents_are_those_of_the_model(law: str, pool: SimulatorPool) -> None:
    """Three conductances in one deck over +-0.4 V, to 1e-9 of the largest current."""
    model = model_of(law)
    conductances = (2e-6, 75.5e-6, 150e-6)
    lines = [exported("cell", model, "spice"), "vin in 0 0"]
    for k, g in enumerate(conductances):
        given = "" if g == 75.5e-6 else f" g={g!r}"  # the default: the middle of the window
        lines += [f"vs{k} in t{k} 0", f"X{k} t{k} 0 cell{given}"]
    found = swept(pool, lines, -0.4, 0.4, 41, [f"i(vs{k})" for k in range(3)], gmin=1e-20)
    for k, g in enumerate(conductances):
        wanted = model.current(found["v(in)"], g)
        np.testing.assert_allclose(found[f"i(vs{k})"], wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


def test_a_model_without_currents_is_refused() -> None:
    model = model_of("sinh")
    settings = dict(model.settings) | {"laws": {}, "absent": {"iv": "no current was measured"}}
    without = CellModel(**{**model.__dict__, "settings": settings})
    with pytest.raises(CosimError, match="no current was measured"):
        exported("cell", without, "spice")
