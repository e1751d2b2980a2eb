"""Characterising a sample and hold in ngspice: what the held voltage is off by, how fast it comes, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.dataset import new_dataset
from cosim.blocks.halving import (
    Checked,
    Relative,
    all_keys,
    run_checked,
    stacked,
    state_changes,
    statuses,
    tolerance_text,
)
from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.blocks.sample_hold.netlist import (
    closing,
    droop_deck,
    feedthrough_deck,
    impedance_deck,
    noise_deck,
    opening,
    sampling_deck,
    step_deck,
)
from cosim.blocks.status import FAILED, LONG_NAME, OK
from cosim.constants import BOLTZMANN, ZERO_CELSIUS
from cosim.errors import CosimError
from cosim.process import mismatch_of
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool, default_pool

Array = NDArray[np.float64]

INPUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the supply
FREQUENCY = 1e3  # [Hz] of the impedance: far below the pole of a switch that conducts

TOLERANCES = {
    "pedestal": Relative(0.02, 5e-6),  # 5 uV: far below the kT/C noise of 500 fF, 90 uV
    "settling_error": Relative(0.02, 5e-6),  # as above
    "energy": Relative(0.02),  # capacitances are not known better
    "time_constant": Relative(0.01),
    "droop_rate": Relative(0.02, 1e-5),  # 10 uV/s is 5 aA from 500 fF: the solver's own least current
}
_UNITS = {"pedestal": "V", "settling_error": "V", "energy": "J", "time_constant": "s", "droop_rate": "V/s"}
MEASUREMENTS = ("sampling", "impedance", "step", "noise", "feedthrough", "droop", "mismatch")
CLOCKS = ("clk", "clkb")


def characterise(
    config: SampleHoldConfig,
    *,
    inputs: tuple[float, ...] = INPUTS,
    chips: int = 8,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Everything over the input voltage.

    Parameters
    ----------
    inputs: input voltages as shares of the supply, at least three, between 0 and 1. A sample is taken after the switch
        held the end of this range that is farther away.
    chips: with Pelgrom mismatch of the switch's transistors, each sampling every input; beside them chip -1, nominal.
    seed: of the chips' mismatch; the same chips under every condition.

    The thermal noise model of BSIM4 (tnoimod 0) is not quite Nyquist's at zero current: some per cent more than
    4 k T / R_on, the more the less the channel is inverted. So `noise` is above `ktc_noise` by half of that.

    Returns the data set with dimensions `input`, `chip`, `clock`, `hold_input` (input at either end of the range during
    droop) and `measurement`; `status` has one entry for each measurement at each input, of "mismatch" the worst of
    the chips.

    Raises CosimError for inputs or chips that make no sense, and for chips of a switch whose transistors take no
    mismatch.
    """
    shares = np.array(sorted(set(inputs)))
    if len(shares) < 3 or shares[0] < 0 or shares[-1] > 1:
        raise CosimError("three or more inputs are wanted", key="inputs", value=list(inputs), allowed="0 to 1")
    if chips < 0:
        raise CosimError("no number of chips", key="chips", value=chips, allowed="0 or more")
    drawn = draw_mismatch(config, chips, seed)
    names = tuple(drawn[0]) if drawn else ()
    pool = pool or default_pool()
    label = "sample and hold" if show_progress else None
    levels = shares * config.v_dd
    ends = (float(levels[0]), float(levels[-1]))

    def run(decks: Sequence[Deck], extract: Callable[[Result, int], dict[str, float]], *names: str) -> list[Checked]:
        return run_checked(decks, extract, {name: TOLERANCES[name] for name in names}, pool, label)

    before = [ends[1] if v - ends[0] < ends[1] - v else ends[0] for v in levels]
    sampling = run(
        [sampling_deck(config, v, other) for v, other in zip(levels, before, strict=True)],
        lambda result, number: sampled_figures(result, float(levels[number]), config),
        "pedestal", "settling_error", "energy",
    )  # fmt: skip
    of_chips = run(
        [
            sampling_deck(config, v, other, chip)
            for chip in drawn
            for v, other in zip(levels, before, strict=True)
        ],
        lambda result, number: sampled_figures(result, float(levels[number % len(levels)]), config),
        "pedestal",
    )  # fmt: skip
    impedance = run([impedance_deck(config, v) for v in levels], _impedance)
    resistance, capacitance = stacked(impedance, "on_resistance"), stacked(impedance, "capacitance")
    known = np.isfinite(resistance) & (resistance > 0) & (capacitance > 0)
    tau = np.where(known, resistance * capacitance, 1e-9)  # any, where the impedance failed: marked below
    step = run(
        [step_deck(config, v, t) for v, t in zip(levels, tau, strict=True)],
        lambda result, number: {"time_constant": time_constant(result, float(levels[number]), config)},
        "time_constant",
    )
    noise = run([noise_deck(config, v, 1 / (2 * np.pi * t)) for v, t in zip(levels, tau, strict=True)], _noise)
    through = [
        run(
            [feedthrough_deck(config, v, source) for v in levels],
            lambda result, number: {"real": result["v(out)"][0], "size": _size(result)},
        )
        for source in ("in", *CLOCKS)
    ]
    droop = run(
        [droop_deck(config, v, end) for v in levels for end in ends],
        lambda result, number: {"droop_rate": (result["v(out)"][-1] - result["v(out)"][0]) / config.t_droop},
        "droop_rate",
    )
    status = np.stack(
        [
            statuses(sampling), statuses(impedance), statuses(step), statuses(noise),
            np.max([statuses(each) for each in through], axis=0), statuses(droop, (-1, 2)).max(axis=1),
            statuses(of_chips, (chips, -1)).max(axis=0, initial=OK) if chips else statuses(sampling),
        ],
        axis=1,
    )  # fmt: skip
    status[~known, 1:4] = FAILED
    pedestal = stacked(sampling, "pedestal")
    varied = stacked(of_chips, "pedestal", (chips, len(levels))) if chips else np.empty((0, len(levels)))
    # As the switch opens clk falls by the supply and clkb rises by it.
    coupled = config.v_dd * np.stack([-stacked(through[1], "real"), stacked(through[2], "real")], axis=1)
    measured = {
        "pedestal": pedestal,
        "pedestal_chip": np.concatenate((pedestal[None], varied)),
        "pedestal_sigma": varied.std(axis=0, ddof=1) if chips > 1 else np.full(len(levels), np.nan),
        "settling_error": stacked(sampling, "settling_error"),
        "energy": stacked(sampling, "energy"),
        "on_resistance": resistance,
        "capacitance": capacitance,
        "time_constant": np.where(known, stacked(step, "time_constant"), np.nan),
        "noise": np.where(known, stacked(noise, "noise"), np.nan),
        "ktc_noise": np.sqrt(BOLTZMANN * (config.temperature + ZERO_CELSIUS) / capacitance),
        "hold_feedthrough": stacked(through[0], "size"),
        "clock_feedthrough": coupled,
        "clock_feedthrough_net": coupled.sum(axis=1),
        "droop_rate": stacked(droop, "droop_rate", (-1, 2)),
        "mismatch": np.array([list(each.values()) for each in drawn]).reshape(chips, len(names)),
    }
    keys = [key for group in (sampling, of_chips, impedance, step, noise, *through, droop) for key in all_keys(group)]
    data = _dataset(config, shares, levels, measured, names, status, keys, seed, pool)
    state_changes(
        data, [*sampling, *(each for each, good in zip(step, known, strict=True) if good), *droop], TOLERANCES
    )
    return data


def draw_mismatch(config: SampleHoldConfig, chips: int, seed: int) -> list[dict[str, float]]:
    """dvt [V] and db [1] of the switch's transistors, one dict a chip; chip n depends on the seed and n alone.

    Empty dicts for a switch without transistors. Raises CosimError when its transistors take no mismatch.
    """
    part = config.part()
    if not chips or not part.has_transistors:
        return [{} for _ in range(chips)]
    kind = mismatch_of(part.text, config.cmos, key="sample_hold")
    return [
        dict(zip(kind.names, kind.draw(1, np.random.default_rng(child))[0].tolist(), strict=True))
        for child in stream(seed, "sample_hold: chips").spawn(chips)
    ]


def _mismatch_sigmas(config: SampleHoldConfig, names: tuple[str, ...]) -> Array:
    return mismatch_of(config.part().text, config.cmos, key="sample_hold").sigmas if names else np.empty(0)


def sampled_figures(result: Result, v_in: float, config: SampleHoldConfig) -> dict[str, float]:
    """Pedestal and settling error [V], and energy [J], of one clock period.

    A CMOS driver takes its line's charge from the supply while the line is high and gives it to ground when it falls,
    so its energy is V_DD times what flows from the rise on until the fall.
    """
    time, out = result["time"], result["v(out)"]
    fall = opening(config)
    at_fall = float(np.interp(fall, time, out))
    clk_high = (time >= closing(config)) & (time <= fall)
    charge = _charge(result, "i(vc)", clk_high) + _charge(result, "i(vcb)", time >= fall)
    supply = _charge(result, "i(vdd)", time >= 0)
    return {
        "pedestal": float(out[-1]) - at_fall,
        "settling_error": at_fall - v_in,
        "energy": config.v_dd * (charge + supply),
    }


def _charge(result: Result, source: str, during: NDArray[np.bool_]) -> float:
    """What a source has given during some of the time [C]."""
    return float(np.trapezoid(np.where(during, -result[source], 0.0), result["time"]))


def time_constant(result: Result, v_in: float, config: SampleHoldConfig) -> float:
    """From the time between a half and a tenth of the step being left, ln 5 time constants [s]."""
    left = (v_in + config.v_step / 2 - result["v(out)"]) / config.v_step
    if not (left.min() < 0.1 and left[0] > 0.5):
        return float("nan")
    first, last = (float(np.interp(-share, -left, result["time"])) for share in (0.5, 0.1))
    return (last - first) / float(np.log(5))


def _impedance(result: Result, number: int) -> dict[str, float]:
    """Resistance and capacitance in parallel at the held node."""
    del number
    admittance = 1 / complex(result["v(out)"][0], result["imag(v(out))"][0])
    return {"on_resistance": 1 / admittance.real, "capacitance": admittance.imag / (2 * np.pi * FREQUENCY)}


def _noise(result: Result, number: int) -> dict[str, float]:
    del number
    return {"noise": float(np.sqrt(np.trapezoid(result["onoise_spectrum"] ** 2, result["frequency"])))}


def _size(result: Result) -> float:
    return float(np.hypot(result["v(out)"][0], result["imag(v(out))"][0]))


def straight_line(x: Array, y: Array) -> tuple[float, float, float]:
    """(mean of y, slope, largest departure from the least-squares line), of the finite values."""
    good = np.isfinite(y)
    if good.sum() < 3:
        return float("nan"), float("nan"), float("nan")
    slope, start = np.polyfit(x[good], y[good], 1)
    return float(y[good].mean()), float(slope), float(np.abs(y[good] - slope * x[good] - start).max())


def _dataset(
    config: SampleHoldConfig,
    shares: Array,
    levels: Array,
    measured: dict[str, Array],
    names: tuple[str, ...],
    status: NDArray[np.int8],
    keys: list[str],
    seed: int,
    pool: SimulatorPool,
) -> xr.Dataset:
    texts = {
        "pedestal": ("V", "step of the held voltage as the switch opens"),
        "settling_error": ("V", "held node minus input at the end of tracking, after a full swing"),
        "energy": ("J", "energy from clock drivers and supply in a clock period"),
        "on_resistance": ("ohm", "small-signal resistance of the closed switch"),
        "capacitance": ("F", "capacitance at the held node, switch closed"),
        "time_constant": ("s", "time constant of tracking"),
        "noise": ("V", "rms noise on the held voltage"),
        "ktc_noise": ("V", "sqrt(kT / capacitance)"),
        "hold_feedthrough": ("1", "part of a sine at the input that reaches the held node in hold"),
        "pedestal_sigma": ("V", "standard deviation of the pedestal among chips with mismatch"),
        "clock_feedthrough_net": ("V", "step by the coupling of both clocks together, each for its whole swing"),
    }
    offset, gain, bend = straight_line(levels, measured["pedestal"])
    variables = {
        **{name: (("input",), measured[name], unit, text) for name, (unit, text) in texts.items()},
        "pedestal_offset": ((), offset, "V", "mean pedestal"),
        "pedestal_gain": ((), gain, "1", "slope of the pedestal over the input"),
        "pedestal_nonlinearity": ((), bend, "V", "largest departure of the pedestal from a straight line"),
        "pedestal_chip": (("chip", "input"), measured["pedestal_chip"], "V", "pedestal, chip -1 without mismatch"),
        "pedestal_deviation": (
            ("chip", "input"), measured["pedestal_chip"] - measured["pedestal"], "V", "pedestal less that of chip -1"
        ),
        "clock_feedthrough": (
            ("input", "clock"), measured["clock_feedthrough"], "V",
            "step by the coupling of one clock alone, for its whole swing",
        ),
        "droop_rate": (("input", "hold_input"), measured["droop_rate"], "V/s", "slope of the held voltage"),
        "mismatch": (
            ("chip", "parameter"), np.concatenate([np.zeros((1, len(names))), measured["mismatch"]]), "1",
            "mismatch of each chip's transistors: dvt in V, db as a share",
        ),
        "status": (("input", "measurement"), status.astype(np.int8), "1", LONG_NAME),
    }  # fmt: skip
    coords = {
        "input": (("input",), shares, "1", "input, or held voltage, as a share of the supply"),
        "input_level": (("input",), levels, "V", "input, or held voltage"),
        "chip": (("chip",), np.arange(-1, len(measured["pedestal_chip"]) - 1), "1", "chip, -1 without mismatch"),
        "parameter": (("parameter",), np.array(names, dtype=object), "1", "parameter of the mismatch"),
        "parameter_sigma": (("parameter",), _mismatch_sigmas(config, names), "1", "sigma of the parameter"),
        "clock": (("clock",), np.array(CLOCKS, dtype=object), "1", "clock: clk falls, clkb rises as the switch opens"),
        "hold_input": (("hold_input",), shares[[0, -1]], "1", "input in hold, as a share of the supply"),
        "measurement": (("measurement",), np.array(MEASUREMENTS, dtype=object), "1", "what was simulated"),
    }
    data = new_dataset(
        block="sample_hold",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=keys,
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
    )
    for name, tolerance in TOLERANCES.items():
        data[name].attrs["step_tolerance"] = tolerance_text(tolerance, _UNITS[name])
    return data
