"""A small network on small hardware for the tests of studies."""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks import ramp_adc
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.networks.weights import LstmWeights, WeightsMetadata
from cosim.spice import SimulatorPool
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware

BITS = 3


@pytest.fixture(scope="session")
def models(own_cache: Path) -> dict[str, RampAdcModel]:
    """Function -> ramp ADC of 3 bits, fitted to six simulated chips; with the store of results, unlike `pool`."""
    with SimulatorPool(2) as pool:
        return {
            function: ramp_adc.fit(
                ramp_adc.characterise(
                    ramp_adc.Config(bits=BITS, function=function), chips=6, v_reads=(), pool=pool, show_progress=False
                )
            )
            for function in ("sigmoid", "tanh")
        }


@pytest.fixture(scope="session")
def weights() -> LstmWeights:
    """Two inputs, three hidden units, three classes; random."""
    rng = np.random.default_rng(21)
    return LstmWeights(
        gates=rng.uniform(-2, 2, (4, 6, 3)),
        head_weights=rng.normal(0, 1, (3, 3)),
        head_bias=np.zeros(3),
        metadata=WeightsMetadata("float", None, 2.0, 21),
    )


@pytest.fixture
def hardware(models: dict[str, RampAdcModel]) -> Hardware:
    return Hardware(TileConfig(dac_bits=BITS, weight_bits=BITS, adc=models["sigmoid"].config), models)
