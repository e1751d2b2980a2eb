"""The DAC as SPICE text: ladder, capacitor array or drivers for the two word lines of a pair, and what drives them.

Nodes: `low` (V_CLP), `high`, `vdd`, `row0` (codes above 0), `row1` (codes below 0), `d0` ... (bits, the least
significant first), `in` (the pulse). Both lines are given the same size at once; a code is one line at its size and the
other at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dac.chips import SIDES, Chip
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.sources import pwl
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

EDGE = 50e-12  # rise and fall time of the digital lines [s]
RESET_SHARE = 0.5  # of the first slot, in which a capacitive DAC's lines are tied to V_CLP
NOISE_BAND = (1e3, 1e12)  # [Hz]; the last decades hold nothing with a word line of some fF and more
SUPPLIES = ("vdd", "vhigh", "vlow")
# Every transition starts at a source's corner, from which the steps grow again: the levels at the ends of the slots are
# told to 0.001 LSB at a reltol of 1e-4 already. The ladder's slow exponential, of which rise and settling are read,
# wants 1e-5: the step limit does not resolve it.
TRANSIENT = {"reltol": 1e-4, "vntol": 1e-6, "abstol": 1e-12, "chgtol": 1e-15}
FINE = {"reltol": 1e-5, "vntol": 1e-7, "abstol": 1e-12, "chgtol": 1e-16}


def supply_lines(config: DacConfig) -> list[str]:
    """Models, part and supplies."""
    part = config.part()
    lines = [config.models_text()] if part.has_transistors else []
    return [
        *lines,
        part.text,
        f"Vdd vdd 0 {config.v_dd:.9g}",
        f"Vlow low 0 dc {config.v_clp:.12g} ac 1",
        f"Vhigh high 0 {config.high:.12g}",
    ]


def converter_lines(config: DacConfig, chip: Chip) -> list[str]:
    """Both word lines with their converters and loads."""
    lines: list[str] = []
    for side in range(SIDES):
        lines += {"r2r": _ladder, "capacitive": _array, "pulse_width": _driver}[config.kind](config, chip, side)
        lines.append(f"Cline{side} row{side} 0 {config.c_line:.9g}")
        if config.g_load:
            lines.append(f"Rload{side} row{side} low {1 / config.g_load:.12g}")
    return lines


def _call(config: DacConfig, chip: Chip, side: int, number: int, nodes: Sequence[str]) -> str:
    values = dict(zip(chip.names, chip.mismatch[side, number].tolist(), strict=True))
    return config.part().call(f"s{side}_{number}", nodes, values)


def _ladder(config: DacConfig, chip: Chip, side: int) -> list[str]:
    """R-2R in voltage mode: the line is the node of the most significant bit; the termination has a switch as well."""
    bits = config.bits - 1
    nodes = [f"n{side}_{bit}" for bit in range(bits - 1)] + [f"row{side}"]
    lines = []
    for number in range(config.bits):  # 0 is the termination, number k the bit k - 1
        digital = "0" if number == 0 else f"d{number - 1}"
        node = nodes[max(number - 1, 0)]
        lines.append(f"Rl{side}_{number} {node} leg{side}_{number} {chip.legs[side, number]:.12g}")
        lines.append(_call(config, chip, side, number, [f"leg{side}_{number}", digital, "high", "low", "vdd", "0"]))
    for rung in range(bits - 1):
        lines.append(f"Rr{side}_{rung} {nodes[rung]} {nodes[rung + 1]} {chip.rungs[side, rung]:.12g}")
    return lines


def _array(config: DacConfig, chip: Chip, side: int) -> list[str]:
    """Binary capacitors from the line to switched plates; one unit more stays at `low`."""
    lines = [f"Ct{side} row{side} 0 {config.c_top * (config.magnitude + 1) * config.c_unit:.9g}"]
    for number in range(config.bits):
        capacitor, plate = chip.capacitors[side, number], f"leg{side}_{number}"
        digital = "0" if number == 0 else f"d{number - 1}"
        lines.append(f"Ca{side}_{number} row{side} {plate} {capacitor:.12g}")
        lines.append(f"Cb{side}_{number} {plate} 0 {config.c_bottom * capacitor:.9g}")
        lines.append(_call(config, chip, side, number, [plate, digital, "high", "low", "vdd", "0"]))
    reset = config.reset_part().call(f"rst{side}", [f"row{side}", "rst", "low", "vdd", "0"], {})
    return [*lines, reset]


def _driver(config: DacConfig, chip: Chip, side: int) -> list[str]:
    return [_call(config, chip, side, 0, ["in", f"row{side}", "high", "low", "vdd", "0"])]


def digital_lines(config: DacConfig, sizes: Sequence[int], slots: Sequence[float]) -> list[str]:
    """Bits (or the pulse) of a row of sizes that begin at `slots` [s]; the reset in the first slot."""
    if config.kind == "pulse_width":
        points = [(0.0, 0.0)]
        for size, start in zip(sizes, slots, strict=True):
            if size:
                end = start + size * config.t_unit
                points += [(start, 0.0), (start + EDGE, config.v_dd), (end, config.v_dd), (end + EDGE, 0.0)]
        return [f"Vin in 0 {pwl(points)}"]
    lines = []
    for bit in range(config.bits - 1):
        levels = [config.v_dd * ((size >> bit) & 1) for size in sizes]
        points = [(0.0, levels[0])]
        for start, before, level in zip(slots[1:], levels, levels[1:], strict=False):
            if level != before:
                points += [(start, before), (start + EDGE, level)]
        lines.append(f"Vd{bit} d{bit} 0 {pwl(points) if len(points) > 1 else f'{levels[0]:.9g}'}")
    if config.kind == "capacitive":
        end = RESET_SHARE * slots[1]
        lines.append(f"Vrst rst 0 {pwl([(0.0, config.v_dd), (end, config.v_dd), (end + EDGE, 0.0)])}")
    return lines


def sequence(config: DacConfig) -> tuple[list[int], list[float], float]:
    """Sizes one after another, the start of each one's slot [s], and the end of the last.

    Amplitudes: 0, full scale, and the staircase 0 .. full scale. Pulses: 1 .. full scale, each with two steps to rest.
    """
    top = config.magnitude
    if config.kind == "pulse_width":
        sizes = list(range(1, top + 1))
        lengths = [(size + 2) * config.t_unit for size in sizes]
    else:
        sizes = [0, top, *range(top + 1)]
        lengths = [config.t_slot] * len(sizes)
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    lead = config.t_unit if config.kind == "pulse_width" else 0.0
    return sizes, [float(each) + lead for each in starts[:-1]], float(starts[-1]) + lead


def moments(config: DacConfig) -> Array:
    """Times at which the waveform is kept [s]: close together after every edge, so that a drawing misses no glitch."""
    sizes, slots, end = sequence(config)
    edges = list(slots)
    if config.kind == "pulse_width":
        edges += [start + size * config.t_unit for start, size in zip(slots, sizes, strict=True)]
    if config.kind == "capacitive":
        edges.append(RESET_SHARE * slots[1])
    shortest = config.t_unit if config.kind == "pulse_width" else RESET_SHARE * config.t_slot
    after = np.concatenate([[0.0], np.geomspace(EDGE / 2, 0.9 * shortest, 16)])
    return np.unique(np.concatenate([[0.0, end], (np.array(edges)[:, None] + after).ravel()]).clip(0.0, end))


def transient_deck(config: DacConfig, chip: Chip, title: str) -> Deck:
    """The whole sequence on both lines, with the supplies' currents."""
    sizes, slots, end = sequence(config)
    lines = [*supply_lines(config), *converter_lines(config, chip), *digital_lines(config, sizes, slots)]
    # Nothing moves between edges; but with longer steps the trapezoidal rule leaves the supplies' currents ringing,
    # which their energy counts.
    step = (config.t_unit if config.kind == "pulse_width" else config.t_slot) / 20
    saves = (*(f"v(row{side})" for side in range(SIDES)), *(f"i({name})" for name in SUPPLIES))
    options = FINE if config.kind == "r2r" else TRANSIENT
    return _deck(config, title, lines, f".tran {step:.9g} {end:.12g} 0 {step:.9g}", saves, **options)


def static_deck(config: DacConfig, chip: Chip, title: str) -> Deck:
    """All sizes of a ladder by `.dc`; the bits are worked out from the swept one."""
    lines = [*supply_lines(config), *converter_lines(config, chip), "Vcode code 0 0"]
    for bit in range(config.bits - 1):
        whole, half = f"floor((v(code)+0.5)/{2**bit})", f"floor((v(code)+0.5)/{2 ** (bit + 1)})"
        lines.append(f"Bd{bit} d{bit} 0 v={config.v_dd:.9g}*({whole}-2*{half})")
    saves = tuple(f"v(row{side})" for side in range(SIDES))
    sweep = f".dc Vcode 0 {config.magnitude} 1"
    return _deck(config, title, lines, sweep, saves, reltol=1e-9, vntol=1e-12, abstol=1e-16)


def held_lines(config: DacConfig, chip: Chip, size: int) -> list[str]:
    """The converter at rest at one size; a capacitive one in its reset."""
    lines = [*supply_lines(config), *converter_lines(config, chip)]
    if config.kind == "pulse_width":
        return [*lines, f"Vin in 0 {config.v_dd if size else 0.0:.9g}"]
    lines += [f"Vd{bit} d{bit} 0 {config.v_dd * ((size >> bit) & 1):.9g}" for bit in range(config.bits - 1)]
    return [*lines, f"Vrst rst 0 {config.v_dd:.9g}"] if config.kind == "capacitive" else lines


def resistance_deck(config: DacConfig, chip: Chip, size: int) -> Deck:
    """One ampere of a small signal into the first line: its voltage is the output impedance."""
    lines = [line.replace(" ac 1", " ac 0") for line in held_lines(config, chip, size)]
    lines.append("Iout 0 row0 dc 0 ac 1")
    return _deck(config, f"dac: output resistance at {size}", lines, ".ac dec 1 1 10", ("v(row0)",))


def noise_deck(config: DacConfig, chip: Chip, size: int) -> Deck:
    """Noise of the first line at rest; of a capacitive DAC that of the charge which its reset leaves on the line.

    That charge, over all capacitance of the line, is what the noise of the open line will be: the plates' own switches
    hold them by then. The voltage in the reset is another, because the plates move too.
    """
    lines, output = held_lines(config, chip, size), "row0"
    if config.kind == "capacitive":
        of_line = config.c_top * (config.magnitude + 1) * config.c_unit + config.c_line
        plates = [f"{value:.12g}*v(row0,leg0_{number})" for number, value in enumerate(chip.capacitors[0])]
        charge = "+".join([f"{of_line:.12g}*v(row0)", *plates])
        lines.append(f"Bheld held 0 v=({charge})/{of_line + chip.capacitors[0].sum():.12g}")
        output = "held"
    analysis = f".noise v({output}) Vlow dec 20 {NOISE_BAND[0]:g} {NOISE_BAND[1]:g}"
    return _deck(config, "dac: noise", lines, analysis, ("onoise_spectrum",))


def _deck(
    config: DacConfig, title: str, lines: list[str], analysis: str, saves: tuple[str, ...], **options: float
) -> Deck:
    tolerances = Tolerances(temperature=config.temperature, **options)  # type: ignore[arg-type]
    return Deck(title, "\n".join(lines), (analysis,), saves, tolerances)
