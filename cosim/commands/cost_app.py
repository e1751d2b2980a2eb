"""The command line of `cosim cost`: parse, call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]

app = typer.Typer(help="Energy, latency and area of a network on the hardware.", no_args_is_help=True)


CostNetwork = Annotated[
    str, typer.Argument(help="digits_lstm, har_lstm, fsdd_lstm, ptb_char_lstm or cifar10_resnet32.")
]
CostTile = Annotated[Path | None, typer.Option(help="TOML file of the tile; default: 128 x 128 weights.")]
CostSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A setting of the tile (adc.bits=8, inputs=64) or of the account (processors=16, cycles=4,"
        " sar_share=1, word_bits, amplifier_current); may be repeated.",
    ),
]
CostNode = Annotated[
    int | None, typer.Option(help="Node of digital parts and of the SAR's fits [nm]; default: the process's.")
]
CostInputs = Annotated[
    str, typer.Option(help="data: of the network's data set; drawn: at random, for machines without it.")
]
CostSeed = Annotated[int, typer.Option(help="Seed of the sample of inputs.")]


@app.command("explain")
def explain_cost(
    network: CostNetwork,
    hardware: CostTile = None,
    settings: CostSettings = None,
    yardstick: Annotated[
        str | None, typer.Option(help="Converter: nl-ramp (default), or ramp, sar with digital activations.")
    ] = None,
    node: CostNode = None,
    inputs: CostInputs = "data",
    depth: Annotated[int | None, typer.Option(help="Levels of the trees to print; default: all.")] = None,
    notes: Annotated[bool, typer.Option(help="Formula and source beside each term.")] = True,
    seed: CostSeed = 0,
    as_json: AsJson = False,
) -> None:
    """Unfold energy, latency and area of an inference to their terms; see docs/costs.md."""
    from cosim.commands import cost as command
    from cosim.commands.common import pairs

    chosen = dict(pairs(settings, "--set"))
    command.explain(command.Request(network, hardware, chosen, yardstick, node, inputs, depth, notes, seed, as_json))


@app.command("compare")
def compare_cost(
    network: CostNetwork,
    hardware: CostTile = None,
    settings: CostSettings = None,
    node: CostNode = None,
    inputs: CostInputs = "data",
    seed: CostSeed = 0,
    as_json: AsJson = False,
) -> None:
    """The same network with the ramp ADC that gives activations, an ordinary ramp ADC and SAR ADCs."""
    from cosim.commands import cost as command
    from cosim.commands.common import pairs

    chosen = dict(pairs(settings, "--set"))
    command.compare(command.Request(network, hardware, chosen, None, node, inputs, None, False, seed, as_json))
