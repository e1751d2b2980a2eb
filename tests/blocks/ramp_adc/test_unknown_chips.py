"""Chips that the model draws beside chips that ngspice simulates: the same distribution of non-linearity."""

import numpy as np
import pytest
from scipy import stats

from cosim.blocks.ramp_adc import fit
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.chips import draw_chips
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.functions import output_error
from cosim.spice import SimulatorPool

FIGURES = {
    "largest": lambda inl: np.abs(inl).max(axis=1),
    "rms": lambda inl: np.sqrt((inl**2).mean(axis=1)),
    "first": lambda inl: inl[:, 0],
    "middle": lambda inl: inl[:, inl.shape[1] // 2],
    "last": lambda inl: inl[:, -1],
}


def drawn_inl(model: RampAdcModel, chips: int, rng: np.random.Generator) -> np.ndarray:
    """INL [LSB] of unknown chips, shape (chips, thresholds)."""
    found = []
    for chip in draw_chips(model.config, chips, rng):
        offset = model.draw_offsets(1, rng)
        thresholds = model.thresholds(chip.ramp, chip.bias, offset, bias_sign=chip.bias_sign)
        found.append(output_error(model.function, model.config.bits, thresholds.reshape(1, -1))[0])
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["sigmoid", "relu"])
def test_drawn_chips_are_distributed_as_simulated_ones(function: str, pool: SimulatorPool) -> None:
    """Kolmogorov-Smirnov at 1 % in all, by Bonferroni over the five figures; 48 simulated chips."""
    data = characterise(
        RampAdcConfig(bits=3, function=function), chips=48, v_reads=(), pool=pool, show_progress=False, seed=4
    )
    simulated = data["inl"].values[data["chip"].values >= 0]
    drawn = drawn_inl(fit(data), 2000, np.random.default_rng(5))
    for name, figure in FIGURES.items():
        p = stats.ks_2samp(figure(simulated), figure(drawn)).pvalue
        assert p > 0.01 / len(FIGURES), f"{name}: p = {p:.2g}"


@pytest.mark.slow
def test_48_chips_tell_a_model_without_programming_error(pool: SimulatorPool) -> None:
    """The columns as designed, with drawn offsets alone: what the test above must be able to refuse."""
    data = characterise(
        RampAdcConfig(bits=3, function="sigmoid"), chips=48, v_reads=(), pool=pool, show_progress=False, seed=4
    )
    model, simulated = fit(data), data["inl"].values[data["chip"].values >= 0]
    offsets = model.draw_offsets(2000, np.random.default_rng(5))
    thresholds = model.thresholds(model.ramp_target, model.bias_target, offsets)
    drawn = output_error(model.function, model.config.bits, thresholds)
    p = {name: stats.ks_2samp(figure(simulated), figure(drawn)).pvalue for name, figure in FIGURES.items()}
    assert min(p.values()) < 0.01 / len(FIGURES), p  # the same rule refuses it
