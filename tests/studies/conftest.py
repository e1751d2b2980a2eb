"""A small network on small hardware for the tests of studies."""

from collections.abc import Callable
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

SMALL_STUDY = """
schema = "cosim.study/1"
title = "Bits and read noise"
seed = 3
chips = 2
noise_samples = 2
test_samples = 30

[tile]
dac_bits = 5

[sweep]
method = "grid"

[sweep.over]
"tile.adc.bits" = [4, 5]
device.read_noise = ["0 %", "2 %"]
"""


@pytest.fixture
def small() -> str:
    """A study's file: four points of the digits LSTM with the shipped models."""
    return SMALL_STUDY


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a study's file."""

    def write(text: str = SMALL_STUDY, name: str = "study.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


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
