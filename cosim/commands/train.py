"""`cosim train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from cosim.commands.common import interval, out, print_json
from cosim.errors import CosimError, did_you_mean


def train(
    network: str, form: str, bits: int, seed: int, output: Path, options: Mapping[str, Any], as_json: bool
) -> None:
    """`cosim train NETWORK`; `options` are those of the recipe that were given (epochs, w_max, weight_noise)."""
    known = ["digits_lstm"]
    if network not in known:
        raise CosimError(f"unknown network.{did_you_mean(network, known)}", value=network, allowed=known)
    from cosim.studies.statistics import paired_difference_of_counts
    from cosim.training.digits_lstm import train_command

    report = train_command(
        cast(Any, form),  # checked there, with the error a user should see
        bits,
        seed,
        output,
        label=None if as_json else "training",
        **options,
    )
    if "paired" in report:
        pair = paired_difference_of_counts(**report["paired"])
        report["paired"] = {**report["paired"], "difference": pair.value, "interval": [pair.low, pair.high]}
    if as_json:
        print_json(report)
        return
    for each, file in report["files"].items():
        out.print(f"{each}: wrote {file}")
        for name, value in report[each].items():
            out.print(f"  {name}: {value}")
    if "paired" in report:
        pair = report["paired"]
        out.print(f"float minus qat on the same images: {pair['difference']:+.2%} {interval(pair['interval'])}")
