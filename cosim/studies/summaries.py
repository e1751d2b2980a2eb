"""What `results.json` and the report say of each part of a run: plain numbers, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.dataset import deck_hashes, failed_points
from cosim.blocks.model import Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.fitting import compare
from cosim.networks.lstm import GATES
from cosim.studies.accuracy import ChipAccuracy
from cosim.studies.cosimulation import Cosimulation
from cosim.studies.statistics import accuracy_of


def adc_summary(data: xr.Dataset, model: RampAdcModel) -> dict[str, Any]:
    """What the report says of a ramp ADC: table of the nominal chip, model error, V_read sweep, INL, energy."""
    comparison = compare(model, data)
    column, chip, v_read = data["ramp"].values == "column", data["chip"].values, data["v_read"].values
    at_nominal = np.isclose(v_read, model.config.v_read)
    nominal = int(np.flatnonzero(column & (chip == -1) & at_nominal)[0])
    gain = float(data["gain"].values[nominal])
    table = [
        {
            "threshold": k + 1,
            "ideal": float(data["ideal_threshold"].values[k]),
            "spice": float(comparison.measured[nominal, k] / gain),
            "model": float(comparison.predicted[nominal, k] / gain),
            "error": float(comparison.error[nominal, k]),
        }
        for k in range(data.sizes["code"])
    ]
    maxima = np.abs(data["inl"].values[column & (chip >= 0) & at_nominal]).max(axis=1)
    return {
        "table": table,
        "error": asdict(model.error),
        "parameters": _parameters(model.parameters),
        "v_read": v_read_shifts(data, model.config.v_read),
        "inl": {"mean_of_maxima": float(maxima.mean()), "chips": len(maxima)},
        "energy": {
            "comparator": model.value("comparator_energy"),
            "ramp": model.value("ramp_energy"),
            "note": "from the supply and driver currents in ngspice; the integrators' amplifier is a macro-model and"
            " its supply current is not included",
        },
        "samples": int(data.sizes["sample"]),
        "failed": failed_points(data),
        "decks": len(deck_hashes(data)),
    }


def v_read_shifts(data: xr.Dataset, nominal_v_read: float) -> list[dict[str, Any]]:
    """Largest change of INL against the nominal read voltage, for the nominal chip, with either ramp."""
    shifts = []
    for ramp in ("column", "fixed"):
        rows = np.flatnonzero((data["ramp"].values == ramp) & (data["chip"].values == -1))
        base = [row for row in rows if np.isclose(data["v_read"].values[row], nominal_v_read)]
        for row in rows:
            moved = data["inl"].values[row] - data["inl"].values[base[0]]
            v_read = float(data["v_read"].values[row])
            shifts.append({"ramp": ramp, "v_read": v_read, "shift": float(np.abs(moved).max())})
    return sorted(shifts, key=lambda each: (each["ramp"], each["v_read"]))


def crossbar_summary(model: CrossbarModel) -> dict[str, Any]:
    """What the report says of the crossbar."""
    return {
        "linear": asdict(model.error_linear),
        "sinh": asdict(model.error),
        "errors": dict(model.errors),
        "parameters": _parameters(model.parameters),
    }


def accuracy_row(name: str, result: ChipAccuracy, note: str) -> dict[str, Any]:
    """One line of the accuracy table: a single chip has a test set's error alone, several have the chips' as well."""
    if len(result.chips) == 1:
        one = accuracy_of(result.correct[0])
        low, high, kind = one.low, one.high, "binomial"
    else:
        (low, high), kind = result.interval(), "chip-to-chip"
    return {"name": name, "accuracy": result.mean, "interval": [low, high], "kind": kind, "note": note}


def cosimulation_summary(found: Cosimulation, labels: list[int]) -> dict[str, Any]:
    """What the report says of SPICE in the loop."""
    steps, gates, images, _ = found.spice.shape
    equal = found.spice == found.model
    whole = found.agreement
    return {
        "images": [
            {
                "index": n,
                "label": labels[n],
                "spice": int(found.spice_classes[n]),
                "behavioural": int(found.model_classes[n]),
            }
            for n in range(images)
        ],
        "conversions": whole.conversions,
        "equal": whole.equal,
        "interval": list(found.interval()),
        "within_one": whole.within_one,
        "largest": whole.largest,
        "per_step": [
            {
                "step": step + 1,
                "gate": GATES[gate],
                "equal": float(equal[step, gate].mean()),
                "conversions": equal[step, gate].size,
            }
            for step in range(steps)
            for gate in range(gates)
        ],
        "pairs": found.pairs(),
        "decks": len(found.decks),
        "undecided": int(found.undecided),
        "seconds_per_vector": found.seconds / (steps * gates * images),
    }


def _parameters(parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    return {
        name: {
            "value": each.value,
            "unit": each.unit,
            "interval": None if each.low is None else [each.low, each.high],
            "description": each.description,
        }
        for name, each in parameters.items()
    }
