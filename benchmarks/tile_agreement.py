"""Tile: codes of the behavioural tile beside those of ngspice, on chips and vectors that no model was fitted to.

Prints one JSON object a line: claim, value (share of equal codes), unit, yardstick, ratio (the same share), goal, holds
(share at its goal and no code further off than 1 LSB), threads; and interval (95 %, Wilson), codes, largest (difference
of codes), mac_error_rms [LSB], expected (share that would differ where MAC results lie evenly between exact
thresholds), distance (largest distance from a threshold of a code that differs [LSB]), undecided (counters of ngspice
that an undecided comparator cut short).

Linear and sinh cells (array and ramp column), pulse-width and amplitude inputs: random weights and vectors on tiles of
16 x 8 and 41 x 32, and gates of the shipped LSTM at what they were given while it read test digits. Then conditions
that the converter's model was not fitted at (V_read), and another corner and temperature, where it was fitted anew. The
comparators' offsets are those of an `.op` in ngspice. Read noise is off: a transient has none. Lines of speed state
the time of a vector instead, ratio as in all benchmarks.

    python benchmarks/tile_agreement.py [workers] [quick]
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from _pool import TimedPool
from _timing import paired, report
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cosim.blocks import ramp_adc
from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.datasets.digits import load_digits
from cosim.networks.digits import digits_network
from cosim.networks.sampling import Recorder
from cosim.networks.weights import GATE_FUNCTIONS, GATES, shipped_weights
from cosim.spice import SimulatorPool
from cosim.studies.tile_agreement import TileComparison, compare_tile, joined
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.spice import SpiceTile

BITS, CHIPS_TO_FIT = 5, 8
BATCH, REPEATS, SPEED_GOAL = 256, 300, 1e5
GOAL, AMPLITUDE_GOAL = 0.99, 0.97  # share of equal codes; the latter of sinh cells with amplitude inputs
FORMS = (("linear", "pulse width"), ("sinh", "pulse width"), ("sinh", "amplitude"), ("linear", "amplitude"))
# Inputs, outputs, spread of the weights, vectors, seeds of the chips.
SIZES = ((16, 8, 0.8, 25, (21, 22, 23)), (41, 32, 0.5, 12, (31, 32)))
REAL = ("g", "i")  # gates of the LSTM: tanh and sigmoid
REAL_VECTORS = 6
CONDITIONS: tuple[dict[str, Any], ...] = ({"v_read": 0.15}, {"v_read": 0.25}, {"corner": "SS", "temperature": 85.0})

Array = NDArray[np.float64]


def main() -> None:
    workers = int(sys.argv[1]) if len(sys.argv) > 1 else None
    quick = "quick" in sys.argv[2:]
    warnings.simplefilter("ignore", OutsideDomainWarning)  # eight chips do not span what others may have
    with SimulatorPool(workers, timeout=600) as pool:
        models = {function: fitted(pool, function=function) for function in ("tanh", "sigmoid")}
        rows = list(real_inputs(models))
        for law, mode in FORMS:
            form = {"law": law, "input_mode": mode}
            parts = []
            for inputs, outputs, spread, vectors, seeds in SIZES[:1] if quick else SIZES:
                found = [
                    random_tile(pool, models["tanh"], form, inputs, outputs, spread, vectors, seed) for seed in seeds
                ]
                state(f"{len(seeds)} random chips of {inputs} x {outputs}", form, joined(found), pool)
                parts += found
            if not quick:
                found = [
                    real_tile(pool, models[GATE_FUNCTIONS[gate]], form, w_max, weights, values)
                    for gate, w_max, weights, values in rows
                ]
                state(f"gates {', '.join(REAL)} of the LSTM, test digits", form, joined(found), pool)
                parts += found
            state("all", form, joined(parts), pool)
            if not quick:
                speed(models["tanh"], form)
        for condition in CONDITIONS:
            model = at_condition(pool, models["tanh"], condition)
            for law, mode in FORMS:
                form = {"law": law, "input_mode": mode}
                found = [random_tile(pool, model, form, *SIZES[0][:4], 24)]
                named = ", ".join(f"{name} {value}" for name, value in condition.items())
                state(f"a random chip of 16 x 8 at {named}", form, joined(found), pool)


def fitted(pool: SimulatorPool, **settings: object) -> RampAdcModel:
    """The ramp ADC's model, from a characterisation of a few chips."""
    config = ramp_adc.Config(**{"bits": BITS, **settings})
    data = ramp_adc.characterise(config, chips=CHIPS_TO_FIT, v_reads=(), pool=pool, show_progress=False)
    return ramp_adc.fit(data)


def at_condition(pool: SimulatorPool, model: RampAdcModel, condition: dict[str, Any]) -> RampAdcModel:
    """The model at another read voltage, to which nothing is fitted; one of its own at another corner."""
    if "v_read" not in condition:
        return fitted(pool, function="tanh", **condition)
    config = model.config.model_copy(update=condition)
    return replace(model, config=config, gain=model.mac_gain(config.v_read))


def random_tile(
    pool: SimulatorPool, model: RampAdcModel, form: dict[str, str], inputs: int, outputs: int, spread: float,
    vectors: int, seed: int,
) -> TileComparison:  # fmt: skip
    """A chip with normal weights, and vectors evenly distributed."""
    tile, values = random_chip(pool, model, form, inputs, outputs, spread, vectors, seed)
    return compare_tile(tile, model, values)


def random_chip(
    pool: SimulatorPool, model: RampAdcModel, form: dict[str, str], inputs: int, outputs: int, spread: float,
    vectors: int, seed: int,
) -> tuple[SpiceTile, Array]:  # fmt: skip
    """The same, programmed and not yet compared, and its vectors."""
    rng = np.random.default_rng(seed)
    config = TileConfig(inputs=inputs, outputs=outputs, adc=model.config, **form)
    weights = np.clip(rng.normal(0, spread, (inputs, outputs)), -config.w_max, config.w_max)
    values = rng.uniform(-1, 1, (vectors, inputs))
    tile = SpiceTile(config, pool)
    tile.program(weights, rng)
    return tile, values


def speed(model: RampAdcModel, form: dict[str, str]) -> None:
    """A vector of a batch of the behavioural tile, everything on, beside one vector in ngspice, simulated anew."""
    inputs, outputs, spread, _, seeds = SIZES[-1]
    pool = TimedPool(1, use_cache=False, timeout=600)
    with threadpool_limits(1), pool:
        tile, _ = random_chip(pool, model, form, inputs, outputs, spread, 1, seeds[0])
        assert tile.chip is not None
        values = np.random.default_rng(7).uniform(-1, 1, (BATCH, inputs)).astype(np.float32)
        pool.simulated = 0.0
        found = compare_tile(tile, model, values[:1])
        other = BehaviouralTile(tile.config, model)
        other.load(tile.chip)
        rng = np.random.default_rng(0)
        ours, _ = paired(lambda: other.forward(values, rng), lambda: None, REPEATS)
        report(
            f"tile of {inputs} x {outputs}, {form['law']} cells, {form['input_mode']} inputs: a vector of {BATCH};"
            f" codes within {found.agreement.largest} LSB, MAC results {np.abs(found.mac_error).max():.2g} LSB",
            ours / BATCH * 1e6, "us", f"ngspice {pool.simulator.version_text}, its own time for one vector",
            pool.simulated / (ours / BATCH), SPEED_GOAL,
        )  # fmt: skip


def real_inputs(models: dict[str, RampAdcModel]) -> Iterator[tuple[str, float, Array, Array]]:
    """Gate, w_max, its weights, and what it was given at steps of the LSTM's run through test digits."""
    weights = shipped_weights("qat", BITS)
    hardware = Hardware(TileConfig(adc=models["sigmoid"].config), models)
    network = digits_network(weights, hardware, Fidelity.QUANTISED)
    network.program(np.random.default_rng(0))
    seen = Recorder(["lstm.l0.i"])  # what the other gates are given too
    network.forward(load_digits("test").sequences[:REAL_VECTORS], observer=seen)
    # Each vector of another image at another step, the first steps left out: their hidden state is small.
    inputs = np.array(seen.vectors["lstm.l0.i"], dtype=np.float64)
    steps = np.linspace(1, len(inputs) - 1, REAL_VECTORS).astype(int)
    values = inputs[steps, np.arange(REAL_VECTORS)]
    for gate in REAL:
        yield gate, weights.metadata.w_max, weights.gates[GATES.index(gate)].astype(np.float64), values


def real_tile(
    pool: SimulatorPool, model: RampAdcModel, form: dict[str, str], w_max: float, weights: Array, values: Array
) -> TileComparison:
    """A chip with a gate's weights at real vectors."""
    config = TileConfig(inputs=weights.shape[0], outputs=weights.shape[1], w_max=w_max, adc=model.config, **form)
    tile = SpiceTile(config, pool)
    tile.program(weights, np.random.default_rng(51))
    return compare_tile(tile, model, values)


def state(what: str, form: dict[str, str], found: TileComparison, pool: SimulatorPool) -> None:
    """Print one line."""
    goal = AMPLITUDE_GOAL if form == {"law": "sinh", "input_mode": "amplitude"} else GOAL
    agreed = found.agreement
    line = {
        "claim": f"tile codes equal to ngspice's: {form['law']} cells, {form['input_mode']} inputs, {what}",
        "value": round(agreed.equal, 5),
        "unit": "1",
        "yardstick": f"ngspice {pool.simulator.version_text}, transistor level",
        "ratio": round(agreed.equal, 5),
        "goal": goal,
        "holds": bool(agreed.equal >= goal and agreed.largest <= 1),
        "threads": 1,
        "interval": [round(each, 5) for each in found.interval],
        "codes": agreed.conversions,
        "largest": agreed.largest,
        "mac_error_rms": float(f"{np.sqrt((found.mac_error**2).mean()):.3g}"),
        "expected": float(f"{found.expected_difference:.3g}"),
        "distance": float(f"{found.differing_distance.max(initial=0.0):.3g}"),
        "undecided": found.undecided,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
