"""Networks: codes of a layer's real activations in the models beside those of ngspice, and what their error costs.

Prints one JSON object a line: claim, value (share of equal codes), unit, yardstick, ratio (the same share), goal, holds
(share at its goal and no code further off than 1 LSB), threads; and interval (Wilson), interval_bit_lines (bootstrap),
conversions, largest (difference of codes), mac_rms and threshold_rms (residuals [LSB]), undecided, and accuracy: the
difference that the injected model-form error makes, with its interval (paired by chips, reads and examples). What was
simulated before comes from the store of results.

    python benchmarks/crosscheck.py [VECTORS] [WORKERS] [BITS ...]      16, all cores, 5
"""

from __future__ import annotations

import json
import sys

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.networks.tiled import TiledNetwork
from cosim.spice import SimulatorPool
from cosim.studies.crosscheck import check_layer, layer_and_network
from cosim.studies.crosscheck_summary import GOAL, accuracy_of, summary_of
from cosim.studies.tasks import task_of
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware

NETWORK, LAYER, CHIPS, ACCURACY_CHIPS, SEED = "fsdd_lstm", "lstm", 2, 10, 1


def main() -> None:
    vectors, workers, *bits = [int(each) for each in sys.argv[1:]] + [16, 0, 5][len(sys.argv) - 1 :]
    with SimulatorPool(workers or None) as pool:
        for each in bits or [5]:
            print(json.dumps(line(vectors, each, pool)), flush=True)


def line(vectors: int, bits: int, pool: SimulatorPool) -> dict[str, object]:
    reference = shipped_reference(NETWORK)
    task = task_of(reference)
    network = TiledNetwork(
        graph_of(reference), Hardware(TileConfig(inputs=128, outputs=128, adc=RampAdcConfig(bits=bits)))
    )
    network.calibrate(task.calibration)
    check = check_layer(
        network, LAYER, task.inputs, pool, vectors=vectors, chips=CHIPS, seed=SEED, threshold_lines=1, label=LAYER
    )
    found = summary_of(check, SEED)
    accuracy = accuracy_of(*layer_and_network(check, network, task, chips=ACCURACY_CHIPS, seed=SEED))
    return {
        "claim": f"{NETWORK}, {LAYER}, real activations, {bits} bits: codes equal to ngspice's",
        "value": round(found["equal"], 5),
        "unit": "1",
        "yardstick": f"ngspice {pool.simulator.version_text}, transistor level",
        "ratio": round(found["equal"], 5),
        "goal": GOAL,
        "holds": found["holds"],
        "threads": pool.workers,
        **{name: found[name] for name in ("interval", "interval_bit_lines", "conversions", "largest", "undecided")},
        "mac_rms": found["mac"]["rms_lsb"],
        "threshold_rms": found["threshold"]["rms_lsb"],
        "accuracy": {name: each["difference"] for name, each in accuracy["injected"].items()},
    }


if __name__ == "__main__":
    main()
