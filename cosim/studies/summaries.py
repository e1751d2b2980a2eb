"""What `results.json` and the report say of each part of a run: plain numbers, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.dataset import config_of, deck_hashes, failed_points
from cosim.blocks.model import Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.fitting import compare
from cosim.blocks.ramp_adc.functions import ActivationFunction, output_error
from cosim.networks.weights import GATES
from cosim.studies.accuracy import Rung
from cosim.studies.cosimulation import Cosimulation
from cosim.studies.scores import Scores


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
        "v_read_chips": v_read_shifts_of_chips(data, model.config.v_read),
        "inl": {"mean_of_maxima": float(maxima.mean()), "chips": len(maxima)},
        "energy": {
            "comparator": model.value("comparator_energy"),
            "ramp": model.value("ramp_energy"),
            "note": "from the supply current of the comparators in ngspice, without their bias generator, and from the"
            " currents of the column's cells; drivers are ideal sources and the integrators' amplifier is a"
            " macro-model, so what these take is not included",
        },
        "samples": int(data.sizes["sample"]),
        "failed": failed_points(data),
        "decks": len(deck_hashes(data)),
    }


def _activation(config: Mapping[str, Any]) -> ActivationFunction:
    """The activation of a data set's configuration, which also holds more than settings."""
    return RampAdcConfig(
        **{key: value for key, value in config.items() if key in RampAdcConfig.model_fields}
    ).activation


def v_read_shifts(data: xr.Dataset, nominal_v_read: float) -> list[dict[str, Any]]:
    """Largest change of the nominal chip's INL against the nominal read voltage, with either ramp.

    `shift` is in LSB of the converter's own code: for the fixed ramp, which is a linear converter, in its equal
    steps. `shift_output` is in LSB of the activation for both.
    """
    config = config_of(data)
    function = _activation(config)
    shifts = []
    for ramp in ("column", "fixed"):
        rows = np.flatnonzero((data["ramp"].values == ramp) & (data["chip"].values == -1))
        base = next(row for row in rows if np.isclose(data["v_read"].values[row], nominal_v_read))
        for row in rows:
            own = data["inl"].values[row] - data["inl"].values[base]
            output = [
                output_error(function, config["bits"], data["threshold_mac"].values[each]) for each in (row, base)
            ]
            shifts.append(
                {
                    "ramp": ramp,
                    "v_read": float(data["v_read"].values[row]),
                    "shift": float(np.abs(own).max()),
                    "shift_output": float(np.abs(output[0] - output[1]).max()),
                }
            )
    return sorted(shifts, key=lambda each: (each["ramp"], each["v_read"]))


def v_read_shifts_of_chips(data: xr.Dataset, nominal_v_read: float) -> list[dict[str, Any]]:
    """The same for chips with mismatch: as simulated, and with the comparator's own offset taken off.

    V_read cancels between MAC and ramp. A comparator's offset does not: it stays the same voltage while the unit of
    the MAC result changes, so it moves the thresholds by V_os (1 / alpha' - 1 / alpha).
    """
    config = config_of(data)
    function = _activation(config)
    chip, v_read = data["chip"].values, data["v_read"].values
    column = (data["ramp"].values == "column") & (chip >= 0)
    offset_in_units = data["comparator_offset"].values / data["gain"].values
    shifts = []
    for row in np.flatnonzero(column & ~np.isclose(v_read, nominal_v_read)):
        base = np.flatnonzero(column & (chip == chip[row]) & np.isclose(v_read, nominal_v_read))[0]
        x = data["threshold_mac"].values
        whole, ramp = (
            [output_error(function, config["bits"], x[each] - take * offset_in_units[each]) for each in (row, base)]
            for take in (0.0, 1.0)
        )
        shifts.append(
            {
                "chip": int(chip[row]),
                "v_read": float(v_read[row]),
                "offset": float(data["comparator_offset"].values[row]),
                "shift": float(np.abs(whole[0] - whole[1]).max()),
                "shift_without_offset": float(np.abs(ramp[0] - ramp[1]).max()),
            }
        )
    return sorted(shifts, key=lambda each: (each["chip"], each["v_read"]))


def tile_v_read_summary(
    v_reads: Sequence[float], mac: NDArray[np.float64], codes: NDArray[np.int64], nominal: int
) -> dict[str, Any]:
    """A whole tile in ngspice at several read voltages, shapes (v_reads, batch, outputs); `nominal` is the index."""
    return {
        "conversions": int(codes[0].size),
        "rows": [
            {
                "v_read": float(v_read),
                "mac_change": float(np.abs(mac[number] - mac[nominal]).max()),
                "codes_changed": int((codes[number] != codes[nominal]).sum()),
                "largest_change": int(np.abs(codes[number] - codes[nominal]).max()),
            }
            for number, v_read in enumerate(v_reads)
        ],
        "largest_mac": float(np.abs(mac[nominal]).max()),
    }


def crossbar_summary(model: CrossbarModel) -> dict[str, Any]:
    """What the report says of the crossbar."""
    return {
        "linear": asdict(model.error_linear),
        "sinh": asdict(model.error),
        "errors": dict(model.parts),
        "parameters": _parameters(model.parameters),
    }


def accuracy_row(name: str, scores: Scores, note: str) -> dict[str, Any]:
    """One line of the accuracy table: a single chip has a test set's error alone, several have the chips' as well."""
    found, kind = scores.estimate(), "binomial" if len(scores.chips) == 1 else "chips and images"
    return {"name": name, "accuracy": found.value, "interval": [found.low, found.high], "kind": kind, "note": note}


def rung_row(rung: Rung, label: str) -> dict[str, Any]:
    """One line of the ladder."""
    found = rung.scores.estimate()
    return {
        "name": rung.name,
        "label": label,
        "accuracy": found.value,
        "spread": rung.scores.spread,
        "interval": [found.low, found.high],
        "cost": rung.cost.value,
        "cost_interval": [rung.cost.low, rung.cost.high],
    }


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
