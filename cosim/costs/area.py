"""Area of the hardware, an estimate: cells by the F^2 rule, analogue parts by their transistors and capacitors.

    cell        f (W / F + 1) F^2, a 1T1R cell with an access transistor of width W (NVSim)
    capacitor   C / density
    analogue    layout factor x sum of W L of the netlist's transistors
    digital     adders, multipliers, flip-flops, memory bits from constants

Wires between blocks, references, decoders and pads are not in it. W and L are those of the netlists, F is the least
channel length of the tiles' process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.netlist import comparator_text
from cosim.blocks.sar_adc.config import SarAdcConfig
from cosim.costs.config import CostConfig
from cosim.costs.constants import constant, counted, shown
from cosim.costs.terms import Term, total
from cosim.costs.tile_energy import TileSetting, setting_of
from cosim.costs.work import LayerWork, TileWork
from cosim.errors import CosimError
from cosim.resources import read_netlist
from cosim.units import format_si

_SUBCIRCUIT = re.compile(r"^\.subckt\s+(\S+)(.*?)^\.ends", re.MULTILINE | re.DOTALL | re.IGNORECASE)
_TRANSISTOR = re.compile(r"^x\S+.*\b[np]mos\b.*\bw=(\S+)\s+l=(\S+)", re.MULTILINE | re.IGNORECASE)
_INSTANCE = re.compile(r"^x\S+ (?:\S+ )*?(\w+)(?: \w+=|\s*$)", re.MULTILINE | re.IGNORECASE)
_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3}

NETLIST = "W and L of the netlist"


def _length(text: str) -> float:
    """A SPICE number with one letter behind it [m]."""
    return float(text[:-1]) * _PREFIX[text[-1].lower()] if text[-1].isalpha() else float(text)


def gate_area(text: str, name: str) -> float:
    """Sum of W L of the transistors of a subcircuit and of those it calls in the same text [m^2].

    CosimError where the text has no such subcircuit, or sizes that are no plain numbers.
    """
    bodies = {found[1].lower(): found[2] for found in _SUBCIRCUIT.finditer(text)}
    if name.lower() not in bodies:
        raise CosimError("there is no such subcircuit in this netlist", value=name, allowed=sorted(bodies))
    body = bodies[name.lower()]
    try:
        own = math.fsum(_length(w) * _length(length) for w, length in _TRANSISTOR.findall(body))
    except (ValueError, KeyError) as error:
        raise CosimError("the sizes of this netlist's transistors are not plain numbers", value=name) from error
    called = [word for word in _INSTANCE.findall(body) if word.lower() in bodies and word.lower() != name.lower()]
    return own + math.fsum(gate_area(text, word) for word in called)


def _analogue(name: str, count: float, gates: float, what: str) -> Term:
    factor = constant("layout_factor")
    each = gates * factor.value
    return counted(name, count, f"{what} of {factor.value:g} x {gates * 1e12:.3g} µm²", each, "m**2",
                   f"{NETLIST}; {factor.told(factor.node)}")  # fmt: skip


def _capacitor(name: str, count: float, capacitance: float) -> Term:
    density = constant("capacitor_density")
    return counted(name, count, f"of {format_si(capacitance, 'F')} at {shown(density.value, density.unit)}",
                   capacitance / density.value, "m**2", density.told(density.node))  # fmt: skip


def tile_area(work: TileWork, config: CostConfig) -> Term:
    """Of one tile with its drivers and converters."""
    setting = setting_of(work, config)
    adc, columns = work.config.adc, work.converted
    array = work.config.array
    f, width, rule = adc.cmos.l_min, array.access_width, constant("cell_pitch_factor")
    cell = rule.value * (width / f + 1.0) * f**2
    cells = counted(
        "cells", array.rows * array.columns, f"cells of {rule.value:g} ({width * 1e6:.3g} µm / F + 1) F^2", cell,
        "m**2", rule.told(rule.node),
    )  # fmt: skip
    drivers = _analogue("word-line drivers", array.rows, gate_area(read_netlist("dac_driver"), "dac_driver"), "drivers")
    ota = gate_area(read_netlist("ota_two_stage"), "integrator")
    integrators = total(
        "integrators",
        [_capacitor("C_fb", columns, adc.c_fb), _analogue("amplifiers", columns, ota, "ota_two_stage")],
    )
    return total(work.name, [cells, drivers, integrators, *_converters(columns, cell, ota, config, setting, adc)])


def _converters(
    columns: int, cell: float, ota: float, config: CostConfig, setting: TileSetting, adc: RampAdcConfig
) -> list[Term]:
    text, bits = comparator_text(adc), adc.bits
    comparator = gate_area(text, "comparator")
    flip_flop = constant("flip_flop_area")
    value, told = flip_flop.at(setting.node), flip_flop.told(setting.node)
    if config.converter == "sar":
        adcs = -(-columns // config.sar_share)
        unit = SarAdcConfig().c_unit
        return [
            total(
                "SAR ADCs",
                [
                    _capacitor("capacitor arrays", adcs, unit * (1 << bits)),
                    _analogue("comparators", adcs, comparator, "comparators"),
                    counted("logic", adcs * 3 * bits, "flip-flops", value, "m**2", told),
                ],
                f"one for {config.sar_share} columns",
            )
        ]
    comparators = _analogue("comparators", columns, comparator, "comparators")
    counters = counted("counter and latches", (columns + 1) * bits, "flip-flops", value, "m**2", told)
    if config.converter == "nl-ramp":
        cells = len(setting.chip.ramp) + len(setting.chip.bias)
        ramp = total(
            "ramp column",
            [
                counted("cells", cells, "cells", cell, "m**2", "as the array's"),
                _capacitor("C_fb", 1, adc.c_fb),
                _analogue("amplifier", 1, ota, "ota_two_stage"),
            ],
        )
    else:
        ramp = total(
            "ramp generator",
            [
                _capacitor("capacitor array", 1, SarAdcConfig().c_unit * (1 << bits)),
                _analogue("buffer", 1, ota, "ota_two_stage"),
            ],
        )
    return [ramp, comparators, counters]


def digital_area(layers: Sequence[LayerWork], config: CostConfig, node: int) -> list[Term]:
    """Processors, and buffers that hold the largest layer's inputs and outputs of a step."""
    bits = config.word_bits
    adder, multiplier = constant("add_8_area"), constant("multiply_8_area")
    each = multiplier.at(node) * bits**2 / 64 + adder.at(node) * bits / 8
    processors = counted(
        "digital processors", config.processors, f"multiply-adders of {bits} bits", each, "m**2",
        f"{multiplier.told(node)}; {adder.told(node)}",
    )  # fmt: skip
    largest = max((layer.stored for layer in layers), default=0.0)
    memory = constant("sram_bit_area")
    buffers = counted("buffers", largest, "bits, of the largest layer", memory.at(node), "m**2", memory.told(node))
    return [processors, buffers]
