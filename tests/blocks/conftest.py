"""The smallest characterisation of every block: a new block is tested by one more row of `CASES`.

Its settings and sweeps are the cheapest that still give every figure; the data set is made once for all tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import xarray as xr

from cosim.blocks.config import load_config
from cosim.blocks.registry import get_block
from cosim.spice import SimulatorPool


@dataclass(frozen=True)
class Case:
    """One small characterisation.

    Attributes
    ----------
    block: its name in the registry.
    settings: of its configuration.
    sweeps: arguments of its `characterise`.
    variant: what tells a second row of the same block apart.
    lacks: figures that these settings cannot give, and which another row gives.
    blank: figures that are there and NaN with these settings, and which another row gives.
    without_simulation: figures that are known although every simulation fails.
    slow: more than some ten seconds.
    cheap: a second run is cheap enough for the quick tests.
    """

    block: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    sweeps: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    lacks: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    without_simulation: tuple[str, ...] = ()
    slow: bool = False
    cheap: bool = False

    @property
    def name(self) -> str:
        return f"{self.block} {self.variant}".strip()

    def characterise(self, pool: SimulatorPool) -> xr.Dataset:
        block = get_block(self.block)
        config = load_config(block.Config, None, self.settings)
        data: xr.Dataset = block.characterise(config, seed=3, pool=pool, show_progress=False, **self.sweeps)
        return data


CASES = (
    Case(
        "cell",
        sweeps={"states": (2e-5, 1e-4), "voltages": 9, "reads": 16, "amplitudes": (1.0,), "widths": (1.0,),
                "pulses": 2, "devices": 2, "cycles_each": 2},
        lacks=("drift_conductance", "blind_conductance"),
    ),
    Case(
        "cell",
        {"device": "pcm_inference"},
        {"states": (1e-5,), "voltages": 5, "reads": 16, "devices": 1, "times": (1.0, 60.0)},
        variant="that drifts",
        lacks=("loop_current", "pulse_conductance", "switching_time", "pulse_energy", "cycle_conductance",
               "blind_conductance"),
    ),
    Case(
        "cell",
        {"device": "pcm_training"},
        {"states": (1e-5,), "voltages": 5, "reads": 16, "devices": 2, "pulses": 3, "times": (60.0,)},
        variant="under blind pulses",
        lacks=("loop_current", "pulse_conductance", "switching_time", "pulse_energy", "cycle_conductance"),
        cheap=True,
    ),
    Case("ramp_adc", {"bits": 2}, {"chips": 4, "v_reads": ()}),
    Case(
        "crossbar",
        {"rows": 4, "columns": 3},
        {"arrays": 2, "vectors": 2, "shares": (1.0,), "fractions": (0.01,), "stuck": (0.05,), "chips": 1,
         "pulse_vectors": 1},
        without_simulation=("simulation_time", "line_delay"),
        cheap=True,
    ),
    Case("integrator", sweeps={"chips": 0, "charges": (-0.5, 0.0, 0.5)}),
    Case("integrator", {"integrator": "ota_two_stage"}, {"chips": 1}, variant="of transistors", slow=True),
    Case(
        "comparator",
        {"comparator": "comparator_two_stage"},
        {"chips": 2, "overdrives": (1e-2,), "common_modes": (0.0,)},
        variant="continuous",
        blank=("regeneration_time", "metastable_input", "kickback_difference"),
    ),
    Case("comparator", sweeps={"chips": 2, "overdrives": (1e-4, 3e-4, 1e-3), "common_modes": (0.0,)}, variant="clocked",
         slow=True),
    Case("sample_hold", sweeps={"inputs": (0.3, 0.5, 0.7)}),
    Case("sar_adc", {"bits": 3}, {"chips": 0}, without_simulation=("bias_energy", "t_conversion", "sampled_noise")),
    Case("dac", {"bits": 3}, {"chips": 1}, blank=("width_error",)),
    Case("dac", {"bits": 3, "kind": "pulse_width"}, {"chips": 1}, variant="of pulses",
         blank=("settling_time", "glitch")),
    Case("macro", sweeps={"vectors": 1, "chips": 0}, without_simulation=("latency", "amplifier_energy")),
)  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`case`: every row; `again`: the same rows, those that are not cheap as slow tests."""
    for name, slow in (("case", lambda each: each.slow), ("again", lambda each: not each.cheap)):
        if name in metafunc.fixturenames:
            rows = [pytest.param(each, id=each.name, marks=[pytest.mark.slow] if slow(each) else []) for each in CASES]
            metafunc.parametrize(name, rows)


@pytest.fixture(scope="session")
def cases() -> tuple[Case, ...]:
    return CASES


@pytest.fixture(scope="session")
def smallest(pool: SimulatorPool) -> Callable[[str], xr.Dataset]:
    """The data set of a row by its name, made when it is first asked for."""
    made: dict[str, xr.Dataset] = {}

    def of(name: str) -> xr.Dataset:
        if name not in made:
            made[name] = next(each for each in CASES if each.name == name).characterise(pool)
        return made[name]

    return of
