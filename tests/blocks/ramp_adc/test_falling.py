"""A function that also falls, in ngspice: an up/down counter beside a ramp that only rises."""

import numpy as np
import pytest

from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.column import column_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.conversion import convert
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.netlist import clock_lines, comparator_lines, conversion_deck, rounded_code
from cosim.spice import SimulatorPool


def test_only_a_function_that_falls_gets_a_direction() -> None:
    for function, has in (("sigmoid", False), ("silu", True)):
        config = RampAdcConfig(function=function)
        lines = clock_lines(timeline(config, 3), config)
        assert any(line.startswith("Vdir") for line in lines) == has
        assert ("v(dir)" in comparator_lines(0, "m", (), np.zeros(0), config)[1]) == has


def test_the_direction_stands_before_each_clock() -> None:
    config = RampAdcConfig(function="silu")
    times = timeline(config, 3)
    line = next(line for line in clock_lines(times, config) if line.startswith("Vdir"))
    numbers = np.array(line[line.index("pwl(") + 4 : -1].split(), dtype=np.float64)
    for edge, direction in zip(times.edges, config.staircase.direction, strict=True):
        np.testing.assert_allclose(np.interp([edge - 1e-9, edge], numbers[::2], numbers[1::2]), direction)


@pytest.mark.parametrize("function", ["silu", "expr: x*x"])
def test_counted_codes_follow_the_function(function: str, pool: SimulatorPool) -> None:
    """Held inputs over the whole range, in one conversion: the code is g(x) to 1 LSB, and that of the model's rule."""
    reach = None if function == "silu" else (-1.0, 1.5)
    config = RampAdcConfig(function=function, x_range=reach, bits=5 if reach is None else 4)
    design, stairs = design_column(config), config.staircase
    assert not stairs.rising and (stairs.direction < 0).any()
    g = config.activation
    x = np.linspace(g.x_low + 0.05, g.x_high - 0.05, 12)
    chip = nominal_chip(config, columns=len(x))
    times = timeline(config, len(chip.bias))
    inputs = config.v_clp + design.gain(config.v_read) * x
    sources = [f"Vm{n} m{n} 0 {value:.9g}" for n, value in enumerate(inputs)]
    comparators: list[str] = []
    for n in range(len(x)):
        comparators += comparator_lines(n, f"m{n}", chip.names, chip.mismatch[n], config)
    ramp = column_lines(config, chip.ramp, chip.bias, chip.bias_sign, pulses=chip.pulse)
    result = pool.run([conversion_deck("codes", config, ramp, times, sources, comparators, len(x))])[0]
    assert result.failure is None, result.log
    reference = float(result["v(nref)"][-1])
    counts = [rounded_code(float(result[f"v(n{n})"][-1]), reference, config.thresholds) for n in range(len(x))]
    assert max(distance for _, distance in counts) < 0.02
    codes = stairs.start + np.array([count for count, _ in counts])
    lsb = (g.high - g.low) / 2**config.bits
    assert (np.abs(g.low + (codes + 0.5) * lsb - g.value(x)) <= lsb).all()
    # The comparators trip a few millivolts late, so an input next to a threshold may be one code off.
    model = convert(x[:, None], stairs.thresholds[None], stairs)[:, 0]
    assert np.abs(codes - model).max() <= 1 and (codes == model).mean() > 0.5
    assert len(set(np.sign(np.diff(codes)).tolist()) & {-1, 1}) == 2  # down and up again
