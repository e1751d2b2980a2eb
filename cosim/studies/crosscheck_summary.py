"""What a cross-check found, as plain numbers ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cosim.studies.crosscheck import Contribution, WholeExamples
from cosim.studies.layer_check import LayerCheck
from cosim.studies.model_form import Components, bit_lines_of, residual_components, shares_interval
from cosim.studies.part_check import PartCheck
from cosim.studies.scores import Estimate
from cosim.studies.tile_agreement import joined
from cosim.tiles.model_error import ModelFormError

GOAL = 0.99  # share of equal codes; and none further off than 1 LSB


def summary_of(check: LayerCheck, seed: int = 0) -> dict[str, Any]:
    """Codes, residuals and decks of a layer: all of it, and part by part.

    `interval` is Wilson's, as if codes were independent; `interval_bit_lines` that of the bootstrap over bit lines.
    Residuals are ngspice less model.
    """
    by_part: dict[str, list[PartCheck]] = {}
    for each in check.parts:
        by_part.setdefault(each.name, []).append(each)
    whole = _of_parts(check.parts, seed)
    keys = [key for each in check.parts for key in each.decks]
    return {
        "layer": check.layer,
        **whole,
        "goal": f"at least {GOAL:.0%} of codes equal, all within 1 LSB",
        "holds": bool(whole["equal"] >= GOAL and whole["largest"] <= 1),
        "parts": [
            {"matrix": of_part[0].matrix, "part": of_part[0].part, "function": of_part[0].function}
            | _of_parts(of_part, seed)
            for of_part in by_part.values()
        ],
        "decks": {"run": check.decks_run, "known": check.decks_known, "keys": sorted(set(keys))},
    }


def _of_parts(parts: Sequence[PartCheck], seed: int) -> dict[str, Any]:
    found = joined([each.comparison for each in parts])
    mac, threshold = residual_components(parts, seed)
    given_mac = np.concatenate([each.given_mac.ravel() for each in parts])
    differ = found.spice != found.model
    in_lsb = np.concatenate([each.threshold_lsb.ravel() for each in parts])
    return {
        "chips": len({each.chip for each in parts}),
        "bit_lines": sum(each.bit_lines for each in parts),
        "conversions": found.agreement.conversions,
        "equal": found.agreement.equal,
        "interval": list(found.interval),
        "interval_bit_lines": list(shares_interval(bit_lines_of(parts, "equal"), seed)),
        "within_one": found.agreement.within_one,
        "largest": found.agreement.largest,
        "undecided": found.undecided,
        "expected_difference": found.expected_difference,
        "differing": {
            "codes": int(differ.sum()),
            "by_thresholds_alone": int((given_mac != found.spice).sum()),
            "largest_distance_lsb": float(found.differing_distance.max(initial=0.0)),
        },
        "mac": _residuals(mac, found.mac_error),
        "threshold": _residuals(threshold, in_lsb),
    }


def _residuals(components: Components | None, in_lsb: Any) -> dict[str, Any] | None:
    """In volts by static and changing part, and their size in LSB."""
    if components is None:
        return None
    sizes = np.abs(in_lsb[np.isfinite(in_lsb)])
    return {
        "unit": "V",
        "mean": components.mean,
        "static": components.static,
        "changing": components.changing,
        "intervals": {name: list(each) for name, each in components.intervals.items()},
        "residuals": components.residuals,
        "rms": components.rms,
        "largest": components.largest,
        "rms_lsb": float(np.sqrt((sizes**2).mean())),
        "largest_lsb": float(sizes.max()),
    }


def accuracy_of(error: ModelFormError, contributions: Mapping[str, Contribution]) -> dict[str, Any]:
    """Scores without the error and with it in the layer and in the whole network, differences paired."""
    without = next(iter(contributions.values())).without
    return {
        "metric": without.metric,
        "chips": without.values.shape[0],
        "examples": without.values.shape[1],
        "without": estimate_of(without.estimate()),
        "injected": {
            name: {"score": estimate_of(each.injected.estimate()), "difference": estimate_of(each.difference)}
            for name, each in contributions.items()
        },
        "model_form_error": {"unit": "V", **error.numbers, "provenance": dict(error.provenance)},
    }


def estimate_of(estimate: Estimate) -> dict[str, Any]:
    """Value, 95 % interval, standard errors; what is not known is None."""
    parts = {"chips": estimate.chips, "examples": estimate.examples}
    return {
        "value": estimate.value,
        "interval": [estimate.low, estimate.high],
        "standard_errors": {name: None if math.isnan(each) else each for name, each in parts.items()},
    }


def whole_of(found: WholeExamples) -> dict[str, Any]:
    """Scores of whole examples both ways, and how far their outputs are apart."""
    return {
        "examples": len(found.scores_spice),
        "spice": float(found.scores_spice.mean()),
        "model": float(found.scores_model.mean()),
        "same_score": int((found.scores_spice == found.scores_model).sum()),
        "largest_output_difference": float(np.abs(found.spice - found.model).max()),
        "largest_output": float(np.abs(found.model).max()),
    }
