"""Data sets of the macro model and of the transistor-level amplifier, each simulated once."""

import pytest
import xarray as xr

from cosim.blocks.integrator.characterisation import characterise
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.spice import SimulatorPool


@pytest.fixture(scope="session")
def macro_config() -> IntegratorConfig:
    return IntegratorConfig(integrator="integrator", amplifier_gain=2e3, amplifier_gbw=3e8)


@pytest.fixture(scope="session")
def macro(macro_config: IntegratorConfig, pool: SimulatorPool) -> xr.Dataset:
    return characterise(macro_config, charges=(-1, -0.5, 0.25, 0.5, 1), pool=pool, show_progress=False)


@pytest.fixture(scope="session")
def amplifier(pool: SimulatorPool) -> xr.Dataset:
    return characterise(IntegratorConfig(), chips=12, charges=(-0.5, 0, 0.5), pool=pool, show_progress=False)
