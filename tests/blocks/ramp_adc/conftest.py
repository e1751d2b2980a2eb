"""Two small characterisations in ngspice that several files of these tests look at."""

import pytest
import xarray as xr

from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.spice import SimulatorPool


@pytest.fixture(scope="session")
def three_bits(pool: SimulatorPool) -> xr.Dataset:
    """3-bit sigmoid, 8 chips, V_read sweep of the nominal one, the first two and the fixed ramp."""
    return characterise(RampAdcConfig(bits=3), chips=8, v_read_chips=2, seed=4, pool=pool, show_progress=False)


@pytest.fixture(scope="session")
def four_bits(pool: SimulatorPool) -> xr.Dataset:
    """4-bit tanh, 6 chips, one V_read."""
    config = RampAdcConfig(bits=4, function="tanh")
    return characterise(config, chips=6, v_reads=(), seed=5, pool=pool, show_progress=False)
