"""A comparator of the user's own: searched by its sign, or refused with one clear error."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.dataset import config_of
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.measurement import lsb_voltages
from cosim.blocks.status import OK
from cosim.errors import CosimError
from cosim.resources import read_netlist
from cosim.spice import SimulatorPool

CONFIG = RampAdcConfig(bits=3)


@pytest.fixture(scope="module")
def shipped() -> str:
    return read_netlist("comparator_two_stage")


def test_a_comparator_of_the_users_own_is_searched_by_its_sign(
    shipped: str, three_bits: xr.Dataset, pool: SimulatorPool, tmp_path: Path
) -> None:
    """The shipped netlist by path and without its `* probes` line: the same thresholds from the output's sign alone."""
    mine = tmp_path / "my comparator.cir"
    mine.write_text(re.sub(r"(?im)^\* probes.*\n", "", shipped))
    config = RampAdcConfig(bits=3, comparator=str(mine))
    data = characterise(config, chips=1, v_reads=(), seed=4, pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    assert data["rounds"].values.max() > three_bits["rounds"].values.max()
    assert (data["bracket"].values <= 0.005 * lsb_voltages(CONFIG, float(data["gain"].values[0])) * (1 + 1e-9)).all()
    # Two brackets of the same threshold overlap.
    apart = np.abs(data["threshold"].values - three_bits["threshold"].values[:2])
    assert (apart <= (data["bracket"].values + three_bits["bracket"].values[:2]) / 2).all()
    assert config_of(data)["comparator"] == str(mine)
    assert (data["energy_status"].values == OK).all()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            lambda text: text.replace("comparator inp inn out bias vdd vss", "comparator inp inn out bias vdd"),
            "has other pins.*Allowed: inp inn out bias vdd vss",
        ),
        (
            lambda text: text.replace(".subckt comparator inp", ".subckt my_comparator inp"),
            "no subcircuit 'comparator'",
        ),
        (lambda text: text.replace("{dvt1}", "{dvt99}"), r"Undefined parameter \[dvt99\]|dvt99"),
        (lambda text: text.replace(" nmos w=8u", " nmos_of_another_kit w=8u"), "nmos_of_another_kit"),
        (lambda text: text.replace("xm1 d1", "r1 d1\nxm1 d1"), "r1 d1"),
    ],
)
def test_a_comparator_that_cannot_be_simulated_is_one_clear_error(
    shipped: str, pool: SimulatorPool, tmp_path: Path, edit: object, says: str
) -> None:
    mine = tmp_path / "mine.cir"
    mine.write_text(edit(shipped))  # type: ignore[operator]
    with pytest.raises(CosimError, match=f"(?i){says}") as caught:
        characterise(RampAdcConfig(bits=2, comparator=str(mine)), chips=1, v_reads=(), pool=pool, show_progress=False)
    assert caught.value.file is not None and Path(caught.value.file).is_file()
