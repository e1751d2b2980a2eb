#!/usr/bin/env python3
"""Measure what the costs take from ngspice: `.venv/bin/python tools/comparator_power.py`.

Writes the powers of the comparators of both shipped processes to cosim/shipped/costs/comparator_power.json, and prints
the energy of a word-line driver's gates, which stands in cosim/costs/constants.toml.
"""

from __future__ import annotations

import json

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.costs.comparators import SCHEMA, SHIPPED, circuit_key, entry_of, measure
from cosim.costs.supply import measure_driver
from cosim.files import write_atomically
from cosim.resources import process_names, shipped
from cosim.spice import SimulatorPool


def main() -> None:
    circuits = {}
    with SimulatorPool(1) as pool:
        for process in process_names():
            config = RampAdcConfig(process=process)
            circuits[circuit_key(config)] = entry_of(measure(config, pool))
            print(f"driver_energy_{process}: {measure_driver(process, pool) * 1e12:.3g} pJ")
    text = json.dumps({"schema": SCHEMA, "circuits": circuits}, indent=1) + "\n"
    path = shipped(f"costs/{SHIPPED}")
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    print(path)


if __name__ == "__main__":
    main()
