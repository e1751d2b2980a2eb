"""Bias cells chosen after programming, pulses of graded width, stuck cells: by the closed form, and in ngspice."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.calibration import choose_signs, combinations, middle
from cosim.blocks.ramp_adc.chips import Chip, draw_chips, nominal_chip
from cosim.blocks.ramp_adc.column import column_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column, effective_conductance
from cosim.blocks.ramp_adc.functions import output_error
from cosim.blocks.ramp_adc.netlist import conversion_deck
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]


def drawn(count: int, **settings: object) -> tuple[RampAdcConfig, list[Chip]]:
    config = RampAdcConfig(**settings)  # type: ignore[arg-type]
    return config, draw_chips(config, count, np.random.SeedSequence(11))


def inl(config: RampAdcConfig, levels: Array) -> Array:
    return output_error(config.activation, config.bits, levels / design_column(config).gain(config.v_read))


def inl_of(config: RampAdcConfig, chips: list[Chip]) -> Array:
    return inl(config, np.array([chip.levels(config) for chip in chips]))


def test_combinations_are_all_signs_once() -> None:
    signs = combinations(3)
    assert signs.shape == (27, 3) and len({tuple(row) for row in signs.tolist()}) == 27
    assert not signs[0].any() and np.abs(signs[-1]).sum() == 3  # the fewest cells first


@pytest.mark.parametrize(("sigma", "largest"), [(1.0e-6, 0.13), (2.67e-6, 0.34), (5e-6, 0.65), (10e-6, 1.29)])
def test_one_point_calibration_against_the_closed_form(sigma: float, largest: float) -> None:
    """Mean of the maxima of 400 chips, with the errors of bias and calibration cells, which the closed form leaves out.

    It is a Monte Carlo of ideal steps, each with a gaussian error, shifted to be right at mid code. 400 chips repeat to
    3 %; the choice of cells leaves some 2 uS, so 8 % is allowed where sigma is 1 uS, and 6 % above.
    """
    config, chips = drawn(400, calibration="one_point", programming_sigma=sigma)
    mean = np.abs(inl_of(config, chips)).max(axis=1).mean()
    assert mean == pytest.approx(largest, rel=0.08 if sigma < 2e-6 else 0.06)


def test_calibration_leaves_the_other_cells_alone() -> None:
    _, plain = drawn(5)
    config, calibrated = drawn(5, calibration="one_point")
    for one, other in zip(plain, calibrated, strict=True):
        np.testing.assert_array_equal(one.ramp, other.ramp)
        np.testing.assert_array_equal(one.bias, other.bias[: len(one.bias)])
        np.testing.assert_array_equal(one.mismatch, other.mismatch)
        assert len(other.bias) == len(one.bias) + config.calibration_cells
        assert set(other.bias_signs.tolist()) <= {-1, 0, 1} and (other.bias_signs[: len(one.bias)] == -1).all()
    nominal = nominal_chip(config)
    assert not nominal.bias_signs[-config.calibration_cells :].any()  # a perfect column needs none
    np.testing.assert_allclose(nominal.levels(config), nominal_chip(RampAdcConfig()).levels(config), atol=1e-15)


def test_the_middle_threshold_becomes_right() -> None:
    config, chips = drawn(200, calibration="one_point")
    error = inl_of(config, chips)[:, middle(config.thresholds)]
    # 243 sums of 5 cells from 3.8 to 150 uS, known after programming, lie some 2 uS apart, 0.08 LSB at mid code.
    assert np.abs(error).max() < 0.4 and np.sqrt(np.mean(error**2)) < 0.08
    plain = inl_of(*drawn(200))[:, middle(config.thresholds)]
    # Before: 15 ramp cells, and 5 bias cells that err together: sqrt(20) 2.67 uS of 26 uS an LSB.
    assert plain.std() == pytest.approx(np.sqrt(20) * 2.67 / 25.9, rel=0.15)


@pytest.mark.parametrize("stuck", [0.0, 0.03])
def test_least_inl_is_never_worse_than_one_point(stuck: float) -> None:
    """Chip by chip: the first minimises what the second only happens to have. A stuck cell is a missing step."""
    settings = {"stuck_off_rate": stuck}
    plain, point, least = (
        np.abs(inl_of(*drawn(150, calibration=kind, **settings))).max(axis=1)
        for kind in ("none", "one_point", "least_inl")
    )
    assert (least <= point + 1e-12).all()
    assert point.mean() < plain.mean() and least.mean() < 0.9 * point.mean()


def test_a_stuck_cell_is_a_missing_step_shared_by_both_sides() -> None:
    """One cell of the middle gone (26 uS, 1 LSB): all above is 1 LSB low; chosen cells share it between the sides."""
    config = RampAdcConfig(calibration="least_inl")
    design = design_column(config)
    ramp = design.ramp.copy()
    ramp[14] = 1e-7
    before = inl(config, column_levels(ramp, design.bias, -1, config))
    assert before[:15] == pytest.approx(0, abs=1e-9) and before[15] == pytest.approx(-1.0, abs=0.02)
    signs = choose_signs(ramp, design.bias, design.calibration, design, config)
    bias = np.concatenate([design.bias, design.calibration])
    levels = column_levels(ramp, bias, np.concatenate([-np.ones(5, int), signs]), config)
    after = inl(config, levels)
    assert np.abs(after).max() < 0.56 and after[14] > 0.4 and after[15] < -0.4


# --- pulses of graded width


@pytest.mark.parametrize("bits", [3, 5, 8])
@pytest.mark.parametrize("function", ["sigmoid", "relu", "softplus", "exp", "gelu", "silu"])
def test_every_function_has_a_column(function: str, bits: int) -> None:
    """3 to 8 bits: cells in the window, levels exactly at the thresholds, at most half the swing from V_CLP."""
    device = load_device("taox_1t1r")
    for widths in ("auto", "graded"):
        config = RampAdcConfig(function=function, bits=bits, pulse_widths=widths)  # type: ignore[arg-type]
        design = design_column(config)
        cells = np.concatenate([design.ramp, design.bias])
        assert cells.min() >= device.g_min * (1 - 1e-9) and cells.max() <= device.g_max * (1 + 1e-9)
        levels = column_levels(design.ramp, design.bias, design.bias_sign, config, design.pulse)
        np.testing.assert_allclose(levels, design.gain(0.2) * design.thresholds, rtol=1e-11, atol=1e-13)
        assert np.abs(levels).max() <= config.swing / 2 * (1 + 1e-9)
        if design.pulse is not None:
            assert set(design.pulse.tolist()) <= {1.0, 0.5, 0.25, 0.125}
        if widths == "graded" and design.pulse is not None:
            long = design.pulse > 0.125  # the shortest pulse cannot be halved again
            assert (design.ramp[long] > device.g_max / 2 * 0.99).all()


def test_a_first_threshold_at_zero_takes_a_pair_of_cells() -> None:
    config = RampAdcConfig(function="expr: x", x_range=(-1.0, 7.0), bits=3)
    design = design_column(config)
    assert design.thresholds[0] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_array_equal(np.abs(design.bias_sign), [1, 1])
    assert np.sum(design.bias_sign) == 0
    np.testing.assert_allclose(design.bias, 1e-6, rtol=1e-3)
    levels = column_levels(design.ramp, design.bias, design.bias_sign, config)
    assert levels[0] == pytest.approx(0.0, abs=1e-12)


def test_a_function_with_a_jump_has_no_column() -> None:
    config = RampAdcConfig(function="expr: sign(x) + 0.1*x", x_range=(-1.0, 1.0), bits=3)
    with pytest.raises(CosimError, match="steps twice at the same input"):
        design_column(config)


def test_shorter_pulses_make_the_same_error_count_less() -> None:
    """A step of half the pulse has half the error: rms of the steps' errors is sigma sqrt(mean of the squares)."""
    errors = []
    for widths in ("equal", "graded"):
        config, chips = drawn(300, pulse_widths=widths)
        design = design_column(config)
        shares = np.ones(30) if design.pulse is None else design.pulse
        steps = effective_conductance(np.array([chip.ramp for chip in chips]), config) * shares
        ideal = effective_conductance(design.ramp, config) * shares
        errors.append(np.sqrt(np.mean((steps - ideal) ** 2)))
        assert errors[-1] == pytest.approx(2.67e-6 * np.sqrt(np.mean(shares**2)), rel=0.03)
    assert errors[1] < 0.5 * errors[0]


# --- in ngspice


def test_the_simulated_ramp_is_the_closed_form_of_the_chip(pool: SimulatorPool) -> None:
    """Calibrated chips, graded pulses, a cell stuck off: levels in ngspice against the closed form, cell by cell.

    0.01 LSB at mid code is 104 uV; the closed form leaves out what the finite gain of the amplifier takes, 91 uV.
    """
    decks, expected, found = [], [], []
    for settings in (
        {"calibration": "one_point"},
        {"calibration": "least_inl", "stuck_off_rate": 0.1},
        {"pulse_widths": "graded"},
    ):
        config, chips = drawn(2, **settings)
        for chip in chips:
            times = timeline(config, len(chip.bias))
            lines = column_lines(config, chip.ramp, chip.bias, chip.bias_sign, pulses=chip.pulse)
            decks.append(conversion_deck("ramp", config, lines, times, [], [], 0))
            expected.append(inl_of(config, [chip])[0])
    for result in pool.run(decks):
        assert result.failure is None, result.log
        found.append(inl(RampAdcConfig(), result["v(ramp)"][:-1] - 1.0))
    # The graded column has a larger gain: its largest step is the same, at the same pulse.
    np.testing.assert_allclose(np.array(found), np.array(expected), atol=0.02)
    assert np.abs(expected).max() > 0.2
