"""Energy of a tile's work in one inference, by its parts and with each of the three converters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dac.behaviour import DacModel, load_model, toggled_bits
from cosim.blocks.ramp_adc.chips import Chip, nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.costs.comparators import ComparatorPower, comparator_power
from cosim.costs.config import CostConfig
from cosim.costs.constants import constant, counted, shown
from cosim.costs.digital import counter_energy
from cosim.costs.operation import (
    TileCircuit,
    circuit_of_tile,
    column_energy,
    comparator_energy,
    mac_voltages,
    output_charges,
    row_charges,
    seen_by_columns,
    seen_by_rows,
)
from cosim.costs.sar import SOURCE, circuit_energies, circuit_of, conversion_energy, fit_node
from cosim.costs.scaling import factor, nearest_node
from cosim.costs.terms import Term, total
from cosim.costs.timing import SAR_CLOCK, OperationTimes, ramp_times, sar_times
from cosim.costs.work import TileWork
from cosim.errors import CosimError
from cosim.resources import shipped
from cosim.units import format_si

Array = NDArray[np.float64]

DAC_SOURCE = "shipped model dac_capacitive: supply currents in ngspice"
CLOSED = "closed form, compared with ngspice in costs.supply"


@dataclass(frozen=True)
class TileSetting:
    """A tile under an account: its circuit, its converter and its times.

    Attributes
    ----------
    circuit: of the array and its drivers.
    adc: the ramp ADC that converts; with the yardsticks a linear one of the same bits.
    chip: its column, nominal.
    power: of its comparators.
    times: of an operation.
    node: of the digital parts [nm].
    """

    circuit: TileCircuit
    adc: RampAdcConfig
    chip: Chip
    power: ComparatorPower
    times: OperationTimes
    node: int


def setting_of(work: TileWork, config: CostConfig) -> TileSetting:
    """What follows from the tile's and the account's configuration; the same for all tiles alike."""
    return _setting(work.config.model_dump_json(), config.model_dump_json(), work, config)


_SETTINGS: dict[tuple[str, str], TileSetting] = {}


def _setting(tile: str, account: str, work: TileWork, config: CostConfig) -> TileSetting:
    known = _SETTINGS.get((tile, account))
    if known is not None:
        return known
    adc = work.config.adc
    if config.converter == "nl-ramp" and adc.ramp != "column":
        raise CosimError(
            "this converter has a memristor column; a fixed ramp is the yardstick 'ramp'", key="adc.ramp",
            value=adc.ramp, allowed="column, or the yardstick ramp or sar",
        )  # fmt: skip
    driver, _ = _driver(work, config)
    circuit = circuit_of_tile(work.config, driver)
    converting = adc if config.converter == "nl-ramp" else linear(adc)
    chip = nominal_chip(converting)
    if config.converter == "sar":
        times = sar_times(circuit.pulse, _sar_conversion(adc, config), config.sar_share)
    else:
        cells = len(chip.bias) if config.converter == "nl-ramp" else 0
        times = ramp_times(converting, cells, circuit.pulse)
    if len(_SETTINGS) > 256:
        _SETTINGS.clear()
    made = TileSetting(circuit, converting, chip, comparator_power(adc), times, config.node_of(adc.process))
    _SETTINGS[tile, account] = made
    return made


def linear(adc: RampAdcConfig) -> RampAdcConfig:
    """The linear converter of the same bits and circuit."""
    return adc.model_copy(update={"function": "linear", "x_range": None, "points": None})


def _driver(work: TileWork, config: CostConfig) -> tuple[float, str]:
    """Energy of a word line's driver for one pulse [J], and where it comes from."""
    adc = work.config.adc
    if work.config.input_mode == "pulse width":
        return config.of_process("driver_energy", adc.process)
    model = _dac()
    sizes = np.arange(1, 1 << (work.config.dac_bits - 1))
    mean = model.value("e_0") + model.value("e_bit") * float(np.mean(toggled_bits(sizes, 0))) * 2.0
    move = factor("energy", nearest_node(model.config.cmos.l_min), nearest_node(adc.cmos.l_min))
    return mean * move, f"{DAC_SOURCE}, set and reset of a mean code"


@lru_cache(maxsize=1)
def _dac() -> DacModel:
    return load_model(shipped("models/dac_capacitive.json"))


def tile_energy(work: TileWork, config: CostConfig) -> Term:
    """Energy of all operations of a tile in one inference [J]."""
    setting = setting_of(work, config)
    terms = [
        *_inputs_and_array(work, config, setting),
        _integrators(work, config, setting),
        *_converters(work, config, setting),
    ]
    return total(work.name, terms, f"{work.operations:.10g} operations of {work.config.inputs} x {work.converted}")


def _mean(values: Array) -> float:
    return float(np.mean(values))


def _inputs_and_array(work: TileWork, config: CostConfig, setting: TileSetting) -> list[Term]:
    circuit, adc, n = setting.circuit, setting.adc, work.operations
    pulses = circuit.lines * _mean(np.count_nonzero(work.codes, axis=1))
    gates, source = _driver(work, config)
    charge = _mean(row_charges(seen_by_rows(work.cells, circuit), work.codes, circuit))
    each = adc.c_line * adc.v_read * adc.v_dd
    lines = Term(
        "lines", n * pulses * each, f"{n:.10g} x {pulses:.4g} pulses x C V_read V_DD = {format_si(each, 'J')}", CLOSED
    )
    drivers = Term("gates", n * pulses * gates, f"{n:.10g} x {pulses:.4g} pulses x {format_si(gates, 'J')}", source)
    array = Term(
        "array", n * charge * adc.v_dd,
        f"{n:.10g} x V_DD {adc.v_dd:g} V x mean sum V_read G T n/N = {format_si(charge, 'C')} from the drivers", CLOSED,
    )  # fmt: skip
    return [total("word-line drivers", [drivers, lines]), array]


def _integrators(work: TileWork, config: CostConfig, setting: TileSetting) -> Term:
    circuit, adc, n = setting.circuit, setting.adc, work.operations
    charges = output_charges(seen_by_columns(work.cells, circuit), work.codes, circuit)
    charge = _mean(charges.sum(axis=1))
    current, source = config.of_process("amplifier_current", adc.process)
    each = adc.v_dd * current * setting.times.total
    time = format_si(setting.times.total, "s")
    return total(
        "integrators",
        [
            Term("delivered", n * charge * adc.v_dd, f"{n:.10g} x V_DD x mean net charge {format_si(charge, 'C')}",
                 CLOSED),
            Term("amplifiers at rest", n * work.converted * each,
                 f"{n:.10g} x {work.converted} x V_DD x {format_si(current, 'A')} x {time}", source),
        ],
    )  # fmt: skip


def _converters(work: TileWork, config: CostConfig, setting: TileSetting) -> list[Term]:
    if config.converter == "sar":
        return [_sar(work, config, setting)]
    adc, n, bits = setting.adc, work.operations, work.config.adc.bits
    mac = mac_voltages(seen_by_columns(work.cells, setting.circuit), work.codes, setting.circuit)
    if config.converter != "nl-ramp":  # the same share of the converter's range
        own = work.config.adc
        mac = mac * (_reach(setting.adc) / _reach(own))
    energy = comparator_energy(mac, adc, setting.chip, setting.power, setting.times)
    each, told = _mean(energy.sum(axis=1)), setting.power.source
    bias = setting.power.bias * setting.times.total
    comparators = total(
        "comparators",
        [
            Term("comparators", n * each, f"{n:.10g} x {work.converted} of {format_si(each / work.converted, 'J')}",
                 told),
            Term("bias generator", n * bias,
                 f"{n:.10g} x {shown(setting.power.bias, 'W')} x {format_si(setting.times.total, 's')}", told),
        ],
    )  # fmt: skip
    ramp = _ramp_column(work, config, setting) if config.converter == "nl-ramp" else _ramp_dac(work, setting)
    return [ramp, comparators, counter_energy(adc.thresholds, bits, work.converted, n, setting.node)]


def _reach(adc: RampAdcConfig) -> float:
    """Half of the ramp's span [V]."""
    return float(np.ptp(nominal_chip(adc).levels(adc))) / 2.0


def _ramp_column(work: TileWork, config: CostConfig, setting: TileSetting) -> Term:
    adc, n = setting.adc, work.operations
    column = column_energy(adc, setting.chip)
    current, source = config.of_process("amplifier_current", adc.process)
    rest = adc.v_dd * current * setting.times.total
    cells = len(setting.chip.ramp) + int(np.count_nonzero(setting.chip.bias_signs))
    return total(
        "ramp column",
        [
            Term("drivers and lines", n * column.drivers, f"{n:.10g} x {cells} cells: C V V_DD and V_DD V_read G T",
                 CLOSED),
            Term("delivered", n * column.output, f"{n:.10g} x V_DD V_read T sum G", CLOSED),
            Term("amplifier at rest", n * rest, f"{n:.10g} x V_DD x {format_si(current, 'A')} x"
                 f" {format_si(setting.times.total, 's')}", source),
        ],
        "shared by all columns",
    )  # fmt: skip


def _ramp_dac(work: TileWork, setting: TileSetting) -> Term:
    """The yardstick's ramp: a capacitive DAC counts through all codes, 2^(b + 1) - b - 2 bits toggling."""
    model, bits = _dac(), work.config.adc.bits
    toggles = (1 << (bits + 1)) - bits - 2
    move = factor("energy", nearest_node(model.config.cmos.l_min), nearest_node(setting.adc.cmos.l_min))
    each = move * (model.value("e_bit") * toggles + max(model.value("e_0"), 0.0) * ((1 << bits) - 1))
    how = f"{work.operations:.10g} x {toggles} toggles x {format_si(move * model.value('e_bit'), 'J')}"
    return Term(
        "ramp generator", work.operations * each, how, "shipped model dac_capacitive: supply currents in ngspice"
    )


def _sar_conversion(adc: RampAdcConfig, config: CostConfig) -> float:
    """Time of one conversion [s]: bits + 1 periods of 1 ns at the fits' nodes, or the own circuit's bits + 2."""
    if config.sar_energy == "circuit":
        return circuit_of(adc.bits, adc.process).t_conversion
    node = config.node_of(adc.process)
    return (adc.bits + 1) * SAR_CLOCK * factor("delay", fit_node(node), node)


def _sar(work: TileWork, config: CostConfig, setting: TileSetting) -> Term:
    if config.sar_energy == "circuit":
        return _own_sar(work, config, setting)
    adc, node = setting.adc, setting.node
    seen = seen_by_columns(work.cells, setting.circuit)[:, : work.converted]
    column = float(np.mean(seen.sum(axis=0)))
    each = conversion_energy(work.config.adc.bits, node, 1.0 / column, adc.v_read, adc.temperature)
    conversions = work.operations * work.converted
    moved = "" if fit_node(node) == node else f", scaled from {fit_node(node)} nm"
    how = f"{conversions:.10g} conversions x {format_si(each, 'J')} at R_col {format_si(1.0 / column, 'ohm')}"
    return Term("SAR ADCs", conversions * each, how, SOURCE + moved)


def _own_sar(work: TileWork, config: CostConfig, setting: TileSetting) -> Term:
    own, power = circuit_of(work.config.adc.bits, setting.adc.process), setting.power
    references, comparator = circuit_energies(own, power, setting.adc.v_clp)
    conversions = work.operations * work.converted
    flip_flop, bits = constant("flip_flop"), own.bits
    bias = power.bias * setting.times.levels
    return total(
        "SAR ADCs",
        [
            counted("references", conversions, "conversions", references, "J", "mean switching energy of the array"),
            counted("comparators", conversions, f"conversions of {format_si(own.t_conversion, 's')}", comparator, "J",
                    power.source),
            Term("bias generator", work.operations * bias,
                 f"{work.operations:.10g} x {shown(power.bias, 'W')} x {format_si(setting.times.levels, 's')}",
                 power.source),
            counted("logic", conversions * bits * (bits + 3), "clocked bits of sequencer and code",
                    flip_flop.at(setting.node), "J", flip_flop.told(setting.node)),
        ],
        "the own SAR ADC",
    )  # fmt: skip
