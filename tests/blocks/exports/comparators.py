"""Comparators of known numbers, and what their tests apply to them, whatever language they are exported to."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.exported import exported_comparator
from cosim.blocks.domain import Domain
from cosim.blocks.model import ModelError, Parameter

Array = NDArray[np.float64]

OFFSETS = {"offset_mean": 1.7e-3, "offset_sigma": 4.4e-3, "offset_slope_mean": 8e-3, "offset_slope_sigma": 7e-3,
           "offset_bend_mean": 5e-3, "offset_bend_sigma": 0.02}  # fmt: skip
LATCH = {"noise": 4.6e-4, "t_0": 1.844e-10, "tau": 4.18e-11, "v_x": 0.16}
STAGES = {
    "noise": 5.5e-5, "t_0_high": 4.26e-10, "tau_high": 2.47e-9, "v_s_high": 6.67e-3, "q_high": 2.19e-12,
    "t_0_low": 3.39e-10, "tau_low": 3.23e-9, "v_s_low": 13.2e-3, "q_low": 1.86e-12,
}  # fmt: skip
CHIP = {"chip": "seed:5"}


def model_of(netlist: str, form: str, **values: float) -> ComparatorModel:
    """A comparator's model with numbers of about the shipped netlists' size; one temperature."""
    parameters = {name: Parameter(value, "1") for name, value in (OFFSETS | values).items()}
    parameters["offset_correlation"] = Parameter(((1.0, 0.3, 0.0), (0.3, 1.0, 0.0), (0.0, 0.0, 1.0)), "1")
    error = ModelError(rms=0.01, maximum=0.02, unit="relative", points=9, limit=0.1, held_out="for the tests")
    config = ComparatorConfig(comparator=netlist)
    v_cm, t = config.v_cm, config.temperature
    limits = {"v_cm": (v_cm - 0.1, v_cm + 0.1), "temperature": (t, t), "overdrive": (1e-6, 1.0)}
    return ComparatorModel(
        config=config, form=form, parameters=parameters, error=error, errors={"delay": error}, domain=Domain(limits)
    )


def offset_at(model: ComparatorModel, v_cm: float) -> float:
    """The exported offset at a common mode, constant beyond the domain [V]."""
    one = exported_comparator(model, CHIP)
    d = float(np.clip(v_cm, one.low, one.high)) - one.v_cm
    return one.offset + one.slope * d + one.bend * d**2


DRIVES = np.concatenate([np.geomspace(1e-5, 0.2, 9), -np.geomspace(1e-5, 0.2, 9)])


def clocked_inputs(model: ComparatorModel) -> tuple[Array, list[float]]:
    """Overdrives of both signs at three common modes, the last beyond the domain, and the inputs that make them."""
    inputs: list[float] = []
    for v_cm in model.config.v_cm + np.array([0.0, 0.07, 0.3]):
        for drive in DRIVES:
            difference = drive + offset_at(model, v_cm)
            inputs += [float(v_cm + difference / 2), float(v_cm - difference / 2)]
    return np.tile(DRIVES, 3), inputs


def positive_inputs(model: ComparatorModel, drives: Sequence[float] | Array) -> list[float]:
    """Voltages of `inp` that give the nominal comparator these overdrives, `inn` at v_cm."""
    v_cm = model.config.v_cm
    return [
        float(brentq(lambda inp, drive=drive: own_drives(model, np.array(inp), {}) - drive, v_cm - 0.15, v_cm + 0.15,
                     xtol=1e-16, rtol=1e-15))
        for drive in drives
    ]  # fmt: skip


def crossings(time: Array, wave: Array, level: float) -> list[tuple[float, int]]:
    """Times at which a wave passes a level, and the directions."""
    above = wave > level
    at = np.flatnonzero(above[1:] != above[:-1])
    share = (level - wave[at]) / (wave[at + 1] - wave[at])
    return list(zip(time[at] + share * np.diff(time)[at], np.where(above[at + 1], 1, -1).tolist(), strict=True))


def steps_wave(values: Sequence[float], period: float, edge: float) -> list[tuple[float, float]]:
    """Corner points of a wave that holds each value for a period [s]."""
    points = [(0.0, float(values[0]))]
    for k, (before, after) in enumerate(itertools.pairwise(values)):
        points += [((k + 1) * period, float(before)), ((k + 1) * period + edge, float(after))]
    return points


EDGE = 20e-12  # [s], of inputs and clocks
LOOK = 1.2e-11  # [s]: largest error of a delay, six of the largest time steps of 2 ps


def own_drives(model: ComparatorModel, inputs: Array, options: dict[str, object], shift: float = 0.0) -> Array:
    """Overdrives of a comparator whose `inp` has these voltages, `inn` at v_cm [V]."""
    one = exported_comparator(model, options)
    common = np.clip((inputs + one.v_cm) / 2, one.low, one.high)
    d = common - one.v_cm
    return np.asarray(inputs - one.v_cm - one.offset - shift - one.slope * d - one.bend * d**2)
