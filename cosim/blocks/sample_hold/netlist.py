"""The sample and hold's test benches as SPICE text: one switch a deck.

Nodes: `in`, `out` (held), `clk` and `clkb` behind their drivers' resistance, `vdd`. The clock source `Vc` and its
complement `Vcb` stand for CMOS drivers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.blocks.sources import pwl
from cosim.spice import Deck, Tolerances

DIGITS = 12  # of times and voltages of the sources: pedestals are some microvolts
STEPS = 200  # of a transient at least
TIME_CONSTANTS = 8  # that a small step is watched for
# Steps of the held voltage are some millivolts and wanted to microvolts; droop is some femtoamperes at the cold end.
TRANSIENT = Tolerances(reltol=1e-5, vntol=1e-8, abstol=1e-13, chgtol=1e-17)
LEAKAGE = Tolerances(reltol=1e-6, vntol=1e-10, abstol=1e-17, chgtol=1e-19, gmin=1e-18)
EXACT = Tolerances(reltol=1e-7, gmin=1e-15)


def _deck(
    title: str,
    config: SampleHoldConfig,
    lines: Sequence[str],
    analyses: Sequence[str],
    saves: Sequence[str],
    tolerances: Tolerances,
    mismatch: Mapping[str, float] | None = None,
) -> Deck:
    circuit = [
        config.models_text(),
        config.part().text,
        f"Vdd vdd 0 {config.v_dd:.12g}",
        f"Rc c clk {config.r_driver:.12g}",
        f"Rcb cb clkb {config.r_driver:.12g}",
        config.part().call("switch", ("in", "out", "clk", "clkb", "vdd", "0"), mismatch or {}),
        f"Chold out 0 {config.c_hold:.12g}",
        *lines,
    ]
    options = Tolerances(**{**tolerances.__dict__, "temperature": config.temperature})
    return Deck(f"sample and hold: {title}", "\n".join(circuit), tuple(analyses), tuple(saves), options)


def _standing_clock(config: SampleHoldConfig, *, track: bool, ac: str | None = None) -> list[str]:
    """Clocks that stand still; `ac`: which of them ("clk", "clkb") has an amplitude of 1 V in an `.ac`."""
    high, low = (config.v_dd, 0.0) if track else (0.0, config.v_dd)
    return [f"Vc c 0 dc {high:.12g} ac {int(ac == 'clk')}", f"Vcb cb 0 dc {low:.12g} ac {int(ac == 'clkb')}"]


def opening(config: SampleHoldConfig) -> float:
    """When the clock begins to fall in `sampling_deck` [s]; it begins to rise at `closing`."""
    return closing(config) + config.t_track


def closing(config: SampleHoldConfig) -> float:
    """When the clock begins to rise in `sampling_deck` [s]."""
    return 10 * config.t_edge


def sampling_deck(
    config: SampleHoldConfig, v_in: float, v_before: float, mismatch: Mapping[str, float] | None = None
) -> Deck:
    """One clock period: from holding `v_before` [V] the switch tracks `v_in` [V] and holds it.

    `mismatch`: values of the netlist's dvt [V] and db [1] parameters; None for none.
    """
    edge, rise, fall = config.t_edge, closing(config), opening(config)
    end = fall + config.t_hold
    up, down = (rise, rise + edge), (fall, fall + edge)
    v_dd = config.v_dd
    lines = [
        f"Vin in 0 {pwl([(0, v_before), (2 * edge, v_before), (3 * edge, v_in)], DIGITS)}",
        f"Vc c 0 {pwl([(0, 0), (up[0], 0), (up[1], v_dd), (down[0], v_dd), (down[1], 0)], DIGITS)}",
        f"Vcb cb 0 {pwl([(0, v_dd), (up[0], v_dd), (up[1], 0), (down[0], 0), (down[1], v_dd)], DIGITS)}",
    ]
    step = min(config.t_track, config.t_hold) / STEPS
    analyses = (f".tran {step:.12g} {end:.12g} 0 {step:.12g}", f".ic v(out)={v_before:.12g}")
    saves = ("v(out)", "i(vc)", "i(vcb)", "i(vdd)")
    return _deck(f"sampling {v_in:g} V", config, lines, analyses, saves, TRANSIENT, mismatch)


def step_deck(config: SampleHoldConfig, v_in: float, time_constant: float) -> Deck:
    """A step of `v_step` around `v_in` with the switch closed; `time_constant` [s] is about what is expected."""
    edge, low, high = time_constant / 20, v_in - config.v_step / 2, v_in + config.v_step / 2
    lines = [
        *_standing_clock(config, track=True),
        f"Vin in 0 {pwl([(0, low), (edge, low), (2 * edge, high)], DIGITS)}",
    ]
    end, step = TIME_CONSTANTS * time_constant, time_constant / 50
    return _deck(
        f"small step at {v_in:g} V", config, lines, (f".tran {step:.12g} {end:.12g} 0 {step:.12g}",), ("v(out)",),
        TRANSIENT,
    )  # fmt: skip


def impedance_deck(config: SampleHoldConfig, v_in: float) -> Deck:
    """`.ac` of the closed switch, 1 A into `out`: its voltage is the impedance there."""
    lines = [*_standing_clock(config, track=True), f"Vin in 0 {v_in:.12g}", "Iout 0 out dc 0 ac 1"]
    return _deck(f"impedance at {v_in:g} V", config, lines, (".ac lin 1 1000 1000",), ("v(out)",), EXACT)


def noise_deck(config: SampleHoldConfig, v_in: float, pole: float) -> Deck:
    """`.noise` of the closed switch, four decades to both sides of the pole [Hz]; saves `onoise_spectrum`."""
    lines = [*_standing_clock(config, track=True), f"Vin in 0 dc {v_in:.12g} ac 1"]
    return _deck(
        f"noise at {v_in:g} V", config, lines, (f".noise v(out) Vin dec 40 {pole / 1e4:.12g} {pole * 1e4:.12g}",),
        ("onoise_spectrum",), EXACT,
    )  # fmt: skip


def feedthrough_deck(config: SampleHoldConfig, v_in: float, source: str) -> Deck:
    """`.ac` of the open switch that holds `v_in` [V]: from `source`, which is "in", "clk" or "clkb", to `out`.

    The held node gets its operating point through 1 GH, which is open at `f_hold`.
    """
    lines = [
        *_standing_clock(config, track=False, ac=source),
        f"Vin in 0 dc {v_in:.12g} ac {int(source == 'in')}",
        f"Vheld held 0 {v_in:.12g}",
        "Lheld held out 1e9",
    ]
    f = f"{config.f_hold:.12g}"
    return _deck(f"feedthrough of {source} at {v_in:g} V", config, lines, (f".ac lin 1 {f} {f}",), ("v(out)",), EXACT)


def droop_deck(config: SampleHoldConfig, v_held: float, v_in: float) -> Deck:
    """The open switch that holds `v_held` [V] over `t_droop`, its input at `v_in` [V]."""
    lines = [*_standing_clock(config, track=False), f"Vin in 0 {v_in:.12g}"]
    step = config.t_droop / STEPS
    analyses = (f".tran {step:.12g} {config.t_droop:.12g} 0 {step:.12g}", f".ic v(out)={v_held:.12g}")
    return _deck(f"droop from {v_held:g} V", config, lines, analyses, ("v(out)",), LEAKAGE)
