"""`cosim train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from cosim.commands.common import check_writable, interval, out, print_json
from cosim.errors import CosimError, did_you_mean

DIGITS = "digits_lstm"


def train(
    network: str,
    seed: int,
    epochs: int | None,
    output: Path,
    of_digits: Mapping[str, Any],
    of_references: Mapping[str, Any],
    as_json: bool,
) -> None:
    """`cosim train NETWORK`.

    `of_digits`: form, bits, w_max, weight_noise; `of_references`: device, minutes, settings, fast. What was not given
    is None, empty or False; an option of the other kind of network is an error.
    """
    from cosim.training.references import NETWORKS

    known = [DIGITS, *NETWORKS]
    if network not in known:
        raise CosimError(f"unknown network.{did_you_mean(network, known)}", value=network, allowed=known)
    strange = of_references if network == DIGITS else of_digits
    for name, value in strange.items():
        if value is not None and value is not False and value != {}:
            option = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
            raise CosimError(f"{network} takes no such option", key=option, value=value)
    if network == DIGITS:
        _train_digits(seed, epochs, output, of_digits, as_json)
    else:
        _train_reference(network, seed, epochs, output, of_references, as_json)


def _train_digits(seed: int, epochs: int | None, output: Path, options: Mapping[str, Any], as_json: bool) -> None:
    from cosim.studies.statistics import paired_difference_of_counts
    from cosim.training.digits_lstm import train_command

    given = {"epochs": epochs, "w_max": options["w_max"], "weight_noise": options["weight_noise"]}
    report = train_command(
        cast(Any, options["form"] or "both"),  # checked there, with the error a user should see
        5 if options["bits"] is None else options["bits"],
        seed,
        output,
        label=None if as_json else "training",
        **{name: value for name, value in given.items() if value is not None},
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


def _train_reference(
    network: str, seed: int, epochs: int | None, output: Path, options: Mapping[str, Any], as_json: bool
) -> None:
    from cosim.training.references import train_reference

    check_writable(output, folder=True)

    def told(row: Mapping[str, float]) -> None:
        if not as_json:
            out.print(", ".join(f"{name} {value:.4g}" for name, value in row.items()))

    report = train_reference(
        network,
        output,
        seed=seed,
        device=options["device"],
        epochs=epochs,
        minutes=options["minutes"],
        settings=options["settings"],
        deterministic=not options["fast"],
        label=None if as_json else "training",
        told=told,
    )
    if as_json:
        print_json(report)
        return
    for precision, file in report["files"].items():
        value = report[precision]
        measured = "a trial, test part unseen" if value is None else f"{report['metric']} {value:.4f}"
        out.print(f"{precision}: {measured}; wrote {file}")
    if "validation_accuracy" in report:
        out.print(f"validation: accuracy {report['validation_accuracy']:.4f}")
