"""The closed forms of `costs.operation` beside the integrals of the supply currents in ngspice.

The macro (`blocks.macro`) is the whole circuit in one transient: drivers, array with wires, integrators, ramp column,
transistor-level comparators. Each of its energies is a supply's current times its voltage, integrated by ngspice; of
ideal sources and macro-models it is the charge that they deliver, times V_DD (see there). Amplifiers at rest are left
out on both sides: they are the same product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.macro.characterisation import PICO, MacroChip, draw_chips, draw_inputs, draw_weights
from cosim.blocks.macro.config import IDEAL, MacroConfig
from cosim.blocks.macro.netlist import ENERGIES, macro_deck, phases
from cosim.costs.comparators import comparator_power
from cosim.costs.operation import PARTS, circuit_of_macro, operation_energy
from cosim.costs.timing import ramp_times
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]

NODES = {
    "row_energy": "erow", "integrator_energy": "eint", "column_energy": "ecol", "comparator_energy": "evdd",
    "bias_energy": "ebias", "array_dissipation": "earray",
}  # fmt: skip


@dataclass(frozen=True)
class EnergyComparison:
    """Energies of each operation, model and ngspice side by side.

    Attributes
    ----------
    model, simulated: part -> shape (operations,) [J]; the parts of `PARTS`, and "array_dissipation".
    latency: of an operation, told and simulated [s].
    """

    model: dict[str, Array]
    simulated: dict[str, Array]
    latency: tuple[float, float]

    def totals(self) -> tuple[Array, Array]:
        """What the supply gives in all, (operations,) each [J]."""
        told = np.sum([self.model[part] for part in PARTS], axis=0)
        return np.asarray(told), np.asarray(np.sum([self.simulated[part] for part in PARTS], axis=0))

    def relative_errors(self) -> Array:
        """Of the totals, (operations,)."""
        told, simulated = self.totals()
        return np.asarray(told / simulated - 1.0)


def compare(
    config: MacroConfig, pool: SimulatorPool, *, vectors: int = 4, chips: int = 1, seed: int = 1,
    driver_energy: float = 0.0,
) -> EnergyComparison:  # fmt: skip
    """`vectors` random inputs through the nominal macro and `chips` drawn ones; CosimError when a deck fails."""
    weights, codes = draw_weights(config, seed), draw_inputs(config, vectors, seed)
    drawn = draw_chips(config, weights, chips, seed)
    results = pool.run([macro_deck(config, chip, row) for chip in drawn for row in codes])
    found = []
    for result in results:
        if result.failure is not None:
            raise CosimError(f"ngspice failed ({result.failure.kind}): {result.failure.line}", file=result.deck_file)
        found.append({name: float(result[f"v({name})"][-1]) * PICO for name in ENERGIES})
    simulated = {part: np.array([each[node] for each in found]) for part, node in NODES.items()}
    told = [_model(config, chip, codes, pool, driver_energy) for chip in drawn]
    model = {part: np.concatenate([each[part] for each in told]) for part in NODES}
    times = ramp_times(config, len(drawn[0].adc.bias), config.input_pulse)
    return EnergyComparison(model, simulated, (times.total, phases(config, drawn[0]).end))


def measure_driver(process: str, pool: SimulatorPool, driver: str = "dac_driver") -> float:
    """Supply energy of a word-line driver's own gates for a pulse [J]: with the driver less with an ideal source.

    One input at full scale over two cells at G_min, whose own charge is in both.
    """
    energies = []
    for kind in (driver, IDEAL):
        config = MacroConfig(process=process, inputs=1, outputs=1, driver=kind)
        chip = draw_chips(config, np.zeros((1, 1)), 0, 1)[0]
        result = pool.run([macro_deck(config, chip, np.array([config.full_scale]))])[0]
        if result.failure is not None:
            raise CosimError(f"ngspice failed ({result.failure.kind}): {result.failure.line}", file=result.deck_file)
        energies.append(float(result["v(erow)"][-1]) * PICO)
    return (energies[0] - energies[1]) / 2.0


def _model(
    config: MacroConfig, chip: MacroChip, codes: NDArray[np.int64], pool: SimulatorPool, driver_energy: float
) -> dict[str, Array]:
    circuit = circuit_of_macro(config, driver_energy)
    times = ramp_times(config, len(chip.adc.bias), config.input_pulse)
    power = comparator_power(circuit.adc, pool)
    return operation_energy(chip.conductances, codes, circuit, chip.adc, power, times)
