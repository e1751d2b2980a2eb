"""Fitted models for the tests of tiles."""

from pathlib import Path

import pytest

from cosim.blocks import ramp_adc
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.spice import SimulatorPool


@pytest.fixture(scope="session")
def models(own_cache: Path) -> dict[str, RampAdcModel]:
    """Function -> ramp ADC of 3 bits, fitted to six simulated chips; with the store of results, unlike `pool`."""
    with SimulatorPool(2) as pool:
        return {
            function: ramp_adc.fit(
                ramp_adc.characterise(
                    ramp_adc.Config(bits=3, function=function), chips=6, v_reads=(), pool=pool, show_progress=False
                )
            )
            for function in ("sigmoid", "tanh")
        }
