"""A ramp ADC fitted to a few simulated chips, for benchmarks that need a model."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cosim.blocks import ramp_adc
from cosim.spice import SimulatorPool


def fitted_adc() -> ramp_adc.RampAdcModel:
    """The 5-bit sigmoid column, from eight chips and as a user has it: from its file."""
    with SimulatorPool() as pool, tempfile.TemporaryDirectory() as folder:
        data = ramp_adc.characterise(ramp_adc.Config(), chips=8, v_reads=(), pool=pool, show_progress=False)
        path = Path(folder) / "adc.json"
        ramp_adc.fit(data).save(path)
        return ramp_adc.load_model(path)
